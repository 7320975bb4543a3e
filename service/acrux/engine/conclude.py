"""From the rules that stand to the decision: combine, name the rules and the reason, word it. No evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from acrux.domain.asking import NOTHING_REQUESTED, Asked, Requested, read_requested
from acrux.domain.decision import Accept, Decision, DecisionOutcome, RuleEffect
from acrux.domain.facts import Facts, FactValue
from acrux.domain.identifiers import Revision, RuleId
from acrux.domain.ladder import DENY, AssuranceLadder
from acrux.engine.combine import combine
from acrux.engine.prepared import Standing
from acrux.engine.wording import ProviderWording, Wording

DEFAULT: Final = "default"
"""The reason where no rule requires the decided level and the default does."""
REQUESTED: Final = "requested"
"""The reason where only the relying party itself asked for the decided level."""
_MOST_REMEMBERED: Final = 100_000
"""How many conclusions are kept: callers choose what they request, so their number has no other bound."""
_NOTHING_ASKED: Final = Wording(Asked((), {}), Accept("acr", (), None))
_DENIED: Final = Wording(Asked((), {}), None)


def requested_by(facts: Facts) -> Requested:
    """What the relying party's own request asks for."""
    acr_values: tuple[str, ...] = facts.values.get("request.acr_values", ())  # type: ignore[assignment] # as declared
    if facts.requested_claims is not None:
        return read_requested(acr_values, facts.requested_claims)
    return _plainly_requested(acr_values) if acr_values else NOTHING_REQUESTED


@lru_cache(maxsize=1024)
def _plainly_requested(acr_values: tuple[str, ...]) -> Requested:
    """Most relying parties that ask at all ask for the same in every request."""
    return read_requested(acr_values, None)


@dataclass(frozen=True, slots=True)
class Floor:
    """What a decision is never below: asked for from outside the rules, or decided before.

    Attributes:
        rank: the level never falls below it.
        max_age_seconds: `max_age` is never longer, where the level is above the lowest; None for no limit.
    """

    rank: int = 0
    max_age_seconds: int | None = None

    def with_max_age(self, seconds: int | None) -> "Floor":
        """The same with a further limit."""
        if seconds is None or (self.max_age_seconds is not None and self.max_age_seconds <= seconds):
            return self
        return Floor(self.rank, seconds)

    def joined(self, other: "Floor") -> "Floor":
        """The higher of both, with the shorter of both limits."""
        return Floor(max(self.rank, other.rank), self.max_age_seconds).with_max_age(other.max_age_seconds)


NO_FLOOR: Final = Floor()


@dataclass(frozen=True, slots=True)
class _Conclusion:
    """All of a decision that does not depend on whose it is and when."""

    rank: int
    shadow_rank: int
    requested_rank: int | None
    max_age_seconds: int | None
    words: Wording
    rules: tuple[RuleId, ...]
    reason: str
    effects: tuple[RuleEffect, ...]


class Concluder:
    """Concludes decisions of one policy set."""

    __slots__ = ("_ladder", "_levels", "_outcomes", "_revision", "_usual")

    def __init__(self, revision: Revision, ladder: AssuranceLadder) -> None:
        self._revision = revision
        self._ladder = ladder
        self._levels = (*ladder.levels, DENY)
        between = len(ladder.rungs) - 1
        self._outcomes = (DecisionOutcome.BASELINE, *[DecisionOutcome.STEP_UP] * between, DecisionOutcome.DENY)
        self._usual: dict[tuple[Standing | None, int, ProviderWording | None, Requested], _Conclusion] = {}

    def conclude(
        self,
        standing: list[Standing],
        *,
        default_rank: int,
        wording: ProviderWording | None,
        requested: Requested,
        values: Mapping[str, FactValue],
        now: datetime,
        floor: Floor = NO_FLOOR,
    ) -> Decision:
        """The decision that the standing rules come to.

        Args:
            standing: the rules that matched or errored, in any order.
            default_rank: the effective default.
            wording: the provider's words; None where no provider is known.
            requested: what the relying party itself asks for.
            values: the facts.
            now: `request.time`.
            floor: what was decided before, if this is the second time.

        Raises:
            UnmappedRequestedAcr: see `acrux.domain.asking.ask`.
        """
        own: int | None = values.get("request.max_age")  # type: ignore[assignment] # declared as an int
        if own is None and requested.claims is None and floor is NO_FLOOR and len(standing) <= 1:
            found = self._usually(standing[0] if standing else None, default_rank, wording, requested)
        else:
            found = self._settle(standing, default_rank, wording, requested, floor.with_max_age(own))
        return Decision(
            self._outcomes[found.rank],
            self._levels[found.rank],
            None if found.requested_rank is None else self._levels[found.requested_rank],
            self._levels[found.shadow_rank],
            found.max_age_seconds,
            found.words.asked.params,
            found.words.accept,
            found.rules,
            found.reason,
            found.effects,
            values["client.id"],  # type: ignore[arg-type] # declared as a string
            None if wording is None else wording.provider.name,
            self._revision,
            now,
            found.words.asked.dropped,
        )

    def _usually(
        self, only: Standing | None, default_rank: int, wording: ProviderWording | None, requested: Requested
    ) -> _Conclusion:
        """The same for at most one rule that stands as it is declared: settled once, then looked up."""
        standing = [] if only is None else [only]
        if only is not None and not only.shared:
            return self._settle(standing, default_rank, wording, requested, NO_FLOOR)
        key = (only, default_rank, wording, requested)
        found = self._usual.get(key)
        if found is None:
            found = self._settle(standing, default_rank, wording, requested, NO_FLOOR)
            if len(self._usual) < _MOST_REMEMBERED:
                self._usual[key] = found
        return found

    def _settle(
        self,
        standing: list[Standing],
        default_rank: int,
        wording: ProviderWording | None,
        requested: Requested,
        floor: Floor,
    ) -> _Conclusion:
        ladder = self._ladder
        requested_rank = None if wording is None else requested.lowest_rank(wording.acr_map)
        requirements = [one.requirement for one in standing]
        asked_rank = floor.rank if requested_rank is None else max(floor.rank, requested_rank)
        combined = combine(ladder, default_rank, requirements, asked_rank, floor.max_age_seconds)
        rank, max_age_seconds = combined.rank, combined.max_age_seconds
        rules, reason = _rules_and_reason(standing, default_rank, rank)
        if wording is None:
            words = _NOTHING_ASKED if rank == 0 else _DENIED
        elif wording.acr_map.can_ask(rank):
            words = wording.of(rank, max_age_seconds, requested)
        else:
            words = _DENIED
        if words.accept is None and rank != ladder.deny_rank:
            # What can't be asked for can't be enforced. `check` keeps such sets out; this keeps the door shut.
            reason = f"the provider has no word for `{ladder.level(rank)}`"
            rank, max_age_seconds = ladder.deny_rank, None
        return _Conclusion(
            rank=rank,
            shadow_rank=max(rank, combined.shadow_rank),
            requested_rank=requested_rank,
            max_age_seconds=max_age_seconds,
            words=words,
            rules=rules,
            reason=reason,
            effects=tuple(sorted((one.effect for one in standing), key=lambda effect: effect.id)),
        )


def _rules_and_reason(standing: list[Standing], default_rank: int, rank: int) -> tuple[tuple[RuleId, ...], str]:
    """The enforced rules above the default, highest first and then by id; and why the level is what it is."""
    above = [one for one in standing if one.requirement.enforced and one.requirement.rank > default_rank]
    above.sort(key=lambda one: (-one.requirement.rank, one.effect.id))
    ids = tuple(one.effect.id for one in above)
    # The first is the highest, so it is the first that requires the decided level, if any does.
    if above and above[0].requirement.rank == rank:
        return ids, above[0].reason
    return ids, DEFAULT if rank == default_rank else REQUESTED
