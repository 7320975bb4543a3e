"""Migrations: finding them in a wheel and in a checkout, and running them. No statements of our own."""

import threading
import time
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

import acrux
from acrux.storage.database import Database, DatabaseUnavailable, StorageError
from acrux.storage.tables import METADATA

_ATTEMPTS: Final = 5
_PAUSE_SECONDS: Final = 0.5
_ALEMBIC: Final = threading.Lock()
"""Alembic's `context` is one for the whole program."""


class SchemaUnknown(StorageError):  # noqa: N818 - says what is the matter
    """The database has a schema, or is to get one, that this version of Acrux does not know."""


def migrations_directory() -> Path:
    """Where the migrations are: inside the package when it came in a wheel, beside it in a checkout."""
    package = Path(acrux.__file__).parent
    packed = package / "_migrations"
    return packed if packed.is_dir() else package.parents[1] / "migrations"


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the schema up to a revision. Two that do it at the same moment both succeed.

    Raises:
        DatabaseUnavailable: the database is away, or refuses.
        SchemaUnknown: see there.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with _ALEMBIC, database.connection() as connection:
                command.upgrade(_config(connection), revision)
        except CommandError as reason:
            raise _unknown(database, revision) from reason
        except (StorageError, sa.exc.DBAPIError) as reason:
            # Another node may be creating the same tables: without locks, one of the two fails, and finds them done.
            if attempt == _ATTEMPTS:
                if isinstance(reason, DatabaseUnavailable):
                    raise
                raise DatabaseUnavailable(f"the migration failed: {reason}") from reason
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def downgrade(database: Database, revision: str) -> None:
    """Take the schema back to a revision; `base` drops everything.

    Raises:
        DatabaseUnavailable: the database is away.
        SchemaUnknown: see there.
    """
    try:
        with _ALEMBIC, database.connection() as connection:
            command.downgrade(_config(connection), revision)
    except CommandError as reason:
        raise _unknown(database, revision) from reason


def _unknown(database: Database, revision: str) -> SchemaUnknown:
    known = {script.revision for script in ScriptDirectory(str(migrations_directory())).walk_revisions()}
    found = current(database)
    if found is not None and found not in known:
        return SchemaUnknown(
            f"the database has the schema `{found}`, which this version of Acrux does not know: a newer one migrated it"
        )
    return SchemaUnknown(f"no such step from here: `{revision}`; there is base, {', '.join(sorted(known))}, head")


def current(database: Database) -> str | None:
    """The revision of the schema, or None for a database that has none.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    with database.connection() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head() -> str:
    """The latest revision that this version of Acrux knows."""
    return str(ScriptDirectory(str(migrations_directory())).get_current_head())


def differences(database: Database) -> list[str]:
    """What differs between the tables in the database and those that Acrux expects; empty if nothing does.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    with database.connection() as connection:
        found = compare_metadata(MigrationContext.configure(connection), METADATA)
    return [str(difference) for difference in found]


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_directory()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
