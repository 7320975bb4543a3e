"""The streams of a spool directory, living and dead: noticing, ending, deleting. No database."""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from acrux.decisionlog.append import Clock, make_row
from acrux.decisionlog.reading import SpoolReader
from acrux.decisionlog.records import Kind, event
from acrux.decisionlog.spool import LOCK_SUFFIX, SUFFIX, Spool, StreamTaken
from acrux.domain.identifiers import StreamId

_LOG: Final = logging.getLogger(__name__)
_DELETED_AT_ONCE: Final = 500
_DELETIONS_A_ROUND: Final = 100


class SpooledStream:
    """One stream's file, and how far the database has it.

    Attributes:
        id: the stream.
        reader: reads its file.
        position: where the database is; None for not known.
        finished: whether the stream has ended and the database has all of it.
        unchecked_count: how many rows were shipped since the last checkpoint of the file.
    """

    __slots__ = ("finished", "id", "position", "reader", "unchecked_count")

    def __init__(self, path: Path) -> None:
        self.id = StreamId(path.stem)
        self.reader = SpoolReader(path)
        self.position: int | None = None
        self.finished = False
        self.unchecked_count = 0

    def move_to(self, position: int) -> None:
        """Take note of where the database is."""
        if position != self.position:
            self.position, self.finished = position, False

    def note_drained(self) -> None:
        """Take note that no row is left to ship: that is the end, if the last row says so."""
        self.finished = self.reader.extent().last_kind == Kind.STREAM_CLOSED

    def checkpoint(self) -> None:
        """Write the WAL back into the file, so that the writer's own checkpoints find little to do."""
        self.reader.checkpoint()
        self.unchecked_count = 0


class SpoolDirectory:
    """All streams of a node. One thread changes it; `unshipped` is for all threads.

    Args:
        path: the directory.
        clock: where time comes from.
    """

    def __init__(self, path: Path, clock: Clock) -> None:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._streams: dict[StreamId, SpooledStream] = {}

    def streams(self) -> list[SpooledStream]:
        """Every stream that was noticed, oldest first."""
        with self._lock:
            return [stream for _, stream in sorted(self._streams.items())]

    def notice(self) -> None:
        """Take note of new files. One that its writer has not finished making is left for the next time.

        Raises:
            OSError: the directory can't be read.
        """
        for path in self._path.glob(f"*{SUFFIX}"):
            if StreamId(path.stem) in self._streams:
                continue
            try:
                stream = SpooledStream(path)
            except sqlite3.Error:
                continue
            try:
                stream.reader.extent()
            except sqlite3.Error:
                stream.reader.close()
                continue
            with self._lock:
                self._streams[stream.id] = stream

    def close_dead_streams(self) -> None:
        """Write `stream_closed` for each stream whose writer has died without doing so."""
        for stream in self.streams():
            with _apart(stream):
                if stream.reader.extent().last_kind != Kind.STREAM_CLOSED:
                    self._close_if_dead(stream)

    def _close_if_dead(self, stream: SpooledStream) -> None:
        try:
            spool = Spool(self._path, stream.id)
        except StreamTaken:
            return
        try:
            self._close_stream(spool)
        finally:
            spool.close()

    def _close_stream(self, spool: Spool) -> None:
        sequence, last_us, head = spool.tail()
        recorded_at_us = max(last_us, self._clock.now_us())
        row, _ = make_row(event(Kind.STREAM_CLOSED, {"clean": False}), spool.stream, sequence + 1, recorded_at_us, head)
        spool.write([row])
        _LOG.warning("stream %s was not closed by its writer", spool.stream)

    def delete_older(self, recorded_before_us: int) -> None:
        """Delete what the database has and was recorded before a time: whole files of ended streams, rows of others."""
        for stream in self.streams():
            with _apart(stream):
                self._delete_older(stream, recorded_before_us)

    def _delete_older(self, stream: SpooledStream, recorded_before_us: int) -> None:
        extent = stream.reader.extent()
        position = stream.position or 0
        if stream.finished and extent.last <= position and extent.last_recorded_at_us < recorded_before_us:
            self._delete_file(stream)
            return
        for _ in range(_DELETIONS_A_ROUND):
            deleted_count = stream.reader.delete(
                up_to=position, recorded_before_us=recorded_before_us, limit=_DELETED_AT_ONCE
            )
            if deleted_count < _DELETED_AT_ONCE:
                return

    def _delete_file(self, stream: SpooledStream) -> None:
        with self._lock:
            del self._streams[stream.id]
        stream.reader.close()
        base = self._path / stream.id
        for suffix in (SUFFIX, f"{SUFFIX}-wal", f"{SUFFIX}-shm", LOCK_SUFFIX):
            base.with_name(base.name + suffix).unlink(missing_ok=True)

    def unshipped(self) -> tuple[int, int | None]:
        """How many rows the database does not have, and when the oldest of them was recorded (microseconds)."""
        row_count, oldest_us = 0, None
        for stream in self.streams():
            if stream.finished:
                continue
            with _apart(stream):
                position = stream.position or 0
                row_count += max(0, stream.reader.extent().last - position)
                recorded_us = stream.reader.recorded_at_us(position)
                if recorded_us is not None:
                    oldest_us = recorded_us if oldest_us is None else min(oldest_us, recorded_us)
        return row_count, oldest_us

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            while self._streams:
                self._streams.popitem()[1].reader.close()


@contextmanager
def _apart(stream: SpooledStream) -> Iterator[None]:
    """Keep one stream's trouble from the others: it is said, and tried again the next time."""
    try:
        yield
    except sqlite3.Error as reason:
        _LOG.warning("stream %s gives trouble: %s", stream.id, reason)
