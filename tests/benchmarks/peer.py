"""The peer: a Cerbos server from npm with the same rules, pinned to one core. It measures nothing."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Self

HERE = Path(__file__).parent / "cerbos"

FACTS = {
    "client": {"id": "jira"},
    "app": {"id": "jira-mobile"},
    "network": {"ip": "198.51.100.9"},
    "user": {"id": "u-1029", "groups": ["design"]},
    "device": {"managed": False},
    "request": {"acr_values": [], "scopes": ["openid", "profile"]},
}
"""What both are told of the login."""


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def install() -> Path:
    """Cerbos' own binary, installed by npm where it is missing."""
    found = sorted(HERE.glob("node_modules/@cerbos/cerbos-*/cerbos-*"))
    if not found:
        if shutil.which("npm") is None:
            raise SystemExit("the peer needs npm: apt-get install nodejs npm")
        subprocess.run(["npm", "install", "--silent", "--no-save"], cwd=HERE, check=True)
        found = sorted(HERE.glob("node_modules/@cerbos/cerbos-*/cerbos-*"))
    return found[0]


def resource_policy(rules: int) -> str:
    """A resource policy with so many rules, the first of which answers the question."""
    lines = [
        "apiVersion: api.cerbos.dev/v1",
        "resourcePolicy:",
        "  resource: login",
        "  version: default",
        "  rules:",
    ]
    for number in range(rules):
        names = '"jira", "confluence"' if number == 0 else f'"client-{number}a", "client-{number}b"'
        lines += [
            f"    - name: rule-{number}",
            f"      actions: ['step_up{'' if number == 0 else number}', 'any']",
            "      effect: EFFECT_ALLOW",
            "      roles: ['*']",
            "      condition:",
            "        match:",
            f"          expr: 'R.attr.client.id in [{names}]'",
        ]
    return "\n".join(lines) + "\n"


def question() -> bytes:
    """The body of one CheckResources request with the same facts."""
    return json.dumps(
        {
            "requestId": "bench",
            "principal": {"id": "u-1029", "roles": ["user"], "attr": {"groups": ["design"]}},
            "resources": [
                {"actions": ["any"], "resource": {"kind": "login", "id": "1", "attr": FACTS}},
            ],
        }
    ).encode()


class Peer:
    """A running Cerbos server; a context manager that stops it."""

    path = "/api/check/resources"

    def __init__(self, directory: Path, rules: int, core: int) -> None:
        self.port = free_port()
        policies = directory / "cerbos-policies"
        policies.mkdir(parents=True)
        (policies / "login.yaml").write_text(resource_policy(rules))
        configuration = directory / "cerbos.yaml"
        configuration.write_text(
            f'server: {{httpListenAddr: "127.0.0.1:{self.port}", grpcListenAddr: "127.0.0.1:{free_port()}"}}\n'
            f"storage: {{driver: disk, disk: {{directory: {policies}, watchForChanges: false}}}}\n"
            "telemetry: {disabled: true}\naudit: {enabled: false}\n"
        )
        self._process = subprocess.Popen(
            ["taskset", "-c", str(core), str(install()), "server", f"--config={configuration}", "--log-level=error"],
            env={**os.environ, "GOMAXPROCS": "1", "CERBOS_NO_TELEMETRY": "1"},
            stdout=subprocess.DEVNULL,
        )

    def __enter__(self) -> Self:
        url = f"http://127.0.0.1:{self.port}/_cerbos/health"
        for _ in range(200):
            try:
                with urllib.request.urlopen(url, timeout=1):
                    return self
            except OSError:
                time.sleep(0.05)
        raise SystemExit("the peer does not start")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def ask(self) -> dict[str, object]:
        """One answer, to see that it is the right one."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{self.path}", question(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            content: dict[str, object] = json.load(answer)
        return content
