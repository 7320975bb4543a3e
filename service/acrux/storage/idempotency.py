"""Statements on `idempotency_keys`: answers that a retry gets again. No meaning lives here."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from acrux.storage.database import Transaction
from acrux.storage.statements import Values
from acrux.storage.tables import IDEMPOTENCY_KEYS


class AnswerRow(NamedTuple):
    """An answer that was given under a key."""

    request_hash: bytes
    expires_at_us: int
    answer: bytes
    stream: str
    sequence: int
    leaf_hash: bytes


def insert(transaction: Transaction, rows: Sequence[Values]) -> None:
    """Insert answers. A key that is there already takes the one that expires later: keys may be used again."""
    if not rows:
        return
    # Two branches, since the two dialects' constructs share no base that has the clause.
    if transaction.dialect.name == "sqlite":
        lite = sqlite.insert(IDEMPOTENCY_KEYS)
        transaction.execute(
            lite.on_conflict_do_update(
                index_elements=["key_hash"],
                set_=dict(lite.excluded),
                where=lite.excluded.expires_at_us > IDEMPOTENCY_KEYS.c.expires_at_us,
            ),
            rows,
        )
    else:
        full = postgresql.insert(IDEMPOTENCY_KEYS)
        transaction.execute(
            full.on_conflict_do_update(
                index_elements=["key_hash"],
                set_=dict(full.excluded),
                where=full.excluded.expires_at_us > IDEMPOTENCY_KEYS.c.expires_at_us,
            ),
            rows,
        )


def find(transaction: Transaction, key_hash: bytes, *, now_us: int) -> AnswerRow | None:
    """The answer under a key, or None if there is none or it has expired."""
    keys = IDEMPOTENCY_KEYS.c
    statement = sa.select(
        keys.request_hash, keys.expires_at_us, keys.answer, keys.stream, keys.sequence, keys.leaf_hash
    ).where(keys.key_hash == key_hash, keys.expires_at_us > now_us)
    row = transaction.execute(statement).one_or_none()
    return None if row is None else AnswerRow._make(row)


def delete_expired(transaction: Transaction, *, before_us: int) -> int:
    """Delete the answers that expired before a time; how many there were."""
    statement = sa.delete(IDEMPOTENCY_KEYS).where(IDEMPOTENCY_KEYS.c.expires_at_us < before_us)
    return transaction.execute(statement).rowcount
