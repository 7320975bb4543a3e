"""The way into the database: engines, transactions, and one typed error for "it is away". No statements live here."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc

T = TypeVar("T")
Transaction: TypeAlias = sa.Connection
"""An open transaction: what statements run in. Opaque outside this room."""

_SQLITE: Final = "sqlite"
_POSTGRESQL: Final = "postgresql"
_SERIALISATION_FAILURES: Final = frozenset({"40001", "40P01"})
_MAX_ATTEMPTS: Final = 5
# No such table, no privilege, read-only after a failover: a matter for the operator, like a database that is away.
_OPERATIONAL_STATES: Final = frozenset({"42P01", "42501", "25006"})
_BUSY_TIMEOUT_MS: Final = 5_000
_WRITING: Final = "acrux_writing"
_SQLITE_PRAGMAS: Final = (
    f"busy_timeout={_BUSY_TIMEOUT_MS}",
    "journal_mode=WAL",
    "synchronous=FULL",
    "cache_size=-65536",  # KiB: a dozen indexes are written at a dozen places, and the default holds one of them
    "wal_autocheckpoint=8000",  # pages: the same few are written again and again, and need to go back once
)


class StorageError(Exception):
    """The base of this room's errors."""


class DatabaseUnavailable(StorageError):  # noqa: N818 - the name that callers and `code` know
    """The database can't be reached, is read-only, has no schema, or is held by others for too long."""


class DatabaseUrlInvalid(StorageError):  # noqa: N818 - says what is wrong
    """The URL names no database that Acrux can use."""


class RowRefused(StorageError):  # noqa: N818 - says what happened
    """The database refuses a value of a row, and always will."""


def parse_url(url: str) -> sa.URL:
    """The URL of a database, with its driver.

    Raises:
        DatabaseUrlInvalid: it is neither `sqlite:///path` nor `postgresql://user@host/name`.
    """
    try:
        parsed = sa.make_url(url)
    except (exc.ArgumentError, ValueError):
        raise DatabaseUrlInvalid("not of the form `sqlite:///path` or `postgresql://user@host/name`") from None
    match parsed.get_backend_name():
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return parsed.set(drivername="sqlite+pysqlite")
        case "sqlite":
            raise DatabaseUrlInvalid("several programs share the database, so SQLite needs a file: `sqlite:///path`")
        case "postgresql" | "postgres":
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise DatabaseUrlInvalid(f"`{other}` is no database that Acrux can use")


class Database:
    """A database, reached when it is needed: making one does not connect.

    Safe for use by several threads. After a failure to connect, further attempts fail at once for a moment, so that
    nobody queues behind a host that does not answer.

    Args:
        url: `sqlite:///path` or `postgresql://user@host/name`.
        pool_size: how many connections are kept.
        connect_timeout_seconds: how long connecting, or waiting for a free connection, may take.
        retry_after_seconds: how long attempts fail at once after a failure to connect.

    Raises:
        DatabaseUrlInvalid: see `parse_url`.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 5,
        connect_timeout_seconds: int = 2,
        retry_after_seconds: float = 1.0,
    ) -> None:
        self.url: Final = parse_url(url)
        self._retry_after_seconds = retry_after_seconds
        self._away_until = 0.0
        self._away_reason = ""
        self._engine = _make_engine(self.url, pool_size, connect_timeout_seconds)
        self._reading = self._engine
        if not self.is_sqlite:
            self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a SQLite file."""
        return self.url.get_backend_name() == _SQLITE

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return self.url.set(drivername=self.url.get_backend_name()).render_as_string(hide_password=True)

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run statements that only read.

        On SQLite they see one state of the database; on PostgreSQL each sees what was committed before it, as in any
        transaction of its default isolation, so that none is begun: on a database across a network that saves two of
        three trips.

        Raises:
            DatabaseUnavailable: it is away.
        """
        return self._run(work, writing=False)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run statements in one transaction, committed when `work` returns, rolled back when it raises.

        `work` runs again, from the start, when the database asks for a retry (serialisation failures, deadlocks).

        Raises:
            DatabaseUnavailable: it is away; the transaction may or may not have been committed.
            RowRefused: a value can't be stored.
        """
        return self._run(work, writing=True)

    def write_alone(self, work: Callable[[Transaction], T]) -> T:
        """Run statements that write, each of which may stand without the others.

        On PostgreSQL each is committed by itself, which saves two of three trips; on SQLite all of them together.

        Raises:
            DatabaseUnavailable: it is away; a statement may or may not have been committed.
            RowRefused: a value can't be stored.
        """
        return self._run(work, writing=self.is_sqlite)

    def ping(self) -> None:
        """Ask the database for a sign of life.

        Raises:
            DatabaseUnavailable: it is away.
        """
        self.read(lambda transaction: transaction.execute(sa.text("SELECT 1")))

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def connection(self) -> Iterator[sa.Connection]:
        """A bare connection, for migrations.

        Raises:
            DatabaseUnavailable: it is away.
        """
        with _translated(), self._connect(writing=True) as connection:
            yield connection

    def _run(self, work: Callable[[Transaction], T], *, writing: bool) -> T:
        attempt = 1
        while True:
            try:
                with self._connect(writing=writing) as connection, connection.begin():
                    return work(connection)
            except exc.DBAPIError as reason:
                if _state(reason) in _SERIALISATION_FAILURES and attempt < _MAX_ATTEMPTS:
                    attempt += 1
                    continue
                raise _translate(reason) from reason
            except exc.TimeoutError as reason:
                raise DatabaseUnavailable("all connections are in use") from reason

    def _connect(self, *, writing: bool) -> sa.Connection:
        if time.monotonic() < self._away_until:
            raise DatabaseUnavailable(self._away_reason)
        try:
            connection = (self._engine if writing else self._reading).connect()
        except exc.OperationalError as reason:
            self._away_reason = _said(reason)
            self._away_until = time.monotonic() + self._retry_after_seconds
            raise
        return connection.execution_options(**{_WRITING: writing})


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except exc.DBAPIError as reason:
        raise _translate(reason) from reason


def _state(reason: exc.DBAPIError) -> str | None:
    found = getattr(reason.orig, "sqlstate", None)
    return found if isinstance(found, str) else None


def _said(reason: exc.DBAPIError) -> str:
    """The driver's own words, on one line."""
    return " ".join(str(reason.orig).split())


def _translate(reason: exc.DBAPIError) -> Exception:
    message = _said(reason)
    if isinstance(reason, exc.OperationalError | exc.InterfaceError) or reason.connection_invalidated:
        return DatabaseUnavailable(message)
    if isinstance(reason, exc.DataError | exc.IntegrityError):
        return RowRefused(message)
    return DatabaseUnavailable(message) if _state(reason) in _OPERATIONAL_STATES else reason


def _make_engine(url: sa.URL, pool_size: int, connect_timeout_seconds: int) -> sa.Engine:
    arguments: dict[str, Any] = {}
    if url.get_backend_name() == _POSTGRESQL:
        arguments = {
            "connect_timeout": connect_timeout_seconds,
            # A peer that vanished is noticed within seconds instead of the kernel's quarter of an hour.
            "tcp_user_timeout": 5_000,
            "keepalives_idle": 10,
            "application_name": "acrux",
        }
    else:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(
        url,
        poolclass=sa.QueuePool,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=connect_timeout_seconds,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args=arguments,
    )
    if url.get_backend_name() == _SQLITE:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # BEGIN is said by `_begin_sqlite`, not guessed by the driver
    for pragma in _SQLITE_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that will write says so at once: one that read first could not be upgraded while another writes.
    writing = connection.get_execution_options().get(_WRITING)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
