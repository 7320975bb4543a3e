"""The arithmetic of a decision on ranks (policy-language.md, "What a decision is"). No rules, no facts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from acrux.domain.ladder import AssuranceLadder


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one matched or errored rule requires.

    Attributes:
        rank: the rank of the level, or the ladder's `deny_rank`.
        max_age_seconds: the rule's own `max_age`, or None.
        enforced: False for a rule in `report` mode.
    """

    rank: int
    max_age_seconds: int | None
    enforced: bool = True


@dataclass(frozen=True, slots=True)
class Combined:
    """What all requirements together come to.

    Attributes:
        rank: the decided rank.
        shadow_rank: the rank if the rules in `report` mode counted.
        max_age_seconds: how old the login may be; None at the lowest rank and at `deny`.
    """

    rank: int
    shadow_rank: int
    max_age_seconds: int | None


def lowered(
    requirement: Requirement, exceptions: Iterable[int], break_glass: Iterable[int], deny_rank: int
) -> Requirement:
    """A rule's requirement after its exceptions and the break-glass that matched.

    INVARIANT (only exceptions and break-glass lower): nothing else in this room makes a requirement smaller.

    Args:
        requirement: what the rule declares.
        exceptions: the rank of `instead` of each of its exceptions that matched and have not expired.
        break_glass: the rank of `instead` of each active break-glass that matched.
        deny_rank: the ladder's; break-glass never lowers it.
    """
    rank = min(exceptions, default=requirement.rank)
    rank = min(rank, requirement.rank)
    if rank != deny_rank:
        rank = min(rank, min(break_glass, default=rank))
    if rank == requirement.rank:
        return requirement
    # A replaced requirement brings no `max_age` of its own: the ladder's for the level that stays is enough.
    return Requirement(rank, None, requirement.enforced)


def combine(
    ladder: AssuranceLadder,
    default_rank: int,
    requirements: Sequence[Requirement],
    requested_rank: int | None = None,
    requested_max_age_seconds: int | None = None,
) -> Combined:
    """The highest of default, enforced requirements and the relying party's own request, and the smallest `max_age`.

    INVARIANT (order never matters): only maxima and minima are taken over the requirements.
    """
    base = default_rank if requested_rank is None else max(default_rank, requested_rank)
    rank = shadow = base
    smallest = requested_max_age_seconds
    for requirement in requirements:
        shadow = max(shadow, requirement.rank)
        if requirement.enforced:
            rank = max(rank, requirement.rank)
            smallest = _smaller(smallest, requirement.max_age_seconds)
    if rank in (0, ladder.deny_rank):
        return Combined(rank, shadow, None)
    return Combined(rank, shadow, _smaller(smallest, ladder.max_age_seconds(rank)))


def _smaller(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
