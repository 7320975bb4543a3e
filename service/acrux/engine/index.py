"""The candidate index (performance.md): rules do not cost, candidates do. It may only ever over-approximate.

INVARIANT (index over-approximates): a rule that is not among the candidates of a request would be `NotMatched` by it.
A rule is filed under what its condition needs, errors included: CEL's `&&` is false if one side is, whatever the other.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from acrux.cel import Node
from acrux.domain.facts import FactValue
from acrux.engine.prepared import PreparedRule
from acrux.policy.conditions import necessary, necessary_clients, necessary_members
from acrux.policy.model import Client

Rules: TypeAlias = tuple[PreparedRule, ...]
_Needs: TypeAlias = Callable[[Node, frozenset[str]], frozenset[str] | None]
"""What a condition needs of a fact, from its tree and the facts that it reads (a look that saves most walks)."""
_NONE: Final[Rules] = ()
_MOST_CLIENTS: Final = 4096
"""A rule is filed under at most so many clients one by one: filing must not cost rules times clients."""
_CLIENT_FACTS: Final = frozenset({"client.id", "client.tags", "client.registered"})


class CandidateIndex:
    """Rules filed under the values that their conditions need.

    Each rule stands in one drawer: by `client.id` if its condition names clients, else by tag, application or zone,
    else among those that are evaluated always.
    """

    __slots__ = ("_always", "_by_app", "_by_client", "_by_tag", "_by_tags", "_by_zone")

    def __init__(self, rules: Iterable[PreparedRule], clients: Iterable[Client]) -> None:
        """File the rules.

        Args:
            rules: all rules that can count.
            clients: the registered clients; those with the same tags share one list of candidates.
        """
        known = tuple(clients)
        by_client: dict[str, list[PreparedRule]] = {}
        by_tag: dict[str, list[PreparedRule]] = {}
        by_app: dict[str, list[PreparedRule]] = {}
        by_zone: dict[str, list[PreparedRule]] = {}
        always: list[PreparedRule] = []
        drawers: tuple[tuple[dict[str, list[PreparedRule]], _Needs], ...] = (
            (by_client, lambda tree, reads: necessary(tree, "client.id") if "client.id" in reads else None),
            (by_tag, lambda tree, reads: necessary_members(tree, "client.tags") if "client.tags" in reads else None),
            (by_client, _ClientNames(known)),
            (by_app, lambda tree, reads: necessary(tree, "app.id") if "app.id" in reads else None),
            (
                by_zone,
                lambda tree, reads: necessary_members(tree, "network.zones") if "network.zones" in reads else None,
            ),
        )
        for rule in rules:
            when = rule.rule.when
            for drawer, needs in drawers:
                values = needs(when.expression.tree, when.reads)
                if values is not None:
                    for value in values:
                        drawer.setdefault(value, []).append(rule)
                    break
            else:
                always.append(rule)
        self._by_client = _frozen(by_client)
        self._by_tag = _frozen(by_tag)
        self._by_app = _frozen(by_app)
        self._by_zone = _frozen(by_zone)
        self._always = tuple(always)
        self._by_tags = {tags: self._tagged(tags) for tags in {client.tags for client in known}}

    def candidates(self, values: Mapping[str, FactValue]) -> Iterator[PreparedRule]:
        """The rules that could match a request, each once, in no particular order."""
        yield from self._always
        if self._by_client:
            yield from self._by_client.get(values["client.id"], _NONE)  # type: ignore[arg-type]
        if self._by_tag:
            yield from self.tagged(values["client.tags"])  # type: ignore[arg-type]
        if self._by_app:
            yield from self._by_app.get(values["app.id"], _NONE)  # type: ignore[arg-type]
        if self._by_zone:
            yield from _merged(self._by_zone, values["network.zones"])  # type: ignore[arg-type]

    def tagged(self, tags: tuple[str, ...]) -> Rules:
        """The rules filed under any of some tags, each once."""
        found = self._by_tags.get(tags)
        return self._tagged(tags) if found is None else found

    def of_client_only(self, name: str, tags: tuple[str, ...]) -> Iterator[PreparedRule]:
        """The rules filed under a client's name or tags."""
        yield from self._by_client.get(name, _NONE)
        yield from self.tagged(tags)

    def of_client(self, name: str, tags: tuple[str, ...]) -> Iterator[PreparedRule]:
        """The rules that could ever match a client's requests, whatever else they say."""
        yield from self.of_client_only(name, tags)
        yield from self.of_everybody()

    def of_everybody(self) -> Iterator[PreparedRule]:
        """The rules that no client's name or tag keeps from matching."""
        yield from self._always
        for drawer in (self._by_app, self._by_zone):
            yield from dict.fromkeys(rule for rules in drawer.values() for rule in rules)

    def _tagged(self, tags: Iterable[str]) -> Rules:
        return _merged(self._by_tag, tags)


class _ClientNames:
    """The clients that a condition on names and tags at once is about, or on being registered; None for too many."""

    def __init__(self, clients: Iterable[Client]) -> None:
        by_tag: dict[str, set[str]] = {}
        names: set[str] = set()
        for client in clients:
            names.add(client.name)
            for tag in client.tags:
                by_tag.setdefault(tag, set()).add(client.name)
        self._by_tag = {tag: frozenset(found) for tag, found in by_tag.items()}
        self._names = frozenset(names)

    def __call__(self, tree: Node, reads: frozenset[str]) -> frozenset[str] | None:
        if reads.isdisjoint(_CLIENT_FACTS):
            return None
        found = necessary_clients(tree, self._by_tag, self._names)
        return None if found is None or len(found) > _MOST_CLIENTS else found


def _frozen(drawer: dict[str, list[PreparedRule]]) -> dict[str, Rules]:
    return {value: tuple(rules) for value, rules in drawer.items()}


def _merged(drawer: Mapping[str, Rules], values: Iterable[str]) -> Rules:
    found = [drawer[value] for value in values if value in drawer]
    if len(found) < 2:  # noqa: PLR2004 - nothing to merge
        return found[0] if found else _NONE
    # A rule that is filed under several of the values is a candidate once.
    return tuple(dict.fromkeys(rule for rules in found for rule in rules))
