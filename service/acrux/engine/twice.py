"""Deciding again after the callback (policy-language.md, "Twice"): which rules, and by which facts. No tickets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, cast

from acrux.cel.tree import IN, Call, Constant, Name, Node, walk
from acrux.domain.facts import Facts, FactValue
from acrux.engine.index import CandidateIndex
from acrux.engine.prepared import PreparedBreakGlass, PreparedRule
from acrux.policy.model import Client, Condition

_USER: Final = "user."
_KNOWN: Final = "known"
# The set itself knows these, and the time comes with the ticket: they need not be kept.
_KNOWN_ANYWAY: Final = frozenset({"client.id", "client.tags", "client.registered", "request.time"})
# What the relying party asked for counts again.
_OWN_REQUEST: Final = frozenset({"request.acr_values", "request.max_age"})
_NOTHING: Final[frozenset[str]] = frozenset()


class UserRules:
    """The rules of a set whose outcome or requirement can depend on who the user is."""

    __slots__ = ("_always_read", "_any", "_everybody_reads", "_index")

    def __init__(
        self,
        rules: Iterable[PreparedRule],
        break_glass: Sequence[PreparedBreakGlass],
        clients: Iterable[Client],
    ) -> None:
        on_users = [rule for rule in rules if _reads_user(rule)]
        self._any = bool(on_users)
        self._index = CandidateIndex(on_users, clients if on_users else ())
        lowering = _NOTHING.union(*(entry.entry.when.reads for entry in break_glass))
        self._always_read = (lowering | _OWN_REQUEST) - _KNOWN_ANYWAY
        self._everybody_reads = _reads(self._index.of_everybody())

    def of(self, name: str, client: Client | None) -> Iterator[PreparedRule]:
        """The rules on users that could match a client's requests."""
        return self._index.of_client(name, () if client is None else client.tags)

    def facts_read(self, name: str, client: Client | None) -> frozenset[str]:
        """The facts that those rules, their exceptions, their rollouts and break-glass read; empty without a rule."""
        if not self._any:
            return _NOTHING
        own = _reads(self._index.of_client_only(name, () if client is None else client.tags))
        read = own | self._everybody_reads
        return (read | self._always_read) - _KNOWN_ANYWAY if read else _NOTHING


def facts_after_login(
    user_facts: Mapping[str, FactValue],
    stored_facts: Mapping[str, FactValue],
    name: str,
    client: Client | None,
    now: datetime,
) -> Facts:
    """The stored facts, the verified ones over them, and what the set itself knows; `known` made anew.

    INVARIANT (verified beats claimed): a `user.*` fact that the provider verified replaces the caller's word for it.
    """
    values: dict[str, FactValue] = {
        **stored_facts,
        **user_facts,
        "client.id": name,
        "client.tags": () if client is None else client.tags,
        "client.registered": client is not None,
        "request.time": now,
    }
    before = cast("tuple[str, ...]", stored_facts.get(_KNOWN, ()))
    values[_KNOWN] = tuple(sorted({*before, *values} - {_KNOWN}))
    return Facts(values)


def _reads(rules: Iterable[PreparedRule]) -> frozenset[str]:
    return _NOTHING.union(*(rule.reads for rule in rules))


def _reads_user(rule: PreparedRule) -> bool:
    if any(name.startswith(_USER) for name in rule.reads):
        return True
    conditions = (rule.rule.when, *(clause.when for clause in rule.rule.exceptions))
    return any(_asks_for_user(condition) for condition in conditions)


def _asks_for_user(condition: Condition) -> bool:
    """Whether a condition asks `known` for a fact of the user, or does with it what can't be seen through."""
    if _KNOWN not in condition.reads:
        return False
    seen_through = 0
    nodes: list[Node] = list(walk(condition.expression.tree))
    for node in nodes:
        match node:
            case Call(function=function, args=(Constant(value=str(asked)), Name(name="known", local=False))) if (
                function == IN
            ):
                if asked.startswith(_USER):
                    return True
                seen_through += 1
            case _:
                continue
    return seen_through < sum(isinstance(node, Name) and node.name == _KNOWN and not node.local for node in nodes)
