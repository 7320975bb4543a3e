"""GeoIP files under a running service: replaced, torn, swapped during load, broken at a restart. No login breaks."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from geoip_files import damaged, put, write_countries, write_systems
from node import ACRUX, Node, eventually, kill

POLICY = """\
version: acrux/v1
ladder: [basic, mfa]
providers: {corp: {issuer: 'https://login.example.com', acr: {mfa: 'urn:example:loa:2'}}}
clients: {jira: {}, wiki: {}, intranet: {}}
defaults: {unregistered_client: mfa}
rules:
  - {id: bare, when: client.id == "jira" && network.country != "DE", require: mfa}
  - id: closed
    when: client.id == "wiki" && (!("network.country" in known) || network.country != "DE")
    require: mfa
tests:
  - {name: home, given: {client: jira, network: {country: DE}}, expect: {level: basic}}
"""
ADDRESS = "198.51.100.9"


class Place:
    """A node with a file of countries, and what it says of one address."""

    def __init__(self, directory: Path, *more: str) -> None:
        self.directory = directory
        self.source = write_countries(directory / "country.mmdb")
        self.home = self.source.read_bytes()
        self.moved = write_countries(directory / "moved", {"198.51.100.0/24": "NO"}).read_bytes()
        self.node = Node(directory, "--geoip-country", str(self.source), *more, policy=POLICY)

    def level(self, client: str = "jira", ip: str = ADDRESS) -> str:
        answer = self.node.call("POST", "/v1/decisions", json={"client": client, "network": {"ip": ip}})
        return str(answer.raise_for_status().json()["level"])

    def levels(self) -> set[str]:
        """Of many decisions, so that every worker is asked."""
        return {self.level(client) for _ in range(10) for client in ("jira", "wiki")}

    def failure(self) -> str | None:
        """Why the newest file is not in use, by any worker."""
        failure = self.node.call("GET", "/readyz").raise_for_status().json()["geoip"]["country"]["failure"]
        return None if failure is None else str(failure["summary"])


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path, "--workers", "2")
    yield made
    made.node.program.stop()


def test_a_file_that_is_renamed_into_place_is_taken(place: Place) -> None:
    """What geoipupdate does: noticed without a word, by every worker; the old copy goes when nobody needs it."""
    assert place.levels() == {"basic"}
    assert "GeoIP country   GeoLite2-Country, built on 2026-11-20" in place.node.said()
    put(place.source, place.moved)
    eventually(lambda: place.levels() == {"mfa"}, "the new file")
    copies = place.node.state / "geoip"
    eventually(lambda: len(list(copies.glob("*.mmdb"))) == 1, "the end of the old copy")
    assert place.failure() is None


def test_a_reload_is_over_when_every_worker_has_the_file(place: Place) -> None:
    """After `POST /v1/policy/reload` has answered, no worker looks addresses up in the file before."""
    for turn in range(4):
        put(place.source, place.moved if turn % 2 == 0 else place.home)
        place.node.call("POST", "/v1/policy/reload").raise_for_status()
        assert place.levels() == {"mfa" if turn % 2 == 0 else "basic"}


def test_a_worker_that_hangs_does_not_hold_up_the_policy(place: Place) -> None:
    """A worker that does not take a new file keeps no new policy from the others."""
    hung = place.node.workers()[0]
    kill(hung, signal.SIGSTOP)
    try:
        place.node.write(
            POLICY.replace("rules:\n", "rules:\n  - {id: all, when: client.id == 'intranet', require: mfa}\n")
        )
        put(place.source, place.moved)
        kill(place.node.program.process.pid, signal.SIGHUP)
        eventually(lambda: place.node.level("intranet") == "mfa", "the new policy")
    finally:
        kill(hung, signal.SIGCONT)
    eventually(lambda: place.levels() == {"mfa"}, "the new file")


def test_a_torn_file_changes_nothing(place: Place) -> None:
    """Overwritten in place by half a file, removed, of another type: the last good one answers, and all is told."""
    asn = write_systems(place.directory / "asn").read_bytes()
    for content, words in (
        (place.moved[:-100], "is no MaxMind-format file, or only a part of one"),
        (b"", "is no MaxMind-format file"),
        (asn, "of type `GeoLite2-ASN`, which says no country"),
        (damaged(place.moved, b"NO"), "is damaged"),
        (None, "can't be read: No such file or directory"),
    ):
        if content is None:
            place.source.unlink()
        else:
            place.source.write_bytes(content)
        eventually(lambda: words in (place.failure() or ""), words)  # noqa: B023 - called at once
        assert place.levels() == {"basic"}
        assert "is not taken, the last good one stays" in place.node.program.errors.read_text()
    eventually(lambda: 'acrux_geoip_broken{fact="country"} 1.0' in place.node.call("GET", "/metrics").text, "a metric")
    kill(place.node.program.process.pid, signal.SIGHUP)
    put(place.source, place.moved)
    eventually(lambda: place.levels() == {"mfa"} and place.failure() is None, "the mended file")
    eventually(
        lambda: 'acrux_geoip_broken{fact="country"} 0.0' in place.node.call("GET", "/metrics").text, "the metric again"
    )


def test_files_swapped_under_load(place: Place) -> None:
    """While files are swapped, torn and cut under load, every request is answered, by one of the whole files."""
    answers: list[tuple[int, str]] = []
    failures: list[Exception] = []
    done = threading.Event()

    def load(client: str) -> None:
        headers = {"Authorization": f"Bearer {place.node.token}"}
        try:
            with httpx.Client(base_url=place.node.url, headers=headers, timeout=30, trust_env=False) as http:
                number = 0
                while not done.is_set():
                    number += 1
                    body = {"client": client, "network": {"ip": f"198.51.100.{number % 256}"}}
                    answer = http.post("/v1/decisions", json=body)
                    answers.append((answer.status_code, answer.json().get("level", "")))
        except Exception as failure:  # noqa: BLE001 - told by the test
            failures.append(failure)

    callers = [threading.Thread(target=load, args=(client,)) for client in ("jira", "wiki")]
    before = set(place.node.workers())
    for caller in callers:
        caller.start()
    try:
        for turn in range(6):
            put(place.source, place.moved if turn % 2 == 0 else place.home)
            eventually(lambda: place.level() == ("mfa" if turn % 2 == 0 else "basic"), "the next file")  # noqa: B023 - called at once
            place.source.write_bytes(place.home[: 100 * turn])
            eventually(lambda: place.failure() is not None, "the torn file refused")
    finally:
        done.set()
        for caller in callers:
            caller.join()
    assert not failures
    assert len(answers) > 100
    assert {status for status, _ in answers} == {200}
    assert {level for _, level in answers} == {"basic", "mfa"}
    assert set(place.node.workers()) == before


def test_a_dead_worker_is_replaced_and_has_the_file_at_once(place: Place) -> None:
    """A new worker looks addresses up in the last good file, whatever has become of the configured one."""
    place.source.write_bytes(b"torn")
    eventually(lambda: place.failure() is not None, "the torn file refused")
    before = place.node.workers()
    for pid in before:
        kill(pid, signal.SIGKILL)
    eventually(lambda: len(place.node.workers()) == 2 and not set(before) & set(place.node.workers()), "new workers")

    def steady() -> bool:
        try:
            return place.levels() == {"basic"}
        except httpx.TransportError:  # a connection that a dead worker had accepted
            return False

    eventually(steady, "answers by the last good file")
    assert place.failure() is not None


def test_the_last_good_file_survives_a_restart(place: Place) -> None:
    """A node that is killed and finds its file broken starts with the last good copy, and says so."""
    place.source.write_bytes(place.home[:-1])
    place.node.program.kill()
    place.node.start_again()
    assert place.levels() == {"basic"}
    assert "is no MaxMind-format file" in (place.failure() or "")


def test_a_record_that_is_damaged_after_all(tmp_path: Path) -> None:
    """Where a look-up fails the rule errs, and requires what it would if it matched; it is counted and logged once."""
    place = Place(tmp_path)
    try:
        # Nothing does this but a disk: the node's own copy, damaged where the check has not looked.
        (copy,) = (place.node.state / "geoip").glob("*.mmdb")
        copy.chmod(0o600)
        with copy.open("r+b") as file:
            file.write(damaged(place.home))
        assert [place.level(ip=f"198.51.100.{n}") for n in range(3)] == ["mfa"] * 3
        assert place.level("wiki") == "mfa"
        assert place.level(ip="203.0.113.1") == "mfa"
        eventually(
            lambda: 'acrux_geoip_failed_lookups_total{fact="country"} 4.0' in place.node.call("GET", "/metrics").text,
            "four failed look-ups in the metrics",
        )
        assert place.node.program.errors.read_text().count("the GeoIP file for network.country is damaged") == 1
    finally:
        place.node.program.stop()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "can't be read: No such file or directory"),
        (b"", "is no MaxMind-format file"),
        (b"not one", "is no MaxMind-format file, or only a part of one: fetch it anew"),
        ("asn", "is of type `GeoLite2-ASN`, which says no country: a Country or City file is wanted"),
    ],
)
def test_a_first_start_without_a_good_file_is_refused(tmp_path: Path, content: bytes | str | None, words: str) -> None:
    """The node says which file, what is wrong and what to do, in one line, and ends with exit code 3."""
    source = tmp_path / "country.mmdb"
    if content == "asn":
        write_systems(source)
    elif isinstance(content, bytes):
        source.write_bytes(content)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "policy.yaml").write_text(POLICY)
    done = subprocess.run(
        [ACRUX, "serve", "--policies", tmp_path / "policies", "--state", tmp_path / "state", "--port", "0",
         "--geoip-country", source],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    (said,) = done.stderr.splitlines()
    assert said.startswith(f"acrux: the GeoIP file `{source}` (--geoip-country) {words}")
