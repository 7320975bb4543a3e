"""The assurance ladder: the policy's own ordered scale. Levels are compared here and nowhere else."""

from dataclasses import dataclass, field
from typing import Final

from acrux.domain.identifiers import LevelName

DENY: Final = LevelName("deny")
"""Above every level: the login is refused. Reserved; never a rung."""


class UnknownLevelError(ValueError):
    """A level that the ladder does not have. The message names it."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One level of a ladder.

    Attributes:
        level: its name.
        max_age_seconds: how old a login may be at this level; None for no limit.
    """

    level: LevelName
    max_age_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class AssuranceLadder:
    """An ordered scale of assurance levels, lowest first, with `deny` above all of them.

    A *rank* is a level's place: 0 for the lowest rung, `deny_rank` for `deny`.
    """

    rungs: tuple[Rung, ...]
    _ranks: dict[LevelName, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ranks = {rung.level: rank for rank, rung in enumerate(self.rungs)}
        ranks[DENY] = len(self.rungs)
        object.__setattr__(self, "_ranks", ranks)

    @property
    def lowest(self) -> LevelName:
        """The rung that asks the provider for nothing."""
        return self.rungs[0].level

    @property
    def highest(self) -> LevelName:
        """The highest rung; `deny` is not a rung."""
        return self.rungs[-1].level

    @property
    def deny_rank(self) -> int:
        """The rank of `deny`: one above the highest rung."""
        return len(self.rungs)

    @property
    def levels(self) -> tuple[LevelName, ...]:
        """Every rung's level, lowest first."""
        return tuple(rung.level for rung in self.rungs)

    def __contains__(self, level: object) -> bool:
        return level in self._ranks and level != DENY

    def rank(self, level: str) -> int:
        """The place of a level or of `deny`.

        Raises:
            UnknownLevelError: the ladder has no such level.
        """
        try:
            return self._ranks[LevelName(level)]
        except KeyError:
            raise UnknownLevelError(f"unknown level `{level}`") from None

    def level(self, rank: int) -> LevelName:
        """The level at a rank; `deny` at `deny_rank`."""
        return DENY if rank == len(self.rungs) else self.rungs[rank].level

    def max_age_seconds(self, rank: int) -> int | None:
        """How old a login may be at a rank, in seconds; None for no limit, and for `deny`."""
        return None if rank == len(self.rungs) else self.rungs[rank].max_age_seconds

    def at_or_above(self, rank: int) -> tuple[LevelName, ...]:
        """The level at a rank and every higher rung, lowest first."""
        return tuple(rung.level for rung in self.rungs[rank:])
