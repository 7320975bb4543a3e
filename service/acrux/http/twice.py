"""After the login, once more: with the verified `user.*` facts, is what was reached enough? The engine decides."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import orjson

from acrux.decisionlog.errors import LogUnavailable, NotOpened
from acrux.decisionlog.recorder import Caller
from acrux.decisionlog.records import Kind
from acrux.domain.decision import Decision, DecisionOutcome
from acrux.domain.facts import Facts, FactValue, Json, fact_from_json
from acrux.engine import Decider
from acrux.http.calls import Call, from_database
from acrux.http.deciding import Login, log_and_answer
from acrux.http.problems import Code, Problem
from acrux.oidc.judge import SKEW_SECONDS, Judgement
from acrux.oidc.tickets import Ticket
from acrux.storage import records
from acrux.wiring.services import Services

_UNLOGGED: Final = ("ticket", "receipt")


@dataclass(frozen=True, slots=True)
class Retry:
    """The new decision of an `insufficient`: its answer's JSON, and what the outcome's record keeps of it."""

    answer: bytes
    logged: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A decision that the login fell short of, not logged yet, and its facts."""

    decision: Decision
    facts: Facts
    login: Login


async def decide_twice(call: Call, decider: Decider, ticket: Ticket, judgement: Judgement) -> Shortfall | None:
    """What the login fell short of; None if what was reached is enough. Nothing is logged or used up by it.

    Raises:
        Problem: `log_unavailable`; `database_unavailable` where the stored facts are only in the log and can't be had.
    """
    name = ticket.client_name
    if not decider.user_facts_read(name):
        return None
    stored = await _stored_facts(call, decider, ticket)
    accept = ticket.accept
    again = decider.decide_again(
        judgement.user_facts,
        stored,
        name,
        ticket.level,
        ticket.decided_at,
        stored_max_age_seconds=None if accept is None else accept.max_age_seconds,
    )
    if _is_enough(again, judgement, ticket):
        return None
    values: dict[str, FactValue] = {**stored, **judgement.user_facts, "client.id": name}
    values["known"] = tuple(sorted({*values, "known"}))
    login = Login(decider.compiled.checked.clients.get(name), None, ticket.user_id, ticket.facts)
    return Shortfall(again, Facts(values), login)


async def log_retry(call: Call, shortfall: Shortfall, now: datetime) -> Retry:
    """Logs and answers the decision that a new login will be held to.

    Raises:
        Problem: `log_unavailable`.
    """
    told = await log_and_answer(
        call.services,
        replace(shortfall.decision, decided_at=now),
        shortfall.facts,
        shortfall.login,
        Caller(call.request_id, None, call.token.id),
    )
    logged: dict[str, Json] = orjson.loads(told)
    return Retry(told, {key: value for key, value in logged.items() if key not in _UNLOGGED})


def _is_enough(again: Decision, judgement: Judgement, ticket: Ticket) -> bool:
    """Whether what came back would also have been accepted by the new decision."""
    if again.outcome is DecisionOutcome.DENY or again.accept is None:
        return False
    if again.accept.values and not set(again.accept.values) & set(judgement.returned):
        return False
    return _is_young_enough(again.accept.max_age_seconds, judgement, ticket)


def _is_young_enough(max_age_seconds: int | None, judgement: Judgement, ticket: Ticket) -> bool:
    if max_age_seconds is None:
        return True
    at = judgement.auth_time_seconds
    return at is not None and at + max_age_seconds + SKEW_SECONDS >= ticket.decided_at.timestamp()


async def _stored_facts(call: Call, decider: Decider, ticket: Ticket) -> dict[str, FactValue]:
    """The facts of the first decision that this set knows, typed."""
    kept = await _facts_from_log(call, ticket) if ticket.facts_in_log else ticket.facts
    declared = decider.compiled.declarations
    stored: dict[str, FactValue] = {}
    for name, value in kept.items():
        if name in declared:
            try:
                stored[name] = fact_from_json(value, declared[name])
            except ValueError:
                continue  # another set declares it as another type: to this one it is absent
    return stored


async def _facts_from_log(call: Call, ticket: Ticket) -> Mapping[str, Json]:
    """The facts that did not fit into the ticket, from the decision's record: on this node, or once it is shipped.

    Raises:
        Problem: `log_unavailable` or `database_unavailable`. Going on without them could lower what is needed.
    """
    services = call.services
    try:
        bodies = [found.body for found in services.node.find_records(ticket.decision_id) if found.kind == Kind.DECISION]
    except LogUnavailable as failure:
        raise Problem(Code.LOG_UNAVAILABLE, "the decision's record can't be read") from failure
    if not bodies:
        database = services.database
        stored = await from_database(
            lambda: database.read(lambda transaction: records.of_decision(transaction, ticket.decision_id))
        )
        bodies = [record.body for record in stored]
    for body in bodies:
        record: dict[str, Any] = orjson.loads(body)
        if record["kind"] == Kind.DECISION:
            return _facts_of(services, record, ticket)
    raise Problem(Code.DATABASE_UNAVAILABLE, "the decision's record has not arrived in the database yet")


def _facts_of(services: Services, record: Mapping[str, Any], ticket: Ticket) -> Mapping[str, Json]:
    content = record["content"]
    facts: dict[str, Json] = dict(content["facts"])
    if content["sealed"] is not None:
        try:
            secret = services.keyring.records(record["stream"]).open_json(content["sealed"], ticket.decision_id)
        except NotOpened as failure:
            raise Problem(Code.LOG_UNAVAILABLE, "the decision's record can't be opened") from failure
        sealed = secret.get("facts")
        facts.update(sealed if isinstance(sealed, dict) else {})
    return facts
