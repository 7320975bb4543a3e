"""The spool: one SQLite file for each stream, durable at each commit. The one room, with `reading`, that opens sqlite3.

Forbidden here: knowing what a record means. WAL with `synchronous=FULL`: NORMAL loses acknowledged rows at power loss.
"""

import os
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Final, TypeAlias

from acrux.decisionlog.chain import FIRST_HEAD
from acrux.decisionlog.locks import FileLock
from acrux.domain.identifiers import StreamId

SUFFIX: Final = ".db"
LOCK_SUFFIX: Final = ".lock"
MAX_ROWS_PER_STATEMENT: Final = 128
BUSY_TIMEOUT_MS: Final = 5_000
# The shipper checkpoints often, so this one finds little left to do; alone, it bounds the WAL to about 16 MB.
_WAL_AUTOCHECKPOINT_PAGES: Final = 4_000
_PAGE_BYTES: Final = 4_096

Row: TypeAlias = tuple[
    int,  # sequence
    str,  # kind
    int,  # at_us
    int,  # recorded_at_us
    str | None,  # decision_id
    int | None,  # uses_up: 1 for an outcome that uses its decision up
    bytes | None,  # key_hash
    bytes | None,  # request_hash
    int | None,  # expires_at_us
    bytes | None,  # answer
    bytes,  # head
    bytes,  # body
]
_COLUMNS: Final = 12
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS records (
    sequence INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    recorded_at_us INTEGER NOT NULL,
    decision_id TEXT,
    uses_up INTEGER,
    key_hash BLOB,
    request_hash BLOB,
    expires_at_us INTEGER,
    answer BLOB,
    head BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS records_decision ON records (decision_id) WHERE decision_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS records_key ON records (key_hash) WHERE key_hash IS NOT NULL;
"""
_ROW_MARKS: Final = "(" + ",".join("?" * _COLUMNS) + ")"
# One statement for each batch size, so that a batch is one step: every step gives the GIL away and must win it back.
_INSERTS: Final = tuple(
    "INSERT INTO records VALUES " + ",".join([_ROW_MARKS] * count)  # noqa: S608 - question marks only
    for count in range(MAX_ROWS_PER_STATEMENT + 1)
)


def stream_path(directory: Path, stream: StreamId) -> Path:
    """The file of a stream."""
    return directory / f"{stream}{SUFFIX}"


def lock_path(directory: Path, stream: StreamId) -> Path:
    """The file whose lock says that a stream's writer lives."""
    return directory / f"{stream}{LOCK_SUFFIX}"


class Spool:
    """The writing end of one stream's file. One thread at a time; one writer for each stream, held to by its lock.

    Durable: when `write` returns, the rows survive power loss, if the disk honours flushes. Ordered: rows enter as
    given. All or nothing: when it raises, `recover` must be called before the next `write`, and tells what the file
    really holds.

    Args:
        directory: the spool directory; made where it is missing.
        stream: whose file it is.
        max_bytes: how large the file may become; None for as large as the disk allows.

    Raises:
        OSError: the directory can't be made or the lock file not opened.
        sqlite3.Error: the file can't be opened.
        StreamTaken: another writer has this stream.
    """

    __slots__ = ("_connection", "_lock", "_max_bytes", "path", "stream")

    def __init__(self, directory: Path, stream: StreamId, *, max_bytes: int | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The lock comes before the file, so that the shipper never sees the file of a live stream without its lock.
        lock = FileLock.try_acquire(lock_path(directory, stream))
        if lock is None:
            raise StreamTaken(f"stream {stream} has a writer")
        self.stream = stream
        self.path = stream_path(directory, stream)
        self._lock = lock
        self._max_bytes = max_bytes
        self._connection: sqlite3.Connection | None = None
        try:
            self._connection = self._open()
            _sync_directory(directory)
        except BaseException:
            self.close()
            raise

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=MAX_ROWS_PER_STATEMENT + 32
        )
        try:
            connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint={_WAL_AUTOCHECKPOINT_PAGES}")
            if self._max_bytes is not None:
                connection.execute(f"PRAGMA max_page_count={max(1, self._max_bytes // _PAGE_BYTES)}")
            connection.executescript(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def write(self, rows: Sequence[Row]) -> None:
        """Make the rows durable, all of them or none.

        Raises:
            sqlite3.Error: none is acknowledged, but some may be there all the same ("failed but persisted").
        """
        connection = self._require()
        if len(rows) <= MAX_ROWS_PER_STATEMENT:
            connection.execute(_INSERTS[len(rows)], _flat(rows))
            return
        connection.execute("BEGIN IMMEDIATE")
        for start in range(0, len(rows), MAX_ROWS_PER_STATEMENT):
            part = rows[start : start + MAX_ROWS_PER_STATEMENT]
            connection.execute(_INSERTS[len(part)], _flat(part))
        connection.execute("COMMIT")

    def tail(self) -> tuple[int, int, bytes]:
        """The last row: sequence, time of recording (microseconds) and head of the chain; (0, 0, zeros) at first."""
        row = (
            self._require()
            .execute("SELECT sequence, recorded_at_us, head FROM records ORDER BY sequence DESC LIMIT 1")
            .fetchone()
        )
        return (0, 0, FIRST_HEAD) if row is None else (row[0], row[1], row[2])

    def recover(self) -> tuple[int, int, bytes]:
        """Open the file anew after a failure and return its `tail`.

        After a sync that failed, the kernel may hold pages that it thinks clean and the disk does not have; a later
        commit would rest on them. So everything in the WAL is written into the database file and synced first.

        Raises:
            sqlite3.Error: the file still can't be written.
        """
        self._disconnect()
        self._connection = self._open()
        busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("a reader holds up the checkpoint after a failure")
        return self.tail()

    def allow_bytes(self, max_bytes: int | None) -> None:
        """Change how large the file may become, from the next `recover` on."""
        self._max_bytes = max_bytes

    def close(self) -> None:
        """Close the file and give the stream up."""
        self._disconnect()
        self._lock.release()

    def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()

    def _require(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.OperationalError("the spool is closed")
        return self._connection


class StreamTaken(Exception):  # noqa: N818 - says what happened
    """Another writer has this stream."""


def _flat(rows: Iterable[Row]) -> list[object]:
    return list(chain.from_iterable(rows))


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
