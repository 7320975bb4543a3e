"""A request becomes facts: what the set knows is added, what nobody sent stays absent."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from acrux.domain.facts import BUILT_IN_FACTS, FactType
from acrux.policy.facts import FactBuilder, Whereabouts, attribute_value, default_provider
from acrux.policy.load import check_files
from acrux.policy.request import RequestInvalid, request_from_json, supposed_from_json

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
SET = """
version: acrux/v1
ladder: [basic, mfa]
providers:
  corp: {issuer: https://login.example.com, acr: {mfa: gold}}
  partner: {issuer: https://partner.example.com, acr: {mfa: platinum}}
clients:
  jira: {provider: corp, client_id: jira-sso, tags: [wiki, atlassian, wiki]}
  confluence: {provider: corp}
  east: {provider: corp, client_id: shared}
  west: {provider: partner, client_id: shared}
networks:
  office: {cidrs: [203.0.113.0/24], trusted: true}
  building-7: {cidrs: [203.0.113.128/25, 2001:db8::/32]}
attributes:
  score: {type: double}
  seats: {type: int}
  vip: {type: bool, default: false}
  note: {type: string}
  since: {type: timestamp}
  labels: {type: list(string), default: [none]}
defaults: {unregistered_client: mfa, provider: partner}
"""


def policy_of(text):
    """The checked policy of one file."""
    checked = check_files({"set.yaml": text.encode()}, now=None)
    assert checked.policy is not None, checked.diagnostics
    return checked.policy


POLICY = policy_of(SET)
BUILDER = FactBuilder(POLICY)


def build(now=NOW, **request):
    return BUILDER.build(request_from_json({"client": "jira", **request}), now)


def values(**request):
    return build(**request).facts.values


def refused(**request):
    with pytest.raises(RequestInvalid) as caught:
        build(**request)
    return [(error.pointer, error.message) for error in caught.value.errors]


def test_the_least_request():
    """What is always present is there with its defaults; everything else is absent."""
    assert values() == {
        "client.id": "jira",
        "client.tags": ("atlassian", "wiki"),
        "client.registered": True,
        "app.id": "",
        "network.ip": "",
        "network.zones": ("unknown",),
        "network.trusted": False,
        "request.time": NOW,
        "request.acr_values": (),
        "request.scopes": (),
        "request.prompt": "",
        "attr.vip": False,
        "attr.labels": ("none",),
        "known": (
            "app.id",
            "attr.labels",
            "attr.vip",
            "client.id",
            "client.registered",
            "client.tags",
            "network.ip",
            "network.trusted",
            "network.zones",
            "request.acr_values",
            "request.prompt",
            "request.scopes",
            "request.time",
        ),
    }


def test_facts_that_are_always_present_are_those_declared_so():
    """A fact that the language says is never absent is there for the least request, and no other is."""
    present = {name for name in values() if not name.startswith("attr.")}
    assert present == {name for name, fact in BUILT_IN_FACTS.items() if not fact.may_be_absent}


def test_everything_that_is_sent_is_a_fact():
    """Each field of a request is the fact that the language's table names, in its type."""
    found = values(
        app={"id": "mobile"},
        user={"id": "eve", "domain": "example.com", "groups": ["a", "b"]},
        browser={"id": "b1"},
        device={"managed": True, "platform": "ios", "user_agent": "Mozilla"},
        session={"level": "basic", "age_seconds": 90},
        request={"acr_values": ["x"], "scopes": ["openid"], "prompt": "login", "max_age": 60},
    )
    sent = {
        "app.id": "mobile",
        "user.id": "eve",
        "user.domain": "example.com",
        "user.groups": ("a", "b"),
        "browser.id": "b1",
        "device.managed": True,
        "device.platform": "ios",
        "device.user_agent": "Mozilla",
        "session.level": "basic",
        "session.age": timedelta(seconds=90),
        "request.acr_values": ("x",),
        "request.scopes": ("openid",),
        "request.prompt": "login",
        "request.max_age": 60,
    }
    assert {name: found[name] for name in sent} == sent
    assert set(sent) <= set(found["known"])


@pytest.mark.parametrize("sent", ["jira", "jira-sso"])
def test_callers_may_send_the_name_or_the_client_id(sent):
    """Rules see the client's name, whichever of the two was sent."""
    built = BUILDER.build(request_from_json({"client": sent}), NOW)
    assert built.facts.values["client.id"] == "jira"
    assert built.client is POLICY.clients["jira"]
    assert built.provider is POLICY.providers["corp"]


def test_an_unregistered_client_is_as_it_was_sent():
    """A client that the set does not know has its id as sent, no tags, and logs in at the provider of the defaults."""
    built = BUILDER.build(request_from_json({"client": "wiki"}), NOW)
    assert built.client is None
    assert built.provider is POLICY.providers["partner"]
    assert built.facts.values["client.id"] == "wiki"
    assert built.facts.values["client.tags"] == ()
    assert built.facts.values["client.registered"] is False


def test_a_client_id_at_two_providers_is_ambiguous():
    """Where two providers know the same client_id, only the names may be sent."""
    with pytest.raises(RequestInvalid, match="two providers") as caught:
        BUILDER.build(request_from_json({"client": "shared"}), NOW)
    assert caught.value.errors[0].pointer == "/client/id"
    assert BUILDER.build(request_from_json({"client": "west"}), NOW).provider is POLICY.providers["partner"]


def test_the_only_provider_is_the_default():
    """With one provider nobody need name it; with none said of several there is none."""
    one = policy_of(
        "version: acrux/v1\nladder: [a, b]\nproviders: {corp: {issuer: https://login.example.com, acr: {b: x}}}\n"
    )
    assert default_provider(one) is one.providers["corp"]
    assert default_provider(POLICY) is POLICY.providers["partner"]


@pytest.mark.parametrize(
    ("ip", "normal", "zones", "trusted"),
    [
        ("203.0.113.5", "203.0.113.5", ("office",), True),
        ("::ffff:203.0.113.200", "203.0.113.200", ("building-7", "office"), True),
        ("[2001:DB8::1]:443", "2001:db8::1", ("building-7",), False),
        ("198.51.100.1", "198.51.100.1", (), False),
        ("nonsense", "", ("unknown",), False),
        ("", "", ("unknown",), False),
    ],
)
def test_zones_follow_from_the_address(ip, normal, zones, trusted):
    """Every network that holds the address, sorted; none is no zone; no address is `unknown`."""
    found = values(network={"ip": ip})
    assert (found["network.ip"], found["network.zones"], found["network.trusted"]) == (normal, zones, trusted)
    assert BUILDER.zones_of(ip).names == zones


class Atlas:
    """A geography of one country, and a damaged part."""

    def whereabouts_of(self, ip):
        if ip.startswith("203.0.113."):
            return Whereabouts(None, None)
        return Whereabouts("FR", 64_500) if ip.startswith("198.51.100.") else Whereabouts("ZZ", 0)


def test_geography_is_known_only_with_a_file():
    """Country and AS are absent without a file; with one they are `ZZ` and 0 for what it does not know.

    It knows no address that is missing or unreadable either: were the facts absent there, leaving the address out
    would switch off every rule that guards them with `in known`.
    """
    builder = FactBuilder(POLICY, Atlas())

    def place(**network):
        facts = builder.build(supposed_from_json({"client": "jira", "network": network}), NOW).facts.values
        present = {name for name in ("network.country", "network.asn") if name in facts}
        assert present == {name for name in facts["known"] if name in {"network.country", "network.asn"}}
        return facts.get("network.country"), facts.get("network.asn")

    assert place(ip="[::ffff:198.51.100.1]:443") == ("FR", 64_500)
    assert place(ip="192.0.2.1") == ("ZZ", 0)
    assert place() == place(ip="") == place(ip="nonsense") == ("ZZ", 0)
    assert place(ip="203.0.113.1") == (None, None)
    assert "network.country" not in values(network={"ip": "198.51.100.1"})


def test_a_what_if_says_country_and_as_itself():
    """What a test or a what-if says wins over the files, each fact by itself, and needs none; no caller can say it."""
    asked = supposed_from_json({"client": "jira", "network": {"ip": "198.51.100.1", "country": "NO"}})
    with_files, without = (
        FactBuilder(POLICY, geography).build(asked, NOW).facts.values for geography in (Atlas(), None)
    )
    assert (with_files["network.country"], with_files["network.asn"]) == ("NO", 64_500)
    assert without["network.country"] == "NO"
    assert "network.asn" not in without
    with pytest.raises(RequestInvalid, match="unknown field"):
        request_from_json({"client": "jira", "network": {"country": "NO"}})


def test_attributes_have_their_declared_types():
    """An integer will do for a double, a text in RFC 3339 for a timestamp; lists are tuples."""
    found = values(
        attributes={
            "score": 3,
            "seats": 4,
            "vip": True,
            "note": "x",
            "since": "2026-01-01T01:00:00+01:00",
            "labels": ["a"],
        }
    )
    assert found["attr.score"] == 3.0
    assert type(found["attr.score"]) is float
    assert found["attr.seats"] == 4
    assert found["attr.vip"] is True
    assert found["attr.note"] == "x"
    assert found["attr.since"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert found["attr.labels"] == ("a",)


@pytest.mark.parametrize(
    ("name", "sent", "message"),
    [
        ("score", "12", "expected a number, as the policy set declares it"),
        ("score", True, "expected a number, as the policy set declares it"),
        ("seats", 1.5, "expected an integer, as the policy set declares it"),
        ("seats", True, "expected an integer, as the policy set declares it"),
        ("vip", 1, "expected true or false, as the policy set declares it"),
        ("note", ["x"], "expected a string, as the policy set declares it"),
        ("labels", "x", "expected a list of strings, as the policy set declares it"),
        ("since", 5, "expected an RFC 3339 timestamp, as the policy set declares it"),
        ("since", "yesterday", "expected an RFC 3339 timestamp with its zone"),
    ],
)
def test_an_attribute_of_another_type_is_refused(name, sent, message):
    """A value of the wrong type is refused at its place; nothing is coerced."""
    assert refused(attributes={name: sent}) == [(f"/attributes/{name}", message)]


def test_integers_are_64_bits():
    """What CEL's integers can't hold is no integer."""
    with pytest.raises(ValueError, match="64 bits"):
        attribute_value(2**63, FactType.INT)
    assert attribute_value(-(2**63), FactType.INT) == -(2**63)


def test_undeclared_attributes_are_ignored_and_counted():
    """An older policy survives a newer caller: what it does not declare it does not see, and says how much that was."""
    built = build(attributes={"brand_new": 1, "other": 2, "seats": 3})
    assert built.ignored_attributes == 2
    assert not [name for name in built.facts.values if "new" in name]


def test_a_level_of_another_ladder_is_absent():
    """A session may be older than the ladder: a level that this one does not have is no level, and counted."""
    built = build(session={"level": "gone", "age_seconds": 5})
    assert "session.level" not in built.facts.values
    assert "session.level" not in built.facts.values["known"]
    assert built.facts.values["session.age"] == timedelta(seconds=5)
    assert built.ignored_attributes == 1


def test_time_is_utc():
    """`request.time` is the time handed in, in UTC; no clock is read."""
    there = datetime(2026, 11, 24, 10, tzinfo=timezone(timedelta(hours=1)))
    assert build(now=there).facts.values["request.time"] == NOW
    assert build(now=there).facts.values["request.time"].tzinfo is UTC


def test_claims_travel_beside_the_facts():
    """The relying party's own `claims` are kept for the asking; no rule sees them."""
    claims = {"id_token": {"acr": None}}
    assert build(request={"claims": claims}).facts.requested_claims == claims
    assert build().facts.requested_claims is None
