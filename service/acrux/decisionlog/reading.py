"""The reading end of a spool file: look-ups, rows to ship, and upkeep. Never appends; opens sqlite3 as `spool` does."""

import sqlite3
import threading
from pathlib import Path
from typing import Any, NamedTuple, Self

from acrux.decisionlog.spool import BUSY_TIMEOUT_MS


class SpooledRow(NamedTuple):
    """A row of the spool, as `spool.Row`."""

    sequence: int
    kind: str
    at_us: int
    recorded_at_us: int
    decision_id: str | None
    uses_up: int | None
    key_hash: bytes | None
    request_hash: bytes | None
    expires_at_us: int | None
    answer: bytes | None
    head: bytes
    body: bytes


class Extent(NamedTuple):
    """What a file holds.

    Attributes:
        first: the lowest sequence; 0 for an empty file.
        last: the highest sequence; 0 for an empty file.
        last_recorded_at_us: when the last was recorded.
        last_kind: its kind; empty for an empty file.
    """

    first: int
    last: int
    last_recorded_at_us: int
    last_kind: str


class SpoolReader:
    """Reads one spool file beside its writer. Safe for use by several threads, one at a time.

    Args:
        path: the file; it must exist.

    Raises:
        sqlite3.Error: it can't be opened.
    """

    __slots__ = ("_connection", "_lock", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        # Not `mode=ro`: a reader of a WAL must be able to write its shared-memory index.
        self._connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
        )
        self._connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        # A checkpoint belongs to `checkpoint` alone: a look-up on the way of a login must not stop to do one.
        self._connection.execute("PRAGMA wal_autocheckpoint=0")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def extent(self) -> Extent:
        """What the file holds.

        Raises:
            sqlite3.Error: it can't be read, or has no tables yet.
        """
        first: int | None = self._select("SELECT MIN(sequence) FROM records")[0][0]
        if first is None:
            return Extent(0, 0, 0, "")
        last = self._select("SELECT sequence, recorded_at_us, kind FROM records ORDER BY sequence DESC LIMIT 1")[0]
        return Extent(first, *last)

    def recorded_at_us(self, after: int) -> int | None:
        """When the first row after a sequence was recorded; None if there is none.

        Raises:
            sqlite3.Error: the file can't be read.
        """
        found = self._select(
            "SELECT recorded_at_us FROM records WHERE sequence > ? ORDER BY sequence LIMIT 1", (after,)
        )
        return found[0][0] if found else None

    def rows(self, after: int, limit: int) -> list[SpooledRow]:
        """Up to `limit` rows after a sequence, in order.

        Raises:
            sqlite3.Error: the file can't be read.
        """
        found = self._select("SELECT * FROM records WHERE sequence > ? ORDER BY sequence LIMIT ?", (after, limit))
        return [SpooledRow._make(row) for row in found]

    def answer(self, key_hash: bytes) -> SpooledRow | None:
        """The last row that was written under an idempotency key.

        Raises:
            sqlite3.Error: the file can't be read.
        """
        found = self._select("SELECT * FROM records WHERE key_hash = ? ORDER BY sequence DESC LIMIT 1", (key_hash,))
        return SpooledRow._make(found[0]) if found else None

    def of_decision(self, decision_id: str) -> list[SpooledRow]:
        """The rows that are, or are about, a decision, in order.

        Raises:
            sqlite3.Error: the file can't be read.
        """
        found = self._select("SELECT * FROM records WHERE decision_id = ? ORDER BY sequence", (decision_id,))
        return [SpooledRow._make(row) for row in found]

    def checkpoint(self) -> None:
        """Write the WAL's pages into the file, as far as no reader is in the way; the writer is not held up.

        Raises:
            sqlite3.Error: the file can't be written.
        """
        self._select("PRAGMA wal_checkpoint(PASSIVE)")

    def delete(self, *, up_to: int, recorded_before_us: int, limit: int) -> int:
        """Delete the oldest rows, at most `limit` of those up to a sequence and recorded before a time; how many.

        The last row always stays: the writer's chain goes on from it.

        Raises:
            sqlite3.Error: the file can't be written.
        """
        with self._lock:
            return self._connection.execute(
                "DELETE FROM records WHERE sequence IN (SELECT sequence FROM records WHERE sequence <= ? "
                "AND recorded_at_us < ? AND sequence < (SELECT MAX(sequence) FROM records) ORDER BY sequence LIMIT ?)",
                (up_to, recorded_before_us, limit),
            ).rowcount

    def _select(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()
