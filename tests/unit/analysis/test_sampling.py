"""Invariants held against samples."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from built_sets import (
    NOON,
    break_glass,
    case,
    condition,
    decide,
    decider,
    exception,
    invariant,
    policy,
    rollout,
    rule,
)

from acrux.analysis.boundaries import OTHER, Boundaries
from acrux.analysis.given import given_to_json
from acrux.analysis.sampling import Sampler, sample_invariants, violation_to_json, with_fact
from acrux.domain.request import DecideRequest
from acrux.policy.model import Client, Defaults, Network, Provider, Window
from acrux.policy.request import supposed_from_json

JIRA = 'client.id == "jira"'
JIRA_TWO = invariant("two", JIRA, never_below="mfa")


def violations(rules, *invariants, **more):
    return sample_invariants(decider(rules, invariants=invariants, **more))


def test_an_invariant_that_holds_is_not_reported():
    """No invariants, or only true ones: nothing is found."""
    assert violations([rule("r", JIRA)]) == ()
    assert (
        violations([rule("r", JIRA)], JIRA_TWO, invariant("calm", 'client.id == "intranet"', never_above="mfa")) == ()
    )


@pytest.mark.parametrize(
    "broken",
    [
        rule("r", f'{JIRA} && !("office" in network.zones)'),
        rule("r", f"{JIRA} && !network.trusted"),
        rule("r", f'{JIRA} && app.id != "kiosk"'),
        rule("r", f"{JIRA} && attr.risk < 80.0"),
        rule("r", f'{JIRA} && !("device.managed" in known && device.managed)'),
        rule("r", f'{JIRA} && !("session.age" in known && session.age < duration("5m"))'),
        rule("r", f'{JIRA} && !("user.groups" in known && "admins" in user.groups)'),
        rule("r", f'{JIRA} && !("network.ip" in known && cidr("198.51.100.0/24").containsIP(network.ip))'),
        rule("r", f'{JIRA} && !("request.max_age" in known && request.max_age == 7)'),
        rule("r", f'{JIRA} && !("openid" in request.scopes)'),
        rule("r", f'{JIRA} && request.time < timestamp("2030-01-01T00:00:00Z")'),
        rule("r", f"{JIRA} && request.time.getHours() != 3"),
        rule("r", JIRA, rollout=rollout(99)),
        rule("r", JIRA, rollout=rollout(1, absent_is_in=True)),
        rule("r", JIRA, active=Window(None, NOON + timedelta(days=400))),
        rule("r", JIRA, exceptions=(exception("e", 'app.id == "kiosk"', expires=date(2031, 5, 5)),)),
        rule("r", f'{JIRA} && user.domain != "example.com" && app.id != "kiosk"'),
        rule("r", '"atlassian" in client.tags && !("wiki" in client.tags) && app.id != "kiosk"'),
    ],
)
def test_a_way_round_is_found(broken):
    """Boundary values find the literal, the absence, the bucket, the address or the time that a rule leaves open."""
    (found,) = violations([broken], JIRA_TWO)
    assert (found.invariant, found.bound, found.limit, found.level) == ("two", "never_below", "mfa", "basic")
    ready = decider([broken])
    sent = {name: getattr(found.request, name) for name in DecideRequest.__slots__}
    assert decide(ready, found.now, **sent).level == "basic"


def test_the_sets_own_tests_are_tried():
    """Facts that no condition mentions are tried as the tests have them."""
    drawn = [rule("r", f'{JIRA} && device.user_agent.matches("^[a-m].*z$")')]
    only = invariant("i", "device.user_agent.size() == 3", never_above="basic")
    assert violations(drawn, only) == ()
    tests = (case("t", {"device_user_agent": "abz"}, level="mfa"),)
    (found,) = violations(drawn, only, tests=tests)
    assert found.request.device_user_agent == "abz"


def test_never_above_leaves_out_what_was_requested():
    """A relying party may ask for more; only the policy's own demands are held against the bound."""
    calm = invariant("calm", 'client.id == "intranet"', never_above="basic")
    assert violations([], calm) == ()
    (found,) = violations([rule("r", '"intranet" == client.id && app.id == "m"', "deny")], calm)
    assert (found.bound, found.level) == ("never_above", "deny")


def test_never_below_counts_what_was_requested_and_the_default():
    """`never_below` counts everything."""
    asked = invariant("i", '"urn:2" in request.acr_values', never_below="mfa")
    assert violations([], asked) == ()
    assert violations([], invariant("d", "!client.registered", never_below="mfa")) == ()


def test_break_glass_is_left_out_of_both():
    """It is visible, alarmed and over within a day: it breaks no invariant."""
    assert violations([rule("r", JIRA)], JIRA_TWO, break_glass=(break_glass("b", JIRA),)) == ()


def test_a_request_that_the_service_does_not_take_is_no_sample():
    """A `client_id` at two providers is refused, so it gets no decision, and no level of it can be wrong."""
    corp = policy().providers["corp"]
    two = {"corp": corp, "other": Provider("other", "https://other.example.com", corp.profile, corp.acr)}
    clients = [Client("one", "corp", "shared"), Client("two", "other", "shared")]
    found = violations([], invariant("i", 'client.id == "shared"', never_below="mfa"), clients=clients, providers=two)
    assert found == ()


def test_an_unregistered_client_without_a_provider_is_sampled_too():
    """Nothing can be asked for it, but a rule's level is a level."""
    corp = policy().providers["corp"]
    two = {"corp": corp, "other": Provider("other", "https://other.example.com", corp.profile, corp.acr)}
    assert violations([], invariant("i", "!client.registered", never_below="mfa"), providers=two) == ()


def test_both_sides_of_an_invariant():
    """Each side is reported once, with the first request that breaks it."""
    both = invariant("both", "client.registered", never_below="mfa", never_above="mfa")
    found = violations([rule("r", JIRA, "phr")], both)
    assert sorted(one.bound for one in found) == ["never_above", "never_below"]


def test_samples_are_the_same_every_time():
    """Every node and every load finds the same: deterministic for a set."""
    drawn = [rule("r", f"{JIRA} && !network.trusted")]
    assert violations(drawn, JIRA_TWO) == violations(drawn, JIRA_TWO)
    sampler = Sampler(decider(drawn))
    first = list(sampler.combinations(JIRA_TWO, 5))
    assert first == list(sampler.combinations(JIRA_TWO, 5))
    assert list(Sampler(decider(defaults=Defaults("mfa", "mfa", None))).combinations(JIRA_TWO, 3))


def test_a_violation_is_a_ready_test_case():
    """Message, place, and a case that can be pasted into `tests`."""
    (found,) = violations([rule("r", f'{JIRA} && app.id != "kiosk"')], JIRA_TWO)
    assert found.message == "invariant `two` does not hold: `basic` is below `mfa`"
    written = violation_to_json(found)
    assert (written["invariant"], written["file"], written["line"]) == ("two", "set.yaml", 1)
    assert written["case"]["expect"] == {"level": "mfa"}
    assert supposed_from_json(written["case"]["given"]) == found.request
    (above,) = violations([rule("r", JIRA, "phr")], invariant("i", JIRA, never_above="mfa"))
    assert above.message == "invariant `i` does not hold: `phr` is above `mfa`"


def test_given_is_the_shape_of_a_decide_request():
    """Only what is said, and read back it is the same request."""
    full = {
        "client": {"id": "jira"},
        "app": {"id": "m"},
        "network": {"ip": "198.51.100.9", "country": "DE", "asn": 64500},
        "user": {"id": "u", "domain": "d", "groups": ["g"]},
        "device": {"managed": False, "platform": "p", "user_agent": "a"},
        "browser": {"id": "b"},
        "session": {"level": "basic", "age_seconds": 0},
        "request": {
            "acr_values": ["x"],
            "scopes": ["openid"],
            "prompt": "login",
            "max_age": 0,
            "claims": {"id_token": {}},
        },
        "attributes": {"risk": 12.5},
    }
    written = given_to_json(supposed_from_json(full))
    assert written == full | {"client": "jira"}
    assert given_to_json(DecideRequest("jira")) == {"client": "jira"}


def test_with_fact_sets_takes_away_and_leaves_alone():
    """What can't be absent, and what no caller sends, stays as it was."""
    base = DecideRequest("jira", attributes={"risk": 1.0})
    assert with_fact(base, "attr.risk", None).attributes == {}
    assert with_fact(base, "attr.x", ("a",)).attributes == {"risk": 1.0, "x": ["a"]}
    assert with_fact(base, "session.age", timedelta(minutes=5)).session_age_seconds == 300
    assert with_fact(base, "session.age", None).session_age_seconds is None
    assert with_fact(base, "client.id", None) == base
    assert with_fact(base, "request.acr_values", None).acr_values == ()
    assert with_fact(base, "request.prompt", None).prompt == ""
    assert with_fact(base, "network.trusted", value=True) == base
    assert with_fact(base, "user.id", "u").user_id == "u"


def boundaries(**more):
    checked = policy(**more)
    return Boundaries(checked, decider(**more).compiled.declarations)


@pytest.mark.parametrize(
    ("text", "fact", "values"),
    [
        ('client.id == "x"', "client.id", {"x", None}),
        ('"atlassian" in client.tags', "client.id", {"jira"}),
        ('"nowhere" in client.tags', "client.id", {OTHER}),
        ('"office" in network.zones', "network.ip", {"203.0.113.0", "203.0.113.255", "192.0.2.254"}),
        ('"nowhere" in network.zones', "network.ip", {"192.0.2.254"}),
        ('network.ip == "x"', "network.ip", {"192.0.2.254", OTHER}),
        ("attr.risk >= 80.0", "attr.risk", {80.0, 79.0, 81.0, None}),
        ('network.country in ["DE", "NO"]', "network.country", {"DE", "NO", "ZZ", None}),
        ("network.asn == 64500", "network.asn", {64499, 64500, 64501, 0, None}),
        ("request.max_age > 5", "request.max_age", {4, 5, 6, None}),
        ('"device.managed" in known', "device.managed", {None}),
        ('user.id.startsWith("adm")', "user.id", {"adm", None, OTHER}),
        ('user.groups.exists(g, g == "x")', "user.groups", {("x",), (), None}),
    ],
)
def test_literals_become_values_worth_trying(text, fact, values):
    """Each literal beside a fact, its neighbours, and absence."""
    assert set(boundaries().of_condition(condition(text)).by_fact[fact]) >= values


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ('request.time < timestamp("2030-01-01T00:00:00Z")', 3),
        ('string(request.time) == "nonsense"', 0),
        ("request.time.getHours() > 8", 2),
        ("request.time.getFullYear() > 2026", 0),
        ('session.age < duration("0.5s")', 0),
    ],
)
def test_times_worth_trying(text, count):
    """A moment and its neighbours, an hour of the day; what is neither is left alone."""
    assert len(boundaries().of_condition(condition(text)).times) == count


def test_times_of_other_facts():
    """A timestamp that an attribute is compared with is a value of that attribute."""
    found = boundaries().of_condition(condition('attr.seen < timestamp("2030-01-01T00:00:00Z")'))
    assert len(found.by_fact["attr.seen"]) == 4
    assert found.times == {}
    assert "attr.seen" not in boundaries().of_condition(condition('string(attr.seen) == "x"')).by_fact


def test_the_set_as_a_whole_offers_every_kind_of_client_and_address():
    """One client for each set of tags, an unknown one, both ends of each range, one address outside, and none."""
    many = [Client(f"c{number}", "corp", f"c{number}", ("t",)) for number in range(300)]
    networks = {"wide": Network("wide", tuple(f"198.51.{number}.0/24" for number in range(20)))}
    found = boundaries(clients=[*many, Client("odd", "corp", "odd", ("x",))], networks=networks).of_everything()
    clients = list(found.by_fact["client.id"])
    assert {"c0", "odd", OTHER} <= set(clients)
    assert len(clients) < 220
    addresses = found.by_fact["network.ip"]
    assert {None, "192.0.2.254", "198.51.0.0", "198.51.0.255"} <= set(addresses)
    assert len(addresses) == 2 + 2 * 8


@pytest.mark.parametrize("text", ['network.country == "de"', 'network.country == "Germany"', "network.asn == 0"])
def test_places_that_no_file_says_are_not_tried(text):
    """A country is two capitals, an AS is no negative number: a violation by anything else could not be."""
    found = boundaries().of_condition(condition(text)).by_fact
    assert found.get("network.country", {"ZZ": None, None: None}).keys() == {"ZZ", None}
    assert found.get("network.asn", {0: None, 1: None, None: None}).keys() == {0, 1, None}


def test_nowhere_has_no_country():
    """A request without a readable address is of an unknown country, or of none: the service says nothing else."""
    base = DecideRequest("jira", network_ip="198.51.100.9", network_country="DE", network_asn=64500)
    for ip in (None, "", "nonsense"):
        moved = with_fact(base, "network.ip", ip)
        assert (moved.network_country, moved.network_asn) == ("ZZ", 0)
    assert with_fact(DecideRequest("jira"), "network.country", "DE").network_country == "ZZ"
    assert with_fact(base, "network.country", None) == replace(base, network_country=None)
    assert with_fact(base, "network.country", "NO") == replace(base, network_country="NO")


def test_an_invariant_is_held_against_countries():
    """A country that lets somebody off is found where the invariant says that nobody is."""
    abroad = rule("abroad", '!("network.country" in known) || network.country != "DE"')
    (violation,) = violations([abroad], JIRA_TWO)
    assert violation.request.network_country == "DE"
    case = violation.as_test_case()
    assert case["given"]["network"]["country"] == "DE"
