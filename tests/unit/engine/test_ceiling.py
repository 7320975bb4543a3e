"""Ceilings: the highest that a client's logins can come to."""

from datetime import timedelta

import pytest
from built_sets import NOON, break_glass, decider, exception, policy, rollout, rule

from acrux.domain.decision import Accept
from acrux.engine import Ceiling
from acrux.policy.model import Defaults, Provider, Window

JIRA = 'client.id == "jira"'


def test_the_default_where_no_rule_can_concern_the_client():
    """Other clients' rules, rules in report mode and rules that are off do not count."""
    ready = decider([rule("a", JIRA, "phr"), rule("b", "true", "phr", mode="report"), rule("c", "true", mode="off")])
    assert ready.ceiling("intranet") == Ceiling("basic", {}, Accept("acr", (), None))
    assert ready.ceiling("nobody").level == "mfa"
    assert ready.ceiling("jira").level == "phr"
    assert ready.ceiling("jira") is ready.ceiling("jira")


@pytest.mark.parametrize(
    "condition",
    [
        '"atlassian" in client.tags && app.id == "m"',
        'client.id in ["jira", "x"] && user.id == "eve"',
        'app.id == "m"',
        '"office" in network.zones',
        "network.trusted",
        "client.registered && device.managed",
        'client.tags.exists(t, t.startsWith("atl"))',
    ],
)
def test_a_rule_counts_if_it_could_match(condition):
    """Whatever else the request would have to say."""
    assert decider([rule("r", condition, "phr")]).ceiling("jira").level == "phr"


@pytest.mark.parametrize(
    "condition",
    ["!client.registered", 'client.id != "jira" && user.id == "eve"', '!("atlassian" in client.tags)', "false"],
)
def test_a_rule_that_the_clients_name_and_tags_rule_out_does_not_count(condition):
    """A condition that is false for every request of the client can demand nothing of it."""
    assert decider([rule("r", f"network.trusted && {condition}", "phr")]).ceiling("jira").level == "basic"


def test_at_any_time_and_in_any_bucket():
    """Windows are not looked at, nor exceptions, nor break-glass; a rollout of nothing demands nothing."""
    past = Window(NOON - timedelta(days=9), NOON - timedelta(days=8))
    drawn = [rule("r", JIRA, "phr", active=past, rollout=rollout(1), exceptions=(exception("e", JIRA),))]
    assert decider(drawn, break_glass=(break_glass("b", JIRA),)).ceiling("jira").level == "phr"
    assert decider([rule("r", JIRA, rollout=rollout(0))]).ceiling("jira").level == "basic"
    assert decider([rule("r", JIRA, rollout=rollout(0, absent_is_in=True))]).ceiling("jira").level == "mfa"


def test_max_age_is_the_smallest_that_can_apply():
    """Of all rules that count, also those below the ceiling's level."""
    drawn = [rule("a", JIRA, "phr"), rule("b", "network.trusted", max_age_seconds=60)]
    ceiling = decider(drawn).ceiling("jira")
    assert ceiling.authorization_params == {"acr_values": "urn:3", "max_age": "60"}
    assert ceiling.accept == Accept("acr", ("urn:3", "phr"), 60)


def test_deny_is_a_ceiling_too():
    """Nothing to ask for and nothing to accept: the caller refuses."""
    assert decider([rule("r", JIRA, "deny")]).ceiling("jira") == Ceiling("deny", {}, None)


def test_what_can_not_be_asked_for_is_a_deny():
    """Without a provider, or without its word, a ceiling above the lowest level is a refusal."""
    ready = decider([rule("r", JIRA, "phr")], words={"mfa": ("urn:2",)})
    assert ready.ceiling("jira").level == "deny"
    corp = policy().providers["corp"]
    two = {"corp": corp, "other": Provider("other", "https://other.example.com", corp.profile, {})}
    assert decider(providers=two).ceiling("nobody").level == "deny"
    lowest = decider(providers=two, defaults=Defaults("basic", "basic", None)).ceiling("nobody")
    assert lowest == Ceiling("basic", {}, Accept("acr", (), None))
