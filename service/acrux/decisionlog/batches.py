"""One batch of one stream into the database, in one transaction. No loops over time, no files."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from acrux.decisionlog.chain import FIRST_HEAD
from acrux.decisionlog.indexing import Indexed, bare, index
from acrux.decisionlog.reading import SpooledRow
from acrux.decisionlog.records import Entry, Kind
from acrux.domain.identifiers import DecisionId, StreamId
from acrux.storage import consumptions, idempotency, records, streams
from acrux.storage.database import Database, RowRefused, Transaction


class StreamMoved(Exception):  # noqa: N818 - says what happened
    """The stream's position is not where this shipper left it; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Clash:
    """A decision that two outcomes used up, on nodes that could not see each other.

    Attributes:
        decision_id: the decision.
        first: the outcome that the database has.
        second: the outcome that came later.
        entry: the record that says so, an outcome with the verdict `replayed`; to be appended by whoever is told.
    """

    decision_id: DecisionId
    first: str
    second: str
    entry: Entry


def ship_rows(database: Database, stream: StreamId, after: int, rows: Sequence[SpooledRow]) -> list[Clash]:
    """Move a stream's position from `after` to the last of the rows, with the rows and all that they carry.

    A row that the database refuses enters without its searchable columns; the others are not held up by it.

    Raises:
        StreamMoved: the position is not `after`.
        DatabaseUnavailable: the database is away.
        RowRefused: it refuses a row even so.
    """
    indexed = [index(stream, row) for row in rows]
    try:
        return database.write(lambda transaction: ship_indexed(transaction, stream, after, rows, indexed))
    except RowRefused:
        if len(rows) == 1:
            only = [bare(stream, rows[0])]
            return database.write(lambda transaction: ship_indexed(transaction, stream, after, rows, only))
    half = len(rows) // 2
    clashes = ship_rows(database, stream, after, rows[:half])
    return clashes + ship_rows(database, stream, rows[half - 1].sequence, rows[half:])


def ship_indexed(
    transaction: Transaction, stream: StreamId, after: int, rows: Sequence[SpooledRow], indexed: Sequence[Indexed]
) -> list[Clash]:
    """`ship_rows` inside a transaction that its caller has.

    Raises:
        StreamMoved: the position is not `after`.
    """
    last = rows[-1]
    if after == 0:
        streams.register(
            transaction, stream=stream, node=_node(rows[0]), head=FIRST_HEAD, opened_at_us=rows[0].recorded_at_us
        )
    # The position first: on PostgreSQL it locks the stream's row, so that two shippers take turns.
    if not streams.advance(
        transaction,
        stream,
        from_position=after,
        to_position=last.sequence,
        head=last.head,
        closed_at_us=last.recorded_at_us if last.kind == Kind.STREAM_CLOSED else None,
    ):
        raise StreamMoved(stream)
    records.insert_records(transaction, [one.record for one in indexed])
    records.insert_labels(transaction, [label for one in indexed for label in one.labels])
    idempotency.insert(transaction, [one.answer for one in indexed if one.answer is not None])
    return _consume(transaction, rows, indexed)


def _consume(transaction: Transaction, rows: Sequence[SpooledRow], indexed: Sequence[Indexed]) -> list[Clash]:
    used_up = [(row, one.consumption) for row, one in zip(rows, indexed, strict=True) if one.consumption is not None]
    if not used_up:
        return []
    consumptions.insert(transaction, [consumption for _, consumption in used_up])
    first = consumptions.outcome_ids(transaction, [consumption["decision_id"] for _, consumption in used_up])
    return [
        _clash(row, first[consumption["decision_id"]])
        for row, consumption in used_up
        if first[consumption["decision_id"]] != consumption["outcome_id"]
    ]


def _clash(row: SpooledRow, first: str) -> Clash:
    content = orjson.loads(row.body)["content"]
    decision_id, second = DecisionId(content["decision_id"]), content["outcome_id"]
    # The clash is filed as what it is: a replay of the decision, found late. It repeats nothing of the person.
    repeated = {
        name: content[name]
        for name in ("acrux", "client", "decided_at_us", "decision_id", "policy_revision", "provider", "returned")
    }
    said = repeated | {
        "admit": False,
        "clash": {"first": first, "second": second},
        "correlation_id": content["correlation_id"],
        "level": None,
        "outcome_id": second,
        "request_id": content["request_id"],
        "retry": None,
        "sealed": None,
        "token_id": content["token_id"],
        "user_hmac": content["user_hmac"],
        "uses_up": False,
        "verdict": "replayed",
    }
    entry = Entry(Kind.OUTCOME, orjson.dumps(said, option=orjson.OPT_SORT_KEYS), row.at_us, decision_id)
    return Clash(decision_id, first, second, entry)


def _node(row: SpooledRow) -> str:
    """The node of a stream, from its first record; unknown where that one was deleted from the spool long ago."""
    if row.kind != Kind.STREAM_OPENED:
        return "unknown"
    return str(orjson.loads(row.body)["content"]["node"])
