"""Where addresses are, for the decisions of one process: open files behind one look-up. It neither waits nor raises."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

from acrux.policy.facts import Whereabouts
from acrux.wiring.geoip import GeoipFact, GeoipTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

_log: Final = logging.getLogger(__name__)
_REMEMBERED_ADDRESSES: Final = 8_192


@dataclass(frozen=True, slots=True)
class GeoipFailure:
    """Why the newest file is not in use.

    Attributes:
        at: when it was tried.
        summary: the file and what is wrong with it, in one line.
    """

    at: datetime
    summary: str


@dataclass(frozen=True, slots=True)
class GeoipState:
    """The file that says one fact, on this node.

    Attributes:
        copy: the node's own copy of it, which nobody writes to.
        database_type: what it calls itself.
        built_at: when its maker made it.
        loaded_at: when this node took it.
        failure: why a newer one was not taken; None when the newest is in use.
    """

    copy: str
    database_type: str
    built_at: datetime
    loaded_at: datetime
    failure: GeoipFailure | None = None


_Found: TypeAlias = tuple[Whereabouts, tuple[GeoipFact, ...]]


class Atlas:
    """The files that are in use; a `acrux.policy.facts.Geography`.

    INVARIANT (damage is absence): a look-up that fails leaves that fact absent in that decision, so that a rule that
    reads it is `Errored` and requires what it would if it matched. It is never taken for `ZZ`, which would let the
    rules on certain countries off.

    Attributes:
        states: what is in use, for those who ask how it is.
    """

    __slots__ = ("_complained", "_failed", "_find", "states")

    def __init__(self, tables: Iterable[GeoipTable] = ()) -> None:
        self.states: Mapping[GeoipFact, GeoipState] = {}
        self._failed: Counter[GeoipFact] = Counter()
        self.take(tables, {})

    def take(self, tables: Iterable[GeoipTable], states: Mapping[GeoipFact, GeoipState]) -> None:
        """Uses other files from now on; a look-up under way ends with the ones it began with."""
        by_fact = {table.fact: table for table in tables}
        self._complained: set[GeoipFact] = set()
        self._find: Callable[[str], _Found] = lru_cache(_REMEMBERED_ADDRESSES)(_Lookup(by_fact, self._complain))
        self.states = dict(states)

    def whereabouts_of(self, ip: str) -> Whereabouts:
        """Where a normalised address is; a fact without a file, or whose file is damaged there, is None."""
        place, failed = self._find(ip)
        if failed:
            self._failed.update(failed)
        return place

    def take_failed(self) -> Mapping[GeoipFact, int]:
        """How many look-ups failed since the last call."""
        failed, self._failed = self._failed, Counter()
        return failed

    def _complain(self, fact: GeoipFact, damage: Exception) -> None:
        """Once for each file: a damaged one may fail at every login."""
        if fact not in self._complained:
            self._complained.add(fact)
            _log.error(
                "the GeoIP file for network.%s is damaged; the fact is absent where it is", fact, exc_info=damage
            )


class _Lookup:
    """One look-up in every file."""

    __slots__ = ("_complain", "_tables")

    def __init__(
        self, tables: Mapping[GeoipFact, GeoipTable], complain: Callable[[GeoipFact, Exception], None]
    ) -> None:
        self._tables = tables
        self._complain = complain

    def __call__(self, ip: str) -> _Found:
        values: dict[GeoipFact, object] = {}
        failed: list[GeoipFact] = []
        for fact, table in self._tables.items():
            try:
                values[fact] = table.value_of(ip)
            except Exception as damage:  # noqa: BLE001 - whatever damaged bytes come to, the login goes on
                failed.append(fact)
                self._complain(fact, damage)
        country, asn = values.get(GeoipFact.COUNTRY), values.get(GeoipFact.ASN)
        place = Whereabouts(country if isinstance(country, str) else None, asn if isinstance(asn, int) else None)
        return place, tuple(failed)
