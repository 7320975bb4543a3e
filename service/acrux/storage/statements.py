"""Statements that several rooms of meaning share: inserts that ignore what is there. No meaning lives here."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from acrux.storage.database import Transaction

Values: TypeAlias = Mapping[str, Any]


def insert_ignoring(transaction: Transaction, table: sa.Table, rows: Sequence[Values]) -> None:
    """Insert rows; one that is there already stays as it is. Needs no privilege but INSERT."""
    if not rows:
        return
    # Two branches, since the two dialects' constructs share no base that has the clause.
    if transaction.dialect.name == "sqlite":
        transaction.execute(sqlite.insert(table).on_conflict_do_nothing(), rows)
    else:
        transaction.execute(postgresql.insert(table).on_conflict_do_nothing(), rows)


def insert_one(transaction: Transaction, table: sa.Table, row: Values) -> bool:
    """Insert a row unless its key is there; whether it was inserted."""
    statement: sa.Insert
    if transaction.dialect.name == "sqlite":
        statement = sqlite.insert(table).on_conflict_do_nothing()
    else:
        statement = postgresql.insert(table).on_conflict_do_nothing()
    return transaction.execute(statement, [row]).rowcount == 1
