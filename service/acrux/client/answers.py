"""Acrux's answers, read from their bytes. An answer that is not as documented is an error, never a guess."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Literal, TypeVar

from acrux.client.errors import RequestRefusedError, UnexpectedAnswerError, WrongField
from acrux.client.values import Accept, Ceiling, Decision, Json, Verdict, VerdictName

_T = TypeVar("_T")


def read_object(body: bytes) -> dict[str, Json]:
    """A JSON object.

    Raises:
        UnexpectedAnswerError: the bytes are none.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise UnexpectedAnswerError("the answer is not JSON") from None
    if not isinstance(value, dict):
        raise UnexpectedAnswerError("the answer is no JSON object")
    return value


def read_decision(
    answer: Mapping[str, Json], *, client: str, nonce_sha256: str | None, user_id: str | None
) -> Decision:
    """The answer of Decide, with what was asked for.

    Raises:
        UnexpectedAnswerError: a member is missing or of another type.
    """
    outcome, accept = _outcome(answer.get("outcome")), read_accept(answer.get("accept"))
    if (outcome == "deny") != (accept is None):
        raise UnexpectedAnswerError("`outcome` and `accept` contradict each other")
    return Decision(
        id=_member(answer, "decision_id", str),
        client=client,
        outcome=outcome,
        level=_member(answer, "level", str),
        authorization_params=_params(answer.get("authorization_params")),
        accept=accept,
        decided_at=_time(answer, "decided_at"),
        expires_at=_time(answer, "expires_at"),
        ticket=_member(answer, "ticket", str),
        reason=_member(answer, "reason", str),
        rules=tuple(str(rule) for rule in _member(answer, "rules", list)),
        requested_level=_optional(answer.get("requested_level")),
        shadow_level=_optional(answer.get("shadow_level")) or "",
        policy_revision=_member(answer, "policy_revision", str),
        receipt=_receipt(answer.get("receipt")),
        nonce_sha256=nonce_sha256,
        user_id=user_id,
    )


def read_verdict(answer: Mapping[str, Json], decision: Decision) -> Verdict:
    """The answer of the outcome call on a decision.

    Raises:
        UnexpectedAnswerError: it is on another decision, or not as documented.
    """
    try:
        name = VerdictName(_member(answer, "verdict", str))
    except ValueError:
        raise UnexpectedAnswerError("an unknown verdict") from None
    if answer.get("decision_id") != decision.id:
        raise UnexpectedAnswerError("a verdict on another decision")
    retry = answer.get("retry")
    return Verdict(
        name=name,
        # Both must say so: a member that is missing or misspelt admits nobody.
        admit=name is VerdictName.SATISFIED and answer.get("admit") is True,
        level=_optional(answer.get("level")),
        decision_id=decision.id,
        retry=read_decision(retry, client=decision.client, nonce_sha256=decision.nonce_sha256, user_id=decision.user_id)
        if isinstance(retry, dict)
        else None,
        receipt=_receipt(answer.get("receipt")),
    )


def read_ceiling(answer: Mapping[str, Json], *, client: str, fetched_at: datetime) -> Ceiling:
    """The answer of `GET /v1/clients/{name}/fallback`, or what was kept of it.

    Raises:
        UnexpectedAnswerError: a member is missing or of another type.
    """
    level, accept = _member(answer, "level", str), read_accept(answer.get("accept"))
    if (level == "deny") != (accept is None):
        raise UnexpectedAnswerError("`level` and `accept` contradict each other")
    return Ceiling(
        client=client,
        level=level,
        authorization_params=_params(answer.get("authorization_params")),
        accept=accept,
        policy_revision=_member(answer, "policy_revision", str),
        fetched_at=fetched_at,
    )


def read_problem(status: int, body: bytes) -> RequestRefusedError:
    """What a 4xx says (RFC 9457), or as much of it as is there."""
    try:
        problem = read_object(body)
    except UnexpectedAnswerError:
        problem = {}
    errors = problem.get("errors")
    return RequestRefusedError(
        status,
        _optional(problem.get("code")) or "",
        _optional(problem.get("detail")) or "the answer says no more",
        request_id=_optional(problem.get("request_id")) or "",
        errors=tuple(
            WrongField(str(error.get("pointer", "")), str(error.get("message", "")))
            for error in (errors if isinstance(errors, list) else [])
            if isinstance(error, dict)
        ),
    )


def read_accept(value: Json) -> Accept | None:
    """What may come back, from its JSON form.

    Raises:
        UnexpectedAnswerError: it has another form.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise UnexpectedAnswerError("`accept` is no object")
    values = _member(value, "values", list)
    max_age = value.get("max_age_seconds")
    if not all(isinstance(word, str) for word in values) or isinstance(max_age, bool | str | float | list | dict):
        raise UnexpectedAnswerError("`accept` is malformed")
    return Accept(_member(value, "claim", str), tuple(str(word) for word in values), max_age)


def accept_to_json(accept: Accept | None) -> Json:
    """The inverse of `read_accept`."""
    if accept is None:
        return None
    return {"claim": accept.claim, "values": list(accept.values), "max_age_seconds": accept.max_age_seconds}


def time_to_json(at: datetime) -> str:
    """An aware time as RFC 3339 in UTC with microseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def time_from_json(text: str) -> datetime:
    """The inverse of `time_to_json`.

    Raises:
        UnexpectedAnswerError: it is no time with a zone.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UnexpectedAnswerError(f"`{text}` is no time") from None
    if at.tzinfo is None:
        raise UnexpectedAnswerError(f"`{text}` has no zone")
    return at


def decision_to_state(decision: Decision) -> dict[str, Json]:
    """What the callback needs of a decision, as small JSON: a session cookie may hold 4 KiB in all."""
    kept = asdict(decision)
    for name in ("authorization_params", "reason", "rules", "requested_level", "shadow_level", "receipt"):
        del kept[name]
    kept["accept"] = accept_to_json(decision.accept)
    kept["decided_at"], kept["expires_at"] = time_to_json(decision.decided_at), time_to_json(decision.expires_at)
    return {name: value for name, value in kept.items() if value not in (None, "", False)}


def decision_from_state(state: Mapping[str, Json]) -> Decision:
    """The inverse of `decision_to_state`, without what it leaves out.

    Raises:
        UnexpectedAnswerError: it is no such state.
    """
    return Decision(
        id=_member(state, "id", str),
        client=_member(state, "client", str),
        outcome=_outcome(state.get("outcome")),
        level=_member(state, "level", str),
        authorization_params={},
        accept=read_accept(state.get("accept")),
        decided_at=_time(state, "decided_at"),
        expires_at=_time(state, "expires_at"),
        ticket=_optional(state.get("ticket")) or "",
        fallback=state.get("fallback") is True,
        policy_revision=_optional(state.get("policy_revision")) or "",
        nonce_sha256=_optional(state.get("nonce_sha256")),
        user_id=_optional(state.get("user_id")),
    )


def _outcome(value: Json) -> Literal["baseline", "step_up", "deny"]:
    match value:
        case "baseline" | "step_up" | "deny":
            return value
        case _:
            raise UnexpectedAnswerError(f"an unknown outcome: {value!r}")


def _params(value: Json) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise UnexpectedAnswerError("`authorization_params` is malformed")
    return {name: str(item) for name, item in value.items()}


def _member(answer: Mapping[str, Json], name: str, kind: type[_T]) -> _T:
    value = answer.get(name)
    if not isinstance(value, kind):
        raise UnexpectedAnswerError(f"`{name}` is missing or of another type")
    return value


def _time(answer: Mapping[str, Json], name: str) -> datetime:
    return time_from_json(_member(answer, name, str))


def _optional(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _receipt(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}
