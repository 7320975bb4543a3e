"""A decision is used up once: on its node by the spools, everywhere by a row in the shared database. Judges nothing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from acrux.decisionlog.errors import LockTimeout, LogUnavailable
from acrux.decisionlog.records import microseconds
from acrux.domain.identifiers import DecisionId
from acrux.http.problems import Code, Problem
from acrux.http.shared import Away, SharedLookups
from acrux.storage import consumptions
from acrux.wiring.services import Services


@dataclass(slots=True)
class Use:
    """The one use of a decision, while nobody else of this node can have it.

    Attributes:
        outcome_id: what the use will be known by.
        already_used: whether somebody had it before.
    """

    decision_id: DecisionId
    outcome_id: str
    already_used: bool
    services: Services
    shared: SharedLookups

    async def claim(self) -> bool:
        """Whether nobody has had it: from here on nobody else can.

        While the database is away that holds for this node only; a clash is found when the outcome is shipped.

        Raises:
            Problem: `log_unavailable`: what can't be logged must not be used up.
        """
        if self.already_used:
            return False
        if not self.services.log.available:
            raise _unavailable(self.services)
        database = self.services.database
        at_us = microseconds(self.services.clock())
        try:
            self.already_used = not await self.shared.ask(
                lambda: database.write(
                    lambda transaction: consumptions.claim(
                        transaction,
                        decision_id=self.decision_id,
                        outcome_id=self.outcome_id,
                        claimant=None,
                        at_us=at_us,
                    )
                )
            )
        except Away:
            return True
        return not self.already_used


@asynccontextmanager
async def single_use(services: Services, shared: SharedLookups, decision_id: DecisionId) -> AsyncIterator[Use]:
    """The use of a decision, exclusively on this node.

    Raises:
        Problem: `log_unavailable`: whether it was used can't be looked up.
    """
    try:
        async with services.node.locked("decision", decision_id.encode()):
            used = services.node.find_outcome(decision_id) is not None
            yield Use(decision_id, services.new_id(), used, services, shared)
    except (LockTimeout, LogUnavailable, OSError) as failure:
        raise _unavailable(services) from failure


def _unavailable(services: Services) -> Problem:
    return Problem(
        Code.LOG_UNAVAILABLE,
        "whether the decision had its outcome can't be recorded",
        fallback=services.settings.on_log_failure,
    )
