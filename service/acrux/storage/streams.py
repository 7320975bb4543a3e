"""Statements on `streams`: how far each stream has come. No meaning lives here."""

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from acrux.storage.database import Transaction
from acrux.storage.statements import insert_one
from acrux.storage.tables import STREAMS


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A stream as the database knows it.

    Attributes:
        stream: its id.
        node: the node that wrote it.
        position: the sequence of its last record in the database; 0 for none.
        head: the chain's head at that record.
        opened_at_us: when it began.
        closed_at_us: when it ended, or None.
    """

    stream: str
    node: str
    position: int
    head: bytes
    opened_at_us: int
    closed_at_us: int | None


def register(transaction: Transaction, *, stream: str, node: str, head: bytes, opened_at_us: int) -> None:
    """Make a stream known, at position 0; nothing happens if it is."""
    insert_one(
        transaction,
        STREAMS,
        {"stream": stream, "node": node, "position": 0, "head": head, "opened_at_us": opened_at_us},
    )


def positions(transaction: Transaction, streams: Iterable[str]) -> dict[str, int]:
    """The position of each of these streams that is known."""
    wanted = list(streams)
    statement = sa.select(STREAMS.c.stream, STREAMS.c.position).where(STREAMS.c.stream.in_(wanted))
    return {row.stream: row.position for row in transaction.execute(statement)}


def find(transaction: Transaction, stream: str) -> StreamRow | None:
    """A stream, or None."""
    row = transaction.execute(sa.select(STREAMS).where(STREAMS.c.stream == stream)).one_or_none()
    return None if row is None else StreamRow(*row)


def advance(
    transaction: Transaction,
    stream: str,
    *,
    from_position: int,
    to_position: int,
    head: bytes,
    closed_at_us: int | None,
) -> bool:
    """Move a stream's position if it is still `from_position`; whether it was."""
    statement = (
        sa.update(STREAMS)
        .where(STREAMS.c.stream == stream, STREAMS.c.position == from_position)
        .values(position=to_position, head=head, closed_at_us=closed_at_us)
    )
    return transaction.execute(statement).rowcount == 1
