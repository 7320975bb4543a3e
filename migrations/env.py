"""Alembic's entry: migrates the connection that Acrux hands in, or the database that ACRUX_DATABASE names."""

import os

from alembic import context
from sqlalchemy import Connection

from acrux.storage.database import Database
from acrux.storage.tables import METADATA

DEFAULT_DATABASE = "sqlite:///.acrux/acrux.db"


def run(connection: Connection) -> None:
    """Run the migrations in one transaction: all of them or none."""
    with connection.begin():
        # SQLite too has transactional DDL, once BEGIN is said aloud, which `acrux.storage.database` does.
        context.configure(connection=connection, target_metadata=METADATA, transactional_ddl=True)
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("acrux: migrations need a database; set ACRUX_DATABASE")
if (handed_in := context.config.attributes.get("connection")) is not None:
    run(handed_in)
else:
    database = Database(os.environ.get("ACRUX_DATABASE", DEFAULT_DATABASE))
    with database.connection() as made_here:
        run(made_here)
    database.close()
