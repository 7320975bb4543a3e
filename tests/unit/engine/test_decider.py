"""What a decision is, case by case."""

from datetime import UTC, date, datetime, timedelta

import pytest
from built_sets import (
    NOON,
    break_glass,
    decide,
    decider,
    exception,
    policy,
    request,
    rollout,
    rule,
)

import acrux.engine.conclude
from acrux.cel import load_engine
from acrux.domain.decision import Accept, DecisionOutcome
from acrux.engine import UnmappedRequestedAcr, decision_to_json, prepare
from acrux.engine.rollout import bucket_of
from acrux.policy.compiled import compile_policy
from acrux.policy.model import Client, Defaults, Provider, Window

JIRA = 'client.id == "jira"'


def test_no_rule_means_the_default():
    """Where nothing matches the default applies, with its reason, and the lowest level asks for nothing."""
    decision = decide(decider([rule("other", 'client.id == "intranet"')]))
    assert decision.outcome is DecisionOutcome.BASELINE
    assert (decision.level, decision.reason, decision.rules) == ("basic", "default", ())
    assert decision.authorization_params == {}
    assert decision.accept == Accept("acr", (), None)
    assert decision.max_age_seconds is None
    assert (decision.client, decision.provider) == ("jira", "corp")


def test_a_match_steps_up():
    """A match requires its level: parameters, what to accept, and the description as the reason."""
    decision = decide(decider([rule("sso", JIRA, description="two factors", max_age_seconds=28800)]))
    assert decision.outcome is DecisionOutcome.STEP_UP
    assert decision.authorization_params == {"acr_values": "urn:2", "max_age": "28800"}
    assert decision.accept == Accept("acr", ("urn:2", "urn:3", "phr"), 28800)
    assert (decision.rules, decision.reason) == (("sso",), "two factors")


def test_deny_is_above_everything():
    """A `deny` refuses: no parameters, nothing to accept, no `max_age`."""
    decision = decide(decider([rule("no", JIRA, "deny"), rule("sso", JIRA, "phr", max_age_seconds=5)]))
    assert decision.outcome is DecisionOutcome.DENY
    assert (decision.level, decision.rules, decision.reason) == ("deny", ("no", "sso"), "no")
    assert (decision.authorization_params, decision.accept, decision.max_age_seconds) == ({}, None, None)


def test_errored_requires_what_matched_requires():
    """A rule that can't be evaluated never opens a door, and the record says so."""
    decision = decide(decider([rule("users", f'{JIRA} && user.id == "eve"')]))
    assert (decision.level, decision.errored_rules) == ("mfa", ("users",))
    assert decision.effects[0].errored


def test_an_unregistered_client_has_the_higher_of_two_defaults():
    """`unregistered_client` only ever raises the default."""
    assert decide(decider(), client_id="nobody").level == "mfa"
    assert decide(decider(), client_id="nobody").reason == "default"
    lower = decider(defaults=Defaults("phr", "basic", None))
    assert decide(lower, client_id="nobody").level == "phr"
    unsaid = decider(defaults=Defaults("mfa", None, None))
    assert decide(unsaid, client_id="nobody").level == "mfa"


def test_rules_at_the_default_are_not_named():
    """`rules` are those that still require something above the default, highest first, then by id."""
    drawn = [rule("z", JIRA, "mfa"), rule("b", JIRA, "phr"), rule("a", JIRA, "phr")]
    assert decide(decider(drawn)).rules == ("a", "b", "z")
    assert decide(decider(drawn)).reason == "a"
    raised = decider(drawn, defaults=Defaults("mfa", "mfa", None))
    assert decide(raised).rules == ("a", "b")
    assert decide(decider(drawn[:1], defaults=Defaults("mfa", "mfa", None))).reason == "default"


def test_max_age_is_the_smallest():
    """Of the final level's, all enforced requirements' that stand, and the relying party's own."""
    drawn = [rule("a", JIRA, "phr"), rule("b", JIRA, "mfa", max_age_seconds=60), rule("c", JIRA, mode="report")]
    assert decide(decider(drawn)).max_age_seconds == 60
    assert decide(decider(drawn[:1])).max_age_seconds == 900
    assert decide(decider(drawn), max_age_seconds=30).max_age_seconds == 30
    assert decide(decider(drawn), max_age_seconds=0).authorization_params["max_age"] == "0"
    assert decide(decider(), max_age_seconds=30).max_age_seconds is None
    report = [rule("a", JIRA), rule("b", JIRA, max_age_seconds=60, mode="report")]
    assert decide(decider(report)).max_age_seconds == 43200


def test_report_counts_in_the_shadow_only():
    """A rule in report mode raises the shadow level and nothing else; one that is off does nothing."""
    drawn = [rule("r", JIRA, "phr", mode="report"), rule("o", JIRA, "deny", mode="off")]
    decision = decide(decider(drawn))
    assert (decision.level, decision.shadow_level, decision.rules) == ("basic", "phr", ())
    assert [(effect.id, effect.enforced) for effect in decision.effects] == [("r", False)]


def test_a_window_is_half_open():
    """A rule is out before `from` and from `until` on."""
    later = NOON + timedelta(hours=1)
    ready = decider([rule("w", JIRA, active=Window(NOON, later))])
    tick = timedelta(microseconds=1)
    moments = (NOON - tick, NOON, later - tick, later)
    assert [decide(ready, at).level for at in moments] == ["basic", "mfa", "mfa", "basic"]


def test_an_exception_replaces_the_requirement():
    """The lowest `instead` among the exceptions that matched; its rule's `max_age` is dropped."""
    clauses = (exception("higher", JIRA, "mfa"), exception("lower", "network.trusted", "basic"))
    ready = decider([rule("r", JIRA, "phr", max_age_seconds=5, exceptions=clauses)])
    outside, inside = decide(ready), decide(ready, network_ip="203.0.113.200")
    assert (outside.level, outside.max_age_seconds, outside.rules) == ("mfa", 43200, ("r",))
    assert outside.effects[0].exception == "higher"
    assert (inside.level, inside.rules, inside.reason) == ("basic", (), "default")
    assert (inside.effects[0].exception, inside.effects[0].requires) == ("lower", "basic")
    assert inside.effects[0].declared == "phr"


def test_an_exception_lasts_through_its_day_in_utc():
    """`expires` is inclusive, in UTC, whatever zone `now` is written in."""
    ready = decider([rule("r", JIRA, exceptions=(exception("e", JIRA, expires=date(2026, 1, 1)),))])
    last = datetime(2026, 1, 1, 23, 59, 59, 999999, tzinfo=UTC)
    assert decide(ready, last).level == "basic"
    assert decide(ready, last + timedelta(microseconds=1)).level == "mfa"


def test_an_exception_that_errs_or_would_not_lower_does_not_apply():
    """Neither an errored exception nor one at or above the requirement changes anything."""
    clauses = (exception("errs", "device.managed"), exception("no", JIRA, "phr"))
    decision = decide(decider([rule("r", JIRA, max_age_seconds=5, exceptions=clauses)]))
    assert (decision.level, decision.max_age_seconds, decision.effects[0].exception) == ("mfa", 5, None)


def test_break_glass_lowers_every_requirement_above_it_but_never_a_deny():
    """Rules and their `max_age` are lowered; the default, the relying party's wish and a `deny` are not."""
    entries = (break_glass("b", JIRA, "mfa"), break_glass("a", JIRA, "basic"), break_glass("errs", "attr.risk > 1.0"))
    drawn = [rule("r", JIRA, "phr", max_age_seconds=5), rule("s", JIRA, mode="report")]
    decision = decide(decider(drawn, break_glass=entries))
    assert (decision.level, decision.shadow_level, decision.max_age_seconds) == ("basic", "basic", None)
    assert [effect.break_glass for effect in decision.effects] == ["a", "a"]
    denied = decide(decider([rule("no", JIRA, "deny")], break_glass=entries))
    assert (denied.level, denied.effects[0].break_glass) == ("deny", None)
    assert decide(decider(drawn, break_glass=entries), acr_values=("urn:2",)).level == "mfa"
    raised = decide(decider(drawn, break_glass=entries, defaults=Defaults("mfa", "mfa", None)))
    assert (raised.level, raised.reason) == ("mfa", "default")


def test_break_glass_applies_after_exceptions_and_only_in_its_window():
    """An exception that takes a `deny` away leaves something for break-glass to lower."""
    window = Window(NOON, NOON + timedelta(hours=1))
    drawn = [rule("no", JIRA, "deny", exceptions=(exception("e", JIRA, "phr"),))]
    ready = decider(drawn, break_glass=(break_glass("b", JIRA, "mfa", window),))
    now, later = decide(ready), decide(ready, NOON + timedelta(hours=1))
    assert (now.level, now.effects[0].exception, now.effects[0].break_glass) == ("mfa", "e", "b")
    assert (later.level, later.effects[0].break_glass) == ("phr", None)


def test_rollout_is_by_bucket_and_absence_is_said():
    """A bucket below `percent` is in; an absent fact is in or out as the rule says."""
    inside = next(f"b{n}" for n in range(100) if bucket_of("r", f"b{n}") < 30)
    outside = next(f"b{n}" for n in range(100) if bucket_of("r", f"b{n}") >= 30)
    ready = decider([rule("r", JIRA, rollout=rollout(30))])
    decision = decide(ready, browser_id=inside)
    assert (decision.level, decision.effects[0].bucket) == ("mfa", bucket_of("r", inside))
    assert decide(ready, browser_id=outside).effects == ()
    assert decide(ready).effects == ()
    always = decide(decider([rule("r", JIRA, rollout=rollout(30, absent_is_in=True))]))
    assert (always.level, always.effects[0].bucket) == ("mfa", None)


def test_what_the_relying_party_asks_for_counts():
    """The lowest known value counts, is named, and can be all of the reason."""
    decision = decide(decider(), acr_values=("urn:3", "urn:2"))
    assert (decision.level, decision.requested_level, decision.reason) == ("mfa", "mfa", "requested")
    assert decision.authorization_params["acr_values"] == "urn:3 urn:2"
    assert decision.rules == ()
    in_claims = decide(decider(), claims={"id_token": {"acr": {"value": "urn:3"}}})
    assert (in_claims.level, in_claims.authorization_params["claims"]) == ("phr", "")
    below = decide(decider([rule("r", JIRA, "phr")]), acr_values=("urn:2",))
    assert (below.level, below.requested_level, below.reason) == ("phr", "mfa", "r")


def test_an_unknown_value_counts_for_nothing():
    """At the baseline the request stays as it was; where it is replaced it is refused, or the value is dropped."""
    drawn = [rule("r", JIRA), rule("no", 'client.id == "intranet"', "deny")]
    baseline = decide(decider(drawn), client_id="confluence", acr_values=("nobody",))
    assert (baseline.outcome.value, baseline.requested_level, baseline.authorization_params) == ("baseline", None, {})
    with pytest.raises(UnmappedRequestedAcr, match="`nobody`"):
        decide(decider(drawn), acr_values=("nobody",))
    dropped = decide(decider(drawn, refuse_unmapped=False), acr_values=("nobody",))
    assert (dropped.authorization_params["acr_values"], dropped.dropped_acr_values) == ("urn:2", ("nobody",))
    assert decide(decider(drawn), client_id="intranet", acr_values=("nobody",)).level == "deny"


def test_what_can_not_be_asked_for_is_refused():
    """A level that the provider has no word for, or no provider at all, shuts the door instead of letting it stand."""
    wordless = decide(decider([rule("r", JIRA, "phr")], words={"mfa": ("urn:2",)}))
    assert (wordless.level, wordless.accept, wordless.shadow_level) == ("deny", None, "deny")
    assert wordless.reason == "the provider has no word for `phr`"
    other = Provider("other", "https://other.example.com", policy().providers["corp"].profile, {})
    two = {"corp": policy().providers["corp"], "other": other}
    ready = decider(providers=two)
    assert decide(ready, client_id="nobody").level == "deny"
    assert decide(ready, client_id="nobody").provider is None
    lowest = decide(decider(providers=two, defaults=Defaults("basic", "basic", None)), client_id="nobody")
    assert (lowest.level, lowest.accept) == ("basic", Accept("acr", (), None))


def test_the_answer_has_every_field_with_its_nulls():
    """The JSON has the documented fields in their order (http-api.md, "Decide")."""
    answer = decision_to_json(decide(decider([rule("r", JIRA)])))
    assert list(answer) == [
        "outcome",
        "level",
        "authorization_params",
        "accept",
        "rules",
        "reason",
        "requested_level",
        "shadow_level",
        "policy_revision",
        "decided_at",
    ]
    assert answer["accept"] == {"claim": "acr", "values": ["urn:2", "urn:3", "phr"], "max_age_seconds": 43200}
    assert answer["decided_at"] == "2026-01-01T12:00:00.000000Z"
    assert decision_to_json(decide(decider([rule("r", JIRA, "deny")])))["accept"] is None


def test_decisions_do_not_share_what_a_caller_could_change():
    """Answers are made anew: changing one leaves the next as it was."""
    ready = decider([rule("r", JIRA)])
    decision_to_json(decide(ready))["authorization_params"]["acr_values"] = "x"
    assert decision_to_json(decide(ready))["authorization_params"]["acr_values"] == "urn:2"


def test_a_caller_s_own_max_age_does_not_fill_the_memory():
    """Words are remembered up to a bound: a caller may send any `max_age`."""
    ready = decider([rule("r", JIRA)])
    wording = ready._wordings["corp"]
    for seconds in range(1100):
        decide(ready, max_age_seconds=seconds)
    assert len(wording._made) <= 1024


def test_conclusions_are_remembered_up_to_a_bound(monkeypatch):
    """Callers choose what they request: what is remembered for them ends somewhere, and decisions stay the same."""
    monkeypatch.setattr(acrux.engine.conclude, "_MOST_REMEMBERED", 1)
    ready = decider([rule("r", JIRA)])
    levels = [decide(ready, client_id=name).level for name in ("jira", "intranet", "nobody", "jira")]
    assert levels == ["mfa", "basic", "mfa", "mfa"]
    assert len(ready._concluder._usual) == 1


def test_clients_in_several_drawers_and_zones_are_candidates_once():
    """A rule filed under two tags or two zones that both hold is evaluated once."""
    drawn = [
        rule("tags", '"atlassian" in client.tags || "wiki" in client.tags'),
        rule("zones", '"office" in network.zones || "lab" in network.zones'),
        rule("mixed", '"wiki" in client.tags || client.id == "jira"'),
    ]
    ready = decider(drawn)
    decision = decide(ready, client_id="confluence", network_ip="203.0.113.1")
    assert [effect.id for effect in decision.effects] == ["mixed", "tags", "zones"]


def test_a_rule_on_very_many_clients_is_not_filed_one_by_one():
    """Filing must not cost rules times clients: such a rule is evaluated for everybody."""
    many = [Client(f"c{number}", "corp", f"c{number}", ("all",)) for number in range(4200)]
    ready = decider([rule("r", '"all" in client.tags || client.id == "jira"')], clients=many)
    assert decide(ready, client_id="c7").level == "mfa"
    assert decide(ready, client_id="nobody").effects == ()


def test_tags_that_no_registered_client_has_are_looked_up_too():
    """Tags come with the facts; the index answers for any of them."""
    ready = decider([rule("a", '"wiki" in client.tags'), rule("b", '"atlassian" in client.tags')])
    assert {one.rule.id for one in ready.index.tagged(("wiki", "nothing", "atlassian"))} == {"a", "b"}


@pytest.mark.parametrize("engine", ["google", "celpy"])
def test_both_engines_know_the_same_rules(engine):
    """A decision does not depend on the engine."""
    ready = prepare(compile_policy(policy([rule("r", f'{JIRA} && !("office" in network.zones)')]), load_engine(engine)))
    built = ready.compiled.builder.build(request(network_ip="198.51.100.9"), NOON)
    assert ready.decide(built.facts, NOON, client=built.client, provider=built.provider).level == "mfa"
