"""The supervisor on real processes: reloads, deaths, restarts, drains, refusals to start."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from node import ACRUX, BROKEN, POLICY, STRICTER, Node, alive, eventually, kill


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    one = Node(tmp_path, "--workers", "2")
    yield one
    one.program.stop()


def test_a_reload_is_over_when_every_worker_has_the_set(node: Node) -> None:
    """After `POST /v1/policy/reload` has answered, no worker decides with the set before."""
    assert node.level("intranet") == "basic"
    for turn in range(4):
        node.write(STRICTER if turn % 2 == 0 else POLICY)
        report = node.call("POST", "/v1/policy/reload").raise_for_status().json()
        assert report["changed"]
        wanted = "mfa" if turn % 2 == 0 else "basic"
        assert {node.level("intranet") for _ in range(20)} == {wanted}
    assert node.call("POST", "/v1/policy/reload").json()["changed"] is False


def test_a_broken_set_never_replaces_a_working_one(node: Node) -> None:
    """A broken set is refused with its place, readiness says so, the last good set decides; mended, it is taken."""
    node.write(BROKEN)
    refused = node.call("POST", "/v1/policy/reload")
    assert refused.status_code == 422
    assert "policy.yaml:6:" in refused.text
    assert node.level("jira") == "mfa"
    assert node.call("GET", "/readyz").json()["policy"]["failure"] is not None
    assert "acrux_policy_broken 1.0" in eventually(
        lambda: (text := node.call("GET", "/metrics").text) and "broken 1.0" in text and text, "a metric that says so"
    )
    node.write(STRICTER)
    node.call("POST", "/v1/policy/reload").raise_for_status()
    assert node.level("intranet") == "mfa"
    assert node.call("GET", "/readyz").json()["policy"]["failure"] is None


def test_the_last_good_set_survives_a_restart(node: Node) -> None:
    """A node that finds its directory broken at the start decides with the last good set, and says so."""
    node.write(STRICTER)
    node.call("POST", "/v1/policy/reload").raise_for_status()
    assert node.program.stop() == 0
    node.write(BROKEN)
    node.start_again()
    assert node.level("intranet") == "mfa"
    assert node.call("GET", "/readyz").json()["policy"]["failure"] is not None


def test_without_a_set_ever_there_is_no_default(tmp_path: Path) -> None:
    """A service that never had a good set answers 503 with `no_policy`, says why, and serves once there is one."""
    node = Node(tmp_path, policy=BROKEN)
    try:
        assert "policy.yaml:6:28: ACX0203: unknown fact `nosuch.fact`" in node.program.errors.read_text()
        assert f"acrux check {node.policies}" in node.said()
        answer = node.decide()
        assert (answer.status_code, answer.json()["code"]) == (503, "no_policy")
        assert node.call("GET", "/readyz").status_code == 503
        node.write(POLICY)
        node.call("POST", "/v1/policy/reload").raise_for_status()
        assert node.level("jira") == "mfa"
    finally:
        node.program.stop()


def test_sighup_reloads(node: Node) -> None:
    """SIGHUP reads the policy directory."""
    node.write(STRICTER)
    kill(node.program.process.pid, signal.SIGHUP)
    eventually(lambda: node.level("intranet") == "mfa", "the new set after SIGHUP")


def test_a_symbolic_link_that_is_swapped_reloads(tmp_path: Path) -> None:
    """The policy directory as a link that is replaced atomically is noticed without a word."""
    for name, text in (("one", POLICY), ("two", STRICTER)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "policy.yaml").write_text(text)
    (tmp_path / "policies").symlink_to("one")
    node = Node(tmp_path, policy=None)
    try:
        assert node.level("intranet") == "basic"
        (tmp_path / "next").symlink_to("two")
        (tmp_path / "next").replace(tmp_path / "policies")
        eventually(lambda: node.level("intranet") == "mfa", "the new set after the swap")
    finally:
        node.program.stop()


def test_watching_takes_edits_in_place(tmp_path: Path) -> None:
    """With `--watch` an edit in place is enough."""
    node = Node(tmp_path, "--watch")
    try:
        node.write(STRICTER)
        eventually(lambda: node.level("intranet") == "mfa", "the new set after an edit")
    finally:
        node.program.stop()


def test_a_dead_worker_is_replaced_and_has_the_set_at_once(node: Node) -> None:
    """After a worker's death by -9 another one serves, with the newest set; its stream is closed in the log."""
    node.write(STRICTER)
    node.call("POST", "/v1/policy/reload").raise_for_status()
    before = node.workers()
    kill(before[0], signal.SIGKILL)
    eventually(lambda: len(node.workers()) == 2 and before[0] not in node.workers(), "another worker")

    def steady() -> bool:
        try:
            return {node.level("intranet") for _ in range(20)} == {"mfa"}
        except httpx.TransportError:  # a connection that the dead worker had accepted
            return False

    eventually(steady, "steady answers by the newest set")
    database = sqlite3.connect(node.state / "acrux.db")
    eventually(
        lambda: any(
            json.loads(body)["content"]["clean"] is False
            for (body,) in database.execute("SELECT body FROM records WHERE kind = 'stream_closed'")
        ),
        "the dead worker's stream closed",
    )
    database.close()


def test_workers_do_not_outlive_their_supervisor(node: Node) -> None:
    """When the supervisor dies by -9 its workers drain and end; what they had acknowledged is shipped next time."""
    answered = {node.decide().json()["decision_id"] for _ in range(10)}
    workers = node.workers()
    node.program.kill()
    eventually(lambda: not any(alive(pid) for pid in workers), "the end of the orphaned workers")
    node.start_again()

    def logged() -> bool:
        items = node.call("GET", "/v1/decisions?limit=500").json()["items"]
        return answered <= {item["decision_id"] for item in items}

    eventually(logged, "every acknowledged decision in the log")


def test_sigterm_drains(node: Node) -> None:
    """SIGTERM under load: every request that was accepted is answered, streams are closed cleanly, the exit is 0."""
    statuses: list[int | str] = []
    done = threading.Event()

    def load() -> None:
        with httpx.Client(base_url=node.url, headers={"Authorization": f"Bearer {node.token}"}, timeout=30) as http:
            while not done.is_set():
                try:
                    statuses.append(http.post("/v1/decisions", json={"client": "jira"}).status_code)
                except httpx.ConnectError:
                    return
                except httpx.TransportError as lost:
                    # An idle kept connection may close between two requests; a request under way may not be lost.
                    statuses.append(type(lost).__name__)
                    return

    callers = [threading.Thread(target=load) for _ in range(4)]
    for caller in callers:
        caller.start()
    eventually(lambda: len(statuses) > 50, "some answers")
    code = node.program.stop()
    done.set()
    for caller in callers:
        caller.join()
    assert code == 0
    assert {status for status in statuses if isinstance(status, int)} == {200}
    database = sqlite3.connect(node.state / "acrux.db")
    closed = database.execute("SELECT body FROM records WHERE kind = 'stream_closed'").fetchall()
    (decisions,) = database.execute("SELECT count(*) FROM records WHERE kind = 'decision'").fetchone()
    database.close()
    assert all(json.loads(body)["content"]["clean"] for (body,) in closed)
    assert len(closed) >= 3  # two workers and the supervisor
    assert decisions >= statuses.count(200)


def test_metrics_speak_for_all_workers(node: Node) -> None:
    """Whichever worker is asked, the counts are those of the whole node."""
    for _ in range(30):
        node.decide()
    eventually(
        lambda: 'acrux_decisions_total{level="mfa",outcome="step_up"} 30.0' in node.call("GET", "/metrics").text,
        "30 decisions in the metrics",
    )


def test_a_revoked_token_stops_working(node: Node) -> None:
    """A token made beside the running service works at once; revoked, it soon stops working on every worker."""
    made = json.loads(
        subprocess.run(
            [ACRUX, "token", "create", "--role", "relying-party", "--client", "jira", "--json", "--state", node.state],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )
    token = made["token"]
    assert node.decide(token=token).status_code == 200
    assert node.decide("intranet", token=token).status_code == 403
    listed = json.loads(
        subprocess.run(
            [ACRUX, "token", "list", "--json", "--state", node.state], check=True, capture_output=True, text=True
        ).stdout
    )
    (mine,) = [row for row in listed["items"] if row["role"] == "relying-party"]
    subprocess.run([ACRUX, "token", "revoke", mine["id"], "--state", node.state], check=True, capture_output=True)
    eventually(
        lambda: {node.decide(token=token).status_code for _ in range(10)} == {401}, "the end of the revoked token"
    )


def refused(tmp_path: Path, *arguments: str) -> str:
    """What a start that can't be says on standard error; its exit code is 3."""
    (tmp_path / "policies").mkdir(exist_ok=True)
    done = subprocess.run(
        [ACRUX, "serve", "--policies", tmp_path / "policies", "--state", tmp_path / "state", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_one_state_directory_has_one_supervisor(node: Node) -> None:
    """A second node on the same state directory is refused, saying what to do."""
    assert "another `acrux serve`" in refused(node.directory, "--port", "0")


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    """A port that another program has is named, with the flag to change it."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        said = refused(tmp_path, "--port", str(other.getsockname()[1]))
    assert "--port" in said


def test_an_old_schema_is_refused(tmp_path: Path) -> None:
    """With `--no-migrate` a database without the present schema is refused, naming the command that mends it."""
    assert "acrux db upgrade" in refused(tmp_path, "--port", "0", "--no-migrate")


@pytest.mark.parametrize("url", ["mysql://db.example.com/x", "nonsense", "postgresql://127.0.0.1:1/nowhere"])
def test_a_database_that_is_none(tmp_path: Path, url: str) -> None:
    """A URL of no database, or of one that was never there, is an error at the first start, not a traceback."""
    assert "acrux: " in refused(tmp_path, "--port", "0", "--database", url)


def test_a_broken_service_key_is_refused(tmp_path: Path) -> None:
    """A service key that is none is never replaced in silence: tickets and sealed fields depend on it."""
    (tmp_path / "key").write_text("not a key\n")
    assert "key" in refused(tmp_path, "--port", "0", "--service-key", str(tmp_path / "key"))
    assert (tmp_path / "key").read_text() == "not a key\n"
