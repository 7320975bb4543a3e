"""A login that was decided before is never decided lower."""

import itertools

import pytest
from built_sets import NOON, decider, request, rule

from acrux.domain.decision import DecisionOutcome
from acrux.engine import NO_FLOOR

LEVELS = ("basic", "mfa", "phr", "deny")
RANKS = {level: rank for rank, level in enumerate(LEVELS)}


def decide(ready, floor):
    """A decision on the same request, not below a floor."""
    built = ready.compiled.builder.build(request(client_id="jira"), NOON)
    return ready.decide(built.facts, NOON, client=built.client, provider=built.provider, floor=floor)


@pytest.mark.parametrize(("required", "before"), list(itertools.product(LEVELS, LEVELS)))
def test_the_higher_of_both(required, before):
    """Whatever both are; `deny` is the highest; the parameters and what is accepted are those of the higher one."""
    ready = decider([] if required == "basic" else [rule("r", "true", required)])
    found = decide(ready, ready.floor_of(before, None))
    higher = max(required, before, key=RANKS.__getitem__)
    assert found.level == higher
    assert (found.outcome is DecisionOutcome.DENY) == (higher == "deny")
    if higher == required != before:
        assert found == decide(ready, NO_FLOOR)


def test_the_shorter_limit():
    """The smaller `max_age` of both, in either order of joining."""
    ready = decider([rule("r", "true", "mfa", max_age_seconds=600)])
    short, long = ready.floor_of("mfa", 60), ready.floor_of("basic", 6000)
    assert decide(ready, short.joined(long)).max_age_seconds == 60
    assert decide(ready, long.joined(short)).max_age_seconds == 60
    assert decide(ready, long).max_age_seconds == 600
    assert ready.level_of(short.joined(long)) == "mfa"


def test_a_level_of_another_ladder():
    """A level that the ladder does not have counts as its highest rung, not as a denial."""
    ready = decider()
    assert decide(ready, ready.floor_of("gone", None)).level == "phr"
