"""Values worth trying: what conditions mention, what lies beside it, and absence. No request is decided here."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from ipaddress import ip_network
from itertools import islice
from typing import Final, TypeAlias

from acrux.cel import Call, Comprehension, Constant, Name, Node, walk
from acrux.cel.tree import AND, CONDITIONAL, NOT, OR
from acrux.domain.facts import ATTRIBUTE_PREFIX, UNKNOWN_ASN, UNKNOWN_COUNTRY, FactType, FactValue
from acrux.domain.identifiers import RuleId
from acrux.engine.rollout import bucket_of
from acrux.policy.model import CheckedPolicy, Condition, Network, Rule, Window
from acrux.policy.request import MAX_ASN
from acrux.policy.times import parse_duration, parse_timestamp

Choice: TypeAlias = FactValue | None
"""A value to try; None stands for absence."""

OTHER: Final = "something-else"
"""A text that no condition mentions."""
OUTSIDE: Final = "192.0.2.254"
_OF_THEIR_OWN: Final = frozenset({"client.id", "network.country"})
"""Facts whose other values are no free text."""
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_LOGIC: Final = frozenset({AND, OR, NOT, CONDITIONAL})
_TICK: Final = timedelta(microseconds=1)
_SECOND: Final = timedelta(seconds=1)
_NOON: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
_SAMPLES: Final[Mapping[FactType, tuple[FactValue, ...]]] = {
    FactType.STRING: ("", OTHER),
    FactType.BOOL: (True, False),
    FactType.INT: (0, 1),
    FactType.DOUBLE: (0.0, 1.0),
    FactType.TIMESTAMP: (_NOON,),
    FactType.DURATION: (timedelta(0),),
    FactType.STRING_LIST: ((),),
}
_MOST_CLIENTS: Final = 200
_MOST_CIDRS: Final = 8
_MOST_BUCKETS: Final = 2000


@dataclass(slots=True)
class Choices:
    """Values to try for each fact, and times to try them at; each once, in the order in which they were found."""

    by_fact: dict[str, dict[Choice, None]] = field(default_factory=dict)
    times: dict[datetime, None] = field(default_factory=dict)

    def add(self, fact: str, *values: Choice) -> None:
        """More values for a fact."""
        self.by_fact.setdefault(fact, {}).update(dict.fromkeys(values))

    def merged(self, *others: "Choices") -> "Choices":
        """These and others together."""
        merged = Choices()
        for one in (self, *others):
            for fact, values in one.by_fact.items():
                merged.add(fact, *values)
            merged.times.update(one.times)
        return merged


class Boundaries:
    """Finds the values worth trying in one policy set.

    Args:
        policy: the set.
        declarations: the type of each fact.
    """

    def __init__(self, policy: CheckedPolicy, declarations: Mapping[str, FactType]) -> None:
        self._policy = policy
        self._declarations = declarations
        self._client_of_tag: dict[str, str] = {}
        for client in policy.clients.values():
            for tag in client.tags:
                self._client_of_tag.setdefault(tag, client.name)

    def of_everything(self) -> Choices:
        """What the set as a whole offers: clients of each kind, an address of each network, levels, acr values."""
        policy, found = self._policy, Choices()
        by_tags: dict[tuple[str, ...], str] = {}
        for client in policy.clients.values():
            by_tags.setdefault(client.tags, client.name)
        found.add("client.id", *islice(by_tags.values(), _MOST_CLIENTS), *islice(policy.clients, _MOST_CLIENTS), OTHER)
        found.add("app.id", "", OTHER)
        found.add("network.ip", None, OUTSIDE)
        for network in policy.networks.values():
            found.add("network.ip", *_addresses(network))
        found.add("network.country", None, UNKNOWN_COUNTRY)
        found.add("network.asn", None, UNKNOWN_ASN)
        for fact in ("user.id", "user.domain", "browser.id", "device.platform", "device.user_agent"):
            found.add(fact, None, OTHER)
        found.add("user.groups", None, ())
        found.add("device.managed", None, True, False)
        found.add("session.level", None, *policy.ladder.levels)
        found.add("session.age", None, timedelta(0), timedelta(days=30))
        words = (word for provider in policy.providers.values() for own in provider.acr.values() for word in own)
        found.add("request.acr_values", (), *((word,) for word in words))
        for name, attribute in policy.attributes.items():
            found.add(ATTRIBUTE_PREFIX + name, None, *_SAMPLES[attribute.type])
        found.times.update(dict.fromkeys(case.now for case in policy.tests))
        found.times[_NOON] = None
        return found

    def of_condition(self, condition: Condition) -> Choices:
        """Every literal that a condition mentions beside a fact, and its neighbours; each fact absent and otherwise."""
        found = Choices()
        for fact, literal in _mentioned(condition.expression.tree):
            self._add_literal(found, fact, literal)
        for fact in condition.reads:
            if fact in found.by_fact and self._declarations[fact] is FactType.STRING and fact not in _OF_THEIR_OWN:
                found.add(fact, OTHER)
        return found

    def of_rule(self, rule: Rule) -> Choices:
        """What a rule and its exceptions mention, buckets in and out of its rollout, and the edges of its times."""
        found = self.of_condition(rule.when)
        found = found.merged(*(self.of_condition(clause.when) for clause in rule.exceptions))
        if rule.rollout is not None and self._declarations.get(rule.rollout.by) is FactType.STRING:
            found.add(rule.rollout.by, None, *_bucket_values(rule.id, rule.rollout.percent))
        found.times.update(dict.fromkeys(_edges(rule.active)))
        for clause in rule.exceptions:
            over = datetime.combine(clause.expires_on, time(), UTC) + timedelta(days=1)
            found.times.update(dict.fromkeys((over - _TICK, over)))
        return found

    def _add_literal(self, found: Choices, fact: str, literal: object) -> None:
        match fact, literal:
            case "client.tags", str():
                found.add("client.id", self._client_of_tag.get(literal, OTHER))
            case "network.zones", str():
                network = self._policy.networks.get(literal)
                found.add("network.ip", *(() if network is None else _addresses(network)), OUTSIDE)
            case "known", str():
                found.add(literal, None)
            case ("network.ip", str()):
                found.add("network.ip", *_addresses_of_text(literal), OUTSIDE)
            case "network.country", str():
                found.add(fact, *(_COUNTRY.findall(literal) if len(literal) == len(UNKNOWN_COUNTRY) else ()))
                found.add(fact, UNKNOWN_COUNTRY, None)
            case "network.asn", int():
                near = (literal, literal - 1, literal + 1)
                found.add(fact, *(number for number in near if 0 <= number <= MAX_ASN), UNKNOWN_ASN, None)
            case _:
                self._add_typed(found, fact, literal)

    def _add_typed(self, found: Choices, fact: str, literal: object) -> None:
        match self._declarations.get(fact), literal:
            case FactType.STRING, str():
                found.add(fact, literal, None)
            case FactType.STRING_LIST, str():
                found.add(fact, (literal,), (), None)
            case FactType.INT, int() if not isinstance(literal, bool):
                found.add(fact, literal, literal - 1, literal + 1, None)
            case FactType.DOUBLE, float():
                found.add(fact, literal, literal - 1.0, literal + 1.0, None)
            case FactType.TIMESTAMP, _:
                self._add_times(found, fact, literal)
            case FactType.DURATION, str():
                seconds = parse_duration(literal)
                if seconds is not None:
                    at = timedelta(seconds=seconds)
                    found.add(fact, at, max(at - _SECOND, timedelta(0)), at + _SECOND, None)
            case _:
                pass  # a bool needs no literal: both values are tried

    def _add_times(self, found: Choices, fact: str, literal: object) -> None:
        moments: tuple[datetime, ...] = ()
        if isinstance(literal, str):
            at = parse_timestamp(literal)
            moments = () if at is None else (at - _TICK, at, at + _TICK)
        elif isinstance(literal, int) and 0 <= literal <= 24:  # noqa: PLR2004 - an hour, perhaps
            moments = tuple(datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in {(literal - 1) % 24, literal % 24})
        if fact == "request.time":
            found.times.update(dict.fromkeys(moments))
        elif moments:
            found.add(fact, *moments, None)


def _mentioned(tree: Node) -> Iterator[tuple[str, object]]:
    """Pairs of a fact and a literal that stand in one comparison or call; too many is better than too few."""
    for node in walk(tree):
        if isinstance(node, Comprehension) or (isinstance(node, Call) and node.function not in _LOGIC):
            below = list(walk(node))
            facts = dict.fromkeys(part.name for part in below if isinstance(part, Name) and not part.local)
            literals = [part.value for part in below if isinstance(part, Constant)]
            yield from ((fact, literal) for fact in facts for literal in literals)


def _addresses(network: Network) -> Iterator[str]:
    """The first and the last address of each range."""
    for cidr in network.cidrs[:_MOST_CIDRS]:
        yield from _addresses_of_text(cidr)


def _addresses_of_text(text: str) -> tuple[str, ...]:
    try:
        network = ip_network(text)
    except ValueError:
        return ()
    return tuple(dict.fromkeys((str(network[0]), str(network[-1]))))


def _bucket_values(rule: RuleId, percent: float) -> Iterable[str]:
    """A text in a bucket that is in, and one in a bucket that is out, where there are such buckets."""
    texts = [f"sample-{number}" for number in range(_MOST_BUCKETS)]
    for is_in in (True, False):
        yield from islice((text for text in texts if (bucket_of(rule, text) < percent) is is_in), 1)


def _edges(window: Window) -> Iterator[datetime]:
    for edge in (window.from_at, window.until_at):
        if edge is not None:
            yield from (edge - _TICK, edge)
