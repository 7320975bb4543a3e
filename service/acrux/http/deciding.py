"""From a decision to what its caller is told: ticket, record, answer. Shared by Decide and retries; decides nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from acrux.decisionlog.errors import LogUnavailable
from acrux.decisionlog.recorder import Caller
from acrux.decisionlog.records import Entry, Idempotency, Receipt, microseconds
from acrux.domain.decision import Decision
from acrux.domain.facts import Facts, fact_to_json, format_timestamp
from acrux.domain.identifiers import DecisionId
from acrux.domain.request import DecideRequest
from acrux.engine import NO_FLOOR, Decider, Floor, UnmappedRequestedAcr, decision_to_json
from acrux.http.problems import Code, Problem, field_problem, from_invalid
from acrux.oidc.tickets import Ticket, TicketTooLargeError
from acrux.policy.facts import BuiltFacts
from acrux.policy.model import Client
from acrux.policy.request import FieldError, RequestInvalid
from acrux.wiring.services import Services

_NOTHING_KEPT: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Login:
    """What is known of a login beside its facts.

    Attributes:
        client: the registration, or None.
        nonce_sha256, user_id: what the ticket binds the login to, where the caller sent it.
        ticket_facts: the facts that deciding again will need, as JSON.
    """

    client: Client | None
    nonce_sha256: str | None
    user_id: str | None
    ticket_facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Retries:
    """Under which key a retry finds the answer, and the hash of the body that it must have."""

    key_hash: bytes
    request_hash: bytes


def build_facts(decider: Decider, request: DecideRequest, now: datetime, prefix: str = "") -> BuiltFacts:
    """The facts of a request at a time; `prefix` is the pointer to where the request stands in the body.

    Raises:
        Problem: `invalid_request`.
    """
    try:
        return decider.compiled.builder.build(request, now)
    except RequestInvalid as invalid:
        raise from_invalid(invalid, prefix) from None


def decide_built(decider: Decider, built: BuiltFacts, now: datetime, floor: Floor = NO_FLOOR) -> Decision:
    """The decision of a request whose facts are built.

    Raises:
        Problem: `unmapped_requested_acr`.
    """
    try:
        return decider.decide(built.facts, now, client=built.client, provider=built.provider, floor=floor)
    except UnmappedRequestedAcr as unmapped:
        raise unmapped_problem(unmapped) from None


def unmapped_problem(unmapped: UnmappedRequestedAcr, prefix: str = "") -> Problem:
    """The problem of a request whose own acr would have to be replaced and is not in the provider's map."""
    field = FieldError(prefix + "/request", str(unmapped))
    return Problem(Code.UNMAPPED_REQUESTED_ACR, str(unmapped), errors=(field,))


def login_of(decider: Decider, built: BuiltFacts, request: DecideRequest, decision: Decision) -> Login:
    """What the ticket of a decision keeps of its login."""
    kept = decider.user_facts_read(decision.client)
    facts = _NOTHING_KEPT
    if kept:
        values = built.facts.values
        facts = {name: fact_to_json(values[name]) for name in kept if name in values}
    return Login(built.client, request.nonce_sha256, request.user_id, facts)


async def log_and_answer(
    services: Services,
    decision: Decision,
    facts: Facts,
    login: Login,
    caller: Caller,
    retries: Retries | None = None,
    floor: Mapping[str, Any] | None = None,
) -> bytes:
    """Logs a decision and returns its answer: when this returns, the record is durable.

    `floor` is what was decided for the same login before, for the record.

    Raises:
        Problem: `log_unavailable`.
    """
    decision_id = DecisionId(services.new_id())
    expires_at = decision.decided_at + timedelta(seconds=services.settings.decision_ttl_seconds)
    told = {
        "decision_id": decision_id,
        **decision_to_json(decision),
        "expires_at": format_timestamp(expires_at),
        "ticket": _ticket(services, decision_id, decision, login, expires_at),
    }
    answer = orjson.dumps(told)
    idempotency = None
    if retries is not None:
        idempotency = Idempotency(retries.key_hash, retries.request_hash, microseconds(expires_at), answer)
    entry = services.recorder.decision(
        decision_id, decision, facts, expires_at=expires_at, caller=caller, idempotency=idempotency, floor=floor
    )
    receipt = await append(services, entry)
    services.metrics.decisions[decision.outcome, decision.level] += 1
    for effect in decision.effects:
        if effect.errored:
            services.metrics.errored_rules_count += 1
    return with_receipt(answer, receipt)


def _ticket(services: Services, decision_id: DecisionId, decision: Decision, login: Login, expires_at: datetime) -> str:
    client = login.client
    ticket = Ticket(
        decision_id=decision_id,
        client_name=decision.client,
        client_id=decision.client if client is None else client.client_id,
        provider=decision.provider,
        revision=decision.policy_revision,
        decided_at=decision.decided_at,
        expires_at=expires_at,
        outcome=decision.outcome,
        level=decision.level,
        accept=decision.accept,
        nonce_sha256=login.nonce_sha256,
        user_id=login.user_id,
        facts=login.ticket_facts,
    )
    try:
        return services.tickets.seal(ticket)
    except TicketTooLargeError as too_large:
        raise field_problem("/client", str(too_large)) from None


async def append(services: Services, entry: Entry) -> Receipt:
    """Logs a record.

    Raises:
        Problem: `log_unavailable`, with what the operator lets callers do then.
    """
    settings = services.settings
    if settings.durability == "database" and not services.status().database_reachable:
        # Known beforehand: nobody waits for it, and no record is left behind of what nobody was told.
        raise Problem(
            Code.LOG_UNAVAILABLE, "the database that must have the record is away", fallback=settings.on_log_failure
        )
    try:
        return await services.log.append(entry)
    except LogUnavailable as failure:
        raise Problem(
            Code.LOG_UNAVAILABLE, "the record could not be made durable in time", fallback=settings.on_log_failure
        ) from failure


def with_receipt(answer: bytes, receipt: Receipt) -> bytes:
    """An answer's JSON with its receipt as the last member."""
    return answer[:-1] + b',"receipt":{"stream":"%b","sequence":%d,"leaf_hash":"%b"}}' % (
        receipt.stream.encode(),
        receipt.sequence,
        receipt.leaf_hash.encode(),
    )
