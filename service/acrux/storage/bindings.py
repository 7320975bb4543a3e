"""Statements on `bindings`: which decision a nonce, a PKCE challenge or a refresh token belongs to. No meaning here."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import sqlalchemy as sa

from acrux.storage.database import StorageError, Transaction
from acrux.storage.statements import insert_one
from acrux.storage.tables import BINDINGS


class BoundMeanwhile(StorageError):  # noqa: N818 - says what happened
    """Somebody else bound one of the values since it was looked up: nothing was changed, look again."""


class BindingRow(NamedTuple):
    """A bound value. Unique by client, kind and hash.

    `ticket` is the sealed ticket of the decision; `with_challenge` says whether the decision is bound by a challenge.
    """

    client: str
    kind: str
    hash: bytes
    decision_id: str
    ticket: str
    with_challenge: bool
    expires_at_us: int


def find(transaction: Transaction, client: str, keys: Mapping[str, bytes], *, now_us: int) -> dict[str, BindingRow]:
    """What a client's values are bound to, by kind; a kind that is not bound, or no more, is not there.

    Args:
        transaction: an open transaction.
        client: the client's name.
        keys: the hash to look for, by kind.
        now_us: rows that expired at or before it are not found.
    """
    if not keys:
        return {}
    values: dict[str, object] = {"of_client": client, "now_us": now_us}
    for number, (kind, digest) in enumerate(keys.items()):
        values |= {f"kind_{number}": kind, f"hash_{number}": digest}
    return {row.kind: BindingRow._make(row) for row in transaction.execute(_find(len(keys)), values)}


@lru_cache
def _find(count: int) -> sa.Select[BindingRow]:
    """The statement for so many kinds; making one takes longer than running it."""
    table = BINDINGS.c
    any_key = sa.or_(
        *(
            sa.and_(table.kind == sa.bindparam(f"kind_{number}"), table.hash == sa.bindparam(f"hash_{number}"))
            for number in range(count)
        )
    )
    alive = table.expires_at_us > sa.bindparam("now_us")
    return sa.select(BINDINGS).where(table.client == sa.bindparam("of_client"), any_key, alive)


def bind(transaction: Transaction, rows: Sequence[BindingRow], seen: Mapping[str, BindingRow], *, now_us: int) -> None:
    """Bind all of these values, or none.

    Args:
        transaction: an open transaction; it must be rolled back when this raises.
        rows: one for each kind.
        seen: what `find` found for them: these rows are replaced, and only if they are still the same.
        now_us: rows that expired at or before it are as good as absent.

    Raises:
        BoundMeanwhile: one of them is bound to something else than was seen.
    """
    table = BINDINGS.c
    for row in sorted(rows, key=lambda row: row.kind):  # one order for everybody: no deadlocks
        key = sa.and_(table.client == row.client, table.kind == row.kind, table.hash == row.hash)
        before = seen.get(row.kind)
        if before is None:
            transaction.execute(sa.delete(BINDINGS).where(key, table.expires_at_us <= now_us))
            bound = insert_one(transaction, BINDINGS, row._asdict())
        else:
            replacing = sa.update(BINDINGS).where(key, table.decision_id == before.decision_id)
            bound = transaction.execute(replacing.values(**row._asdict())).rowcount == 1
        if not bound:
            raise BoundMeanwhile(f"the {row.kind} is bound to another decision now")


def put(transaction: Transaction, row: BindingRow) -> None:
    """Bind a value whatever it was bound to."""
    table = BINDINGS.c
    key = sa.and_(table.client == row.client, table.kind == row.kind, table.hash == row.hash)
    if not insert_one(transaction, BINDINGS, row._asdict()):
        transaction.execute(sa.update(BINDINGS).where(key).values(**row._asdict()))


def end_by(transaction: Transaction, client: str, kind: str, digest: bytes, *, at_us: int) -> None:
    """Let a bound value expire at a time, unless it does before."""
    table = BINDINGS.c
    key = sa.and_(table.client == client, table.kind == kind, table.hash == digest, table.expires_at_us > at_us)
    transaction.execute(sa.update(BINDINGS).where(key).values(expires_at_us=at_us))


def delete_expired(transaction: Transaction, *, before_us: int) -> int:
    """Delete what expired before a time; how many there were."""
    return transaction.execute(sa.delete(BINDINGS).where(BINDINGS.c.expires_at_us < before_us)).rowcount
