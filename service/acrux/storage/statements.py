"""Statements that several rooms of meaning share: inserts that ignore what is there. No meaning lives here."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from acrux.storage.database import Transaction

Values: TypeAlias = Mapping[str, Any]
_POSTGRESQL: Final = postgresql.dialect()  # type: ignore[no-untyped-call]


def insert_ignoring(transaction: Transaction, table: sa.Table, rows: Sequence[Values]) -> None:
    """Insert rows; one that is there already stays as it is. Needs no privilege but INSERT.

    A column that a row does not name becomes NULL.
    """
    if not rows:
        return
    names = [column.name for column in table.columns]
    if transaction.dialect.name == "sqlite":
        # Straight to the driver: compiling parameters one by one takes longer than inserting them.
        transaction.exec_driver_sql(_row_insert(table), [tuple(map(row.get, names)) for row in rows])
    else:
        # One array for each column: several times faster than a statement for each row.
        transaction.exec_driver_sql(_array_insert(table), tuple([row.get(name) for row in rows] for name in names))


@lru_cache
def _row_insert(table: sa.Table) -> str:
    names = ", ".join(column.name for column in table.columns)
    marks = ", ".join("?" for _ in table.columns)
    # Names of our own tables; the values are bound.
    return f"INSERT INTO {table.name} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608


@lru_cache
def _array_insert(table: sa.Table) -> str:
    names = ", ".join(column.name for column in table.columns)
    arrays = ", ".join(f"%b::{column.type.compile(_POSTGRESQL)}[]" for column in table.columns)
    # Names and types of our own tables; the values are bound.
    return f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({arrays}) ON CONFLICT DO NOTHING"  # noqa: S608


def insert_one(transaction: Transaction, table: sa.Table, row: Values) -> bool:
    """Insert a row unless its key is there; whether it was inserted."""
    return transaction.execute(_one_insert(table, transaction.dialect.name), dict(row)).first() is not None


@lru_cache
def _one_insert(table: sa.Table, dialect: str) -> sa.Executable:
    # RETURNING says what happened; the row count of an INSERT is not promised.
    key = table.primary_key.columns.values()[0]
    if dialect == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing().returning(key)
    return postgresql.insert(table).on_conflict_do_nothing().returning(key)
