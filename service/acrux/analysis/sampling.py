"""Invariants held against samples: the set's tests and boundary values (policy-language.md). Proves nothing."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Final, Literal, TypeAlias

from acrux.analysis.boundaries import Boundaries, Choice, Choices
from acrux.analysis.given import given_to_json
from acrux.cel import Activation, Program
from acrux.domain.facts import (
    ATTRIBUTE_PREFIX,
    UNKNOWN_ASN,
    UNKNOWN_COUNTRY,
    Json,
    fact_to_json,
    format_timestamp,
)
from acrux.domain.identifiers import ClientName, LevelName, RuleId
from acrux.domain.request import DecideRequest
from acrux.engine import Decider
from acrux.engine.prepared import PreparedRule
from acrux.policy.addresses import normalise_address
from acrux.policy.facts import BuiltFacts
from acrux.policy.model import Invariant, Place, Rule
from acrux.policy.request import RequestInvalid

_MOST_SAMPLES: Final = 20_000
"""Over all invariants of a set: about a second."""
_SLOWER: Final = 20
"""How much fewer on the interpreted engine, for the same time."""
_MOST_SAMPLES_EACH: Final = 1_000
_FEWEST_SAMPLES_EACH: Final = 20
_MOST_VARIED_TESTS: Final = 20
_LOCAL_SHARE: Final = 0.75
"""How often a value is one that the invariant or the rule in question mentions, rather than any."""

_FIELDS: Final = {
    "client.id": "client_id",
    "app.id": "app_id",
    "network.ip": "network_ip",
    "network.country": "network_country",
    "network.asn": "network_asn",
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
_NEVER_ABSENT: Final[Mapping[str, object]] = {
    "client.id": "",
    "request.acr_values": (),
    "request.scopes": (),
    "request.prompt": "",
}


Bound: TypeAlias = Literal["never_below", "never_above"]


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
    bound: Bound
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
    most = _MOST_SAMPLES if decider.compiled.engine.name == "google" else _MOST_SAMPLES // _SLOWER
    count = max(_FEWEST_SAMPLES_EACH, min(_MOST_SAMPLES_EACH, most // len(invariants)))
    sampler = Sampler(decider)
    tests = [trial for case in decider.compiled.checked.tests for trial in _trials(decider, [(case.given, case.now)])]
    return tuple(
        violation
        for entry in invariants
        for violation in _violations(
            decider,
            entry.invariant,
            entry.condition,
            chain(tests, _trials(decider, sampler.samples(entry.invariant, count))),
        )
    )


Sample: TypeAlias = tuple[DecideRequest, datetime]


class Sampler:
    """Requests worth trying on one set, deterministic: a set gets the same ones on every node and at every load."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider
        self._checked = decider.compiled.checked
        self._boundaries = Boundaries(self._checked, decider.compiled.declarations)
        self._everything = self._boundaries.of_everything()
        self._of_rules: dict[RuleId, Choices] = {}

    def samples(self, invariant: Invariant, count: int) -> Iterator[Sample]:
        """Tests with one fact changed, then combinations about the invariant and a rule: `count` of each at most."""
        local = self._boundaries.of_condition(invariant.condition)
        varied = (
            (with_fact(case.given, fact, value), case.now)
            for case in self._checked.tests[:_MOST_VARIED_TESTS]
            for fact, values in local.by_fact.items()
            for value in values
        )
        yield from islice(varied, count)
        yield from self.combinations(invariant, count)

    def combinations(self, invariant: Invariant, count: int) -> Iterator[Sample]:
        """`count` combinations of boundary values, each about the invariant and some rule."""
        local = self._boundaries.of_condition(invariant.condition)
        rules = self._rules_about(local)
        # Not for secrets: the same set must get the same samples.
        chance = random.Random(f"{self._checked.revision} {invariant.id}")  # noqa: S311
        for _ in range(count):
            yield self._combination(local.merged(self._of_rule(chance.choice(rules))) if rules else local, chance)

    def _combination(self, about: Choices, chance: random.Random) -> Sample:
        request = _Draft()
        for fact in dict.fromkeys((*self._everything.by_fact, *about.by_fact)):
            near = tuple(about.by_fact.get(fact, ()))
            anywhere = tuple(self._everything.by_fact.get(fact, ())) or near
            pool = near if near and chance.random() < _LOCAL_SHARE else anywhere
            request.say(fact, chance.choice(pool))
        times = tuple(about.times) if about.times and chance.random() < _LOCAL_SHARE else tuple(self._everything.times)
        return request.sent(DecideRequest("")), chance.choice(times)

    def _rules_about(self, local: Choices) -> tuple[Rule, ...]:
        """The rules that could concern the clients that an invariant names; all rules where it names none."""
        prepared: Iterable[PreparedRule] = self._decider.rules
        names = [name for name in local.by_fact.get("client.id", ()) if isinstance(name, str)]
        if names:
            clients = ((name, self._checked.clients.get(ClientName(name))) for name in names)
            index = self._decider.index
            prepared = dict.fromkeys(
                rule
                for name, client in clients
                for rule in index.of_client(name, () if client is None else client.tags)
            )
        return tuple(rule.rule for rule in prepared)

    def _of_rule(self, rule: Rule) -> Choices:
        found = self._of_rules.get(rule.id)
        if found is None:
            found = self._of_rules[rule.id] = self._boundaries.of_rule(rule)
        return found


class _Draft:
    """A request in the making: what it says of each fact; facts that no caller can send are left alone."""

    __slots__ = ("_attributes", "_fields")

    def __init__(self) -> None:
        self._fields: dict[str, object] = {}
        self._attributes: dict[str, Json] = {}

    def say(self, fact: str, value: Choice) -> None:
        """Set a fact, or leave it out."""
        if fact.startswith(ATTRIBUTE_PREFIX):
            self._attributes[fact.removeprefix(ATTRIBUTE_PREFIX)] = None if value is None else fact_to_json(value)
        elif fact == "session.age":
            self._fields["session_age_seconds"] = int(value.total_seconds()) if isinstance(value, timedelta) else None
        elif fact in _NEVER_ABSENT and value is None:
            if fact != "client.id":
                self._fields[_FIELDS[fact]] = _NEVER_ABSENT[fact]
        elif fact in _FIELDS:
            self._fields[_FIELDS[fact]] = value

    def sent(self, base: DecideRequest) -> DecideRequest:
        """The request that is `base` but for what was said."""
        said = {**base.attributes, **self._attributes}
        attributes = {name: value for name, value in said.items() if value is not None}
        made = replace(base, attributes=attributes, **self._fields)  # type: ignore[arg-type] # choices are of their types
        return _placed_nowhere(made) if made.network_ip is None or normalise_address(made.network_ip) is None else made


def _placed_nowhere(request: DecideRequest) -> DecideRequest:
    """The request as the service would see it where it has no address: no file knows the place of that."""
    return replace(
        request,
        network_country=None if request.network_country is None else UNKNOWN_COUNTRY,
        network_asn=None if request.network_asn is None else UNKNOWN_ASN,
    )


def with_fact(request: DecideRequest, fact: str, value: Choice) -> DecideRequest:
    """The request with another value of one fact, or without it."""
    draft = _Draft()
    draft.say(fact, value)
    return draft.sent(request)


@dataclass(frozen=True, slots=True)
class _Trial:
    """A sample that the service would take, ready to be held against conditions."""

    request: DecideRequest
    now: datetime
    built: BuiltFacts
    activation: Activation


def _trials(decider: Decider, samples: Iterable[Sample]) -> Iterator[_Trial]:
    compiled = decider.compiled
    for request, now in samples:
        try:
            built = compiled.builder.build(request, now)
        except RequestInvalid:
            continue  # a request that the service does not take needs no level
        yield _Trial(request, now, built, compiled.engine.activation(built.facts.values, compiled.declarations))


def _violations(
    decider: Decider, invariant: Invariant, condition: Program, trials: Iterable[_Trial]
) -> Sequence[Violation]:
    ladder = decider.compiled.checked.ladder
    lowest = 0 if invariant.never_below is None else ladder.rank(invariant.never_below)
    highest = ladder.deny_rank if invariant.never_above is None else ladder.rank(invariant.never_above)
    found: dict[str, Violation] = {}

    def note(bound: Bound, limit: int, rank: int, trial: _Trial) -> None:
        if bound not in found:
            found[bound] = Violation(
                invariant.id, invariant.place, bound, ladder.level(limit), ladder.level(rank), trial.request, trial.now
            )

    for trial in trials:
        if condition.matches(trial.activation) is not True:
            continue
        rank, rank_unasked = decider.bare_ranks(trial.built, trial.now)
        if rank < lowest:
            note("never_below", lowest, rank, trial)
        if rank_unasked > highest:
            note("never_above", highest, rank_unasked, trial)
    return tuple(found.values())
