"""Closing the loop: what the provider returned is judged against the decision, once. The verdict itself is oidc's."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from pydantic import TypeAdapter

from acrux.decisionlog.recorder import Caller, Outcome, Returned
from acrux.decisionlog.records import Idempotency, microseconds
from acrux.domain.decision import Verdict
from acrux.domain.identifiers import ClientName, DecisionId, Revision
from acrux.engine import Decider
from acrux.http.bodies import parse_json, validate
from acrux.http.calls import Call, require_policy
from acrux.http.deciding import Retries, with_receipt
from acrux.http.envelope import header
from acrux.http.idempotency import Retried, key_hash
from acrux.http.problems import Code, Problem, from_invalid
from acrux.http.schemas import OutcomeRequest, OutcomeWithClaims, OutcomeWithToken
from acrux.http.single_use import Beside, Use, single_use
from acrux.http.twice import Retry, decide_twice, log_retry
from acrux.oidc.claims import InvalidToken, ReturnedClaims, read_claims
from acrux.oidc.judge import Judgement, judge
from acrux.oidc.jwks import KeysUnavailableError
from acrux.oidc.tickets import InvalidTicket, Ticket
from acrux.policy.model import Client, Provider
from acrux.policy.request import RequestInvalid, check_claims

_REQUEST: Final[TypeAdapter[OutcomeWithToken | OutcomeWithClaims]] = TypeAdapter(OutcomeRequest)
_UNREAD: Final = InvalidToken("not read: the ticket is invalid")
_LARGEST_TIME_SECONDS: Final = 2**53


@dataclass(frozen=True, slots=True)
class Returning:
    """A login that came back, and the set that it is judged by.

    Attributes:
        decider: the set that decided, if this worker holds it; else the active one.
        returned: the claims, or why there are none.
    """

    call: Call
    decision_id: DecisionId
    ticket: Ticket | InvalidTicket
    decider: Decider
    provider: Provider | None
    client: Client | None
    returned: ReturnedClaims | InvalidToken
    now: datetime

    def judge(self, *, already_used: bool) -> Judgement:
        """The verdict, `insufficient` aside."""
        return judge(
            self.ticket,
            self.returned,
            decision_id=self.decision_id,
            provider=self.provider,
            client=self.client,
            ladder=self.decider.compiled.checked.ladder,
            now=self.now,
            already_used=already_used,
        )


async def close_loop(call: Call, decision_id: str) -> bytes:
    """Judges, logs and answers; a retry with the same `Idempotency-Key` has the first answer.

    Raises:
        Problem: `not_found` for another client's decision, `no_policy`, `keys_unavailable`, `log_unavailable`.
    """
    body = await call.raw_body()
    key = header(call.request.scope, b"idempotency-key")
    if key is None:
        return await _close(call, decision_id, body, None)
    retries = Retries(key_hash(call.token, f"outcome {decision_id}", key), hashlib.sha256(body).digest())
    async with Retried(call.services, call.shared).answer(retries) as known:
        return known if known is not None else await _close(call, decision_id, body, retries)


async def _close(call: Call, decision_id: str, body: bytes, retries: Retries | None) -> bytes:
    request = validate(_REQUEST, parse_json(body))
    if isinstance(request, OutcomeWithClaims):
        _check_claims(request.claims)
    _, told = await settle(await _read(call, DecisionId(decision_id), request), retries)
    return told


async def settle(
    returning: Returning, retries: Retries | None, *, mismatch: str = "", beside: Beside | None = None
) -> tuple[Judgement, bytes]:
    """Judges and logs a login that came back: the judgement, and its answer; when this returns, the record is durable.

    Args:
        returning: the login.
        retries: under which key the answer is kept, or None.
        mismatch: what the caller found to differ, or ''; the verdict is then `mismatched`, or `invalid`.
        beside: what is written when the decision is used up by a login that is as it should be.

    Raises:
        Problem: `log_unavailable`, `database_unavailable`.
    """
    call = returning.call
    claimant = None if retries is None else retries.key_hash
    async with single_use(call.services, call.shared, returning.decision_id, claimant) as use:
        judgement = returning.judge(already_used=use.already_used)
        if mismatch and judgement.verdict is not Verdict.INVALID:
            lowest = returning.decider.compiled.checked.ladder.lowest
            judgement = Judgement(Verdict.MISMATCHED, mismatch, lowest)
        shortfall = None
        if judgement.verdict is Verdict.SATISFIED and isinstance(returning.ticket, Ticket):
            # Before anything is used up: this may fail, and then the same call may be made again.
            shortfall = await decide_twice(call, returning.decider, returning.ticket, judgement)
        as_it_should_be = judgement.verdict is Verdict.SATISFIED and shortfall is None
        if judgement.verdict.uses_up and not await use.claim(beside if as_it_should_be else None):
            judgement, shortfall = returning.judge(already_used=True), None
        retry = None
        if shortfall is not None:
            retry = await log_retry(call, shortfall, returning.now)
            judgement = replace(judgement, verdict=Verdict.INSUFFICIENT)
        return judgement, await _log(returning, judgement, retry, use, retries)


async def _read(call: Call, decision_id: DecisionId, request: OutcomeWithToken | OutcomeWithClaims) -> Returning:
    services = call.services
    ticket = services.tickets.open(request.ticket)
    if isinstance(ticket, InvalidTicket):
        decider, provider, client = require_policy(services), None, None
    else:
        if not call.token.may_speak_for(ticket.client_name):
            raise Problem(Code.NOT_FOUND, "no decision of your clients has this id")
        decider = services.policy.held(ticket.revision) or require_policy(services)
        checked = decider.compiled.checked
        provider = None if ticket.provider is None else checked.providers.get(ticket.provider)
        client = checked.clients.get(ticket.client_name)
    now = services.clock()
    returned: ReturnedClaims | InvalidToken = _UNREAD
    if isinstance(ticket, Ticket) and ticket.decision_id == decision_id:
        returned = await _returned(call, request, provider)
    return Returning(call, decision_id, ticket, decider, provider, client, returned, now)


async def _returned(
    call: Call, request: OutcomeWithToken | OutcomeWithClaims, provider: Provider | None
) -> ReturnedClaims | InvalidToken:
    if isinstance(request, OutcomeWithClaims):
        return read_claims(request.claims)
    if provider is None:
        return InvalidToken("there is no provider whose keys could verify it")
    try:
        return await call.services.verifier.verify(request.id_token, provider)
    except KeysUnavailableError as failure:
        # Nothing is used up: the same call may be made again.
        raise Problem(Code.KEYS_UNAVAILABLE, f"the keys of provider `{provider.name}` can't be had") from failure


def _check_claims(claims: dict[str, Any]) -> None:
    """Holds the claims to the form of Decide's `claims` parameter.

    Raises:
        Problem: `invalid_request`.
    """
    try:
        check_claims(claims)
    except RequestInvalid as invalid:
        raise from_invalid(invalid, "/claims") from None


async def _log(
    returning: Returning, judgement: Judgement, retry: Retry | None, use: Use, retries: Retries | None
) -> bytes:
    call, ticket = returning.call, returning.ticket
    services = call.services
    outcome = Outcome(
        id=use.outcome_id,
        decision_id=returning.decision_id,
        decided_at=returning.now,
        client=ClientName(next(iter(call.token.clients), "") if len(call.token.clients) == 1 else ""),
        provider=None,
        revision=Revision(returning.decider.compiled.checked.revision),
        verdict=judgement.verdict,
        admit=judgement.verdict is Verdict.SATISFIED,
        level=judgement.level,
        returned=_for_log(returning, judgement),
        retry=None if retry is None else retry.logged,
    )
    if isinstance(ticket, Ticket):
        outcome = replace(
            outcome,
            decided_at=ticket.decided_at,
            client=ticket.client_name,
            provider=ticket.provider,
            revision=ticket.revision,
        )
    told: dict[str, Any] = {
        "verdict": judgement.verdict,
        "admit": outcome.admit,
        "level": judgement.level,
        "decision_id": returning.decision_id,
        "retry": None if retry is None else orjson.Fragment(retry.answer),
    }
    answer = orjson.dumps(told)
    kept_until = returning.now + timedelta(seconds=services.settings.decision_ttl_seconds)
    entry = services.recorder.outcome(
        outcome,
        caller=Caller(call.request_id, None, call.token.id),
        idempotency=None
        if retries is None
        else Idempotency(retries.key_hash, retries.request_hash, microseconds(kept_until), answer),
    )
    if use.already_used:
        # A `denied` is said as often as it is asked for, but it uses its decision up once.
        entry = replace(entry, uses_up=False)
    receipt = await use.append(entry)
    services.metrics.verdicts[judgement.verdict] += 1
    return with_receipt(answer, receipt)


def _for_log(returning: Returning, judgement: Judgement) -> Returned:
    at = judgement.auth_time_seconds
    returned = returning.returned
    proved = not isinstance(returned, InvalidToken) and judgement.verdict is not Verdict.MISMATCHED
    return Returned(
        acr=judgement.acr or (judgement.returned[0] if judgement.returned else None),
        amr=judgement.amr,
        auth_time=int(at) if at is not None and abs(at) < _LARGEST_TIME_SECONDS else None,
        sid=judgement.sid,
        issuer=None if isinstance(returned, InvalidToken) else returned.issuer,
        subject=returned.subject if proved and not isinstance(returned, InvalidToken) else None,
        facts=judgement.user_facts,
    )
