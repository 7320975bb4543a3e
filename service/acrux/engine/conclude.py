"""From the rules that stand to the decision: combine, name the rules and the reason, word it. No evaluation."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, cast

from acrux.domain.asking import NOTHING_REQUESTED, Asked, Requested, read_requested
from acrux.domain.decision import Accept, Decision, DecisionOutcome, RuleEffect
from acrux.domain.facts import Facts, FactValue
from acrux.domain.identifiers import ClientName, Revision, RuleId
from acrux.domain.ladder import AssuranceLadder
from acrux.engine.combine import combine
from acrux.engine.prepared import Standing
from acrux.engine.wording import ProviderWording, Wording

DEFAULT: Final = "default"
"""The reason where no rule requires the decided level and the default does."""
REQUESTED: Final = "requested"
"""The reason where only the relying party itself asked for the decided level."""
_NOTHING_ASKED: Final = Wording(Asked((), {}), Accept("acr", (), None))
_DENIED: Final = Wording(Asked((), {}), None)


def requested_by(facts: Facts) -> Requested:
    """What the relying party's own request asks for."""
    acr_values = cast("tuple[str, ...]", facts.values.get("request.acr_values", ()))
    if not acr_values and facts.requested_claims is None:
        return NOTHING_REQUESTED
    return read_requested(acr_values, facts.requested_claims)


class Concluder:
    """Concludes decisions of one policy set."""

    __slots__ = ("_ladder", "_outcomes", "_revision")

    def __init__(self, revision: Revision, ladder: AssuranceLadder) -> None:
        self._revision = revision
        self._ladder = ladder
        between = len(ladder.rungs) - 1
        self._outcomes = (DecisionOutcome.BASELINE, *[DecisionOutcome.STEP_UP] * between, DecisionOutcome.DENY)

    def conclude(
        self,
        standing: list[Standing],
        *,
        default_rank: int,
        wording: ProviderWording | None,
        requested: Requested,
        values: Mapping[str, FactValue],
        now: datetime,
        longest_max_age_seconds: int | None = None,
    ) -> Decision:
        """The decision that the standing rules come to.

        Args:
            standing: the rules that matched or errored, in any order.
            default_rank: the effective default.
            wording: the provider's words; None where no provider is known.
            requested: what the relying party itself asks for.
            values: the facts.
            now: `request.time`.
            longest_max_age_seconds: a bound from elsewhere, treated like the relying party's own `max_age`.

        Raises:
            UnmappedRequestedAcr: see `acrux.domain.asking.ask`.
        """
        ladder = self._ladder
        requested_rank = None if wording is None else requested.lowest_rank(wording.acr_map)
        own = cast("int | None", values.get("request.max_age"))
        if longest_max_age_seconds is not None:
            own = longest_max_age_seconds if own is None else min(own, longest_max_age_seconds)
        combined = combine(ladder, default_rank, [one.requirement for one in standing], requested_rank, own)
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
        return Decision(
            outcome=self._outcomes[rank],
            level=ladder.level(rank),
            requested_level=None if requested_rank is None else ladder.level(requested_rank),
            shadow_level=ladder.level(max(rank, combined.shadow_rank)),
            max_age_seconds=max_age_seconds,
            authorization_params=words.asked.params,
            accept=words.accept,
            rules=rules,
            reason=reason,
            effects=_effects(standing),
            client=ClientName(cast("str", values["client.id"])),
            provider=None if wording is None else wording.provider.name,
            policy_revision=self._revision,
            decided_at=now,
            dropped_acr_values=words.asked.dropped,
        )


def _rules_and_reason(standing: list[Standing], default_rank: int, rank: int) -> tuple[tuple[RuleId, ...], str]:
    """The enforced rules above the default, highest first and then by id; and why the level is what it is."""
    above = [one for one in standing if one.requirement.enforced and one.requirement.rank > default_rank]
    if len(above) > 1:
        above.sort(key=lambda one: (-one.requirement.rank, one.effect.id))
    ids = tuple(one.effect.id for one in above)
    # The first is the highest, so it is the first that requires the decided level, if any does.
    if above and above[0].requirement.rank == rank:
        return ids, above[0].reason
    return ids, DEFAULT if rank == default_rank else REQUESTED


def _effects(standing: list[Standing]) -> tuple[RuleEffect, ...]:
    effects = [one.effect for one in standing]
    if len(effects) > 1:
        effects.sort(key=lambda effect: effect.id)
    return tuple(effects)
