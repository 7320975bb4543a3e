"""Both engines on the same requests: what they decide must be the same (facts/cel.md). Nothing is printed here."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from acrux.analysis.given import given_to_json
from acrux.analysis.sampling import Sampler
from acrux.cel import ENGINE_NAMES, load_engine
from acrux.domain.asking import UnmappedRequestedAcr
from acrux.domain.facts import Json, format_timestamp
from acrux.domain.request import DecideRequest
from acrux.engine import Decider, decision_to_json, prepare
from acrux.policy.compiled import compile_policy
from acrux.policy.request import RequestInvalid

_SAMPLES_EACH: Final = 20
"""Combinations tried for an invariant: the second engine is a hundred times slower."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A request that the two engines decide differently.

    Attributes:
        name: the test's name, or the invariant's id that it was made for.
        request: the request.
        now: its time.
        decisions: by engine, the answer's fields and the rules that errored; a text where there was no decision.
    """

    name: str
    request: DecideRequest
    now: datetime
    decisions: dict[str, Json]


def cross_check(decider: Decider) -> tuple[Disagreement, ...]:
    """Decide every test, and samples for every invariant, on both engines.

    Raises:
        EngineUnavailable: one of them is not installed here.
    """
    checked = decider.compiled.checked
    deciders = {
        name: decider if decider.compiled.engine.name == name else prepare(compile_policy(checked, load_engine(name)))
        for name in ENGINE_NAMES
    }
    found = []
    for name, request, now in _questions(decider):
        decisions: dict[str, Json] = {engine: _decide(one, request, now) for engine, one in deciders.items()}
        first, *others = decisions.values()
        if any(other != first for other in others):
            found.append(Disagreement(name, request, now, decisions))
    return tuple(found)


def disagreement_to_json(disagreement: Disagreement) -> dict[str, Json]:
    """A disagreement for programs."""
    return {
        "name": disagreement.name,
        "given": given_to_json(disagreement.request),
        "now": format_timestamp(disagreement.now),
        "decisions": disagreement.decisions,
    }


def _questions(decider: Decider) -> Iterator[tuple[str, DecideRequest, datetime]]:
    for case in decider.compiled.checked.tests:
        yield case.name, case.given, case.now
    if decider.compiled.invariants:
        sampler = Sampler(decider)
        for entry in decider.compiled.invariants:
            for request, now in sampler.combinations(entry.invariant, _SAMPLES_EACH):
                yield entry.invariant.id, request, now


def _decide(decider: Decider, request: DecideRequest, now: datetime) -> Json:
    try:
        built = decider.compiled.builder.build(request, now)
        decision = decider.decide(built.facts, now, client=built.client, provider=built.provider)
    except (RequestInvalid, UnmappedRequestedAcr) as refused:
        return str(refused)
    return {**decision_to_json(decision), "errored_rules": list(decision.errored_rules)}
