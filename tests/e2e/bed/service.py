"""A real `acrux serve` with its own directory, its tokens, and its decision log as an auditor reads it."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from bed.programs import Program

if TYPE_CHECKING:
    from collections.abc import Sequence

POLICIES = Path(__file__).resolve().parent.parent / "policies"
# The issuer that the policy files name: where the demo's provider listens.
DEMO_ISSUER = "http://127.0.0.1:9400"
ACRUX = Path(sys.executable).parent / "acrux"
LOG_SECONDS = 20.0
COMMAND_SECONDS = 60.0


def policies_for(issuer: str, directory: Path, extra: dict[str, str] | None = None) -> Path:
    """A copy of the test bed's policy set for the provider at `issuer`, with `extra` files beside it."""
    target = directory / "policies"
    shutil.copytree(POLICIES, target)
    for path in target.rglob("*.yaml"):
        path.write_text(path.read_text().replace(DEMO_ISSUER, issuer))
    for name, text in (extra or {}).items():
        (target / name).write_text(text)
    return target


def free_port() -> int:
    """A port that was free a moment ago: for a program that binds by itself and must come back on the same one."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Service:
    """A running service, or one that was stopped and can be started again at the same address."""

    directory: Path
    policies: Path
    port: int
    program: Program
    options: tuple[str, ...] = ()

    @classmethod
    def start(cls, directory: Path, policies: Path, *options: str) -> Service:
        """Starts a service of one worker on SQLite, ready to decide. `options` win over the bed's own."""
        port = free_port()
        service = cls(directory, policies, port, _serve(directory, policies, port, options), options)
        try:
            service.wait_until_ready()
        except BaseException:
            service.stop()
            raise
        return service

    def start_again(self) -> None:
        """Starts the stopped service at its old address, with what it left on disk."""
        self.program = _serve(self.directory, self.policies, self.port, self.options)
        self.wait_until_ready()

    def stop(self) -> None:
        """Ends it politely, as an operator does."""
        self.program.stop()

    def kill(self) -> None:
        """Ends it as a crash would, and waits for its workers: orphaned, they finish what they have before they go."""
        pid = self.program.process.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self.program.kill()
        deadline = time.monotonic() + LOG_SECONDS
        while any(Path(f"/proc/{worker}").exists() for worker in workers):
            assert time.monotonic() < deadline, "a worker outlives its supervisor"
            time.sleep(0.05)

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def operator_token(self) -> str:
        """The token that the first start left in the state directory."""
        return (self.directory / "state" / "operator-token").read_text().strip()

    def wait_until_ready(self) -> None:
        """Waits for `/readyz`."""
        self.program.wait_for(self._ready)

    def _ready(self) -> bool | None:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2).status_code == httpx.codes.OK or None
        except httpx.TransportError:
            return None

    def token(self, *clients: str) -> str:
        """A new token for relying parties, made as an operator makes it: with the command line, beside the service."""
        named = [word for client in clients for word in ("--client", client)]
        done = subprocess.run(
            [str(ACRUX), "token", "create", "--role", "relying-party", *named, *_places(self.directory)],
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        token = done.stdout.strip()
        # The running service learns of it within seconds.
        self.program.wait_for(lambda: self._knows(token, clients[0]))
        return token

    def _knows(self, token: str, client: str) -> bool | None:
        answer = httpx.get(
            f"{self.url}/v1/clients/{client}/fallback", headers={"Authorization": f"Bearer {token}"}, timeout=10
        )
        return answer.status_code == httpx.codes.OK or None

    def decisions(self, **filters: str) -> list[dict[str, Any]]:
        """The decision log, newest first."""
        answer = httpx.get(
            f"{self.url}/v1/decisions",
            params=filters,
            headers={"Authorization": f"Bearer {self.operator_token}"},
            timeout=10,
        )
        return answer.raise_for_status().json()["items"]

    def decision(self, decision_id: str) -> dict[str, Any]:
        """One decision with all that is known of it."""
        answer = httpx.get(
            f"{self.url}/v1/decisions/{decision_id}",
            headers={"Authorization": f"Bearer {self.operator_token}"},
            timeout=10,
        )
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def newest(self, client: str, *, verdict: str | None, position: int = 0) -> dict[str, Any]:
        """The newest decision for a client (or the one `position` before it), once it bears `verdict`.

        A record is shipped to the database a moment after it is durable, so this waits.
        """
        deadline = time.monotonic() + LOG_SECONDS
        items: list[dict[str, Any]] = []
        while time.monotonic() < deadline:
            items = self.decisions(client=client)
            if len(items) > position and items[position]["verdict"] == verdict:
                return items[position]
            time.sleep(0.1)
        seen = [(item["decision_id"], item["level"], item["verdict"]) for item in items]
        pytest.fail(f"decision {position} for {client} has no verdict {verdict}: {seen}")

    def logged_with(self, client: str, fact: str, value: object) -> dict[str, Any]:
        """The decision for a client that has this fact, once it is shipped."""
        deadline = time.monotonic() + LOG_SECONDS
        while time.monotonic() < deadline:
            found = [item for item in self.decisions(client=client) if item["facts"].get(fact) == value]
            if found:
                return found[0]
            time.sleep(0.1)
        pytest.fail(f"no decision for {client} has {fact} {value!r}")

    def fallbacks(self, count: int) -> list[dict[str, Any]]:
        """What was reported of decisions that callers made in an outage, oldest first, once there are `count` of it.

        No call of the API lists these records, so they are read where the auditor's export would: in the database.
        """
        deadline = time.monotonic() + LOG_SECONDS
        found: list[dict[str, Any]] = []
        while time.monotonic() < deadline and len(found) < count:
            with closing(sqlite3.connect(self.directory / "acrux.db")) as database:
                rows = database.execute("SELECT body FROM records WHERE kind = 'fallback' ORDER BY stream, sequence")
                found = [json.loads(body)["content"] for (body,) in rows]
            time.sleep(0.1)
        assert len(found) == count, found
        return found


def _places(directory: Path) -> Sequence[str]:
    return "--state", str(directory / "state"), "--database", f"sqlite:///{directory / 'acrux.db'}"


def _serve(directory: Path, policies: Path, port: int, options: Sequence[str]) -> Program:
    argv = [str(ACRUX), "serve", "--policies", str(policies), *_places(directory), "--port", str(port), *options]
    return Program.start("acrux", argv, directory)
