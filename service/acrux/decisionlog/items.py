"""How a logged decision is shown: an item of a listing, from the bytes of its records. No I/O, no filtering."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson

from acrux.decisionlog.errors import NotOpened
from acrux.decisionlog.recorder import ACRUX
from acrux.decisionlog.records import Kind, from_microseconds
from acrux.decisionlog.sealing import Keyring
from acrux.domain.facts import Json, format_timestamp

_ANSWER_FIELDS: Final = (
    "outcome",
    "level",
    "authorization_params",
    "accept",
    "rules",
    "reason",
    "requested_level",
    "shadow_level",
    "policy_revision",
)


class Found(NamedTuple):
    """A record that was found, wherever.

    Attributes:
        stream: its stream.
        sequence: its place in it.
        leaf_hash: its leaf, in hexadecimal.
        body: its bytes.
    """

    stream: str
    sequence: int
    leaf_hash: str
    body: bytes


def show_decision(decision: Found, outcomes: Sequence[Found], keyring: Keyring, *, open_facts: bool) -> dict[str, Json]:
    """An item of a listing (http-api.md, "Look up").

    Its verdict is that of the outcome that used the decision up; else that of the last outcome; else null.
    `open_facts` shows the sealed facts too, as far as a key for them is at hand.
    """
    content = _content(decision)
    answer = content["answer"]
    verdict = _verdict([orjson.loads(outcome.body) for outcome in outcomes])
    return {
        "decision_id": content["decision_id"],
        "kind": orjson.loads(decision.body)["kind"],
        **{name: answer[name] for name in _ANSWER_FIELDS},
        "decided_at": _time(answer["decided_at_us"]),
        "expires_at": None if answer["expires_at_us"] is None else _time(answer["expires_at_us"]),
        "client": content["client"],
        "app": content["facts"].get("app.id"),
        "facts": _facts(decision, content, keyring, open_facts=open_facts),
        "zones": content["facts"].get("network.zones", []),
        "errored_rules": [effect["id"] for effect in content["effects"] if effect["errored"]],
        **verdict,
        "correlation_id": content["correlation_id"],
        "request_id": content["request_id"],
        "receipt": _receipt(decision),
    }


def show_outcome(outcome: Found) -> dict[str, Json]:
    """One outcome of a decision, without what is sealed in it."""
    record = orjson.loads(outcome.body)
    content = record["content"]
    return {
        "verdict": content["verdict"],
        "verdict_at": _judged_at(record),
        "judged_by": content.get("judged_by", ACRUX),
        "admit": content["admit"],
        "level": content["level"],
        "uses_up": content["uses_up"],
        "returned_acr": content["returned"]["acr"],
        "returned_amr": content["returned"]["amr"],
        "auth_time": content["returned"]["auth_time"],
        "request_id": content["request_id"],
        "receipt": _receipt(outcome),
    }


def show_unbound(found: Found) -> dict[str, Json]:
    """A token request that belonged to no decision."""
    record = orjson.loads(found.body)
    content = record["content"]
    names = ("client", "grant_type", "reason", "decision_id", "policy_revision", "provider", "request_id")
    told = {name: content[name] for name in (*names, "unrecorded_count")}
    return {
        "at": _time(record["recorded_at_us"]),
        **told,
        "receipt": _receipt(found),
    }


def is_callers_decision(record: Any) -> bool:
    """Whether a record is of a decision that a caller made in an outage."""
    return record["kind"] == Kind.FALLBACK and record["content"].get("decided_by_caller") is True


def is_outcome_of(record: Any, decision: Any) -> bool:
    """Whether a record says what came back of a decision: Acrux's outcome, or the report of who made the decision."""
    if decision["kind"] == Kind.DECISION:
        return bool(record["kind"] == Kind.OUTCOME)
    content = record["content"]
    has_verdict = record["kind"] == Kind.FALLBACK and content.get("verdict") is not None
    return has_verdict and content["client"] == decision["content"]["client"]


def _content(found: Found) -> Any:
    return orjson.loads(found.body)["content"]


def _verdict(outcomes: Sequence[Any]) -> dict[str, Json]:
    if not outcomes:
        return {"verdict": None, "verdict_at": None, "returned_acr": None}
    using_up = next((outcome for outcome in outcomes if outcome["content"]["uses_up"]), outcomes[-1])
    content = using_up["content"]
    return {
        "verdict": content["verdict"],
        "verdict_at": _judged_at(using_up),
        "returned_acr": content["returned"]["acr"],
    }


def _judged_at(record: Any) -> str:
    """When the verdict was come to: for one that a caller reported later, by the caller's clock."""
    reported_at_us = record["content"].get("judged_at_us")
    return _time(record["recorded_at_us"] if reported_at_us is None else reported_at_us)


def _facts(found: Found, content: Any, keyring: Keyring, *, open_facts: bool) -> dict[str, Json]:
    facts: dict[str, Json] = dict(content["facts"])
    facts["request.time"] = _time(content["answer"]["decided_at_us"])
    if open_facts and content["sealed"] is not None:
        try:
            opened = keyring.records(found.stream).open_json(content["sealed"], content["decision_id"])
        except NotOpened:  # sealed under a service key that is not at hand any more: the rest is still worth showing
            opened = {}
        secret = opened.get("facts")
        facts |= secret if isinstance(secret, dict) else {}
    return dict(sorted(facts.items()))


def _receipt(found: Found) -> dict[str, Json]:
    return {"stream": found.stream, "sequence": found.sequence, "leaf_hash": found.leaf_hash}


def _time(at_us: int) -> str:
    return format_timestamp(from_microseconds(at_us))
