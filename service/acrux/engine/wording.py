"""A decided rank in a provider's words: parameters and what to accept, each made once. No rules are read here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from acrux.domain.asking import NOTHING_REQUESTED, AcrMap, Asked, Requested, accept, ask
from acrux.domain.decision import Accept
from acrux.domain.identifiers import ProviderName
from acrux.domain.ladder import AssuranceLadder
from acrux.policy.model import CheckedPolicy, Provider

_MOST_WORDINGS: Final = 1024
"""How many wordings a provider keeps: a caller chooses its own `max_age`, so their number has no other bound."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What to ask for, and what to accept on the way back."""

    asked: Asked
    accept: Accept | None


class ProviderWording:
    """One provider's words, with every answer for a request that asks for nothing itself remembered."""

    __slots__ = ("_made", "acr_map", "provider")

    def __init__(self, ladder: AssuranceLadder, provider: Provider, *, lenient: bool = False) -> None:
        self.provider: Final = provider
        self.acr_map: Final = AcrMap.of(
            ladder, provider.profile, provider.acr, refuse_unmapped=provider.refuse_unmapped and not lenient
        )
        self._made: dict[tuple[int, int | None], Wording] = {}

    def of(self, rank: int, max_age_seconds: int | None, requested: Requested) -> Wording:
        """The words for a decision.

        Raises:
            UnmappedRequestedAcr: see `acrux.domain.asking.ask`.
        """
        if requested is not NOTHING_REQUESTED:
            return self._make(rank, max_age_seconds, requested)
        key = (rank, max_age_seconds)
        found = self._made.get(key)
        if found is None:
            found = self._make(rank, max_age_seconds, requested)
            if len(self._made) < _MOST_WORDINGS:
                self._made[key] = found
        return found

    def _make(self, rank: int, max_age_seconds: int | None, requested: Requested) -> Wording:
        return Wording(
            ask(self.acr_map, rank, max_age_seconds, requested),
            accept(self.acr_map, rank, max_age_seconds),
        )


def provider_wordings(policy: CheckedPolicy, *, lenient: bool = False) -> Mapping[ProviderName, ProviderWording]:
    """The wording of every provider of a set; a lenient one drops unmapped values wherever it would refuse them."""
    return {
        name: ProviderWording(policy.ladder, provider, lenient=lenient) for name, provider in policy.providers.items()
    }
