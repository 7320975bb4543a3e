"""A real node for the fault tests: started, asked, killed. What a test expects is not known here."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from bed.programs import Program

ACRUX = Path(sys.executable).parent / "acrux"
POLICY = """\
version: acrux/v1
ladder: [basic, mfa]
providers: {corp: {issuer: 'https://login.example.com', acr: {mfa: 'urn:example:loa:2'}}}
rules:
  - {id: two-factor, when: client.id == "jira", require: mfa}
"""
STRICTER = POLICY + '  - {id: more, when: client.id == "intranet", require: mfa}\n'
BROKEN = POLICY + "  - {id: two-factor, when: nosuch.fact, require: mfa}\n"
PATIENCE_SECONDS = 60.0
T = TypeVar("T")


class Node:
    """One node, its policy directory, its state and its first operator token."""

    def __init__(self, directory: Path, *arguments: str, policy: str | None = POLICY, name: str = "acrux") -> None:
        self.directory, self.name, self.arguments = directory, name, arguments
        self.policies, self.state = directory / "policies", directory / "state"
        self.policies.mkdir(exist_ok=True)
        if policy is not None:
            self.write(policy)
        self.program = self.start()
        self.url = self.program.wait_for(self._address)
        self.program.wait_for(lambda: "ready" in self.said() or None)

    def start(self) -> Program:
        """Starts `acrux serve` with this node's directories."""
        argv = [str(ACRUX), "serve", "--policies", str(self.policies), "--state", str(self.state), "--port", "0"]
        self.output = self.directory / f"{self.name}.out"
        self.output.write_text("")
        return Program.start(self.name, [*argv, *self.arguments], self.directory)

    def start_again(self) -> None:
        """Starts the node again, with what it left on disk."""
        self.program = self.start()
        self.url = self.program.wait_for(self._address)
        self.program.wait_for(lambda: "ready" in self.said() or None)

    def said(self) -> str:
        """What the node said on standard output since its last start."""
        return self.output.read_text()

    def _address(self) -> str | None:
        return next((word for word in self.said().split() if word.startswith("http://")), None)

    def write(self, text: str) -> None:
        """Writes the set aside and renames it: no reader sees half of it."""
        aside = self.policies / ".next"
        aside.write_text(text)
        aside.rename(self.policies / "policy.yaml")

    @property
    def token(self) -> str:
        """The first operator token."""
        return (self.state / "operator-token").read_text().strip()

    def workers(self) -> list[int]:
        """The process ids of the workers alive."""
        pid = self.program.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def call(self, method: str, path: str, token: str | None = None, **more: Any) -> httpx.Response:
        """One call on a connection of its own."""
        headers = {"Authorization": f"Bearer {token or self.token}", **more.pop("headers", {})}
        return httpx.request(method, self.url + path, headers=headers, timeout=30, trust_env=False, **more)

    def decide(self, client: str = "jira", **more: Any) -> httpx.Response:
        """One decision."""
        return self.call("POST", "/v1/decisions", json={"client": client}, **more)

    def level(self, client: str) -> str:
        """The level that a client's login gets at this moment."""
        return str(self.decide(client).raise_for_status().json()["level"])


def eventually(look: Callable[[], T | None], what: str) -> T:
    """The first truthy answer of `look`; fails with `what` after a long while. No test depends on how long it took."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    pytest.fail(f"never: {what}")


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def kill(pid: int, number: int) -> None:
    """Sends one process a signal."""
    os.kill(pid, number)
