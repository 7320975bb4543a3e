"""Statements on `tokens`. Only hashes of tokens ever come here; no meaning lives here."""

import json
from collections.abc import Mapping
from typing import NamedTuple

import sqlalchemy as sa

from acrux.storage.database import Transaction
from acrux.storage.statements import insert_one
from acrux.storage.tables import TOKENS


class TokenRow(NamedTuple):
    """A token as it is stored."""

    token_id: str
    token_hash: bytes
    name: str
    role: str
    clients: bytes
    created_at_us: int
    expires_at_us: int | None
    revoked_at_us: int | None
    last_used_at_us: int | None

    @property
    def client_names(self) -> tuple[str, ...]:
        """The names of the clients that it is bound to."""
        return tuple(json.loads(self.clients))


def insert(transaction: Transaction, row: TokenRow) -> bool:
    """Insert a token unless its id is there; whether it was inserted."""
    return insert_one(transaction, TOKENS, row._asdict())


def every(transaction: Transaction) -> list[TokenRow]:
    """Every token, oldest first."""
    statement = sa.select(TOKENS).order_by(TOKENS.c.created_at_us, TOKENS.c.token_id)
    return [TokenRow._make(row) for row in transaction.execute(statement)]


def find(transaction: Transaction, token_id: str) -> TokenRow | None:
    """A token by its id, or None."""
    row = transaction.execute(sa.select(TOKENS).where(TOKENS.c.token_id == token_id)).one_or_none()
    return None if row is None else TokenRow._make(row)


def revoke(transaction: Transaction, token_id: str, *, at_us: int) -> bool:
    """End a token at a time, unless it ends earlier; whether anything changed."""
    statement = (
        sa.update(TOKENS)
        .where(TOKENS.c.token_id == token_id, sa.or_(TOKENS.c.revoked_at_us.is_(None), TOKENS.c.revoked_at_us > at_us))
        .values(revoked_at_us=at_us)
    )
    return transaction.execute(statement).rowcount == 1


def touch(transaction: Transaction, last_used_at_us: Mapping[str, int]) -> None:
    """Note when tokens were last used; an earlier time never replaces a later one."""
    if not last_used_at_us:
        return
    statement = (
        sa.update(TOKENS)
        .where(
            TOKENS.c.token_id == sa.bindparam("used_id"),
            sa.func.coalesce(TOKENS.c.last_used_at_us, 0) < sa.bindparam("used_at_us"),
        )
        .values(last_used_at_us=sa.bindparam("used_at_us"))
    )
    transaction.execute(statement, [{"used_id": key, "used_at_us": at_us} for key, at_us in last_used_at_us.items()])
