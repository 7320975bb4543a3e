"""A set's own tests: each case decided at its `now` and held against what it expects. Nothing is printed here."""

from collections.abc import Mapping
from dataclasses import dataclass

from acrux.domain.asking import UnmappedRequestedAcr, asked_values
from acrux.domain.decision import Decision
from acrux.domain.facts import Json
from acrux.engine import Decider
from acrux.policy.model import Expectation, TestCase
from acrux.policy.request import RequestInvalid


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What became of one case.

    Attributes:
        name: the case's name.
        file: where it stands, relative to the set.
        line: from 1.
        passed: whether all that it expects came true.
        expected: what it expects, by the key of `expect`.
        actual: the same keys as they came out; `error` alone where there was no decision.
    """

    name: str
    file: str
    line: int
    passed: bool
    expected: Mapping[str, Json]
    actual: Mapping[str, Json]


def decide_case(decider: Decider, case: TestCase) -> Decision:
    """The decision on a case's request, at its time.

    Raises:
        RequestInvalid: the set does not take the request.
        UnmappedRequestedAcr: the request is refused for an acr value that the provider's map does not know.
    """
    built = decider.compiled.builder.build(case.given, case.now)
    return decider.decide(built.facts, case.now, client=built.client, provider=built.provider)


def run_case(decider: Decider, case: TestCase) -> CaseResult:
    """Decide one case and compare. `rules` are compared as sets, everything else as it stands."""
    expected = _expected(case.expect)
    actual: Mapping[str, Json]
    try:
        decision = decide_case(decider, case)
    except (RequestInvalid, UnmappedRequestedAcr) as refused:
        passed, actual = False, {"error": str(refused)}
    else:
        all_actual = _actual(decision)
        actual = {key: all_actual[key] for key in expected}
        passed = {**actual, "rules": _as_set(actual)} == {**expected, "rules": _as_set(expected)}
    return CaseResult(case.name, case.place.file, case.place.line, passed, expected, actual)


def run_cases(decider: Decider) -> tuple[CaseResult, ...]:
    """Every case of the set, in its order."""
    return tuple(run_case(decider, case) for case in decider.compiled.checked.tests)


def _expected(expect: Expectation) -> dict[str, Json]:
    said: dict[str, Json] = {
        "level": expect.level,
        "outcome": expect.outcome,
        "rules": None if expect.rules is None else list(expect.rules),
        "acr_values": None if expect.acr_values is None else list(expect.acr_values),
        "shadow_level": expect.shadow_level,
        "max_age": expect.max_age_seconds,
        "reason": expect.reason,
    }
    return {key: value for key, value in said.items() if value is not None}


def _actual(decision: Decision) -> dict[str, Json]:
    return {
        "level": decision.level,
        "outcome": decision.outcome.value,
        "rules": list(decision.rules),
        "acr_values": list(asked_values(decision.authorization_params)),
        "shadow_level": decision.shadow_level,
        "max_age": decision.max_age_seconds,
        "reason": decision.reason,
    }


def _as_set(values: Mapping[str, Json]) -> frozenset[str]:
    rules = values.get("rules")
    return frozenset(map(str, rules)) if isinstance(rules, list) else frozenset()
