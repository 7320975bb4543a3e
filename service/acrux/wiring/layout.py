"""Where things are in the state directory, and its one owner at a time. What the files mean is for others."""

from __future__ import annotations

import fcntl
import os
import uuid
from pathlib import Path
from typing import Final

_MODE: Final = 0o700


class StateInUse(RuntimeError):  # noqa: N818 - says what is the matter
    """Another supervisor has this state directory."""


class StateDirectory:
    """What is local to one node (http-api.md, "Serving").

    Attributes:
        path: the directory.
    """

    __slots__ = ("_owner", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._owner: int | None = None

    @property
    def spool(self) -> Path:
        """One file per process start."""
        return self.path / "spool"

    @property
    def metrics(self) -> Path:
        """What the processes of this node count, shared through files; begun anew at each start."""
        return self.path / "metrics"

    @property
    def operator_token(self) -> Path:
        """The first operator token, in clear, for its owner alone."""
        return self.path / "operator-token"

    def take(self) -> None:
        """Makes the directory and becomes its one owner until the process ends, however it ends.

        Raises:
            StateInUse: another supervisor has it.
            OSError: it can't be made or written.
        """
        self.path.mkdir(mode=_MODE, parents=True, exist_ok=True)
        self.spool.mkdir(mode=_MODE, exist_ok=True)
        descriptor = os.open(self.path / "owner", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise StateInUse(
                f"another `acrux serve` uses the state directory {self.path}; stop it, or give this one its own --state"
            ) from None
        self._owner = descriptor

    def begin_metrics(self) -> None:
        """Empties the shared counters: their files are by process id, and ids come back."""
        self.metrics.mkdir(mode=_MODE, exist_ok=True)
        for left in self.metrics.iterdir():
            left.unlink()

    def node_id(self) -> str:
        """This node's name in the log, made at the first start: a UUID that says nothing of the machine."""
        place = self.path / "node-id"
        try:
            return place.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            name = str(uuid.uuid4())
            place.write_text(f"{name}\n", encoding="ascii")
            return name
