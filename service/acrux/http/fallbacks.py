"""What callers do when Acrux can't be reached: the ceiling to cache, and the report of what they decided then."""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Path, Response
from pydantic import TypeAdapter

from acrux.decisionlog.recorder import Caller
from acrux.decisionlog.records import Entry, Idempotency, microseconds
from acrux.decisionlog.reports import Report, report_entry
from acrux.domain.decision import Verdict
from acrux.domain.facts import FactValue
from acrux.domain.identifiers import DecisionId
from acrux.domain.request import DecideRequest
from acrux.engine.answer import accept_to_json
from acrux.http import reported
from acrux.http.authentication import RELYING_PARTIES, require_client
from acrux.http.bodies import PRINTABLE
from acrux.http.calls import Call, answer, caller
from acrux.http.deciding import Retries, append, build_facts, with_receipt
from acrux.http.idempotency import Retried, key_hash
from acrux.http.problems import Code, Problem, field_problem, from_invalid
from acrux.http.schemas import FallbackReport, FallbackReports
from acrux.policy.request import FieldError, RequestInvalid, request_from_json
from acrux.policy.times import parse_timestamp

router: Final = APIRouter(tags=["fallback"])
_REPORTS: Final = TypeAdapter(FallbackReports)
_OPERATION: Final = "report_fallbacks"
KEYS_KEPT: Final = timedelta(days=30)
"""How long a report that comes again is known: callers keep theirs on disk, and may be off for a long time."""


@router.get("/v1/clients/{name:path}/fallback", operation_id="fallback")
async def fallback(
    call: Annotated[Call, Depends(caller(RELYING_PARTIES))],
    name: Annotated[
        str, Path(min_length=1, max_length=256, pattern=PRINTABLE, description="A client's name, or its `client_id`.")
    ],
) -> Response:
    """The most that the client's logins can come to: cache it, and demand it while Acrux can't be reached."""
    decider = call.decider()
    # As in Decide, a client may be called by its name or by its `client_id`.
    client = build_facts(decider, DecideRequest(name), call.services.clock()).client
    known_as = name if client is None else client.name
    if not call.token.may_speak_for(known_as):
        raise Problem(Code.NOT_FOUND, "the token is bound to other clients")
    ceiling = decider.ceiling(known_as)
    return answer(
        {
            "client": known_as,
            "level": ceiling.level,
            "authorization_params": ceiling.authorization_params,
            "accept": accept_to_json(ceiling.accept),
            "policy_revision": decider.compiled.checked.revision,
        }
    )


@router.post("/v1/fallbacks", operation_id="report_fallbacks")
async def report_fallbacks(call: Annotated[Call, Depends(caller(RELYING_PARTIES))]) -> Response:
    """Logs decisions that a caller made or judged in an outage. 200 means that the records are durable.

    A report that comes again with its `idempotency_key` has the first receipt, and no second record.
    A verdict on a decision that Acrux had made becomes its outcome too, marked as the caller's, and uses it up; a
    decision that has had its outcome keeps it.
    """
    reports = (await call.body(_REPORTS)).decisions
    names = [_known_as(call, report.client) for report in reports]
    for name in names:
        require_client(call.token, name)
    entries = [
        _entry(call, f"/decisions/{number}", name, report)
        for number, (name, report) in enumerate(zip(names, reports, strict=True))
    ]
    # Everything is looked up before anything is logged: a report that can't be dealt with now comes again whole.
    closings = [await _closing(call, name, report) for name, report in zip(names, reports, strict=True)]
    # At once, so that they share commits: a caller that gives up waiting would send them all again.
    receipts = await asyncio.gather(
        *(
            _log(call, number, report, entry)
            for number, (report, entry) in enumerate(zip(reports, entries, strict=True))
        )
    )
    # Also for a report that is known: its worker may have died between the record and the outcome.
    for closing in closings:
        if closing is not None:
            await reported.close(call, closing)
    return answer({"receipts": receipts})


async def _log(call: Call, number: int, report: FallbackReport, entry: Entry) -> dict[str, Any]:
    """The receipt of a report's record, which is written once.

    Raises:
        Problem: `idempotency_conflict` or `log_unavailable`.
    """
    if report.idempotency_key is None:
        receipt = await append(call.services, entry)
        return {"stream": receipt.stream, "sequence": receipt.sequence, "leaf_hash": receipt.leaf_hash}
    said = json.dumps(report.model_dump(), sort_keys=True).encode()
    key = key_hash(call.token, _OPERATION, report.idempotency_key.encode())
    retries = Retries(key, hashlib.sha256(said).digest())
    try:
        async with Retried(call.services, call.shared).answer(retries) as known:
            told = known if known is not None else await _log_once(call, report, entry, retries)
    except Problem as problem:
        if problem.code is not Code.IDEMPOTENCY_CONFLICT:
            raise
        error = FieldError(f"/decisions/{number}/idempotency_key", "the key was used for another report")
        raise Problem(problem.code, problem.detail, errors=(error,)) from None
    receipt_known: dict[str, Any] = orjson.loads(told)["receipt"]
    return receipt_known


async def _log_once(call: Call, report: FallbackReport, entry: Entry, retries: Retries) -> bytes:
    told = orjson.dumps({"id": report.id})
    expires_at = call.services.clock() + KEYS_KEPT
    kept = Idempotency(retries.key_hash, retries.request_hash, microseconds(expires_at), told)
    return with_receipt(told, await append(call.services, replace(entry, idempotency=kept)))


def _known_as(call: Call, client: str) -> str:
    """The client's name; it may have been called by its `client_id`, as in Decide."""
    decider = call.services.policy.active
    if decider is None:
        return client
    found = build_facts(decider, DecideRequest(client), call.services.clock()).client
    return client if found is None else found.name


async def _closing(call: Call, client: str, report: FallbackReport) -> reported.Closing | None:
    if report.facts is not None or report.verdict is None or not reported.may_be_decision(report.id):
        return None
    judged_at = None if report.verdict_at is None else parse_timestamp(report.verdict_at)
    verdict = Verdict(report.verdict)
    said = reported.ReportedVerdict(DecisionId(report.id), client, verdict, judged_at, report.returned_acr)
    return await reported.find(call, said)


def _entry(call: Call, pointer: str, client: str, report: FallbackReport) -> Entry:
    """The record of a report. What it says of the user is sealed, as in the record of a decision."""
    services = call.services
    sent = _sent(report, pointer)
    decided_at = _time(report.decided_at, f"{pointer}/decided_at")
    said = Report(
        decision_id=DecisionId(report.id),
        client=client,
        level=report.level,
        decided_at=decided_at,
        authorization_params=report.authorization_params,
        accept=None if report.accept is None else report.accept.model_dump(),
        reason=report.reason,
        policy_revision=report.policy_revision,
        sent=report.facts,
        facts={} if sent is None else _facts(call, replace(sent, client_id=client), decided_at),
        user_id=None if sent is None else sent.user_id,
        verdict=None if report.verdict is None else Verdict(report.verdict),
        verdict_at=None if report.verdict_at is None else _time(report.verdict_at, f"{pointer}/verdict_at"),
        returned_acr=report.returned_acr,
    )
    correlation_id = None if sent is None else sent.correlation_id
    by = Caller(call.request_id, correlation_id, call.token.id)
    return report_entry(services.keyring, services.log.stream, said, by, services.clock())


def _sent(report: FallbackReport, pointer: str) -> DecideRequest | None:
    if report.facts is None:
        return None
    try:
        return request_from_json(report.facts)
    except RequestInvalid as invalid:
        raise from_invalid(invalid, f"{pointer}/facts") from None


def _facts(call: Call, sent: DecideRequest, decided_at: datetime) -> Mapping[str, FactValue]:
    """What the active set makes of the login, zones and all; nothing where there is none, or it can't read it."""
    decider = call.services.policy.active
    if decider is None:
        return {}
    try:
        return decider.compiled.builder.build(sent, decided_at).facts.values
    except RequestInvalid:
        return {}


def _time(text: str, pointer: str) -> datetime:
    at = parse_timestamp(text)
    if at is None:
        raise field_problem(pointer, "expected an RFC 3339 timestamp with its zone")
    return at
