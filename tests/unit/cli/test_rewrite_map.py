"""`acrux rewrite-map` as Apache runs it: a process between two pipes, in an empty environment."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

import acrux.cli
from acrux.cli.group import command

ACRUX = Path(sys.executable).parent / "acrux"
PARAMS = "acr_values=urn%3Aexample%3Aloa%3A2"
ASK = rf"ASK acr~^(?:urn\x3aexample\x3aloa\x3a2)\z {PARAMS}"
CEILING = {
    "level": "mfa",
    "authorization_params": {"acr_values": "urn:example:loa:2"},
    "accept": {"claim": "acr", "values": ["urn:example:loa:2"], "max_age_seconds": None},
    "policy_revision": "sha256:0",
}


def decided(outcome: str = "step_up") -> dict:
    now = datetime.now(UTC)
    return {
        "decision_id": "d-1",
        "outcome": outcome,
        "level": "deny" if outcome == "deny" else "mfa",
        "authorization_params": {} if outcome == "deny" else CEILING["authorization_params"],
        "accept": None if outcome == "deny" else CEILING["accept"],
        "rules": [],
        "reason": "because",
        "ticket": "t",
        "decided_at": now.isoformat(),
        "expires_at": (now + timedelta(minutes=10)).isoformat(),
        "policy_revision": "sha256:0",
    }


class Acrux:
    """A service that answers `answer`, or, where that is None, not before the test is over."""

    def __init__(self) -> None:
        self.answer: tuple[int, dict] | None = (200, decided())
        self.asked: list[dict] = []
        self.tokens: set[str] = set()
        self.is_over = threading.Event()
        # Set when somebody asked for the ceiling, and had it.
        self.ceiling_told = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path == "/v1/fallbacks":
                    self.tell(200, {"accepted": len(body["decisions"])} if "decisions" in body else {})
                    return
                outer.asked.append(body)
                outer.tokens.add(self.headers["Authorization"])
                if outer.answer is None:
                    outer.is_over.wait()
                    return
                self.tell(*outer.answer)

            def do_GET(self) -> None:
                self.tell(200, CEILING)
                outer.ceiling_told.set()

            def tell(self, status: int, content: dict) -> None:
                body = json.dumps(content).encode()
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def stop(self) -> None:
        self.is_over.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def service():
    service = Acrux()
    yield service
    service.stop()


class Map:
    """The running program."""

    def __init__(self, directory: Path, url: str, *options: str) -> None:
        token = directory / "token"
        token.write_text("acrux_secret\n")
        self.argv = [ACRUX, "rewrite-map", "--url", url, "--client", "portal", "--token-file", token, *options]
        # Apache starts it without any variable; what a test's coverage needs is the exception.
        kept = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
        self.process = subprocess.Popen(
            [str(word) for word in self.argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=kept,
        )

    def ask(self, *lines: bytes) -> list[str]:
        """The answers to some lines, each read before the next is written, as Apache does it."""
        answers = []
        for line in lines:
            self.process.stdin.write(line + b"\n")
            self.process.stdin.flush()
            answers.append(self.process.stdout.readline().decode().removesuffix("\n"))
        return answers

    def end(self) -> tuple[int, str, str]:
        """Ends its input; the exit code, what it still answered, and what it complained of."""
        rest, complaints = self.process.communicate(timeout=60)
        return self.process.returncode, rest.decode(), complaints.decode()


@pytest.fixture
def start(tmp_path):
    """Starts maps, and ends those that still run."""
    running = []

    def start(url: str, *options: str) -> Map:
        running.append(Map(tmp_path, url, "--timeout-ms", "20000", *options))
        return running[-1]

    yield start
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
        each.process.wait()
        for pipe in (each.process.stdin, each.process.stdout, each.process.stderr):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def test_a_line_for_a_line(start, service) -> None:
    """Hostile lines are refused, one by one, and an honest one after them is answered with what Acrux decided."""
    rewriting = start(service.url)
    hostile = [b"\r", b"x", b"=", b"network.ip=1 network.ip=2", b"app.id=\xff", b"app.id=%00", b"\0", b"a" * 100_000]
    assert rewriting.ask(*hostile) == ["FAIL key"] * len(hostile)
    assert service.asked == []
    assert rewriting.ask(b"network.ip=198.51.100.9 app.id=portal-admin") == [ASK]
    code, rest, complaints = rewriting.end()
    assert (code, rest) == (0, "")
    assert "Traceback" not in complaints
    assert [(asked["client"], asked["app"], asked["network"]) for asked in service.asked] == [
        ({"id": "portal"}, {"id": "portal-admin"}, {"ip": "198.51.100.9"})
    ]
    assert service.tokens == {"Bearer acrux_secret"}
    assert "acrux_secret" not in complaints + " ".join(map(str, rewriting.argv))


def test_a_denial(start, service) -> None:
    """A denial has the decision's id, in the answer and in Apache's error log."""
    service.answer = (200, decided("deny"))
    rewriting = start(service.url)
    assert rewriting.ask(b"network.ip=198.51.100.9") == ["DENY d-1"]
    assert rewriting.end()[2].strip() == "acrux rewrite-map: decision d-1: the policy denies the login"


def test_asked_once(start, service) -> None:
    """The same facts are asked about once within `--remember-seconds`, and each time where that is 0."""
    start(service.url).ask(b"app.id=a", b"app.id=a", b"app.id=b")
    assert len(service.asked) == 2
    start(service.url, "--remember-seconds", "0").ask(b"app.id=a", b"app.id=a")
    assert len(service.asked) == 4


def appears(path: Path) -> None:
    """Waits until a file is there."""
    for _ in range(1200):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} does not appear")


def test_acrux_is_away(start, service, tmp_path) -> None:
    """Without Acrux the ceiling is demanded; a program that starts then has it from its cache, or refuses."""
    cache = tmp_path / "ceiling.json"
    rewriting = start(service.url, "--cache", str(cache))
    assert rewriting.ask(b"app.id=a") == [ASK]
    assert service.ceiling_told.wait(60)
    appears(cache)
    service.stop()
    assert rewriting.ask(b"app.id=b") == [ASK]
    assert rewriting.end()[0] == 0
    assert start(service.url, "--cache", str(cache)).ask(b"app.id=b") == [ASK]
    without = start(service.url)
    assert without.ask(b"app.id=b") == ["FAIL unavailable"]
    assert "the ceiling of `portal` is not known" in without.end()[2]


def test_acrux_hangs(start, service, tmp_path) -> None:
    """An Acrux that does not answer is waited for as long as the option says; then the ceiling stands in."""
    cache = ("--cache", str(tmp_path / "ceiling.json"))
    rewriting = start(service.url, *cache)
    assert rewriting.ask(b"app.id=a") == [ASK]
    assert service.ceiling_told.wait(60)
    assert rewriting.end()[0] == 0
    service.answer = None
    assert start(service.url, *cache, "--timeout-ms", "300").ask(b"app.id=1", b"app.id=2") == [ASK, ASK]
    assert len(service.asked) >= 2


def test_a_token_that_is_wrong(start, service) -> None:
    """Where Acrux refuses the caller the login is refused, and the reason is in Apache's error log."""
    service.answer = (401, {"code": "unauthenticated", "detail": "this token is not known"})
    rewriting = start(service.url)
    assert rewriting.ask(b"app.id=a") == ["FAIL refused"]
    assert "this token is not known" in rewriting.end()[2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal(start, service, number) -> None:
    """Apache's SIGTERM, or Ctrl-C on a terminal, ends it quietly, though its input is still open."""
    rewriting = start(service.url)
    assert rewriting.ask(b"app.id=a") == [ASK]
    rewriting.process.send_signal(number)
    assert rewriting.process.wait(60) == 0
    assert rewriting.process.stderr.read() == b""


def test_half_a_line(start, service) -> None:
    """What ends before its line does is not answered: nobody waits for it."""
    rewriting = start(service.url)
    rewriting.process.stdin.write(b"app.id=a\napp.id=")
    assert rewriting.end() == (0, ASK + "\n", "")


def test_nobody_reads(start, service) -> None:
    """When Apache is gone, and only its answer can't be written, it ends quietly too."""
    rewriting = start(service.url)
    assert rewriting.ask(b"app.id=a") == [ASK]
    rewriting.process.stdout.close()
    rewriting.process.stdin.write(b"app.id=b\n")
    rewriting.process.stdin.flush()
    assert rewriting.process.wait(60) == 0
    assert rewriting.process.stderr.read() == b""


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
    return subprocess.run(
        [str(ACRUX), "rewrite-map", *words],
        capture_output=True,
        text=True,
        input="app.id=a\n",
        env={**kept, **variables},
        timeout=60,
        check=False,
    )


USUAL = ("--url", "https://acrux.example.com", "--client", "portal")


@pytest.mark.parametrize(
    ("words", "variables", "said"),
    [
        (USUAL, {}, "no token: name a file with `--token-file`"),
        ((*USUAL, "--token-file", "missing"), {}, "--token-file `missing` can't be read: No such file"),
        ((*USUAL,), {"ACRUX_TOKEN": "two words"}, "the token is empty or malformed"),
        (("--url", "acrux.example.com", "--client", "portal"), {"ACRUX_TOKEN": "t"}, "no URL of an Acrux service"),
        ((*USUAL, "--ca-file", "missing"), {"ACRUX_TOKEN": "t"}, "No such file"),
        ((*USUAL, "--timeout-ms", "0"), {"ACRUX_TOKEN": "t"}, "`0` is no positive number"),
        ((*USUAL, "--remember-seconds", "-1"), {"ACRUX_TOKEN": "t"}, "`-1` is no whole number"),
        ((*USUAL, "--token", "acrux_t"), {"ACRUX_TOKEN": "t"}, "unrecognized arguments: --token"),
        (("--client", "portal"), {"ACRUX_TOKEN": "t"}, "--url"),
    ],
)
def test_a_wrong_command_line(words, variables, said) -> None:
    """What is wrong with its options is said in a line, it ends with 2, and nothing is answered."""
    done = run(*words, **variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_token_from_a_variable(service) -> None:
    """Where a variable can be set it does instead of a file."""
    done = run("--url", service.url, "--client", "portal", "--timeout-ms", "20000", ACRUX_TOKEN="acrux_other")
    assert (done.returncode, done.stdout) == (0, ASK + "\n")
    assert service.tokens == {"Bearer acrux_other"}


def test_it_is_listed() -> None:
    """`acrux --help` lists it, and the group runs it, though it reads its own arguments."""
    runner = CliRunner()
    assert "rewrite-map" in runner.invoke(command, ["--help"]).output
    done = runner.invoke(command, ["rewrite-map", "--help"])
    assert done.exit_code == 0
    assert "usage: acrux rewrite-map" in done.output
    assert "Require claim %{reqenv:ACRUX_REQUIRE}" in done.output


def test_the_other_verbs_need_an_extra(monkeypatch, capsys) -> None:
    """Without click the command says which extra is missing, and still runs the map."""
    monkeypatch.delitem(sys.modules, "acrux.cli.group")
    monkeypatch.setitem(sys.modules, "click", None)
    monkeypatch.setattr(sys, "argv", ["acrux", "rewrite-map", "--help"])
    with pytest.raises(SystemExit, match="0"):
        acrux.cli.main()
    assert "usage: acrux rewrite-map" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["acrux", "--help"])
    with pytest.raises(SystemExit, match="3"):
        acrux.cli.main()
    assert capsys.readouterr().err == (
        "acrux: every verb but `rewrite-map` needs the service extra: pip install 'acrux[service]'\n"
    )
