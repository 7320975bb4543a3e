"""Our side: a real `acrux serve` pinned to one core, log on, and a bare ASGI application on the same server."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Self

from peer import FACTS, free_port

ACRUX = Path(sys.executable).parent / "acrux"


def policy_set(rules: int, clients: int) -> str:
    """A set with so many rules spread over so many clients, the first of which answers the question."""
    lines = [
        "version: acrux/v1",
        "ladder: [basic, mfa]",
        "providers: {corp: {issuer: 'https://login.example.com', acr: {mfa: 'urn:example:loa:2'}}}",
    ]
    if clients:
        lines += ["defaults: {unregistered_client: mfa}", "clients:", "  jira: {}", "  confluence: {}"]
        lines += [f"  client-{number}: {{}}" for number in range(1, clients)]
    lines.append("rules:")
    for number in range(rules):
        names = '"jira", "confluence"' if number == 0 else f'"client-{number}", "client-{number}b"'
        lines.append(f"  - {{id: rule-{number}, when: 'client.id in [{names}]', require: mfa}}")
    return "\n".join(lines) + "\n"


def question() -> bytes:
    """The body of one Decide with the same facts as the peer's."""
    return json.dumps(FACTS).encode()


class Service:
    """A running `acrux serve` on embedded SQLite; a context manager that stops it.

    The whole node is pinned to the one core: supervisor, shipper and worker.
    """

    path = "/v1/decisions"

    def __init__(self, directory: Path, policies: str, core: int) -> None:
        self.port = free_port()
        self.directory = directory
        files = directory / "policies"
        files.mkdir(parents=True)
        (files / "policy.yaml").write_text(policies)
        self._out = (directory / "acrux.log").open("w")
        self._process = subprocess.Popen(
            [
                *("taskset", "-c", str(core), str(ACRUX), "serve", "--port", str(self.port)),
                *("--policies", str(files), "--state", str(directory / "state")),
            ],
            stdout=self._out,
            stderr=self._out,
        )

    def __enter__(self) -> Self:
        for _ in range(1200):
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1):
                    return self
            except OSError:
                time.sleep(0.05)
        raise SystemExit("acrux serve does not start:\n" + (self.directory / "acrux.log").read_text())

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(60)
        self._out.close()

    @property
    def token(self) -> str:
        """The first operator token."""
        return (self.directory / "state" / "operator-token").read_text().strip()

    def ask(self) -> dict[str, object]:
        """One answer, to see that it is the right one."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{self.path}",
            question(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            content: dict[str, object] = json.load(answer)
        return content

    def resident_bytes(self) -> int:
        """The resident memory of the largest process of the node."""
        found = [self._process.pid, *_descendants(self._process.pid)]
        return max(_resident(pid) for pid in found)


async def bare(scope, receive, send):
    """A bare ASGI application that reads the body and answers 11 bytes."""
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"11")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello world"})


class Bare:
    """The bare application on the same uvicorn, pinned to one core."""

    path = "/v1/decisions"
    token = "none"

    def __init__(self, core: int) -> None:
        self.port = free_port()
        self._process = subprocess.Popen(
            [
                *("taskset", "-c", str(core), sys.executable, "-m", "uvicorn", "ours:bare", "--port", str(self.port)),
                *("--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error"),
                *("--lifespan", "off", "--ws", "none"),
            ],
            cwd=Path(__file__).parent,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
        )

    def __enter__(self) -> Self:
        for _ in range(200):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=1):
                    return self
            except OSError:
                time.sleep(0.05)
        raise SystemExit("the bare application does not start")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)


def _descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = [int(child) for child in children]
    return [*found, *(deeper for child in found for deeper in _descendants(child))]


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
