"""What auditors ask: one decision with its outcomes, and pages of decisions. Writes nothing; pages never load all."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from acrux.decisionlog.cursors import PURPOSE, open_cursor, seal_cursor
from acrux.decisionlog.errors import FilterInvalid
from acrux.decisionlog.filters import Filters
from acrux.decisionlog.items import (
    Found,
    is_callers_decision,
    is_outcome_of,
    show_decision,
    show_outcome,
    show_unbound,
)
from acrux.decisionlog.node import NodeSpools
from acrux.decisionlog.records import Kind
from acrux.decisionlog.sealing import Keyring
from acrux.domain.facts import Json
from acrux.storage import records
from acrux.storage.database import Database, Transaction
from acrux.storage.records import Conditions, StoredRecord

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500


@dataclass(frozen=True, slots=True)
class FoundDecision:
    """One decision as it was logged.

    Attributes:
        client: whose it is.
        revision: the set that decided; None for a decision that a caller made, which had the ceiling alone.
        item: as in a listing.
        effects: every rule that matched or errored, in report mode too, as logged.
        outcomes: all that came back, in order.
        body: the record's canonical bytes.
    """

    client: str
    revision: str | None
    item: dict[str, Json]
    effects: list[Json]
    outcomes: tuple[dict[str, Json], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a listing.

    Attributes:
        items: the decisions, newest first.
        next_cursor: where the next page begins, or None on the last.
    """

    items: tuple[dict[str, Json], ...]
    next_cursor: str | None


class Queries:
    """Reads the log. Safe for use by several threads.

    Args:
        database: where shipped records are.
        keyring: opens facts, looks users up, seals cursors.
        node: this node's spools, so that a decision is found before it is shipped; listings hold what is shipped.
    """

    def __init__(self, database: Database, keyring: Keyring, node: NodeSpools | None = None) -> None:
        self._database = database
        self._keyring = keyring
        self._node = node
        self._cursors = keyring.sealer(PURPOSE)

    def find(self, decision_id: str, *, open_facts: bool) -> FoundDecision | None:
        """A decision and its outcomes, or None.

        Raises:
            DatabaseUnavailable: the database is away.
            LogUnavailable: this node's spools can't be read.
        """
        if not _is_decision_id(decision_id):
            return None
        stored = self._database.read(lambda transaction: records.of_decision(transaction, decision_id))
        found = {(one.stream, one.sequence): _found(one) for one in stored}
        if self._node is not None:
            for spooled in self._node.find_records(decision_id):
                receipt = spooled.receipt
                place = (receipt.stream, receipt.sequence)
                found.setdefault(place, Found(*place, receipt.leaf_hash, spooled.body))
        parsed = sorted(((orjson.loads(one.body), one) for one in found.values()), key=lambda pair: _recorded(pair[0]))
        decision = next((pair for pair in parsed if pair[0]["kind"] == Kind.DECISION), None)
        decision = decision or next((pair for pair in parsed if is_callers_decision(pair[0])), None)
        if decision is None:
            return None
        content = decision[0]["content"]
        outcomes = [one for record, one in parsed if is_outcome_of(record, decision[0])]
        return FoundDecision(
            client=content["client"],
            revision=content["answer"]["policy_revision"] if decision[0]["kind"] == Kind.DECISION else None,
            item=show_decision(decision[1], outcomes, self._keyring, open_facts=open_facts),
            effects=content["effects"],
            outcomes=tuple(show_outcome(outcome) for outcome in outcomes),
            body=decision[1].body,
        )

    def list(
        self, filters: Filters, *, open_facts: bool, limit: int = DEFAULT_LIMIT, cursor: str | None = None
    ) -> Page:
        """A page of decisions, newest first.

        Raises:
            FilterInvalid: the limit is not from 1 to 500.
            CursorInvalid: the cursor is not of this listing.
            DatabaseUnavailable: the database is away.
        """
        digest, conditions = self._asked(filters, "decisions", limit, cursor)
        # One more than asked for says whether there is a next page.
        found = self._database.read(lambda transaction: _read_page(transaction, conditions, limit + 1))
        shown = found[:limit]
        return Page(
            items=tuple(
                show_decision(_found(one), outcomes, self._keyring, open_facts=open_facts) for one, outcomes in shown
            ),
            next_cursor=seal_cursor(self._cursors, shown[-1][0].key, digest) if len(found) > limit else None,
        )

    def unbound(self, filters: Filters, *, limit: int = DEFAULT_LIMIT, cursor: str | None = None) -> Page:
        """A page of token requests that belonged to no decision, newest first; by client and time.

        Raises:
            FilterInvalid: the limit is not from 1 to 500.
            CursorInvalid: the cursor is not of this listing.
            DatabaseUnavailable: the database is away.
        """
        digest, conditions = self._asked(filters, "unbound", limit, cursor)
        found = self._database.read(lambda transaction: records.unbound(transaction, conditions, limit + 1))
        shown = found[:limit]
        return Page(
            items=tuple(show_unbound(_found(one)) for one in shown),
            next_cursor=seal_cursor(self._cursors, shown[-1].key, digest) if len(found) > limit else None,
        )

    def _asked(self, filters: Filters, listing: str, limit: int, cursor: str | None) -> tuple[bytes, Conditions]:
        """What a cursor of this listing is bound to, and where it goes on."""
        if not 1 <= limit <= MAX_LIMIT:
            raise FilterInvalid("limit", f"from 1 to {MAX_LIMIT}")
        digest = filters.digest() + listing.encode()
        conditions = filters.conditions(self._keyring.pseudonyms)
        if cursor is not None:
            conditions = replace(conditions, before=open_cursor(self._cursors, cursor, digest))
        return digest, conditions

    def each(self, filters: Filters, *, open_facts: bool) -> Iterator[dict[str, Json]]:
        """Every decision that fits, newest first, a page at a time.

        Raises:
            DatabaseUnavailable: the database is away.
        """
        cursor: str | None = None
        while True:
            page = self.list(filters, open_facts=open_facts, limit=MAX_LIMIT, cursor=cursor)
            yield from page.items
            if (cursor := page.next_cursor) is None:
                return


def _read_page(
    transaction: Transaction, conditions: Conditions, limit: int
) -> "list[tuple[StoredRecord, list[Found]]]":
    """Decisions, each with what came of it.

    An id alone does not tell whose outcome a record is: callers choose the ids in their reports, and may choose one
    that is somebody else's.
    """
    found = [(one, orjson.loads(one.body)) for one in records.page(transaction, conditions, limit)]
    ids = {_decision_id(record) for _, record in found}
    returned: dict[str, list[tuple[Any, Found]]] = {}
    for one in (*records.outcomes_of(transaction, ids), *records.fallbacks_of(transaction, ids)):
        record = orjson.loads(one.body)
        returned.setdefault(_decision_id(record), []).append((record, _found(one)))
    return [
        (
            one,
            [
                outcome
                for record, outcome in returned.get(_decision_id(decision), ())
                if is_outcome_of(record, decision)
            ],
        )
        for one, decision in found
    ]


def _decision_id(record: Any) -> str:
    return str(record["content"]["decision_id"])


def _found(record: StoredRecord) -> Found:
    return Found(record.stream, record.sequence, record.leaf_hash.hex(), record.body)


def _recorded(record: Any) -> tuple[int, str, int]:
    return record["recorded_at_us"], record["stream"], record["sequence"]


def _is_decision_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
