"""Keeps the GeoIP files of a node: notices new ones, refuses broken ones, remembers the last good ones. No look-ups."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeAlias

from acrux.wiring.geography import GeoipFailure, GeoipState
from acrux.wiring.geoip import GeoipFact, GeoipInvalid, GeoipTable
from acrux.wiring.geoip_copies import GeoipCopies

_log: Final = logging.getLogger(__name__)
OLD: Final = timedelta(days=60)
"""Makers of these files publish monthly at the latest, most of them weekly."""
REMINDER: Final = timedelta(days=1)
Fingerprint: TypeAlias = tuple[tuple[object, ...], ...]


class GeoipUnusable(RuntimeError):  # noqa: N818 - it says what the files are
    """A file can't be used, and there is no last good copy of it: nothing may start. The message says what to do."""


@dataclass(frozen=True, slots=True)
class GeoipOffer:
    """The files that every worker shall look addresses up in.

    Attributes:
        number: grows with each offer; a worker confirms it by number.
        states: by fact; a fact that is missing has no file.
    """

    number: int
    states: Mapping[GeoipFact, GeoipState]


class GeoipKeeper:
    """The files that this node looks addresses up in, and why newer ones were not taken.

    A new file is taken when it has been the same at two looks, whole or not at all: a broken one keeps the last good
    one, also across a restart. INVARIANT (no door opens by a file): without a good file for a fact that is configured
    the node does not start. Rules that guard a fact with `in known`, as they should, would not match without it.

    Args:
        sources: the configured files.
        state: the state directory.
        clock: aware UTC.

    Attributes:
        offer: what workers are told.
    """

    __slots__ = ("_clock", "_copies", "_last", "_reminded_at", "_settled", "_sources", "offer")

    def __init__(self, sources: Mapping[GeoipFact, Path], state: Path, *, clock: Callable[[], datetime]) -> None:
        self._sources = dict(sources)
        self._copies = GeoipCopies(state)
        self._clock = clock
        self._reminded_at: dict[GeoipFact, datetime] = {}
        self._settled = self._last = self._fingerprint()
        self.offer = GeoipOffer(0, {})

    def start(self) -> None:
        """Takes the configured files; in place of a broken one its last good copy, saying so.

        Raises:
            GeoipUnusable: there is neither.
        """
        states: dict[GeoipFact, GeoipState] = {}
        for fact, source in self._sources.items():
            try:
                states[fact] = self._take(fact, source)
            except GeoipInvalid as invalid:
                kept = self._copies.recall(source, fact)
                if kept is None:
                    raise GeoipUnusable(f"the GeoIP file `{source}` (--geoip-{fact}) {invalid}") from invalid
                states[fact] = replace(self._state(*kept), failure=self._refuse(fact, source, invalid))
        self._offer(states)
        self.forget_old_copies()  # of a run that was killed; no worker is there yet
        self.warn_of_old_files()

    def settled_change(self) -> bool:
        """Looks once; True when there is a change that the look before saw too, so that nobody reads half a file."""
        now = self._fingerprint()
        unmoved, self._last = now == self._last, now
        if unmoved and now != self._settled:
            self._settled = now
            return True
        return False

    def reload(self) -> bool:
        """Reads the configured files; True when there is something to tell the workers."""
        states = dict(self.offer.states)
        for fact, source in self._sources.items():
            before = states[fact]
            try:
                taken = self._take(fact, source)
            except GeoipInvalid as invalid:
                states[fact] = replace(before, failure=self._refuse(fact, source, invalid))
                continue
            if taken.copy == before.copy:
                taken = replace(before, failure=None)  # the same content, or the broken file was taken back
            states[fact] = taken
        if states == self.offer.states:
            return False
        self._offer(states)
        return True

    def forget_old_copies(self) -> None:
        """Removes the copies of files that are not in use; called when every worker uses the present ones."""
        try:
            self._copies.forget({Path(state.copy) for state in self.offer.states.values()})
        except OSError:
            _log.warning("old copies of GeoIP files can't be removed", exc_info=True)

    def warn_of_old_files(self) -> None:
        """Says of each file that is old, once a day: an updater that no longer runs is noticed nowhere else."""
        now = self._clock()
        for fact, state in self.offer.states.items():
            age = now - state.built_at
            reminded_at = self._reminded_at.get(fact)
            if age > OLD and (reminded_at is None or now - reminded_at >= REMINDER):
                self._reminded_at[fact] = now
                what = (
                    f"the GeoIP file {self._sources[fact]} was built {age.days} days ago, on {state.built_at:%Y-%m-%d}"
                )
                _log.warning("%s: is its updater running?", what)

    def _take(self, fact: GeoipFact, source: Path) -> GeoipState:
        return self._state(*self._copies.take(source, fact))

    def _state(self, copy: Path, table: GeoipTable) -> GeoipState:
        return GeoipState(str(copy.absolute()), table.database_type, table.built_at, self._clock())

    def _offer(self, states: Mapping[GeoipFact, GeoipState]) -> None:
        for fact, state in states.items():
            before = self.offer.states.get(fact)
            if before is None or before.copy != state.copy:
                what = f"{state.database_type}, built on {state.built_at:%Y-%m-%d}"
                _log.info("network.%s comes from %s (%s)", fact, self._sources[fact], what)
        self.offer = GeoipOffer(self.offer.number + 1, states)
        if states:
            try:
                self._copies.keep(self._sources, {fact: Path(state.copy) for fact, state in states.items()})
            except OSError:
                _log.exception("the GeoIP files in use can't be remembered for the next start")

    def _refuse(self, fact: GeoipFact, source: Path, invalid: GeoipInvalid) -> GeoipFailure:
        summary = f"`{source}` {invalid}"
        _log.error("the GeoIP file for network.%s is not taken, the last good one stays: %s", fact, summary)
        return GeoipFailure(self._clock(), summary)

    def _fingerprint(self) -> Fingerprint:
        return tuple((fact, *_stamp(source)) for fact, source in self._sources.items())


def _stamp(source: Path) -> tuple[object, ...]:
    """What changes when a file is replaced, written to, or swapped by a symbolic link on the way to it."""
    try:
        status = source.stat()
    except OSError as failure:
        return (failure.errno,)
    return (os.path.realpath(source), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
