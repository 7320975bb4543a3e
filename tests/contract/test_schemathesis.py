"""schemathesis against the whole application, served as in production: every check, each role, a fixed seed.

`ACRUX_SCHEMATHESIS_EXAMPLES` is the number of examples for each operation; with it the coverage phase, which makes some
twenty thousand requests a role, and the stateful phase run too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvicorn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "http"))

from http_bed import SECRETS, Bed
from rp_bed import RpBed

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = os.environ.get("ACRUX_SCHEMATHESIS_EXAMPLES")
PHASES = "examples,coverage,fuzzing,stateful" if EXAMPLES else "examples,fuzzing"
ROLES = sorted(SECRETS)
ADAPTER = "^/rp/"
SECONDS = 3600 if EXAMPLES else 300


@contextmanager
def serving(app: object) -> Iterator[str]:
    """The application's URL while it is served."""
    config = uvicorn.Config(app, port=0, lifespan="off", log_level="error", access_log=False, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    (port,) = {socket.getsockname()[1] for one in server.servers for socket in one.sockets}
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("role", ROLES)
def test_nothing_that_is_sent_breaks_the_contract(tmp_path, role):
    """Whatever is sent, by whatever role, every answer is as the document says, and none is a 5xx."""
    run(Bed(tmp_path), role, "--checks", "all", "--exclude-path-regex", ADAPTER)


def test_nothing_that_is_sent_breaks_the_redirect_adapter(tmp_path):
    """The same for its endpoints. What they take depends on what is registered: well-formed requests may be a 400."""
    excluded = ("--exclude-checks", "positive_data_acceptance")
    run(RpBed(tmp_path), "operator", "--checks", "all", *excluded, "--include-path-regex", ADAPTER)


def run(bed: Bed, role: str, *options: str) -> None:
    """Lets schemathesis at an application; fails with what it found."""
    bed.replace(clock=lambda: datetime.now(UTC))
    with serving(bed.app) as url:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.yaml"),
                *(*options, "--phases", PHASES, "--max-examples", EXAMPLES or "5", "--seed", "1"),
                *("--header", f"Authorization: Bearer acrux_{role}"),
                *("--suppress-health-check", "all", "--no-color", "--generation-database", "none"),
            ],
            capture_output=True,
            text=True,
            cwd=bed.directory,
            timeout=SECONDS,
            check=False,
        )
    bed.close()
    shown = "\n".join(line[:500] for line in (done.stdout + done.stderr).splitlines() if line)
    assert done.returncode == 0, shown[-8000:]
    assert " passed" in done.stdout
