"""Migrating: what fails because another does the same is tried again; what goes on failing is said."""

import pytest

from acrux.storage import migrate
from acrux.storage.database import Database, DatabaseUnavailable, RowRefused


@pytest.fixture
def database(tmp_path):
    """An empty SQLite database."""
    opened = Database(f"sqlite:///{tmp_path / 'acrux.db'}")
    yield opened
    opened.close()


@pytest.mark.parametrize("failure", [DatabaseUnavailable, RowRefused])
def test_a_failure_is_tried_again(database, monkeypatch, failure):
    """An upgrade that fails once, in whatever way beside another node's, succeeds the next time."""
    monkeypatch.setattr(migrate, "_PAUSE_SECONDS", 0)
    upgrade, calls = migrate.command.upgrade, []

    def fail_once(*arguments):
        calls.append(1)
        if len(calls) == 1:
            raise failure("another node is at it")
        upgrade(*arguments)

    monkeypatch.setattr(migrate.command, "upgrade", fail_once)
    migrate.upgrade(database)
    assert migrate.current(database) == migrate.head()


def test_a_lasting_failure_is_said(database, monkeypatch):
    """An upgrade that keeps failing says why, after a few tries."""
    monkeypatch.setattr(migrate, "_PAUSE_SECONDS", 0)
    calls = []

    def fail(*_):
        calls.append(1)
        raise DatabaseUnavailable("no privilege")

    monkeypatch.setattr(migrate.command, "upgrade", fail)
    with pytest.raises(DatabaseUnavailable, match="no privilege"):
        migrate.upgrade(database)
    assert len(calls) == migrate._ATTEMPTS


@pytest.mark.parametrize("step", [migrate.upgrade, migrate.downgrade])
def test_a_revision_that_is_none_is_said(database, step):
    """A mistyped revision is answered with those that there are."""
    migrate.upgrade(database)
    with pytest.raises(migrate.SchemaUnknown, match=r"`zzzz`; there is base, 0001, .*, head"):
        step(database, "zzzz")


@pytest.mark.parametrize("step", [migrate.upgrade, migrate.downgrade])
def test_a_database_of_a_newer_version_is_left_alone(database, step):
    """An older Acrux on a database that a newer one migrated says so, and changes nothing."""
    migrate.upgrade(database)
    database.write(lambda transaction: transaction.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(migrate.SchemaUnknown, match="`9999`, which this version of Acrux does not know"):
        step(database, "base")
    assert migrate.current(database) == "9999"
