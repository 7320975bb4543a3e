"""The way into the database: URLs, transactions, and what "away" means."""

import socket
import time

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from acrux.storage import migrate, tokens
from acrux.storage.database import Database, DatabaseUnavailable, DatabaseUrlInvalid, RowRefused, _translate, parse_url
from acrux.storage.statements import insert_ignoring
from acrux.storage.tables import LABELS, TOKENS


@pytest.fixture
def database(tmp_path):
    """A SQLite database without tables, in a directory that is made for it."""
    opened = Database(f"sqlite:///{tmp_path / 'made' / 'acrux.db'}")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///relative.db", "sqlite+pysqlite"),
        ("sqlite:////var/acrux.db", "sqlite+pysqlite"),
        ("postgresql://acrux@db.example.com/acrux", "postgresql+psycopg"),
        ("postgresql+asyncpg://acrux@db.example.com/acrux", "postgresql+psycopg"),
    ],
)
def test_a_url_gets_its_driver(url, driver):
    """The driver is ours to choose, whatever the URL says."""
    assert parse_url(url).drivername == driver


@pytest.mark.parametrize("url", ["", "x", "mysql://u@h/n", "sqlite://", "sqlite:///:memory:", "postgresql://h:x/n"])
def test_a_url_that_names_no_usable_database_is_refused(url):
    """What is neither a SQLite file nor PostgreSQL is refused before anything is opened."""
    with pytest.raises(DatabaseUrlInvalid):
        parse_url(url)


def test_the_password_is_not_shown():
    """What is shown of a database has no password and no driver in it."""
    database = Database("postgresql://acrux:secret@db.example.com/acrux")
    assert database.shown == "postgresql://acrux:***@db.example.com/acrux"
    assert not database.is_sqlite


def test_sqlite_is_as_durable_as_promised(database):
    """The embedded database has WAL and synchronous=FULL."""
    journal = database.read(lambda transaction: transaction.exec_driver_sql("PRAGMA journal_mode").scalar_one())
    synchronous = database.read(lambda transaction: transaction.exec_driver_sql("PRAGMA synchronous").scalar_one())
    assert (journal, synchronous) == ("wal", 2)


def test_work_that_raises_is_rolled_back(database):
    """A transaction whose work raises leaves nothing, and the exception goes on."""
    migrate.upgrade(database)

    def work(transaction):
        insert_ignoring(transaction, LABELS, [label("a")])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.write(work)
    assert count(database) == 0
    database.write(lambda transaction: insert_ignoring(transaction, LABELS, [label("a"), label("a")]))
    database.write(lambda transaction: insert_ignoring(transaction, LABELS, []))
    assert count(database) == 1


def test_a_missing_table_is_a_database_that_is_away(database):
    """Without its tables a database can't be used: that is an operational matter, not a defect."""
    with pytest.raises(DatabaseUnavailable):
        database.read(tokens.every)
    database.ping()


def test_a_refused_row_is_told_apart(database):
    """What the database will never take is not retried as if it were away."""
    migrate.upgrade(database)
    with pytest.raises(RowRefused):
        database.write(lambda transaction: transaction.execute(sa.insert(TOKENS), [{"token_id": "1"}]))


def test_a_defect_in_a_statement_is_not_hidden(database):
    """A statement that is wrong is a bug, not a database that is away."""
    with pytest.raises(exc.ProgrammingError):
        database.write(lambda transaction: transaction.exec_driver_sql("SELECT ?", (1, 2)))


def test_a_database_that_refuses_connections_is_away_at_once():
    """Nobody waits for a host that is not there; within a moment of a failure nobody even tries."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    database = Database(f"postgresql://acrux@127.0.0.1:{port}/acrux", retry_after_seconds=60)
    with pytest.raises(DatabaseUnavailable):
        database.ping()
    started = time.monotonic()
    for _ in range(1000):
        with pytest.raises(DatabaseUnavailable):
            database.ping()
    assert time.monotonic() - started < 60  # it would take far longer if each tried
    with pytest.raises(DatabaseUnavailable), database.connection():
        pass
    database.close()


def test_a_pool_without_a_free_connection_is_away(tmp_path):
    """A caller that gets no connection in time is told that the database is away."""
    database = Database(f"sqlite:///{tmp_path / 'acrux.db'}", pool_size=1, connect_timeout_seconds=0)

    def nested(_transaction):
        return database.read(lambda _: database.read(lambda _: None))

    with pytest.raises(DatabaseUnavailable):
        database.read(nested)
    database.close()


def test_serialisation_failures_are_tried_again(database, monkeypatch):
    """Work runs again when the database asks for it, a few times at most."""
    calls = []

    class AbortedError(Exception):
        sqlstate = "40001"

    def work(_transaction):
        calls.append(1)
        if len(calls) < 3:
            raise exc.OperationalError("", {}, AbortedError())
        return "done"

    assert database.write(work) == "done"
    calls.clear()

    def never(_transaction):
        calls.append(1)
        raise exc.OperationalError("", {}, AbortedError())

    with pytest.raises(DatabaseUnavailable):
        database.write(never)
    assert len(calls) == 5


@pytest.mark.parametrize(("state", "away"), [("42P01", True), ("42501", True), ("25006", True), ("42601", False)])
def test_what_an_operator_can_mend_is_away(state, away):
    """No table, no privilege, read-only: away. A syntax error: a defect."""
    cause = type("Cause", (Exception,), {"sqlstate": state})("message")
    error = exc.ProgrammingError("", {}, cause)
    found = _translate(error)
    assert isinstance(found, DatabaseUnavailable) is away
    assert (found is error) is not away


def label(value):
    """A label's row."""
    return {"kind": "rule", "value": value, "at_us": 1, "stream": "s", "sequence": 1}


def count(database):
    """How many labels there are."""
    return database.read(
        lambda transaction: transaction.execute(sa.select(sa.func.count()).select_from(LABELS)).scalar()
    )
