"""Statements on `records` and `labels`: inserting, finding, and pages by keyset. No meaning lives here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.sql import ColumnElement

from acrux.storage.database import Transaction
from acrux.storage.statements import Values, insert_ignoring
from acrux.storage.tables import IS_DECISION, LABELS, RECORDS

COLUMN_FILTERS: Final = frozenset({"client", "app", "level", "revision", "user_hmac"})
LABEL_FILTERS: Final = frozenset({"rule", "zone"})
CALLERS_DECISION: Final = "callers_decision"
"""The label of decisions that callers made in an outage: once with the empty value, once with the client's."""
UNBOUND: Final = "unbound"
"""The label of token requests that belonged to no decision, likewise."""
_OUTCOME: Final = "outcome"
_FALLBACK: Final = "fallback"


class Key(NamedTuple):
    """A record's place in a listing."""

    at_us: int
    stream: str
    sequence: int


class StoredRecord(NamedTuple):
    """A record as it was found: its place, its leaf and its bytes."""

    at_us: int
    stream: str
    sequence: int
    leaf_hash: bytes
    body: bytes

    @property
    def key(self) -> Key:
        """Its place in a listing."""
        return Key(self.at_us, self.stream, self.sequence)


@dataclass(frozen=True, slots=True)
class Term:
    """One condition on decisions.

    Attributes:
        name: one of `COLUMN_FILTERS` or `LABEL_FILTERS`, or `verdict`.
        values: any of them fits.
        excluded: whether a fit excludes instead.
    """

    name: str
    values: tuple[str, ...]
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which decisions a page holds.

    Attributes:
        terms: all must fit.
        has_outcome: whether an outcome must, or must not, have come; None for either.
        shadow_differs: whether the shadow level must, or must not, differ; None for either.
        from_us: the earliest time, inclusive.
        to_us: the end of the time, exclusive.
        decisions: whether what Acrux decided is among them.
        fallbacks: whether what callers decided in an outage, and reported, is among them.
    """

    terms: tuple[Term, ...] = ()
    has_outcome: bool | None = None
    shadow_differs: bool | None = None
    from_us: int | None = None
    to_us: int | None = None
    decisions: bool = True
    fallbacks: bool = True
    # INVARIANT (newest first): pages go by (at_us, stream, sequence), descending.
    before: Key | None = field(default=None)


_FOUND: Final = (RECORDS.c.at_us, RECORDS.c.stream, RECORDS.c.sequence, RECORDS.c.leaf_hash, RECORDS.c.body)


def insert_records(transaction: Transaction, rows: Sequence[Values]) -> None:
    """Insert records; those that are there stay as they are."""
    insert_ignoring(transaction, RECORDS, rows)


def insert_labels(transaction: Transaction, rows: Sequence[Values]) -> None:
    """Insert labels; those that are there stay as they are."""
    insert_ignoring(transaction, LABELS, rows)


def of_decision(transaction: Transaction, decision_id: str) -> list[StoredRecord]:
    """Every record that is, or is about, a decision; in the order of their recording."""
    statement = (
        sa.select(*_FOUND)
        .where(RECORDS.c.decision_id == decision_id)
        .order_by(RECORDS.c.recorded_at_us, RECORDS.c.stream, RECORDS.c.sequence)
    )
    return [StoredRecord._make(row) for row in transaction.execute(statement)]


def outcomes_of(transaction: Transaction, decision_ids: Iterable[str]) -> list[StoredRecord]:
    """The outcomes of decisions, in the order of their recording."""
    statement = (
        sa.select(*_FOUND)
        .where(RECORDS.c.decision_id.in_(list(decision_ids)), RECORDS.c.kind == _OUTCOME)
        .order_by(RECORDS.c.recorded_at_us, RECORDS.c.stream, RECORDS.c.sequence)
    )
    return [StoredRecord._make(row) for row in transaction.execute(statement)]


def page(transaction: Transaction, conditions: Conditions, limit: int) -> list[StoredRecord]:
    """Up to `limit` decisions that fit, newest first, from just after `conditions.before`."""
    statements = []
    if conditions.decisions:
        statements.append(page_statement(conditions, limit))
    # No rule was asked in an outage, and no set in report mode.
    has_rule = any(term.name == "rule" and not term.excluded for term in conditions.terms)
    if conditions.fallbacks and not has_rule and conditions.shadow_differs is not True:
        statements.append(labelled_statement(CALLERS_DECISION, conditions, limit))
    found = [StoredRecord._make(row) for statement in statements for row in transaction.execute(statement)]
    return sorted(found, key=lambda record: record.key, reverse=True)[:limit]


def fallbacks_of(transaction: Transaction, decision_ids: Iterable[str]) -> list[StoredRecord]:
    """The reports with a verdict about decisions that callers made, in the order of their recording."""
    statement = (
        sa.select(*_FOUND)
        .where(
            RECORDS.c.decision_id.in_(list(decision_ids)), RECORDS.c.kind == _FALLBACK, RECORDS.c.verdict.is_not(None)
        )
        .order_by(RECORDS.c.recorded_at_us, RECORDS.c.stream, RECORDS.c.sequence)
    )
    return [StoredRecord._make(row) for row in transaction.execute(statement)]


def unbound(transaction: Transaction, conditions: Conditions, limit: int) -> list[StoredRecord]:
    """Up to `limit` token requests that belonged to no decision, newest first, by client and time."""
    statement = labelled_statement(UNBOUND, conditions, limit)
    return [StoredRecord._make(row) for row in transaction.execute(statement)]


def labelled_statement(label: str, conditions: Conditions, limit: int) -> sa.Select[tuple[int, str, int, bytes, bytes]]:
    """As `page_statement`, of what bears a label of its own: read straight off the labels."""
    terms = list(conditions.terms)
    leading = next((term for term in terms if term.name == "client" and not term.excluded), None)
    value = ""
    if leading is not None and len(leading.values) == 1:
        terms.remove(leading)
        (value,) = leading.values
    wheres = [LABELS.c.kind == label, LABELS.c.value == value]
    wheres += [_condition(term, _FALLBACK) for term in terms]
    if conditions.has_outcome is not None:
        wheres.append(_signed(_has_outcome((), _FALLBACK), excluded=not conditions.has_outcome))
    source = LABELS.join(RECORDS, _same_record(LABELS))
    return _in_order(source, _place(LABELS), wheres, conditions, limit)


def page_statement(conditions: Conditions, limit: int) -> sa.Select[tuple[int, str, int, bytes, bytes]]:
    """The statement of `page`, so that a test can ask the database how it would run it."""
    source: sa.FromClause = RECORDS
    place = _place(RECORDS)
    terms = list(conditions.terms)
    leading = next((term for term in terms if term.name in LABEL_FILTERS and not term.excluded), None)
    wheres: list[ColumnElement[bool]] = [sa.text(f"records.{IS_DECISION}")]  # type: ignore[list-item]
    if leading is not None and len(leading.values) == 1:
        # Labels are in the order of the listing, so the page is read straight off them.
        terms.remove(leading)
        source = LABELS.join(RECORDS, _same_record(LABELS))
        place = _place(LABELS)
        wheres += [LABELS.c.kind == leading.name, LABELS.c.value == leading.values[0]]
    wheres += [_condition(term, _OUTCOME) for term in terms]
    if conditions.has_outcome is not None:
        wheres.append(_signed(_has_outcome((), _OUTCOME), excluded=not conditions.has_outcome))
    if conditions.shadow_differs is not None:
        differs = RECORDS.c.shadow_differs
        wheres.append(differs if conditions.shadow_differs else sa.not_(differs))
    return _in_order(source, place, wheres, conditions, limit)


def _in_order(
    source: sa.FromClause,
    place: tuple[sa.Column[int], sa.Column[str], sa.Column[int]],
    wheres: list[ColumnElement[bool]],
    conditions: Conditions,
    limit: int,
) -> sa.Select[tuple[int, str, int, bytes, bytes]]:
    at_us = place[0]
    if conditions.from_us is not None:
        wheres.append(at_us >= conditions.from_us)
    if conditions.to_us is not None:
        wheres.append(at_us < conditions.to_us)
    if (before := conditions.before) is not None:
        # The first says nothing new, but prunes partitions, which the second does not.
        wheres.append(at_us <= before.at_us)
        wheres.append(sa.tuple_(*place) < sa.tuple_(*(sa.literal(part) for part in before)))
    order = [column.desc() for column in place]
    return sa.select(*_FOUND).select_from(source).where(*wheres).order_by(*order).limit(limit)


def _place(table: sa.Table) -> tuple[sa.Column[int], sa.Column[str], sa.Column[int]]:
    return table.c.at_us, table.c.stream, table.c.sequence


def _same_record(labels: sa.FromClause) -> ColumnElement[bool]:
    return sa.and_(
        labels.c.stream == RECORDS.c.stream,
        labels.c.sequence == RECORDS.c.sequence,
        labels.c.at_us == RECORDS.c.at_us,
    )


def _condition(term: Term, verdict_kind: str) -> ColumnElement[bool]:
    if term.name in COLUMN_FILTERS:
        column = RECORDS.c[term.name]
        fits = column == term.values[0] if len(term.values) == 1 else column.in_(term.values)
        return sa.or_(sa.not_(fits), column.is_(None)) if term.excluded else fits
    if term.name in LABEL_FILTERS:
        labels = LABELS.alias()
        has_label = sa.exists().where(_same_record(labels), labels.c.kind == term.name, labels.c.value.in_(term.values))
        return _signed(has_label, excluded=term.excluded)
    return _signed(_has_outcome(term.values, verdict_kind), excluded=term.excluded)


def _has_outcome(verdicts: tuple[str, ...], kind: str) -> sa.Exists:
    outcomes = RECORDS.alias()
    found = sa.exists().where(outcomes.c.decision_id == RECORDS.c.decision_id, outcomes.c.kind == kind)
    if kind == _FALLBACK:
        found = found.where(outcomes.c.client == RECORDS.c.client, outcomes.c.verdict.is_not(None))
    return found.where(outcomes.c.verdict.in_(verdicts)) if verdicts else found


def _signed(exists: sa.Exists, *, excluded: bool) -> ColumnElement[bool]:
    return ~exists if excluded else exists
