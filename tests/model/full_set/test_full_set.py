"""One set with every feature of policy-language.md: its own tests hold on both engines, and what tests can't say."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from acrux.analysis.cross_check import cross_check
from acrux.analysis.loading import load_policy
from acrux.domain.asking import UnmappedRequestedAcr
from acrux.engine import explanation_to_json
from acrux.policy.load import check_files, read_directory
from acrux.policy.request import RequestInvalid, request_from_json

POLICIES = Path(__file__).parent / "policies"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
OUTAGE = datetime(2026, 11, 23, 11, tzinfo=UTC)


@pytest.fixture(scope="module", params=["google", "celpy"])
def loaded(request):
    """The set, with its tests run and its invariants sampled, on each engine."""
    return load_policy(read_directory(POLICIES), request.param)


def decide(loaded, body, now=NOW):
    """The answer on a decide request."""
    return explain(loaded, body, now)["decision"]


def explain(loaded, body, now=NOW):
    built = loaded.decider.compiled.builder.build(request_from_json(body), now)
    return explanation_to_json(loaded.decider.explain(built, now))


def facts(loaded, body, now=NOW):
    """The facts as rules see them."""
    return loaded.decider.compiled.builder.build(request_from_json(body), now).facts.values


def traces(loaded, body, now=NOW):
    return {rule["id"]: rule for rule in explain(loaded, body, now)["rules"]}


def test_its_own_tests_hold(loaded):
    """Every expectation of the set's tests, each derived by hand, comes true; a set with a broken one is refused."""
    assert len(loaded.cases) > 110
    assert all(case.passed for case in loaded.cases)


def test_it_has_no_error_and_only_the_meant_warnings():
    """`check` finds the unguarded facts, the negation and the unused network that are meant, and nothing else."""
    found = {(one.code, one.span.file) for one in check_files(read_directory(POLICIES), now=NOW).diagnostics}
    assert found == {
        ("ACX0602", "rules/applications.yaml"),
        ("ACX0602", "rules/people.yaml"),
        ("ACX0603", "rules/applications.yaml"),
        ("ACX0610", "organisation.yaml"),
    }


def test_both_engines_decide_alike():
    """Every test, and samples for every invariant, come to the same answer on both engines."""
    assert cross_check(load_policy(read_directory(POLICIES)).decider) == ()


ANSWERS = [
    (
        "acr_values, and what to accept",
        {"client": "jira"},
        {"acr_values": "urn:example:loa:2", "max_age": "28800"},
        {
            "claim": "acr",
            "values": ["urn:example:loa:2", "otp-hw", "hwk", "urn:example:loa:3", "phr"],
            "max_age_seconds": 28800,
        },
    ),
    ("nothing at the lowest level", {"client": "crm"}, {}, {"claim": "acrs", "values": [], "max_age_seconds": None}),
    ("nothing for a refusal", {"client": "payroll"}, {}, None),
    (
        "an essential claim, merged into the caller's",
        {
            "client": "shop",
            "request": {
                "acr_values": ["silver", "gold"],
                "claims": {"userinfo": {"email": None}, "id_token": {"nonce": None}},
            },
        },
        {
            "acr_values": "",
            "claims": {
                "userinfo": {"email": None},
                "id_token": {"nonce": None, "acr": {"essential": True, "values": ["platinum"]}},
            },
            "max_age": "3600",
        },
        {"claim": "acr", "values": ["platinum", "diamond"], "max_age_seconds": 3600},
    ),
    (
        "the caller's own acr claim is replaced",
        {"client": "shop", "request": {"claims": {"id_token": {"acr": {"values": ["gold", "diamond"]}}}}},
        {"claims": {"id_token": {"acr": {"essential": True, "values": ["diamond"]}}}, "max_age": "3600"},
        {"claim": "acr", "values": ["platinum", "diamond"], "max_age_seconds": 3600},
    ),
    (
        "Entra's acrs, one value",
        {"client": "crm", "request": {"claims": {"id_token": {"acrs": {"essential": True, "value": "c2"}}}}},
        {"claims": {"id_token": {"acrs": {"essential": True, "value": "c2"}}}, "max_age": "3600"},
        {"claim": "acrs", "values": ["c2", "c3"], "max_age_seconds": 3600},
    ),
    (
        "claims become acr_values, the one form of the provider",
        {"client": "intranet", "request": {"claims": {"id_token": {"acr": {"value": "hwk"}, "email": None}}}},
        {"acr_values": "hwk", "claims": {"id_token": {"email": None}}, "max_age": "3600"},
        {"claim": "acr", "values": ["otp-hw", "hwk", "urn:example:loa:3", "phr"], "max_age_seconds": 3600},
    ),
    (
        "with the outcome `baseline` the request stays as it was",
        {"client": "intranet", "request": {"acr_values": ["gold-plated", "pwd"]}},
        {},
        {"claim": "acr", "values": [], "max_age_seconds": None},
    ),
]


@pytest.mark.parametrize(
    ("body", "params", "accept"), [case[1:] for case in ANSWERS], ids=[case[0] for case in ANSWERS]
)
def test_level_becomes_request(loaded, body, params, accept):
    """The parameters are in the provider's one form; accepted are the words of the level and of every higher one."""
    answer = decide(loaded, body)
    sent = dict(answer["authorization_params"])
    if "claims" in sent:
        sent["claims"] = json.loads(sent["claims"])
    assert (sent, answer["accept"]) == (params, accept)


def test_an_unmapped_value_is_refused_where_it_would_be_replaced(loaded):
    """`refuse` is the default, and it is about requests that change only: not about a baseline or a refusal."""
    with pytest.raises(UnmappedRequestedAcr) as refused:
        decide(loaded, {"client": "jira", "request": {"acr_values": ["phr", "gold-plated"]}})
    assert refused.value.values == ("gold-plated",)
    assert decide(loaded, {"client": "intranet", "request": {"acr_values": ["gold-plated"]}})["outcome"] == "baseline"
    assert decide(loaded, {"client": "payroll", "request": {"acr_values": ["gold-plated"]}})["outcome"] == "deny"


def test_requested_level_is_what_the_map_knows(loaded):
    """`requested_level` is the lowest known, also below the decided one; null where nothing known was asked for."""
    for values, level in ((["phr", "hwk"], "hardware"), (["pwd"], "basic"), ([], None)):
        assert decide(loaded, {"client": "jira", "request": {"acr_values": values}})["requested_level"] == level


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"client": "shared"}, "/client/id"),
        ({"client": "jira", "attributes": {"seats": "5"}}, "/attributes/seats"),
        ({"client": "jira", "attributes": {"seats": 5.5}}, "/attributes/seats"),
        ({"client": "jira", "attributes": {"seats": True}}, "/attributes/seats"),
        ({"client": "jira", "attributes": {"vip": 1}}, "/attributes/vip"),
        ({"client": "jira", "attributes": {"vip": "true"}}, "/attributes/vip"),
        ({"client": "jira", "attributes": {"risk_score": "high"}}, "/attributes/risk_score"),
        ({"client": "jira", "attributes": {"region": 1}}, "/attributes/region"),
        ({"client": "jira", "attributes": {"roles": "staff"}}, "/attributes/roles"),
        ({"client": "jira", "attributes": {"roles": ["a", 1]}}, "/attributes/roles"),
        ({"client": "jira", "attributes": {"trained_at": "2026-01-01"}}, "/attributes/trained_at"),
        ({"client": "jira", "attributes": {"trained_at": 5}}, "/attributes/trained_at"),
    ],
)
def test_wrong_types_and_an_ambiguous_client_are_rejected(loaded, body, pointer):
    """A wrong type is rejected, and so is a client_id that two providers know; each at its field."""
    with pytest.raises(RequestInvalid) as invalid:
        decide(loaded, body)
    assert [error.pointer for error in invalid.value.errors] == [pointer]


def test_either_client_may_be_named_where_the_client_id_is_shared(loaded):
    """With one client_id at two providers the names still work, each at its own provider."""
    claims = [decide(loaded, {"client": name})["accept"]["claim"] for name in ("wiki", "portal")]
    assert claims == ["acr", "acrs"]


def test_undeclared_attributes_are_ignored_and_counted(loaded):
    """An older policy survives a newer caller."""
    body = {"client": "jira", "attributes": {"colour": "red", "shape": ["round"], "seats": 7}}
    built = loaded.decider.compiled.builder.build(request_from_json(body), NOW)
    assert built.ignored_attributes == 2
    assert built.facts.values["attr.seats"] == 7
    assert "attr.colour" not in built.facts.values["known"]


def test_facts_that_are_not_sent(loaded):
    """The table of facts: what is absent, and what has a value all the same."""
    values = facts(loaded, {"client": "nobody"})
    assert {name: values[name] for name in values if name not in {"known", "request.time"}} == {
        "client.id": "nobody",
        "client.tags": (),
        "client.registered": False,
        "app.id": "",
        "network.ip": "",
        "network.zones": ("unknown",),
        "network.trusted": False,
        "request.acr_values": (),
        "request.scopes": (),
        "request.prompt": "",
        "attr.seats": 5,
        "attr.vip": False,
        "attr.roles": ("staff",),
    }
    assert values["known"] == tuple(sorted(set(values) - {"known"}))


@pytest.mark.parametrize(
    ("sent", "ip", "zones", "trusted"),
    [
        ("203.0.113.1", "203.0.113.1", ("office",), True),
        ("203.0.113.129", "203.0.113.129", ("lab", "office"), True),
        ("2001:DB8:1:8::1%eth0", "2001:db8:1:8::1", ("office", "vpn"), True),
        ("64:ff9b::10.8.0.1", "10.8.0.1", ("vpn",), True),
        ("[::ffff:10.8.0.1]:8080", "10.8.0.1", ("vpn",), True),
        ("192.0.2.1", "192.0.2.1", (), False),
        ("2001:db8:2::1", "2001:db8:2::1", (), False),
        ("10.8.0.1, 192.0.2.1", "", ("unknown",), False),
        (" 10.8.0.1", "", ("unknown",), False),
        ("2001:db8:1:8::1:443:1:1:1", "", ("unknown",), False),
    ],
)
def test_addresses_are_normalised_and_zones_are_sorted(loaded, sent, ip, zones, trusted):
    """An address is what it means, not how it is written; what is none is in the zone `unknown`."""
    values = facts(loaded, {"client": "jira", "network": {"ip": sent}})
    assert (values["network.ip"], values["network.zones"], values["network.trusted"]) == (ip, zones, trusted)


def test_the_trace_says_why_of_every_rule(loaded):
    """Each rule of the set has its outcome, in the set's order, whether or not it can concern the client."""
    found = traces(loaded, {"client": "wiki", "browser": {"id": "a"}})
    assert len(found) == 17
    assert found["wiki-address"]["outcome"] == "errored"
    assert found["wiki-address"]["requires"] == "mfa"
    assert found["docs-hardware"]["outcome"] == "matched"
    assert found["docs-hardware"]["mode"] == "report"
    assert found["crm-quarter-end"]["outcome"] == "out"
    assert found["crm-frozen"]["outcome"] == "out"
    assert found["intranet-canary"]["outcome"] == "out"
    assert found["intranet-canary"]["bucket"] == 71
    assert found["atlassian-sso"]["outcome"] == "not_matched"
    assert all(rule["why"] for rule in found.values())


def test_the_trace_names_what_lowered_a_rule(loaded):
    """Exceptions and break-glass are shown where they applied, and only there."""
    envoy = {"client": "intranet", "attributes": {"region": "xx"}, "user": {"id": "envoy"}}
    embargo = traces(loaded, envoy)["embargo"]
    assert (embargo["requires"], embargo["break_glass"]) == ("hardware", None)
    assert [(clause["id"], clause["applied"]) for clause in embargo["exceptions"]] == [("delegation", True)]
    embargo = traces(loaded, envoy, OUTAGE)["embargo"]
    assert (embargo["requires"], embargo["break_glass"]) == ("mfa", "hardware-outage")
    refused = {"client": "intranet", "attributes": {"region": "xx"}}
    assert traces(loaded, refused, OUTAGE)["embargo"]["break_glass"] is None


def test_rules_of_an_answer_are_highest_first_and_then_by_id(loaded):
    """The order of `rules` says which rule decides."""
    body = {
        "client": "jira",
        "attributes": {"risk_score": 90, "vip": True},
        "user": {"groups": ["admins"]},
        "request": {"scopes": ["admin"]},
    }
    assert decide(loaded, body)["rules"] == ["admins", "risky-logins", "admin-scope", "vip", "atlassian-sso"]


def test_ceilings(loaded):
    """A ceiling is the highest that any enforced rule can demand at any time: here everybody may meet the embargo."""
    for client in ("jira", "intranet", "nobody"):
        assert loaded.decider.ceiling(client).level == "deny"
