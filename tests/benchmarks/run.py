"""`make bench`: measures ratios of two things in one run, prints the table of bars, and writes docs/benchmarks.md.

Each pair alternates: ours, theirs, ours, theirs, ... with the server pinned to one core and `wrk` on the other, so that
both have the same noise. What is reported is the median of the rounds.
"""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import decide_in_process
import guard
import ours
import peer

SERVER_CORE, LOAD_CORE = 0, 1
CONNECTIONS = 16
GUARDED = 200
"""How many codes are redeemed each way."""
DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Load:
    """What `wrk` saw: requests a second, and the 99th percentile of the latency in milliseconds."""

    per_second: float
    p99_ms: float


@dataclass(frozen=True)
class Row:
    """One row of the table: what, the measured ratio, the bar, whether more is better, and the two sides in words."""

    what: str
    ratio: float
    bar: float
    at_least: bool
    sides: str

    @property
    def met(self) -> bool:
        return self.ratio >= self.bar if self.at_least else self.ratio <= self.bar


def load(port: int, path: str, body: bytes, token: str | None, seconds: int) -> Load:
    """Loads a server with `wrk` for so many seconds; every answer must be a 200."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write('wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n')
        if token is not None:
            script.write(f'wrk.headers["Authorization"] = "Bearer {token}"\n')
        script.write(f"wrk.body = [==[{body.decode()}]==]\n")
        script.flush()
        done = subprocess.run(
            [
                *("taskset", "-c", str(LOAD_CORE), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency"),
                *("-s", script.name, f"http://127.0.0.1:{port}{path}"),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise SystemExit(f"the load met errors:\n{done.stdout}")
    per_second = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", done.stdout)
    if per_second is None or p99 is None:
        raise SystemExit(f"wrk said something new:\n{done.stdout}")
    return Load(float(per_second[1]), float(p99[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[2]])


def alternate(sides: dict[str, Callable[[], Load]], rounds: int) -> dict[str, Load]:
    """Measures the sides in turn, so many rounds, after one short warm-up each; the medians."""
    seen: dict[str, list[Load]] = {name: [] for name in sides}
    for number in range(rounds):
        for name, measure in sides.items():
            seen[name].append(measure())
            shown = seen[name][-1]
            print(f"  round {number + 1}: {name}: {shown.per_second:,.0f}/s, p99 {shown.p99_ms:.2f} ms", flush=True)
    return {
        name: Load(statistics.median(one.per_second for one in loads), statistics.median(one.p99_ms for one in loads))
        for name, loads in seen.items()
    }


def against_peer(directory: Path, rules: int, seconds: int, rounds: int) -> dict[str, Load]:
    """Decide with the log on against Cerbos without its log, and a bare application where there is one rule."""
    print(f"{rules} rule(s), one core each, {CONNECTIONS} connections, {rounds} rounds of {seconds} s")
    with ExitStack() as stack:
        service = stack.enter_context(ours.Service(directory / f"ours-{rules}", ours.policy_set(rules, 0), SERVER_CORE))
        cerbos = stack.enter_context(peer.Peer(directory / f"peer-{rules}", rules, SERVER_CORE))
        if service.ask()["level"] != "mfa":
            raise SystemExit("acrux answers the question wrongly")
        if '"EFFECT_ALLOW"' not in json.dumps(cerbos.ask()):
            raise SystemExit("the peer answers the question wrongly")
        sides = {
            "acrux": lambda: load(service.port, service.path, ours.question(), service.token, seconds),
            "cerbos": lambda: load(cerbos.port, cerbos.path, peer.question(), None, seconds),
        }
        if rules == 1:
            bare = stack.enter_context(ours.Bare(SERVER_CORE))
            sides["bare"] = lambda: load(bare.port, bare.path, ours.question(), None, seconds)
        for measure in sides.values():
            measure()
        return alternate(sides, rounds)


def many_rules(directory: Path, seconds: int, rounds: int, rules: int) -> dict[str, Load]:
    """Our own throughput with many rules over as many clients against 10."""
    print(f"{rules:,} rules over {rules:,} clients against 10, {rounds} rounds of {seconds} s")
    with ExitStack() as stack:
        sides = {}
        for count in (10, rules):
            service = stack.enter_context(
                ours.Service(directory / f"many-{count}", ours.policy_set(count, count), SERVER_CORE)
            )
            sides[f"{count:,}"] = lambda service=service: load(
                service.port, service.path, ours.question(), service.token, seconds
            )
        for measure in sides.values():
            measure()
        return alternate(sides, rounds)


def one_rule(directory: Path, arguments: argparse.Namespace) -> list[Row]:
    """One rule, against the peer and against a bare application."""
    seen = against_peer(directory, 1, arguments.seconds, arguments.rounds)
    acrux, cerbos, bare = seen["acrux"], seen["cerbos"], seen["bare"]
    peers = f"Acrux {acrux.per_second:,.0f}/s, log on; Cerbos {cerbos.per_second:,.0f}/s, log off"
    latencies = f"Acrux {acrux.p99_ms:.2f} ms; Cerbos {cerbos.p99_ms:.2f} ms"
    both = f"Acrux {acrux.per_second:,.0f}/s; bare {bare.per_second:,.0f}/s"
    return [
        Row("requests a second, one rule", acrux.per_second / cerbos.per_second, 3.0, True, peers),
        Row("p99 latency, one rule", acrux.p99_ms / cerbos.p99_ms, 0.7, False, latencies),
        Row("requests a second / a bare ASGI application", acrux.per_second / bare.per_second, 0.4, True, both),
    ]


def thousand_rules(directory: Path, arguments: argparse.Namespace) -> list[Row]:
    """1,000 rules in one policy, against the peer."""
    seen = against_peer(directory, 1000, arguments.seconds, arguments.rounds)
    acrux, cerbos = seen["acrux"], seen["cerbos"]
    sides = f"Acrux {acrux.per_second:,.0f}/s, log on; Cerbos {cerbos.per_second:,.0f}/s, log off"
    what = "requests a second, 1,000 rules in one policy"
    return [Row(what, acrux.per_second / cerbos.per_second, 50.0, True, sides)]


def large(directory: Path, arguments: argparse.Namespace) -> list[Row]:
    """Our own throughput with a large set."""
    seen = many_rules(directory, arguments.seconds, arguments.rounds, arguments.rules)
    few, many = seen["10"], seen[f"{arguments.rules:,}"]
    what = f"own throughput, {arguments.rules:,} rules over as many clients / 10 rules"
    sides = f"{many.per_second:,.0f}/s; {few.per_second:,.0f}/s"
    return [Row(what, many.per_second / few.per_second, 0.95, True, sides)]


def in_process(_directory: Path, _arguments: argparse.Namespace) -> list[Row]:
    """The engine by itself."""
    p50 = decide_in_process.p50_microseconds(10_000)
    what = "`engine.decide` in process, 10,000 rules, p50 in microseconds"
    return [Row(what, p50, 12.0, False, f"{p50:.1f} us")]


def token_guard(directory: Path, _arguments: argparse.Namespace) -> list[Row]:
    """What the token guard adds to a token request at the median, through it and straight at the provider in turn."""
    print(f"the token guard, {GUARDED} codes through it and as many straight at the provider")
    seen = {"embedded SQLite": guard.measure(directory / "guard-sqlite", GUARDED)}
    with guard.postgresql() as url:
        seen["PostgreSQL"] = guard.measure(directory / "guard-postgresql", GUARDED, url)
    return [
        Row(
            f"milliseconds that the token guard adds to a token request at the median, {name}",
            added.added_ms,
            5.0,
            False,
            f"through it {added.guarded_ms:.2f} ms; straight at the provider {added.direct_ms:.2f} ms",
        )
        for name, added in seen.items()
    ]


PARTS = {
    "one-rule": one_rule,
    "1000-rules": thousand_rules,
    "large": large,
    "in-process": in_process,
    "guard": token_guard,
}


def render(rows: list[Row], notes: list[str]) -> str:
    """The document."""
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`. Every figure is a ratio of two things that were measured in turn in one run: the",
        "server pinned to one core (for Acrux the whole node: supervisor, shipper and worker), `wrk` on the other,",
        "16 connections, the same question with the same facts. Machines are noisy: read the ratios.",
        "",
        "| what | measured | bar | met | the two sides |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        sign = ">=" if row.at_least else "<="
        lines.append(
            f"| {row.what} | {row.ratio:.2f} | {sign} {row.bar} | {'yes' if row.met else '**no**'} | {row.sides} |"
        )
    return "\n".join([*lines, "", *notes, ""])


def main() -> None:
    """Measures what was asked for, prints the table, and writes the document where all of it was."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=8, help="how long each measurement takes")
    parser.add_argument("--rounds", type=int, default=3, help="how often the sides alternate")
    parser.add_argument("--rules", type=int, default=40_000, help="the size of the large set")
    parser.add_argument("--only", choices=PARTS, help="one part; prints only")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    arguments = parser.parse_args()
    if shutil.which("wrk") is None or shutil.which("taskset") is None:
        raise SystemExit("the benchmarks need wrk and taskset: apt-get install wrk util-linux")
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("the benchmarks need two cores: one for the server, one for the load")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        for name, part in PARTS.items():
            if arguments.only in {None, name}:
                rows += part(Path(place), arguments)
    if arguments.json:
        print(json.dumps([{**row.__dict__, "met": row.met} for row in rows], indent=2))
        return
    version = subprocess.run([peer.install(), "--version"], capture_output=True, text=True, check=False).stdout.split()
    machine = f"Machine: {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    notes = [f"{machine}; peer: Cerbos {version[0] if version else ''} from npm, HTTP, `GOMAXPROCS=1`, its log off."]
    document = render(rows, notes)
    print("\n" + document)
    if arguments.only is None:
        DOCUMENT.write_text(document)


if __name__ == "__main__":
    main()
