"""The verdict that a caller came to while the outcome call failed, logged as its decision's outcome. Judges nothing."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from acrux.decisionlog.errors import LogUnavailable
from acrux.decisionlog.recorder import CALLER, Caller, Outcome, Returned
from acrux.decisionlog.records import Kind, from_microseconds, microseconds
from acrux.domain.decision import Verdict
from acrux.domain.identifiers import ClientName, DecisionId, LevelName, ProviderName, Revision
from acrux.http.calls import Call, from_database
from acrux.http.problems import Code, Problem
from acrux.http.single_use import Use, single_use
from acrux.oidc.judge import attained_level
from acrux.storage import records

_VERSION_OF_DECISIONS: Final = 7


@dataclass(frozen=True, slots=True)
class ReportedVerdict:
    """What a caller says of the outcome of a decision that Acrux had made.

    Attributes:
        id: the decision's.
        client: whose login it was, by the name that the policy set knows it by.
        judged_at: when the caller judged, by its own clock; None if it did not say.
        returned_acr: the words that came back, with spaces between them.
    """

    id: DecisionId
    client: str
    verdict: Verdict
    judged_at: datetime | None
    returned_acr: str | None

    def claimant(self) -> bytes:
        """The same for a report that is sent again: it is the same use of the decision, not a second one."""
        at_us = None if self.judged_at is None else microseconds(self.judged_at)
        return hashlib.sha256(orjson.dumps(["reported", self.id, self.client, self.verdict, at_us])).digest()


@dataclass(frozen=True, slots=True)
class Closing:
    """A report and the decision that it is about: the content of its record, and of its outcomes' so far."""

    report: ReportedVerdict
    decision: dict[str, Any]
    outcomes: Sequence[dict[str, Any]]

    def is_known(self) -> bool:
        """Whether this very report was logged before."""
        at_us = None if self.report.judged_at is None else microseconds(self.report.judged_at)
        return any(
            outcome.get("judged_by") == CALLER
            and outcome["reported_verdict"] == self.report.verdict
            and outcome["judged_at_us"] == at_us
            for outcome in self.outcomes
        )


def may_be_decision(text: str) -> bool:
    """Whether an id can be one of Acrux' decisions: callers name those that they make themselves in another way."""
    try:
        found = UUID(text)
    except ValueError:
        return False
    return str(found) == text and found.version == _VERSION_OF_DECISIONS


async def find(call: Call, report: ReportedVerdict) -> Closing | None:
    """The decision that a report is about; None if there is none, or if it is another client's.

    Raises:
        Problem: `log_unavailable` or `database_unavailable`: it can't be looked up now, so the report must come again.
    """
    services = call.services
    try:
        bodies = [found.body for found in services.node.find_records(report.id)]
    except LogUnavailable as failure:
        raise Problem(Code.LOG_UNAVAILABLE, "this node's spool can't be read") from failure
    contents = _by_kind(bodies)
    if not contents[Kind.DECISION]:
        database = services.database
        stored = await from_database(
            lambda: database.read(lambda transaction: records.of_decision(transaction, report.id))
        )
        contents = _by_kind([*bodies, *(one.body for one in stored)])
    decision = next(iter(contents[Kind.DECISION]), None)
    if decision is None or decision["client"] != report.client:
        return None
    return Closing(report, decision, contents[Kind.OUTCOME])


def _by_kind(bodies: Sequence[bytes]) -> dict[Kind, list[dict[str, Any]]]:
    found: dict[Kind, list[dict[str, Any]]] = {Kind.DECISION: [], Kind.OUTCOME: []}
    for body in bodies:
        record: dict[str, Any] = orjson.loads(body)
        if record["kind"] in found:
            found[record["kind"]].append(record["content"])
    return found


async def close(call: Call, closing: Closing) -> None:
    """Logs what the caller judged as the decision's outcome, and uses the decision up where that verdict does.

    A decision that has had its outcome keeps it: then this one is logged as `replayed`.

    Raises:
        Problem: `log_unavailable`.
    """
    if closing.is_known():
        return
    report = closing.report
    async with single_use(call.services, call.shared, report.id, report.claimant()) as use:
        if use.already_used:
            again = await find(call, report)
            if again is not None and again.is_known():
                return  # sent twice at once
        verdict = report.verdict
        if verdict.uses_up and not await use.claim():
            verdict = Verdict.REPLAYED
        await use.append(call.services.recorder.outcome(_outcome(call, closing, verdict, use), caller=_by(call)))
        call.services.metrics.verdicts[verdict] += 1


def _by(call: Call) -> Caller:
    return Caller(call.request_id, None, call.token.id)


def _outcome(call: Call, closing: Closing, verdict: Verdict, use: Use) -> Outcome:
    decision, report = closing.decision, closing.report
    answer, provider = decision["answer"], decision["provider"]
    return Outcome(
        id=use.outcome_id,
        decision_id=report.id,
        decided_at=from_microseconds(answer["decided_at_us"]),
        client=ClientName(report.client),
        provider=None if provider is None else ProviderName(provider),
        revision=Revision(answer["policy_revision"]),
        verdict=verdict,
        admit=verdict is Verdict.SATISFIED,
        level=_level(call, closing),
        returned=Returned(acr=report.returned_acr),
        judged_by=CALLER,
        judged_at=report.judged_at,
        reported_verdict=report.verdict,
    )


def _level(call: Call, closing: Closing) -> LevelName | None:
    """The level whose word came back, by the set that decided if it is held, else by the active one."""
    policy = call.services.policy
    decider = policy.held(closing.decision["answer"]["policy_revision"]) or policy.active
    if decider is None:
        return None
    checked = decider.compiled.checked
    provider = checked.providers.get(closing.decision["provider"])
    words = () if closing.report.returned_acr is None else tuple(closing.report.returned_acr.split(" "))
    return None if provider is None else attained_level(words, provider, checked.ladder)
