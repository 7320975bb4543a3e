"""A decision is used up once: on its node by the spools, everywhere by a row in the shared database. Judges nothing."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from acrux.decisionlog.errors import LockTimeout, LogUnavailable
from acrux.decisionlog.records import Entry, Receipt, microseconds
from acrux.domain.identifiers import DecisionId
from acrux.http.deciding import append
from acrux.http.problems import Code, Problem
from acrux.http.shared import Away, SharedLookups
from acrux.storage import consumptions
from acrux.storage.database import Transaction
from acrux.wiring.services import Services

CLAIM_TIMEOUT_SECONDS: Final = 2.0
"""Longer than other look-ups: giving up on a database that is only slow would give up single use on every node."""


@dataclass(slots=True)
class Beside:
    """What is written in the transaction that uses a decision up: one commit for both.

    Attributes:
        write: the statements.
        done: whether they are surely committed.
    """

    write: Callable[[Transaction], None]
    done: bool = False


@dataclass(slots=True)
class Use:
    """The one use of a decision, while nobody else of this node can have it.

    Attributes:
        claimant: the hash of the caller's idempotency key: whoever claimed and then died may claim again.
        outcome_id: what the use will be known by.
        already_used: whether somebody had it before.
    """

    decision_id: DecisionId
    claimant: bytes | None
    outcome_id: str
    already_used: bool
    services: Services
    shared: SharedLookups

    async def claim(self, beside: Beside | None = None) -> bool:
        """Whether nobody has had it: from here on nobody else can. `beside` is written only then.

        While the database is away that holds for this node only; a clash is found when the outcome is shipped.

        Raises:
            Problem: `log_unavailable`: what can't be logged must not be used up.
        """
        if self.already_used:
            return False
        if not self.services.log.available:
            raise _unavailable(self.services)
        database = self.services.database
        # Alone a claim is one statement; only with something beside it takes a transaction.
        write = database.write_alone if beside is None else database.write
        try:
            claimed = await self.shared.ask(
                lambda: write(lambda transaction: self._claim(transaction, beside)),
                timeout_seconds=CLAIM_TIMEOUT_SECONDS,
            )
        except Away:
            return True
        self.already_used = not claimed
        if beside is not None:
            beside.done = claimed
        return claimed

    async def append(self, entry: Entry) -> Receipt:
        """Logs the outcome; one that can't be logged has used nothing up, so that the call may be made again.

        Raises:
            Problem: `log_unavailable`.
        """
        try:
            return await append(self.services, entry)
        except Problem:
            # With `durability: database` the record is spooled, only not shipped in time: the use stands.
            if entry.uses_up and self.services.settings.durability == "spool":
                with suppress(Away):
                    await self.shared.ask(lambda: self.services.database.write(self._release))
            raise

    def _release(self, transaction: Transaction) -> None:
        consumptions.release(transaction, decision_id=self.decision_id, outcome_id=self.outcome_id)

    def _claim(self, transaction: Transaction, beside: Beside | None) -> bool:
        claimed = consumptions.claim(
            transaction,
            decision_id=self.decision_id,
            outcome_id=self.outcome_id,
            claimant=self.claimant,
            at_us=microseconds(self.services.clock()),
        )
        if claimed and beside is not None:
            beside.write(transaction)
        return claimed


@asynccontextmanager
async def single_use(
    services: Services, shared: SharedLookups, decision_id: DecisionId, claimant: bytes | None
) -> AsyncIterator[Use]:
    """The use of a decision, exclusively on this node.

    Raises:
        Problem: `log_unavailable`: whether it was used can't be looked up.
    """
    try:
        async with services.node.locked("decision", decision_id.encode()):
            used = services.node.find_outcome(decision_id) is not None
            yield Use(decision_id, claimant, services.new_id(), used, services, shared)
    except (LockTimeout, LogUnavailable, OSError) as failure:
        raise _unavailable(services) from failure


def _unavailable(services: Services) -> Problem:
    return Problem(
        Code.LOG_UNAVAILABLE,
        "whether the decision had its outcome can't be recorded",
        fallback=services.settings.on_log_failure,
    )
