"""The bad quarter of an hour, in short: load, reloads, and workers killed with -9, all at once.

`ACRUX_SOAK_SECONDS` makes it longer (60 is what the service is held to; CI takes less), `ACRUX_SOAK_DATABASE` names a
PostgreSQL database instead of embedded SQLite.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from bed.programs import Program

ACRUX = Path(sys.executable).parent / "acrux"
SECONDS = float(os.environ.get("ACRUX_SOAK_SECONDS", "12"))
KILL_EVERY_SECONDS = min(10.0, SECONDS / 4)
RELOAD_EVERY_SECONDS = 1.0
CALLERS = 20
WORKERS = 2
CLIENTS = ("jira", "confluence", "intranet")
POLICY = """\
version: acrux/v1
ladder: [basic, mfa, phishing-resistant]
providers:
  corp:
    issuer: https://login.example.com
    acr: {mfa: urn:example:loa:2, phishing-resistant: urn:example:loa:3}
defaults: {unregistered_client: mfa}
clients: {jira: {tags: [atlassian]}, confluence: {tags: [atlassian]}, intranet: {}}
rules:
  - {id: atlassian, when: '"atlassian" in client.tags', require: LEVEL}
"""
LEVELS = ("mfa", "phishing-resistant")


@dataclass
class Seen:
    """What the callers saw."""

    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    clients: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    lost: Counter[str] = field(default_factory=Counter)
    level_of: dict[str, str] = field(default_factory=dict)
    promised: str | None = None  # the revision that a finished reload promised, while no other reload is under way


class Node:
    """One node with two workers, its policy directory and its operator token."""

    def __init__(self, directory: Path) -> None:
        self.policies, self.state = directory / "policies", directory / "state"
        self.policies.mkdir()
        self.write(LEVELS[0])
        argv = [
            *(str(ACRUX), "serve", "--policies", str(self.policies), "--state", str(self.state)),
            *("--port", "0", "--workers", str(WORKERS)),
        ]
        if database := os.environ.get("ACRUX_SOAK_DATABASE"):
            argv += ["--database", database]
        self.program = Program.start("acrux", argv, directory)
        self.url = self.program.wait_for(self._address)
        self.program.wait_for(lambda: "ready" in self.program.output.read_text() or None)
        self.token = (self.state / "operator-token").read_text().strip()

    def _address(self) -> str | None:
        words = self.program.output.read_text().split()
        return next((word for word in words if word.startswith("http://")), None)

    def write(self, level: str) -> None:
        """Writes the set aside and renames it: no reader sees half of it."""
        aside = self.policies / ".next"
        aside.write_text(POLICY.replace("LEVEL", level))
        aside.rename(self.policies / "policy.yaml")

    def workers(self) -> list[int]:
        """The process ids of the workers alive."""
        pid = self.program.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def call(node: Node, http: httpx.AsyncClient, seen: Seen, number: int, deadline: float) -> None:
    """One caller: decides again and again; a lost connection is retried under the same key and must find one answer."""
    turn = 0
    while time.monotonic() < deadline:
        client = CLIENTS[turn % len(CLIENTS)]
        key = f"caller-{number}-turn-{turn}"
        turn += 1
        promised = seen.promised
        body = {"client": client, "network": {"ip": "198.51.100.9"}, "user": {"id": f"u-{number}"}}
        for attempt in range(20):
            try:
                answer = await http.post("/v1/decisions", json=body, headers={"Idempotency-Key": key})
                break
            except httpx.TransportError as lost:
                seen.lost[type(lost).__name__] += 1
                await asyncio.sleep(0.05 * (attempt + 1))
        else:
            seen.wrong.append(f"{key}: no answer at all")
            continue
        if answer.status_code != httpx.codes.OK:
            seen.wrong.append(f"{key}: {answer.status_code} {answer.text}")
            continue
        judge(seen, key, client, answer.json(), promised)


def judge(seen: Seen, key: str, client: str, decision: dict[str, Any], promised: str | None) -> None:
    """Holds an answer to the set that it says decided, and that set to what the last reload promised."""
    revision = decision["policy_revision"]
    expected = "basic" if client == "intranet" else seen.level_of.get(revision, "a set that was never offered")
    if decision["level"] != expected:
        seen.wrong.append(f"{key}: {client} got {decision['level']} of {revision}, not {expected}")
    if promised is not None and promised == seen.promised and revision != promised:
        seen.wrong.append(f"{key}: decided by {revision} after a reload had promised {promised}")
    if decision["decision_id"] in seen.answers:
        seen.wrong.append(f"{key}: the id {decision['decision_id']} was answered twice")
    seen.answers[decision["decision_id"]] = decision
    seen.clients[decision["decision_id"]] = client


def revision_of(text: str) -> str:
    """The revision of a set of one file, from the language's own definition."""
    name, content = b"policy.yaml", text.encode()
    digest = hashlib.sha256()
    for part in (name, content):
        digest.update(len(part).to_bytes(8, "big") + part)
    return f"sha256:{digest.hexdigest()}"


async def reload(node: Node, http: httpx.AsyncClient, seen: Seen, deadline: float) -> int:
    """Changes the set every second and has it reloaded; how often that worked."""
    done = 0
    while time.monotonic() < deadline:
        await asyncio.sleep(RELOAD_EVERY_SECONDS)
        seen.promised = None
        level = LEVELS[(done + 1) % 2]
        node.write(level)
        try:
            answer = await http.post("/v1/policy/reload", timeout=30)
        except httpx.TransportError as lost:
            seen.lost[type(lost).__name__] += 1
            continue
        if answer.status_code != httpx.codes.OK:
            seen.wrong.append(f"reload: {answer.status_code} {answer.text}")
            continue
        done += 1
        revision = revision_of(POLICY.replace("LEVEL", level))
        if answer.json()["revision"] != revision:
            seen.wrong.append(f"reload: {answer.json()} is not {revision}")
        seen.promised = revision
    return done


async def kill(node: Node, deadline: float) -> int:
    """Kills a worker with -9 every now and then; how many."""
    killed = 0
    while time.monotonic() + KILL_EVERY_SECONDS < deadline:
        await asyncio.sleep(KILL_EVERY_SECONDS)
        workers = node.workers()
        os.kill(workers[killed % len(workers)], signal.SIGKILL)
        killed += 1
    return killed


async def logged(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Every decision in the log."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        params = {"limit": "500", **({"cursor": cursor} if cursor else {})}
        page = (await http.get("/v1/decisions", params=params, timeout=30)).raise_for_status().json()
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


async def soak(node: Node) -> tuple[Seen, int, int, list[dict[str, Any]]]:
    """The whole campaign against one node."""
    seen = Seen(level_of={revision_of(POLICY.replace("LEVEL", level)): level for level in LEVELS})
    limits = httpx.Limits(max_connections=CALLERS + 4)
    headers = {"Authorization": f"Bearer {node.token}"}
    async with httpx.AsyncClient(
        base_url=node.url, headers=headers, limits=limits, timeout=15, trust_env=False
    ) as http:
        deadline = time.monotonic() + SECONDS
        callers = [call(node, http, seen, number, deadline) for number in range(CALLERS)]
        reloads, killed, *_ = await asyncio.gather(reload(node, http, seen, deadline), kill(node, deadline), *callers)
        items: list[dict[str, Any]] = []
        patience = time.monotonic() + 60
        while time.monotonic() < patience:
            items = await logged(http)
            if seen.answers.keys() <= {item["decision_id"] for item in items}:
                break
            await asyncio.sleep(0.5)
    return seen, reloads, killed, items


def records_in(node: Node) -> dict[tuple[str, int], bytes]:
    """Every record's bytes by stream and sequence, read from the database itself."""
    if os.environ.get("ACRUX_SOAK_DATABASE"):
        import psycopg  # noqa: PLC0415 - asked for by a variable only

        with psycopg.connect(os.environ["ACRUX_SOAK_DATABASE"]) as connection:
            rows = connection.execute("SELECT stream, sequence, body FROM records").fetchall()
    else:
        import sqlite3  # noqa: PLC0415 - same

        with sqlite3.connect(f"file:{node.state / 'acrux.db'}?mode=ro", uri=True) as connection:
            rows = connection.execute("SELECT stream, sequence, body FROM records").fetchall()
        connection.close()
    return {(stream, sequence): bytes(body) for stream, sequence, body in rows}


def test_soak(tmp_path: Path) -> None:
    """Under load, with reloads every second and workers killed with -9: no wrong answer, no error but those of the
    killed workers, every answered decision in the log exactly once, every receipt true, every stream without a gap.
    """
    node = Node(tmp_path)
    try:
        seen, reloads, killed, items = asyncio.run(soak(node))
        records = records_in(node)
    finally:
        code = node.program.stop()
    assert not seen.wrong, seen.wrong[:10]
    assert reloads >= 2, "the set was hardly ever reloaded"
    assert killed >= 2, "hardly a worker was killed"
    assert len(seen.answers) > CALLERS * 10
    # A killed worker drops the connections that it held: at most each caller's, the reload's, and their first retries.
    assert sum(seen.lost.values()) <= killed * (CALLERS + 1) * 3, seen.lost
    ids = Counter(item["decision_id"] for item in items)
    assert [found for found in seen.answers if ids[found] != 1] == []
    assert max(ids.values()) == 1
    for found, decision in seen.answers.items():
        receipt = decision["receipt"]
        body = records[receipt["stream"], receipt["sequence"]]
        assert hashlib.sha256(b"\0" + body).hexdigest() == receipt["leaf_hash"]
        content = json.loads(body)["content"]
        assert (content["decision_id"], content["client"]) == (found, seen.clients[found])
    streams: dict[str, list[int]] = {}
    for stream, sequence in records:
        streams.setdefault(stream, []).append(sequence)
    assert all(sorted(found) == list(range(1, len(found) + 1)) for found in streams.values())
    assert code == 0
    print(f"{len(seen.answers)} decisions, {reloads} reloads, {killed} workers killed, lost: {dict(seen.lost)}")


if __name__ == "__main__":
    pytest.main([__file__, "-s", "-q"])
