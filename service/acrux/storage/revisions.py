"""Statements on `revisions`: the content of every policy set that ever decided. No meaning lives here."""

import sqlalchemy as sa

from acrux.storage.database import Transaction
from acrux.storage.statements import insert_ignoring
from acrux.storage.tables import REVISIONS


def insert(transaction: Transaction, *, revision: str, content: bytes, first_at_us: int) -> None:
    """Keep a set; one that is there stays."""
    insert_ignoring(transaction, REVISIONS, [{"revision": revision, "content": content, "first_at_us": first_at_us}])


def find(transaction: Transaction, revision: str) -> bytes | None:
    """The content of a set, or None."""
    statement = sa.select(REVISIONS.c.content).where(REVISIONS.c.revision == revision)
    return transaction.execute(statement).scalar_one_or_none()


def newest(transaction: Transaction, limit: int) -> list[tuple[str, int]]:
    """The latest revisions and when each was first seen, newest first."""
    statement = (
        sa.select(REVISIONS.c.revision, REVISIONS.c.first_at_us)
        .order_by(REVISIONS.c.first_at_us.desc(), REVISIONS.c.revision)
        .limit(limit)
    )
    return [(row.revision, row.first_at_us) for row in transaction.execute(statement)]
