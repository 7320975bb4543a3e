"""The engine, index and all, against the plain definition; and the INVARIANTs of policy-language.md on whole sets."""

import hashlib
from dataclasses import replace

from built_sets import decide, decider, policy
from decision_reference import reference_decision
from drawn_sets import break_glasses, requests, rule_sets, rules, times
from hypothesis import given, settings

from acrux.cel import load_engine
from acrux.domain.facts import Facts
from acrux.engine import prepare
from acrux.policy.compiled import compile_policy

RUNGS = [("basic", None), ("mfa", 43200), ("phr", 900)]
ORDER = ["basic", "mfa", "phr", "deny"]
WORDS = {"urn:2": "mfa", "urn:3": "phr", "phr": "phr"}
QUICK = settings(max_examples=120, deadline=None)
# celpy raises the recursion limit when it is first used; Hypothesis minds if that happens inside a test.
load_engine("celpy").compile("true", {})


def outcome(ready, text, facts):
    """True, False, or None for an error: of one condition, on its own."""
    engine, declarations = ready.compiled.engine, ready.compiled.declarations
    found = engine.compile(text, declarations).matches(engine.activation(facts, declarations))
    return found if isinstance(found, bool) else None


def in_rollout(rule, facts):
    if rule.rollout is None:
        return True
    value = facts.get(rule.rollout.by)
    if value is None:
        return rule.rollout.absent_is_in
    digest = hashlib.sha256(f"{rule.id}\n{value}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 100 < rule.rollout.percent


def question(ready, sent, now):
    """What the reference is asked, made rule by rule without the engine's index."""
    facts = ready.compiled.builder.build(sent, now).facts.values
    checked = ready.compiled.checked
    lowering = [
        entry.instead
        for entry in checked.break_glass
        if entry.active.holds(now) and outcome(ready, entry.when.text, facts)
    ]
    standing, ids = [], []
    for one in checked.rules:
        if one.mode == "off" or not one.active.holds(now) or not in_rollout(one, facts):
            continue
        if outcome(ready, one.when.text, facts) is False:
            continue
        instead = [
            clause.instead
            for clause in one.exceptions
            if now.date() <= clause.expires_on and outcome(ready, clause.when.text, facts)
        ]
        standing.append((str(one.mode), one.require, one.max_age_seconds, instead, lowering))
        ids.append(one.id)
    default = "basic" if facts["client.registered"] else "mfa"
    asked = [WORDS[word] for word in sent.acr_values]
    requested = min(asked, key=ORDER.index, default=None)
    return ids, (RUNGS, default, standing, requested, sent.max_age_seconds)


@given(rule_sets, break_glasses, requests, times)
@QUICK
def test_the_engine_is_its_definition(drawn, entries, sent, now):
    """Level, shadow level, `max_age`, rules and effects are those of the definition, evaluated rule by rule."""
    ready = decider(drawn, break_glass=entries)
    decision = decide(ready, now, **fields(sent))
    ids, asked = question(ready, sent, now)
    assert (decision.level, decision.shadow_level, decision.max_age_seconds) == reference_decision(*asked)
    assert [effect.id for effect in decision.effects] == sorted(ids)
    default = asked[1]
    finals = {effect.id: effect.requires for effect in decision.effects if effect.enforced}
    above = [name for name, level in finals.items() if ORDER.index(level) > ORDER.index(default)]
    assert list(decision.rules) == sorted(above, key=lambda name: (-ORDER.index(finals[name]), name))


def fields(sent):
    return {name: getattr(sent, name) for name in sent.__slots__}


@given(rule_sets, break_glasses, requests, times)
@QUICK
def test_the_index_only_leaves_out_what_does_not_match(drawn, entries, sent, now):
    """INVARIANT (index over-approximates): deciding by the candidates is deciding by every rule."""
    ready = decider(drawn, break_glass=entries)
    built = ready.compiled.builder.build(sent, now)
    client = {"client": built.client, "provider": built.provider}
    assert ready.decide(built.facts, now, **client) == ready.decide_among(ready.rules, built.facts, now, **client)
    candidates = list(ready.index.candidates(built.facts.values))
    assert len(candidates) == len(set(candidates))


@given(rule_sets, break_glasses, requests, times)
@QUICK
def test_the_order_of_rules_never_matters(drawn, entries, sent, now):
    """INVARIANT: a set decides the same with its rules, exceptions and break-glass in reverse."""
    straight = decide(decider(drawn, break_glass=entries), now, **fields(sent))
    turned = tuple(replace(one, exceptions=one.exceptions[::-1]) for one in drawn[::-1])
    assert decide(decider(turned, break_glass=entries[::-1]), now, **fields(sent)) == straight


@given(rule_sets, rules("added"), break_glasses, requests, times)
@QUICK
def test_an_added_enforced_rule_never_lowers(drawn, added, entries, sent, now):
    """INVARIANT: one more enforced rule never lowers the level and never lengthens `max_age`."""
    before = decide(decider(drawn, break_glass=entries), now, **fields(sent))
    enforced = replace(added, mode=type(added.mode)("enforce"))
    after = decide(decider((*drawn, enforced), break_glass=entries), now, **fields(sent))
    assert ORDER.index(after.level) >= ORDER.index(before.level)
    if before.max_age_seconds is not None and after.level != "deny":
        assert after.max_age_seconds <= before.max_age_seconds


@given(rules("only"), requests, times)
@QUICK
def test_a_fact_that_goes_absent_never_lowers(drawn, sent, now):
    """INVARIANT: what a rule requires does not fall when a fact goes absent that it neither guards nor rolls out by."""
    # An exception that errs does not apply, so it can only raise; `known` guards, `?:` and `||` may absorb: those
    # conditions guard the fact. What is left reads it plainly, under `&&` and `!`.
    if any(word in drawn.when.text for word in ("known", "||", "?")):
        return
    ready = decider((replace(drawn, exceptions=()),))
    built = ready.compiled.builder.build(sent, now)
    client = {"client": built.client, "provider": built.provider}
    before = ready.decide(built.facts, now, **client)
    for fact in ("user.id", "user.groups", "device.managed", "attr.risk"):
        if drawn.rollout is not None and drawn.rollout.by == fact:
            continue
        without = {name: value for name, value in built.facts.values.items() if name != fact}
        without["known"] = tuple(name for name in built.facts.values["known"] if name != fact)
        after = ready.decide(Facts(without), now, **client)
        assert ORDER.index(after.level) >= ORDER.index(before.level)


@given(rule_sets, break_glasses, requests, times)
@settings(max_examples=15, deadline=None)
def test_both_engines_decide_alike(drawn, entries, sent, now):
    """The second engine gives the same decision."""
    checked = policy(drawn, break_glass=entries)
    google, celpy = (prepare(compile_policy(checked, load_engine(name))) for name in ("google", "celpy"))
    assert decide(google, now, **fields(sent)) == decide(celpy, now, **fields(sent))


@given(rule_sets, requests, times)
@QUICK
def test_no_decision_is_above_the_clients_ceiling(drawn, sent, now):
    """A ceiling is the highest that a client's logins can come to, but for what the relying party itself asks for."""
    ready = decider(drawn)
    decision = decide(ready, now, **fields(replace(sent, acr_values=(), max_age_seconds=None)))
    ceiling = ready.ceiling(decision.client)
    assert ORDER.index(decision.level) <= ORDER.index(ceiling.level)
    if decision.max_age_seconds is not None and ceiling.level != "deny":
        assert ceiling.accept.max_age_seconds <= decision.max_age_seconds
