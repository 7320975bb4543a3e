"""Locks that the kernel releases when their holder dies: one for each live stream, and a node-wide set for names.

No lock here guards the database; nothing here blocks the event loop.
"""

import asyncio
import fcntl
import hashlib
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, Literal, Self, TypeAlias, get_args

from acrux.decisionlog.errors import LockTimeout

STRIPES: Final = 256
_FIRST_PAUSE_SECONDS: Final = 0.0005
_LONGEST_PAUSE_SECONDS: Final = 0.01

LockClass: TypeAlias = Literal["idempotency", "decision"]
"""What a name belongs to. INVARIANT (lock order): whoever needs both takes `idempotency` first."""


class FileLock:
    """An exclusive flock on a file, held until `release` or until the holder's end, however that comes."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def try_acquire(cls, path: Path) -> Self | None:
        """The lock, or None while another holds it. The file is made where it is missing.

        Raises:
            OSError: the file can't be opened.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return cls(descriptor)

    def release(self) -> None:
        """Give the lock up."""
        os.close(self._descriptor)


class NameLocks:
    """Mutual exclusion by name among all tasks of all workers of one node.

    Names share 256 files by their hash: two names may wait for each other, one name never fails to exclude itself.

    Args:
        directory: where the lock files live; made where it is missing.
    """

    __slots__ = ("_directory",)

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory
        # Made beforehand: on a journalling file system, making one waits for whatever is being flushed. Where that
        # can't be done now (a full disk), `hold` tries again and says so.
        every = {_path(directory, name, stripe) for name in get_args(LockClass) for stripe in range(STRIPES)}
        with suppress(OSError):
            for path in every.difference(directory.iterdir()):
                path.touch(mode=0o600)

    @asynccontextmanager
    async def hold(self, lock_class: LockClass, name: bytes, *, timeout_seconds: float = 5.0) -> AsyncIterator[None]:
        """Hold a name for the length of the block.

        Raises:
            LockTimeout: another held it for longer than `timeout_seconds`.
            OSError: the lock file can't be opened.
        """
        stripe = hashlib.sha256(name).digest()[0] % STRIPES
        path = _path(self._directory, lock_class, stripe)
        give_up_at = time.monotonic() + timeout_seconds
        pause_seconds = _FIRST_PAUSE_SECONDS
        while (lock := FileLock.try_acquire(path)) is None:
            if time.monotonic() >= give_up_at:
                raise LockTimeout(f"another request holds this {lock_class}")
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
        try:
            yield
        finally:
            lock.release()


def _path(directory: Path, lock_class: LockClass, stripe: int) -> Path:
    return directory / f"{lock_class}-{stripe:02x}.lock"
