"""What one node knows by itself: look-ups over all its spool files, and node-wide locks. Writes no record."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from acrux.decisionlog.chain import leaf_hash
from acrux.decisionlog.errors import LogUnavailable
from acrux.decisionlog.locks import LockClass, NameLocks
from acrux.decisionlog.reading import SpooledRow, SpoolReader
from acrux.decisionlog.records import Receipt
from acrux.decisionlog.spool import SUFFIX
from acrux.domain.identifiers import StreamId

T = TypeVar("T")

SPOOL_DIRECTORY: Final = "spool"
LOCKS_DIRECTORY: Final = "locks"
# Within the grain of a file system's clock, a directory may change twice under one time of modification.
_GRAIN_NS: Final = 50_000_000


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer that was given under an idempotency key.

    Attributes:
        request_hash: the hash of the body that it answered.
        expires_at_us: until when a retry gets it.
        answer: its JSON without the receipt.
        receipt: the receipt.
    """

    request_hash: bytes
    expires_at_us: int
    answer: bytes
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record in a spool of this node.

    Attributes:
        kind: its kind.
        uses_up: whether it is an outcome that uses its decision up.
        body: its canonical bytes.
        receipt: its receipt.
    """

    kind: str
    uses_up: bool
    body: bytes
    receipt: Receipt


class NodeSpools:
    """Look-ups over every spool file of this node's state directory, those of other workers and of the dead included.

    A record that any worker of the node was told is durable is found from then on. Safe for use by several threads.

    Args:
        state_directory: the node's state; `spool` and `locks` lie in it, and are made where they are missing.
    """

    def __init__(self, state_directory: Path) -> None:
        self.spool_directory = state_directory / SPOOL_DIRECTORY
        self.spool_directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._locks = NameLocks(state_directory / LOCKS_DIRECTORY)
        self._lock = threading.Lock()
        self._readers: dict[Path, SpoolReader] = {}
        self._seen_ns = -1

    def locked(
        self, lock_class: LockClass, name: bytes, *, timeout_seconds: float = 5.0
    ) -> AbstractAsyncContextManager[None]:
        """Exclude every other holder of the same name on this node for the length of the block; see `NameLocks.hold`.

        Whoever needs both classes takes `idempotency` before `decision` (INVARIANT, lock order).
        """
        return self._locks.hold(lock_class, name, timeout_seconds=timeout_seconds)

    def find_answer(self, key_hash: bytes, *, now_us: int) -> StoredAnswer | None:
        """The unexpired answer under an idempotency key, or None.

        Raises:
            LogUnavailable: a spool file can't be read.
        """
        for path, reader in self._each():
            row = self._look(path, reader, lambda reader: reader.answer(key_hash))
            if row is None or row.answer is None or row.request_hash is None or row.expires_at_us is None:
                continue
            if row.expires_at_us > now_us:
                return StoredAnswer(row.request_hash, row.expires_at_us, row.answer, _receipt(path, row))
        return None

    def find_records(self, decision_id: str) -> tuple[FoundRecord, ...]:
        """Every record on this node that is, or is about, a decision; each stream's in order.

        Raises:
            LogUnavailable: a spool file can't be read.
        """
        found: list[FoundRecord] = []
        for path, reader in self._each():
            rows = self._look(path, reader, lambda reader: reader.of_decision(decision_id)) or ()
            found += [FoundRecord(row.kind, bool(row.uses_up), row.body, _receipt(path, row)) for row in rows]
        return tuple(found)

    def find_outcome(self, decision_id: str) -> FoundRecord | None:
        """The outcome on this node that used a decision up, or None.

        Raises:
            LogUnavailable: a spool file can't be read.
        """
        return next((record for record in self.find_records(decision_id) if record.uses_up), None)

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            while self._readers:
                self._readers.popitem()[1].close()
            self._seen_ns = -1

    def _each(self) -> Iterator[tuple[Path, SpoolReader]]:
        with self._lock:
            self._notice()
            return iter(list(self._readers.items()))

    def _notice(self) -> None:
        """Open new files and drop deleted ones, if the directory has changed since the last look."""
        try:
            modified_ns = self.spool_directory.stat().st_mtime_ns
            if modified_ns == self._seen_ns:
                return
            settled = time.time_ns() - modified_ns > _GRAIN_NS
            present = {path for path in self.spool_directory.iterdir() if path.suffix == SUFFIX}
        except OSError as reason:
            raise LogUnavailable(f"the spool directory can't be read: {reason}") from reason
        for path in self._readers.keys() - present:
            self._readers.pop(path).close()
        for path in sorted(present - self._readers.keys()):
            self._open(path)
        self._seen_ns = modified_ns if settled else -1

    def _open(self, path: Path) -> None:
        try:
            self._readers[path] = SpoolReader(path)
        except sqlite3.Error as reason:
            if path.exists():
                raise LogUnavailable(f"`{path.name}` can't be read: {reason}") from reason

    def _look(self, path: Path, reader: SpoolReader, look: Callable[[SpoolReader], T]) -> T | None:
        try:
            return look(reader)
        except sqlite3.Error as reason:
            # A file that its writer has not finished making holds nothing yet; one that is gone was shipped long ago.
            if "no such table" in str(reason) or not path.exists():
                return None
            raise LogUnavailable(f"`{path.name}` can't be read: {reason}") from reason


def _receipt(path: Path, row: SpooledRow) -> Receipt:
    return Receipt(StreamId(path.stem), row.sequence, leaf_hash(row.body).hex())
