"""Statements on `consumptions`: which outcome used a decision up. No meaning lives here."""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from acrux.storage.database import Transaction
from acrux.storage.statements import Values, insert_ignoring, insert_one
from acrux.storage.tables import CONSUMPTIONS, RECORDS


def insert(transaction: Transaction, rows: Sequence[Values]) -> None:
    """Insert consumptions; the first for a decision stays."""
    insert_ignoring(transaction, CONSUMPTIONS, rows)


def claim(transaction: Transaction, *, decision_id: str, outcome_id: str, claimant: bytes | None, at_us: int) -> bool:
    """Use a decision up; whether nobody had.

    The same claimant may claim again, with a new outcome, as long as the database has no record of its first: a retry
    after a crash between the claim and the record is the same use, not a second one.
    """
    row = {"decision_id": decision_id, "outcome_id": outcome_id, "claimant": claimant, "at_us": at_us}
    if insert_one(transaction, CONSUMPTIONS, row):
        return True
    if claimant is None:
        return False
    statement = (
        sa.update(CONSUMPTIONS)
        .where(CONSUMPTIONS.c.decision_id == decision_id, CONSUMPTIONS.c.claimant == claimant, ~_recorded(decision_id))
        .values(outcome_id=outcome_id)
    )
    return transaction.execute(statement).rowcount == 1


def release(transaction: Transaction, *, decision_id: str, outcome_id: str) -> None:
    """Give a claim back whose outcome could not be recorded; one that is recorded stays."""
    claimed = CONSUMPTIONS.c.decision_id == decision_id, CONSUMPTIONS.c.outcome_id == outcome_id
    transaction.execute(sa.delete(CONSUMPTIONS).where(*claimed, ~_recorded(decision_id)))


def _recorded(decision_id: str) -> sa.Exists:
    return sa.exists().where(
        RECORDS.c.decision_id == decision_id,
        RECORDS.c.kind == "outcome",
        RECORDS.c.uses_up.is_(True),
    )


def find(transaction: Transaction, decision_id: str) -> tuple[str, bytes | None] | None:
    """The outcome that used a decision up, and who claimed it; None if none did."""
    statement = sa.select(CONSUMPTIONS.c.outcome_id, CONSUMPTIONS.c.claimant).where(
        CONSUMPTIONS.c.decision_id == decision_id
    )
    row = transaction.execute(statement).one_or_none()
    return None if row is None else (row.outcome_id, row.claimant)


def outcome_ids(transaction: Transaction, decision_ids: Iterable[str]) -> dict[str, str]:
    """The outcome that used each of these decisions up."""
    statement = sa.select(CONSUMPTIONS.c.decision_id, CONSUMPTIONS.c.outcome_id).where(
        CONSUMPTIONS.c.decision_id.in_(list(decision_ids))
    )
    return {row.decision_id: row.outcome_id for row in transaction.execute(statement)}
