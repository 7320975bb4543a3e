"""`combine` and `lowered` against the plain written definition."""

import itertools

from decision_reference import reference_decision
from hypothesis import given, settings
from hypothesis import strategies as st

from acrux.domain.ladder import DENY, AssuranceLadder, Rung
from acrux.engine.combine import Requirement, combine, lowered


def decided(rungs, default, rules, requested=None, requested_max_age=None):
    """The real one, in the reference's terms."""
    ladder = AssuranceLadder(tuple(Rung(level, max_age) for level, max_age in rungs))
    requirements = []
    for mode, level, max_age, exceptions, break_glass in rules:
        declared = Requirement(ladder.rank(level), max_age, mode == "enforce")
        ranks = [[ladder.rank(one) for one in several] for several in (exceptions, break_glass)]
        requirements.append(lowered(declared, *ranks, ladder.deny_rank))
    rank = None if requested is None else ladder.rank(requested)
    found = combine(ladder, ladder.rank(default), requirements, rank, requested_max_age)
    return ladder.level(found.rank), ladder.level(found.shadow_rank), found.max_age_seconds


RUNGS = [("low", None), ("mid", 100), ("high", 10)]
LEVELS = [level for level, _ in RUNGS]
rules_of = st.tuples(
    st.sampled_from(["enforce", "report"]),
    st.sampled_from([*LEVELS, DENY]),
    st.none() | st.integers(0, 120),
    st.lists(st.sampled_from(LEVELS), max_size=2),
    st.lists(st.sampled_from(LEVELS), max_size=2),
)
questions = {
    "default": st.sampled_from([*LEVELS, DENY]),
    "requested": st.none() | st.sampled_from(LEVELS),
    "requested_max_age": st.none() | st.integers(0, 120),
}


@given(rules=st.lists(rules_of, max_size=5), **questions)
@settings(max_examples=200, deadline=None)
def test_combine_is_its_definition(rules, default, requested, requested_max_age):
    """Level, shadow level and `max_age` are those of the reference."""
    question = (RUNGS, default, rules, requested, requested_max_age)
    assert decided(*question) == reference_decision(*question)


def test_combine_is_its_definition_on_every_small_case():
    """Exhaustively: two rungs, every pair of rules with every exception, break-glass, default and request."""
    rungs = [("low", None), ("high", 10)]
    each_rule = list(
        itertools.product(
            ["enforce", "report"], ["low", "high", "deny"], [None, 5], [[], ["low"], ["high"]], [[], ["low"], ["high"]]
        )
    )
    count = 0
    for first, second in itertools.combinations_with_replacement([None, *each_rule], 2):
        rules = [rule for rule in (first, second) if rule is not None]
        for default, requested in itertools.product(["low", "high"], [None, "high"]):
            question = (rungs, default, rules, requested, 7)
            assert decided(*question) == reference_decision(*question), question
            count += 1
    assert count > 20_000


@given(rules=st.permutations(range(4)), pool=st.lists(rules_of, min_size=4, max_size=4), **questions)
@settings(max_examples=100, deadline=None)
def test_order_never_matters(rules, pool, default, requested, requested_max_age):
    """INVARIANT: the order of rules never matters."""
    question = (default, requested, requested_max_age)
    straight = decided(RUNGS, question[0], pool, *question[1:])
    assert decided(RUNGS, question[0], [pool[place] for place in rules], *question[1:]) == straight


@given(rules=st.lists(rules_of, max_size=4), added=rules_of, **questions)
@settings(max_examples=200, deadline=None)
def test_an_added_enforced_rule_only_tightens(rules, added, default, requested, requested_max_age):
    """INVARIANT: adding an enforced rule never lowers the level and never lengthens `max_age`."""
    order = [*LEVELS, DENY]
    one_more = [*rules, ("enforce", *added[1:])]
    before, _, age_before = decided(RUNGS, default, rules, requested, requested_max_age)
    after, _, age_after = decided(RUNGS, default, one_more, requested, requested_max_age)
    assert order.index(after) >= order.index(before)
    if after != DENY and age_before is not None:
        assert age_after is not None
        assert age_after <= age_before


@given(declared=rules_of)
@settings(max_examples=200, deadline=None)
def test_only_exceptions_and_break_glass_lower(declared):
    """INVARIANT: within a rule only exceptions and break-glass lower; break-glass never a `deny`; neither raises."""
    order = [*LEVELS, DENY]
    _, level, max_age, exceptions, break_glass = declared
    final = decided([*RUNGS], "low", [("enforce", level, max_age, exceptions, break_glass)])[0]
    assert order.index(final) <= order.index(level)
    if not exceptions and (not break_glass or level == DENY):
        assert final == level
