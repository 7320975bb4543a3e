"""Hypothesis strategies for policy sets and requests, over the conditions that a candidate index looks at."""

from datetime import UTC, date, datetime, timedelta

from built_sets import NOON, break_glass, exception, rollout, rule
from hypothesis import strategies as st

from acrux.domain.request import DecideRequest
from acrux.policy.model import Window

ATOMS = [
    'client.id == "jira"',
    'client.id in ["jira", "elsewhere"]',
    'client.id != "intranet"',
    '"atlassian" in client.tags',
    '"wiki" in client.tags',
    'client.tags.exists(t, t == "wiki" || t == "atlassian")',
    "client.registered",
    'app.id == "mobile"',
    'app.id.startsWith("mob")',
    '"office" in network.zones',
    '"lab" in network.zones',
    'network.zones == ["unknown"]',
    "network.trusted",
    'user.id == "eve"',
    '"admins" in user.groups',
    "device.managed",
    '"device.managed" in known',
    '"user.id" in known',
    "attr.risk >= 80.0",
    "attr.vip",
    "true",
    "false",
]
conditions = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: (
        st.builds("({} && {})".format, inner, inner)
        | st.builds("({} || {})".format, inner, inner)
        | st.builds("!({})".format, inner)
        | st.builds("({} ? {} : {})".format, inner, inner, inner)
    ),
    max_leaves=4,
)
LEVELS = ["basic", "mfa", "phr"]
times = st.sampled_from(
    [
        NOON,
        datetime(2026, 6, 1, tzinfo=UTC),
        datetime(2026, 12, 31, 23, 59, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    ]
)
windows = st.sampled_from([Window()] * 3 + [Window(NOON, NOON + timedelta(days=30)), Window(None, NOON)])
rollouts = st.none() | st.builds(
    rollout, st.sampled_from([0, 25, 50, 100]), st.sampled_from(["browser.id", "user.id"]), absent_is_in=st.booleans()
)
exceptions = st.builds(
    exception,
    st.sampled_from(["one", "two"]),
    conditions,
    st.sampled_from(["basic", "mfa"]),
    st.sampled_from([date(2025, 12, 31), date(2026, 12, 31)]),
)


def rules(name):
    """A rule of that id."""
    return st.builds(
        lambda when, require, **more: rule(name, when, require, **more),
        conditions,
        st.sampled_from([*LEVELS, "deny"]),
        mode=st.sampled_from(["enforce", "enforce", "enforce", "report", "off"]),
        max_age_seconds=st.sampled_from([None, None, 60, 3600, 86400]),
        rollout=rollouts,
        active=windows,
        exceptions=st.lists(exceptions, max_size=2, unique_by=lambda clause: clause.id).map(tuple),
    )


rule_sets = st.integers(0, 4).flatmap(lambda count: st.tuples(*(rules(f"r{number}") for number in range(count))))
break_glasses = st.lists(
    st.builds(break_glass, st.sampled_from(["b1", "b2"]), conditions, st.sampled_from(["basic", "mfa"]), windows),
    max_size=2,
    unique_by=lambda entry: entry.id,
).map(tuple)
requests = st.builds(
    DecideRequest,
    client_id=st.sampled_from(["jira", "jira-sso", "confluence", "intranet", "elsewhere"]),
    app_id=st.sampled_from([None, "mobile", "web"]),
    network_ip=st.sampled_from([None, "203.0.113.1", "203.0.113.200", "198.51.100.9", "192.0.2.1"]),
    user_id=st.sampled_from([None, "eve", "bob"]),
    user_groups=st.sampled_from([None, (), ("admins",)]),
    browser_id=st.sampled_from([None, "one", "two", "three"]),
    device_managed=st.sampled_from([None, True, False]),
    acr_values=st.sampled_from([(), (), ("urn:2",), ("urn:3", "urn:2")]),
    max_age_seconds=st.sampled_from([None, None, 0, 600]),
    attributes=st.sampled_from([{}, {"risk": 80.0}, {"risk": 10.0, "vip": True}]),
)
