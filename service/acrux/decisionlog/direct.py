"""Records that begin and end inside one transaction of the database: a short stream of its own, with no spool.

For changes that are themselves rows of the database, such as tokens: the change and its record are committed together.
"""

from collections.abc import Sequence
from typing import Final

from uuid_utils.compat import uuid7

from acrux.decisionlog.append import make_row
from acrux.decisionlog.batches import ship_indexed
from acrux.decisionlog.chain import FIRST_HEAD
from acrux.decisionlog.indexing import index
from acrux.decisionlog.reading import SpooledRow
from acrux.decisionlog.records import Entry, Kind, event
from acrux.domain.identifiers import StreamId
from acrux.storage.database import Transaction

NODE: Final = "database"
"""What such a stream says instead of a node."""


def log_directly(transaction: Transaction, entries: Sequence[Entry], *, now_us: int) -> None:
    """Log entries in a stream of their own: opened, written and closed in this transaction."""
    stream = StreamId(str(uuid7()))
    head = FIRST_HEAD
    rows: list[SpooledRow] = []
    whole = (event(Kind.STREAM_OPENED, {"node": NODE}), *entries, event(Kind.STREAM_CLOSED, {"clean": True}))
    for sequence, entry in enumerate(whole, start=1):
        row, _ = make_row(entry, stream, sequence, now_us, head)
        rows.append(SpooledRow._make(row))
        head = rows[-1].head
    ship_indexed(transaction, stream, 0, rows, [index(stream, row) for row in rows])
