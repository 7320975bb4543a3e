"""Statements on `consumptions`: which outcome used a decision up. No meaning lives here."""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from acrux.storage.database import Transaction
from acrux.storage.statements import Values, insert_ignoring, insert_one
from acrux.storage.tables import CONSUMPTIONS


def insert(transaction: Transaction, rows: Sequence[Values]) -> None:
    """Insert consumptions; the first for a decision stays."""
    insert_ignoring(transaction, CONSUMPTIONS, rows)


def claim(transaction: Transaction, *, decision_id: str, outcome_id: str, claimant: bytes | None, at_us: int) -> bool:
    """Use a decision up; whether nobody had."""
    row = {"decision_id": decision_id, "outcome_id": outcome_id, "claimant": claimant, "at_us": at_us}
    return insert_one(transaction, CONSUMPTIONS, row)


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
