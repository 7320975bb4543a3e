"""A caller's report of an outage as a record: a decision of its own, a verdict of its own, or both. No I/O.

Its members are those of a decision and of an outcome, so that both are shown alike. What the caller sent of the login
is sealed whole; the facts to filter by stand beside it, as the set that was active at the report knows them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import acrux
from acrux.decisionlog.recorder import CALLER, Caller, dump, split_facts
from acrux.decisionlog.records import Entry, Kind, microseconds
from acrux.decisionlog.sealing import Keyring
from acrux.domain.decision import DecisionOutcome, Verdict
from acrux.domain.facts import FactValue, Json
from acrux.domain.identifiers import DecisionId, StreamId


@dataclass(frozen=True, slots=True)
class Report:
    """What a caller says that it decided, or judged, while Acrux could not be reached.

    Attributes:
        decision_id: the caller's own id, or that of a decision of Acrux's which the caller judged alone.
        client: whose login it was, by the name that the policy set knows it by.
        level: the ceiling's, or the decision's.
        decided_at: when it was decided, by the caller's clock.
        authorization_params: what was asked for.
        accept: what may come back; None where the login was denied.
        reason: why Acrux could not be reached.
        policy_revision: the set that the ceiling came from, if the caller says so.
        sent: the Decide request that could not be sent; None where the decision was Acrux's, or is in another report.
        facts: what the active set makes of it; empty where it knows nothing of it.
        user_id: the user, if the caller knew.
        verdict: what the caller came to, or None.
        verdict_at: when, by its clock.
        returned_acr: the words that came back.
    """

    decision_id: DecisionId
    client: str
    level: str
    decided_at: datetime
    authorization_params: Mapping[str, str]
    accept: Mapping[str, Json] | None
    reason: str
    policy_revision: str | None
    sent: Json
    facts: Mapping[str, FactValue]
    user_id: str | None
    verdict: Verdict | None
    verdict_at: datetime | None
    returned_acr: str | None

    @property
    def outcome(self) -> DecisionOutcome:
        """What the decision comes to, as the client says it (`acrux.client.values.Ceiling`)."""
        if self.accept is None:
            return DecisionOutcome.DENY
        return (
            DecisionOutcome.STEP_UP if self.accept["values"] or self.authorization_params else DecisionOutcome.BASELINE
        )


def report_entry(keyring: Keyring, stream: StreamId, report: Report, caller: Caller, now: datetime) -> Entry:
    """The record of a report, filed under the decision's time; a caller's clock that is ahead is not believed."""
    at_us = max(0, microseconds(min(report.decided_at, now)))
    plain, sealed = split_facts(report.facts)
    secret: dict[str, object] = {"facts": sealed, "sent": report.sent}
    content: dict[str, object] = {
        "acrux": acrux.__version__,
        "admit": report.verdict is Verdict.SATISFIED,
        "answer": {
            "accept": report.accept,
            "authorization_params": dict(report.authorization_params),
            "decided_at_us": at_us,
            "expires_at_us": None,
            "level": report.level,
            "outcome": report.outcome.value,
            "policy_revision": report.policy_revision,
            "reason": report.reason,
            "requested_level": None,
            "rules": [],
            "shadow_level": report.level,
        },
        "client": report.client,
        "correlation_id": caller.correlation_id,
        "decided_by_caller": report.sent is not None,
        "decision_id": report.decision_id,
        "effects": [],
        "facts": plain,
        "judged_at_us": None if report.verdict_at is None else microseconds(report.verdict_at),
        "judged_by": CALLER,
        "level": report.level if report.verdict is Verdict.SATISFIED else None,
        "request_id": caller.request_id,
        "returned": {"acr": report.returned_acr, "amr": [], "auth_time": None},
        "sealed": keyring.records(stream).seal_json(secret, report.decision_id),
        "token_id": caller.token_id,
        "user_hmac": None if report.user_id is None else keyring.pseudonym(report.user_id),
        "uses_up": report.verdict is not None and report.verdict.uses_up,
        "verdict": None if report.verdict is None else report.verdict.value,
    }
    return Entry(Kind.FALLBACK, dump(content), at_us, report.decision_id)
