"""Migrations: up, down, and no difference between the tables that they make and those that the code expects."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from acrux.storage import migrate
from acrux.storage.database import Database

TOP = Path(__file__).parents[2]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'acrux.db'}"
    return request.getfixturevalue("postgresql_url")


def test_up_and_down_and_up(url):
    """Upgrading makes exactly the tables that the code expects; downgrading to the base leaves none; both repeat."""
    database = Database(url)
    assert migrate.current(database) is None
    for _ in range(2):
        migrate.upgrade(database)
        migrate.upgrade(database)
        assert migrate.current(database) == migrate.head()
        assert migrate.differences(database) == []
        migrate.downgrade(database, "base")
        assert migrate.current(database) is None
        assert migrate.differences(database) != []
    database.close()


def test_alembic_s_own_command_works(url):
    """`alembic upgrade`, `check` and `downgrade` work from the top of a checkout with ACRUX_DATABASE."""
    environment = {**os.environ, "ACRUX_DATABASE": url}
    for arguments in (["upgrade", "head"], ["check"], ["downgrade", "base"], ["upgrade", "head"]):
        command = [sys.executable, "-m", "alembic", *arguments]
        done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_nodes_that_start_together_all_find_the_schema(url):
    """Several upgrades at the same moment all succeed."""
    program = (
        "import sys; from acrux.storage import migrate; from acrux.storage.database import Database; "
        "migrate.upgrade(Database(sys.argv[1]))"
    )
    nodes = [
        subprocess.Popen([sys.executable, "-c", program, url], stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for node in nodes:
        _, said = node.communicate(timeout=60)
        assert node.returncode == 0, said
    database = Database(url)
    assert migrate.differences(database) == []
    database.close()


def test_the_migrations_of_a_wheel_are_found(monkeypatch, tmp_path):
    """Inside a wheel the migrations lie in the package, in a checkout beside it."""
    assert migrate.migrations_directory() == TOP / "migrations"
    package = tmp_path / "acrux"
    (package / "_migrations").mkdir(parents=True)
    monkeypatch.setattr("acrux.__file__", str(package / "__init__.py"))
    assert migrate.migrations_directory() == package / "_migrations"
