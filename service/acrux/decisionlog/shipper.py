"""The shipper: moves spooled records into the database, in stream order, for as long as it takes. One for each node.

INVARIANT (position): a stream's position moves by compare-and-swap in the transaction that holds the records up to it.
So shipping again is harmless, and a database restored from a backup, whose position went back, is filled up again.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from acrux.decisionlog.append import Clock
from acrux.decisionlog.batches import Clash, StreamMoved, ship_rows
from acrux.decisionlog.streams import SpoolDirectory, SpooledStream
from acrux.domain.identifiers import StreamId
from acrux.storage import bindings, idempotency, streams
from acrux.storage.database import Database, DatabaseUnavailable, RowRefused, StorageError

_LOG: Final = logging.getLogger(__name__)
DEFAULT_POLL_SECONDS: Final = 0.25
DEFAULT_RETENTION_SECONDS: Final = 24 * 3600
_UPKEEP_SECONDS: Final = 5.0
_BATCH_ROWS: Final = 2_000
_CHECKPOINT_ROWS: Final = 2_000
_FIRST_BACKOFF_SECONDS: Final = 0.1
_LONGEST_BACKOFF_SECONDS: Final = 5.0
_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Lag:
    """What is spooled on this node and not yet in the database.

    Attributes:
        row_count: how many records.
        oldest_age_seconds: how long the oldest has waited; 0 if none waits.
    """

    row_count: int
    oldest_age_seconds: float


class Shipper:
    """Ships every stream of a node.

    Ordered: each stream's records enter in order. Retried: without end, with growing pauses. Exactly once: see the
    INVARIANT (position). Run it in one thread; `wake`, `flush` and `lag` are for all threads.

    Args:
        database: where to.
        spool_directory: where from.
        on_shipped: called with each stream and its new position once the database has committed.
        on_clash: called when a decision turns out to have been used up twice; the clash has an entry to append.
        clock: where time comes from.
        retention_seconds: how long shipped records stay in the spool: how old a restored backup may be.
        poll_seconds: how long an idle shipper sleeps if nobody wakes it.
    """

    def __init__(
        self,
        database: Database,
        spool_directory: Path,
        *,
        on_shipped: Callable[[StreamId, int], None] | None = None,
        on_clash: Callable[[Clash], None] | None = None,
        clock: Clock | None = None,
        retention_seconds: int = DEFAULT_RETENTION_SECONDS,
        poll_seconds: float = DEFAULT_POLL_SECONDS,
    ) -> None:
        self.shipped_count = 0
        self.clash_count = 0
        self.missing_count = 0
        self.failure: str | None = None
        self._database = database
        self._clock = clock or Clock()
        self._directory = SpoolDirectory(spool_directory, self._clock)
        self._on_shipped = on_shipped
        self._on_clash = on_clash
        self._retention_us = retention_seconds * _MICROSECONDS
        self._poll_seconds = poll_seconds
        self._wake = threading.Event()
        self._flushing = threading.Condition()
        self._flush_wanted = 0
        self._flush_done = 0
        self._upkeep_due = 0.0

    def run(self, stop: threading.Event) -> None:
        """Ship until `stop` is set; then once more all that is there, as far as the database lets it."""
        backoff_seconds = _FIRST_BACKOFF_SECONDS
        try:
            while True:
                stopping = stop.is_set()
                wanted = self._flush_wanted
                self._wake.clear()
                try:
                    shipped = self.ship_once(upkeep=time.monotonic() >= self._upkeep_due)
                except (StorageError, sqlite3.Error, OSError) as reason:
                    self._note_failure(reason)
                    if stopping:
                        return
                    stop.wait(backoff_seconds)
                    backoff_seconds = min(backoff_seconds * 2, _LONGEST_BACKOFF_SECONDS)
                    continue
                self.failure, backoff_seconds = None, _FIRST_BACKOFF_SECONDS
                if shipped:
                    continue
                self._report_flushed(wanted)
                if stopping:
                    return
                self._wake.wait(self._poll_seconds)
        finally:
            self.close()

    def wake(self) -> None:
        """Ship now instead of at the next poll."""
        self._wake.set()

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all that was spooled when this was called is in the database; whether it is."""
        with self._flushing:
            self._flush_wanted += 1
            wanted = self._flush_wanted
            self._wake.set()
            return self._flushing.wait_for(lambda: self._flush_done >= wanted, timeout_seconds)

    def lag(self) -> Lag:
        """What is not shipped yet."""
        row_count, oldest_us = self._directory.unshipped()
        age_us = 0 if oldest_us is None else max(0, self._clock.now_us() - oldest_us)
        return Lag(row_count, age_us / _MICROSECONDS)

    def ship_once(self, *, upkeep: bool = True) -> int:
        """One pass over all streams; how many records it shipped. 0 means: nothing is left.

        Raises:
            DatabaseUnavailable: the database is away.
            RowRefused: the database refuses a record even without its searchable columns.
            sqlite3.Error: a spool file can't be read.
        """
        self._directory.notice()
        if upkeep:
            self._upkeep()
        shipped_count, broken = 0, None
        for stream in self._directory.streams():
            try:
                shipped_count += self._ship_stream(stream)
            except (sqlite3.Error, RowRefused) as reason:
                broken = reason  # one stream's trouble must not hold up the others
        if broken is not None and not shipped_count:
            raise broken
        return shipped_count

    def close(self) -> None:
        """Close the spool files, for a caller of `ship_once`; `run` does it by itself."""
        self._directory.close()

    def _ship_stream(self, stream: SpooledStream) -> int:
        if stream.finished:
            return 0
        if stream.position is None:
            self._refresh([stream])
        after = stream.position or 0
        rows = stream.reader.rows(after, _BATCH_ROWS)
        if not rows:
            stream.note_drained()
            return 0
        if (missing_count := rows[0].sequence - after - 1) > 0:
            self.missing_count += missing_count
            _LOG.error("stream %s lacks %d records after %d", stream.id, missing_count, after)
        try:
            clashes = ship_rows(self._database, stream.id, after, rows)
        except StreamMoved:
            # Another shipper, or a restored backup: go on from where the database is.
            stream.position = None
            return 1
        stream.position = rows[-1].sequence
        stream.unchecked_count += len(rows)
        self.shipped_count += len(rows)
        if stream.unchecked_count >= _CHECKPOINT_ROWS:
            stream.checkpoint()
        if self._on_shipped is not None:
            self._on_shipped(stream.id, rows[-1].sequence)
        for clash in clashes:
            self._report_clash(clash)
        return len(rows)

    def _upkeep(self) -> None:
        """What is done now and then: see where the database is, end dead streams, checkpoint, delete what is old."""
        self._upkeep_due = time.monotonic() + _UPKEEP_SECONDS
        self._directory.close_dead_streams()
        self._refresh(self._directory.streams())
        now_us = self._clock.now_us()
        self._directory.delete_older(now_us - self._retention_us)
        self._database.write(
            lambda transaction: idempotency.delete_expired(transaction, before_us=now_us - self._retention_us)
        )
        self._database.write(lambda transaction: bindings.delete_expired(transaction, before_us=now_us))

    def _refresh(self, some: list[SpooledStream]) -> None:
        known = self._database.read(lambda transaction: streams.positions(transaction, [one.id for one in some]))
        for stream in some:
            stream.move_to(known.get(stream.id, 0))

    def _report_clash(self, clash: Clash) -> None:
        self.clash_count += 1
        _LOG.error("decision %s was used up twice: by %s and %s", clash.decision_id, clash.first, clash.second)
        if self._on_clash is not None:
            self._on_clash(clash)

    def _report_flushed(self, wanted: int) -> None:
        with self._flushing:
            self._flush_done = wanted
            self._flushing.notify_all()

    def _note_failure(self, reason: Exception) -> None:
        if self.failure is None:
            level = logging.WARNING if isinstance(reason, DatabaseUnavailable) else logging.ERROR
            _LOG.log(level, "shipping stopped, and is tried again: %s", reason)
        self.failure = str(reason)
