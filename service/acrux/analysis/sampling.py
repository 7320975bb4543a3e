"""Invariants held against samples: the set's tests and boundary values (policy-language.md). Proves nothing."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal, cast

from acrux.analysis.boundaries import Boundaries, Choice, Choices
from acrux.analysis.given import given_to_json
from acrux.cel import Program
from acrux.domain.facts import ATTRIBUTE_PREFIX, Json, fact_to_json, format_timestamp
from acrux.domain.identifiers import LevelName
from acrux.domain.request import DecideRequest
from acrux.engine import Decider
from acrux.policy.model import Invariant, Place
from acrux.policy.request import RequestInvalid

_MOST_SAMPLES: Final = 20_000
"""Over all invariants of a set: about a second."""
_MOST_SAMPLES_EACH: Final = 1_000
_FEWEST_SAMPLES_EACH: Final = 20
_MOST_VARIED_TESTS: Final = 20
_LOCAL_SHARE: Final = 0.75
"""How often a value is one that the invariant or the rule in question mentions, rather than any."""

_FIELDS: Final = {
    "client.id": "client_id",
    "app.id": "app_id",
    "network.ip": "network_ip",
    "user.id": "user_id",
    "user.domain": "user_domain",
    "user.groups": "user_groups",
    "browser.id": "browser_id",
    "device.managed": "device_managed",
    "device.platform": "device_platform",
    "device.user_agent": "device_user_agent",
    "session.level": "session_level",
    "request.acr_values": "acr_values",
    "request.scopes": "scopes",
    "request.prompt": "prompt",
    "request.max_age": "max_age_seconds",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """A request that an invariant does not hold for.

    Attributes:
        invariant: its id.
        place: where it stands.
        bound: which side is broken.
        limit: the level that it names.
        level: what the request comes to instead, break-glass left out.
        request: the request.
        now: its time.
    """

    invariant: str
    place: Place
    bound: Literal["never_below", "never_above"]
    limit: LevelName
    level: LevelName
    request: DecideRequest
    now: datetime

    @property
    def message(self) -> str:
        """What is wrong, in one line."""
        side = "below" if self.bound == "never_below" else "above"
        return f"invariant `{self.invariant}` does not hold: `{self.level}` is {side} `{self.limit}`"

    def as_test_case(self) -> dict[str, Json]:
        """The request as a case for `tests`, expecting what the invariant wants at the least or at the most."""
        return {
            "name": f"{self.invariant} holds",
            "now": format_timestamp(self.now),
            "given": given_to_json(self.request),
            "expect": {"level": self.limit},
        }


def violation_to_json(violation: Violation, *, prefix: str = "") -> dict[str, Json]:
    """A violation for programs, with a ready test case."""
    return {
        "invariant": violation.invariant,
        "file": prefix + violation.place.file,
        "line": violation.place.line,
        "message": violation.message,
        "case": violation.as_test_case(),
    }


def sample_invariants(decider: Decider) -> tuple[Violation, ...]:
    """The first violation found of each side of each invariant: the same samples every time for the same set.

    Tries the set's tests, the tests with one fact changed, and combinations of boundary values: every literal that the
    invariant or a rule mentions, each absence, buckets in and out, the edges of time windows.
    """
    invariants = decider.compiled.invariants
    if not invariants:
        return ()
    count = max(_FEWEST_SAMPLES_EACH, min(_MOST_SAMPLES_EACH, _MOST_SAMPLES // len(invariants)))
    sampler = Sampler(decider)
    return tuple(
        violation
        for entry in invariants
        for violation in _violations(decider, entry.invariant, entry.condition, sampler.samples(entry.invariant, count))
    )


Sample = tuple[DecideRequest, datetime]


class Sampler:
    """Requests worth trying on one set, deterministic: a set gets the same ones on every node and at every load."""

    def __init__(self, decider: Decider) -> None:
        checked = decider.compiled.checked
        self._checked = checked
        self._boundaries = Boundaries(checked, decider.compiled.declarations)
        self._everything = self._boundaries.of_everything()
        self._of_rules: dict[int, Choices] = {}

    def samples(self, invariant: Invariant, count: int) -> Iterator[Sample]:
        """The tests, the tests with one fact changed, then `count` combinations about an invariant and a rule."""
        local = self._boundaries.of_condition(invariant.condition)
        tests = self._checked.tests
        yield from ((case.given, case.now) for case in tests)
        for case in tests[:_MOST_VARIED_TESTS]:
            for fact, values in local.by_fact.items():
                yield from ((with_fact(case.given, fact, value), case.now) for value in values)
        yield from self.combinations(invariant, count)

    def combinations(self, invariant: Invariant, count: int) -> Iterator[Sample]:
        """`count` combinations of boundary values, each about the invariant and some rule."""
        local = self._boundaries.of_condition(invariant.condition)
        # Not for secrets: the same set must get the same samples.
        chance = random.Random(f"{self._checked.revision} {invariant.id}")  # noqa: S311
        for _ in range(count):
            yield self._combination(local, chance)

    def _combination(self, local: Choices, chance: random.Random) -> Sample:
        about = local
        if self._checked.rules:
            about = local.merged(self._of_rule(chance.randrange(len(self._checked.rules))))
        request = DecideRequest("")
        for fact in dict.fromkeys((*self._everything.by_fact, *about.by_fact)):
            near = tuple(about.by_fact.get(fact, ()))
            anywhere = tuple(self._everything.by_fact.get(fact, ())) or near
            pool = near if near and chance.random() < _LOCAL_SHARE else anywhere
            request = with_fact(request, fact, chance.choice(pool))
        times = tuple(about.times) if about.times and chance.random() < _LOCAL_SHARE else tuple(self._everything.times)
        return request, chance.choice(times)

    def _of_rule(self, place: int) -> Choices:
        found = self._of_rules.get(place)
        if found is None:
            found = self._of_rules[place] = self._boundaries.of_rule(self._checked.rules[place])
        return found


def with_fact(request: DecideRequest, fact: str, value: Choice) -> DecideRequest:
    """The request with another value of one fact, or without it; facts that no caller can send are left alone."""
    if fact.startswith(ATTRIBUTE_PREFIX):
        name = fact.removeprefix(ATTRIBUTE_PREFIX)
        attributes = {key: sent for key, sent in request.attributes.items() if key != name}
        if value is not None:
            attributes[name] = fact_to_json(value)
        return replace(request, attributes=attributes)
    if fact == "session.age":
        age = cast("timedelta | None", value)
        return replace(request, session_age_seconds=None if age is None else int(age.total_seconds()))
    name = _FIELDS.get(fact, "")
    if not name:
        return request
    if value is None and name in {"client_id", "acr_values", "scopes", "prompt"}:
        value = {"client_id": request.client_id, "prompt": ""}.get(name, ())
    return replace(request, **{name: value})  # type: ignore[arg-type] # the choices for a fact are of its type


def _violations(
    decider: Decider, invariant: Invariant, condition: Program, samples: Iterator[Sample]
) -> Sequence[Violation]:
    ladder, builder = decider.compiled.checked.ladder, decider.compiled.builder
    lowest = 0 if invariant.never_below is None else ladder.rank(invariant.never_below)
    highest = ladder.deny_rank if invariant.never_above is None else ladder.rank(invariant.never_above)
    found: dict[str, Violation] = {}
    for request, now in samples:
        try:
            built = builder.build(request, now)
        except RequestInvalid:
            continue  # a request that the service does not take needs no level
        if not decider.holds(condition, built):
            continue
        rank, rank_unasked = decider.bare_ranks(built, now)
        if rank < lowest and "never_below" not in found:
            limit = ladder.level(lowest)
            found["never_below"] = Violation(
                invariant.id, invariant.place, "never_below", limit, ladder.level(rank), request, now
            )
        if rank_unasked > highest and "never_above" not in found:
            limit = ladder.level(highest)
            found["never_above"] = Violation(
                invariant.id, invariant.place, "never_above", limit, ladder.level(rank_unasked), request, now
            )
    return tuple(found.values())
