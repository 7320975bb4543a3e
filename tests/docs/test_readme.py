"""The README's commands are run, and what it shows is what they print."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
BIN = Path(sys.executable).parent


def block(start: str) -> tuple[str, list[str]]:
    """A console block's command, by how it starts, and the lines that the README shows under it."""
    for text in BLOCKS:
        lines = text.rstrip("\n").split("\n")
        if lines[0].startswith(f"$ {start}"):
            count = 1
            while lines[count - 1].endswith("\\"):
                count += 1
            command = " ".join(line.removesuffix("\\").strip() for line in lines[:count])
            return command.removeprefix("$ "), lines[count:]
    raise AssertionError(f"the README has no command `{start}`")


def run(command: str, directory: Path) -> list[str]:
    """What a command prints, on both channels, line by line."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
    )
    return (done.stdout.rstrip("\n") + "\n" + done.stderr).strip().split("\n")


def assert_shown(shown: list[str], printed: list[str]) -> None:
    """What is shown was printed: `...` stands for any number of lines, and times are left out of what is compared."""
    text = "\n".join(line for line in printed if not line.strip().startswith("time:"))
    pattern = "".join(r"(.|\n)*" if line == "..." else re.escape(line) + r"\n?" for line in shown)
    assert re.search(pattern, text), f"shown:\n{chr(10).join(shown)}\nprinted:\n{text}"


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    return tmp_path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, list[str]]]:
    """`make run`, on a port and with a state of its own."""
    state = tmp_path_factory.mktemp("run") / "state"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command, _ = block("make run")
    output = state.parent / "output"
    with output.open("w") as out:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command} PORT={port} STATE={state}"],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            # As a person's shell has it: the tests themselves may run under make.
            env={name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))},
        )
    deadline = time.monotonic() + 120
    while "ready" not in output.read_text() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}", state, output.read_text().rstrip("\n").split("\n")
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(60)


def test_make_run_says_where_it_serves(served: tuple[str, Path, list[str]]) -> None:
    """`make run` prints the lines that the README shows, with this run's own address and places."""
    url, state, printed = served
    _, shown = block("make run")
    expected = [
        line.replace("http://127.0.0.1:8080", url).replace(".acrux/", f"{state}/").replace("sqlite:///", "sqlite:///")
        for line in shown
    ]
    assert [line for line in printed if line.strip()] == expected


def test_the_curl_answers_what_is_shown(served: tuple[str, Path, list[str]]) -> None:
    """The README's curl gets the README's answer: all of it but ids, times, the ticket and the receipt."""
    url, state, _ = served
    command, _ = block("curl")
    command = command.replace("http://127.0.0.1:8080", url).replace(".acrux/", f"{state}/")
    answer = json.loads("\n".join(run(command, ROOT)))
    shown = json.loads(re.search(r"```json\n(\{\"decision_id.*?)```", README, re.DOTALL)[1])
    assert answer.keys() == shown.keys()
    own = {"decision_id", "decided_at", "expires_at", "ticket", "receipt", "policy_revision"}
    assert {key: value for key, value in answer.items() if key not in own} == {
        key: value for key, value in shown.items() if key not in own
    }
    assert answer["policy_revision"].startswith(shown["policy_revision"].removesuffix("..."))
    assert answer["receipt"].keys() == shown["receipt"].keys()


def test_init(tmp_path: Path) -> None:
    """`acrux init` prints what is shown, and its rule is the one that is shown."""
    _, shown = block(". .venv/bin/activate")
    assert shown[0] == "$ acrux init my-policies"
    assert run("acrux init my-policies", tmp_path) == shown[1:]
    rule = re.search(r"```yaml\nrules:\n(.*?)```", README, re.DOTALL)[1]
    assert rule in (tmp_path / "my-policies" / "policy.yaml").read_text()


def test_a_mistake_is_drawn(policies: Path) -> None:
    """The mistake that is shown is drawn as shown."""
    place = policies / "policies" / "atlassian.yaml"
    place.write_text(place.read_text().replace("in client.tags'", "in client.tag'", 1))
    command, shown = block("acrux check")
    assert_shown(shown, run(command, policies))


@pytest.mark.parametrize("verb", ["acrux explain", "acrux test"])
def test_what_if_and_tests(policies: Path, verb: str) -> None:
    """`explain` and `test` print what is shown."""
    command, shown = block(verb)
    assert_shown(shown, run(command, policies))


def test_the_tests_command_is_what_ci_runs() -> None:
    """The README's test commands are the ones that CI runs."""
    command, more = block("make test")
    ci = (ROOT / ".ci" / "run").read_text()
    assert all(line in ci.split("\n") for line in [command, *(line.removeprefix("$ ") for line in more)])


def test_links_lead_somewhere() -> None:
    """Every relative link of the README leads to a file."""
    targets = re.findall(r"\]\(((?!http)[^)#]+)\)", README)
    assert [target for target in targets if not (ROOT / target).exists()] == []
