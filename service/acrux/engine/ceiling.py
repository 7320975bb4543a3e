"""The ceiling of a client: what callers demand when Acrux can't be reached. No facts of a request."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from acrux.domain.asking import NOTHING_REQUESTED
from acrux.domain.decision import Accept
from acrux.domain.facts import FactValue
from acrux.domain.identifiers import LevelName
from acrux.engine.combine import Requirement, combine
from acrux.engine.index import CandidateIndex
from acrux.engine.prepared import PreparedRule
from acrux.engine.wording import ProviderWording
from acrux.policy.compiled import CompiledPolicy
from acrux.policy.model import Client

_CLIENT_FACTS = frozenset({"client.id", "client.tags", "client.registered"})


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that a client's logins can come to.

    Attributes:
        level: the highest of its default and of what any enforced rule can demand of it at any time.
        authorization_params: what to add to the authorization request; empty at the lowest level and for `deny`.
        accept: what to accept on the way back, with the smallest `max_age` that can apply; None for `deny`.
    """

    level: LevelName
    authorization_params: dict[str, str]
    accept: Accept | None


class Ceilings:
    """Computes ceilings from the candidate index: windows, buckets, exceptions and break-glass are not looked at."""

    __slots__ = ("_common", "_compiled", "_index", "_personal")

    def __init__(self, compiled: CompiledPolicy, index: CandidateIndex) -> None:
        self._compiled = compiled
        self._index = index
        everybody = [rule for rule in index.of_everybody() if _can_demand(rule)]
        # Rules that read nothing of the client can demand the same of all: their sum is made once.
        nothing = compiled.engine.activation({}, compiled.declarations)
        common = (rule for rule in everybody if not _reads_client(rule))
        self._common = _distinct(rule for rule in common if rule.when.matches(nothing) is not False)
        self._personal = tuple(rule for rule in everybody if _reads_client(rule))

    def of(self, name: str, client: Client | None, default_rank: int, wording: ProviderWording | None) -> Ceiling:
        """The ceiling of a client, registered or not.

        Args:
            name: the client's name in the set, or any other id.
            client: its registration, or None.
            default_rank: what applies to it where no rule says more.
            wording: its provider's words; None where no provider is known.
        """
        ladder = self._compiled.checked.ladder
        requirements = (*self._common, *_distinct(self._demanding(name, client)))
        combined = combine(ladder, default_rank, requirements)
        rank = combined.rank
        if rank != ladder.deny_rank and rank > 0 and (wording is None or not wording.acr_map.can_ask(rank)):
            rank = ladder.deny_rank
        if rank == ladder.deny_rank:
            return Ceiling(ladder.level(rank), {}, None)
        if wording is None:
            return Ceiling(ladder.level(rank), {}, Accept("acr", (), None))
        words = wording.of(rank, combined.max_age_seconds, NOTHING_REQUESTED)
        return Ceiling(ladder.level(rank), dict(words.asked.params), words.accept)

    def _demanding(self, name: str, client: Client | None) -> Iterable[PreparedRule]:
        """The rules that read something of the client, and that its name and tags alone do not make false."""
        tags = () if client is None else client.tags
        known: dict[str, FactValue] = {
            "client.id": name,
            "client.tags": tags,
            "client.registered": client is not None,
        }
        activation = self._compiled.engine.activation(known, self._compiled.declarations)
        # All other facts are absent, so they are errors, and CEL's `&&` and `||` absorb errors: a condition that is
        # false all the same is false whatever those facts are.
        own = (rule for rule in self._index.of_client_only(name, tags) if _can_demand(rule))
        return (rule for rule in chain(own, self._personal) if rule.when.matches(activation) is not False)


def _can_demand(rule: PreparedRule) -> bool:
    if not rule.enforced:
        return False
    return rule.rollout is None or rule.rollout.percent > 0 or rule.rollout.absent_is_in


def _reads_client(rule: PreparedRule) -> bool:
    return not _CLIENT_FACTS.isdisjoint(rule.rule.when.reads)


def _distinct(rules: Iterable[PreparedRule]) -> tuple[Requirement, ...]:
    return tuple({rule.plain.requirement for rule in rules})
