"""Starting and stopping real programs on loopback; a program is ended by its own process id and by nothing broader."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

READY_SECONDS = 60.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.05

T = TypeVar("T")


def unavailable(what: str, instructions: str) -> None:
    """Skips a test that needs a program from outside; fails instead where `CI=true`, so that nothing is lost unseen."""
    message = f"{what} is missing: {instructions}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def listening_socket(host: str = "127.0.0.1") -> socket.socket:
    """A bound, listening socket on a free port, to be handed to a program: nobody can take the port in between."""
    bound = socket.create_server((host, 0))
    bound.set_inheritable(True)
    return bound


@dataclass(slots=True)
class Program:
    """A started program whose output goes to files, so that it never blocks on a full pipe."""

    name: str
    process: subprocess.Popen[bytes]
    output: Path
    errors: Path

    @classmethod
    def start(
        cls,
        name: str,
        argv: Sequence[str],
        directory: Path,
        *,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Program:
        """Starts `argv` with `env` added to this environment; output and errors land in `directory`."""
        output, errors = directory / f"{name}.out", directory / f"{name}.err"
        # Appending, so that a restarted program does not erase what its forerunner said.
        with output.open("ab") as out, errors.open("ab") as err:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, **(env or {})},
                pass_fds=pass_fds,
            )
        return cls(name, process, output, errors)

    def wait_for(self, look: Callable[[], T | None], *, seconds: float = READY_SECONDS) -> T:
        """The first answer of `look` that is not `None`; fails with the program's own words otherwise."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = look()
            if found is not None:
                return found
            if self.process.poll() is not None:
                break
            time.sleep(POLL_SECONDS)
        state = "is not ready" if self.process.returncode is None else f"ended with {self.process.returncode}"
        pytest.fail(f"{self.name} {state}:\n{self.words()}")

    def words(self, characters: int = 6000) -> str:
        """The end of what the program wrote."""
        text = self.errors.read_text(errors="replace") + self.output.read_text(errors="replace")
        return text[-characters:]

    def stop(self) -> int:
        """Ends the program, politely first; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """Ends the program as a crash would."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)
