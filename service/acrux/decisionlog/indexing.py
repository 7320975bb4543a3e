"""What auditors search a record by: columns, labels and the decision it uses up, all derived from its body. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from acrux.decisionlog.chain import leaf_hash
from acrux.decisionlog.reading import SpooledRow
from acrux.decisionlog.records import Kind
from acrux.storage.records import CALLERS_DECISION, UNBOUND

# An index entry of PostgreSQL holds some 2,700 bytes, and a key has a time and a stream besides.
_MAX_VALUE_BYTES: Final = 2_048
_NUL: Final = rb"\u0000"
_STORABLE_TYPES: Final = frozenset({str, bool, type(None)})
_POISON: Final = (ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True)
class Indexed:
    """A record as the database takes it.

    Attributes:
        record: its columns.
        labels: its labels.
        consumption: the decision that it uses up, or None.
        answer: the answer that was given under an idempotency key, or None.
    """

    record: Mapping[str, Any]
    labels: tuple[Mapping[str, Any], ...] = ()
    consumption: Mapping[str, Any] | None = None
    answer: Mapping[str, Any] | None = None


def index(stream: str, row: SpooledRow) -> Indexed:
    """All that a row of the spool becomes; for a row whose body can't be understood, see `bare`."""
    try:
        content = orjson.loads(row.body)["content"]
        columns = _columns(row, content)
        labels = _labels(stream, row, content)
        _refuse_unstorable(row, columns, labels)
        consumption = _consumption(row, content)
    except _POISON:
        return bare(stream, row)
    leaf = leaf_hash(row.body)
    answer = None
    if row.key_hash is not None:
        answer = {
            "key_hash": row.key_hash,
            "request_hash": row.request_hash,
            "expires_at_us": row.expires_at_us,
            "answer": row.answer,
            "stream": stream,
            "sequence": row.sequence,
            "leaf_hash": leaf,
        }
    return Indexed(_record(stream, row, leaf, searchable=True) | columns, labels, consumption, answer)


def bare(stream: str, row: SpooledRow) -> Indexed:
    """A row with its body and leaf whole and nothing to search it by: a poison row must not stop the others."""
    return Indexed(_record(stream, row, leaf_hash(row.body), searchable=False))


def _record(stream: str, row: SpooledRow, leaf: bytes, *, searchable: bool) -> dict[str, Any]:
    return {
        "stream": stream,
        "sequence": row.sequence,
        "at_us": row.at_us,
        "recorded_at_us": row.recorded_at_us,
        "kind": row.kind,
        "searchable": searchable,
        "decision_id": None,
        "client": None,
        "app": None,
        "level": None,
        "outcome": None,
        "verdict": None,
        "uses_up": None,
        "revision": None,
        "user_hmac": None,
        "correlation_id": None,
        "request_id": None,
        "shadow_differs": None,
        "leaf_hash": leaf,
        "body": row.body,
    }


def _columns(row: SpooledRow, content: Mapping[str, Any]) -> dict[str, Any]:
    match row.kind:
        case Kind.DECISION:
            answer = content["answer"]
            return {**_decided(content), "shadow_differs": answer["shadow_level"] != answer["level"]}
        case Kind.OUTCOME:
            return {
                "decision_id": content["decision_id"],
                "client": content["client"],
                "level": content["level"],
                "verdict": content["verdict"],
                "uses_up": bool(row.uses_up),
                "revision": content["policy_revision"],
                "user_hmac": content["user_hmac"],
                "correlation_id": content["correlation_id"],
                "request_id": content["request_id"],
            }
        case Kind.FALLBACK:
            return {**_decided(content), "verdict": content["verdict"]}
        case _:
            return {"client": content.get("client"), "revision": content.get("policy_revision")}


def _decided(content: Mapping[str, Any]) -> dict[str, Any]:
    """What a decision has, whoever made it."""
    answer = content["answer"]
    return {
        "decision_id": content["decision_id"],
        "client": content["client"],
        "app": content["facts"].get("app.id"),
        "level": answer["level"],
        "outcome": answer["outcome"],
        "revision": answer["policy_revision"],
        "user_hmac": content["user_hmac"],
        "correlation_id": content["correlation_id"],
        "request_id": content["request_id"],
    }


def _labels(stream: str, row: SpooledRow, content: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    match row.kind:
        case Kind.DECISION:
            found = {("rule", effect["id"]) for effect in content["effects"]}
        case Kind.FALLBACK if content["decided_by_caller"]:
            # What a listing of them is read off, alone and by client.
            found = {(CALLERS_DECISION, ""), (CALLERS_DECISION, content["client"])}
        case Kind.UNBOUND:
            return _labelled(stream, row, {(UNBOUND, ""), (UNBOUND, content["client"])})
        case _:
            return ()
    found.update([("zone", zone) for zone in content["facts"].get("network.zones", ())])
    return _labelled(stream, row, found)


def _labelled(stream: str, row: SpooledRow, found: set[tuple[str, str]]) -> tuple[Mapping[str, Any], ...]:
    return tuple(
        {"kind": kind, "value": value, "at_us": row.at_us, "stream": stream, "sequence": row.sequence}
        for kind, value in sorted(found)
    )


def _consumption(row: SpooledRow, content: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if not row.uses_up:
        return None
    return {
        "decision_id": content["decision_id"],
        "outcome_id": content["outcome_id"],
        "claimant": row.key_hash,
        "at_us": row.recorded_at_us,
    }


def _refuse_unstorable(row: SpooledRow, columns: Mapping[str, Any], labels: tuple[Mapping[str, Any], ...]) -> None:
    values = [*columns.values(), *[label["value"] for label in labels]]
    # A short body has no long value, and one without an escaped NUL has none: then only the types are left to see.
    harmless = len(row.body) <= _MAX_VALUE_BYTES and _NUL not in row.body
    if harmless and _STORABLE_TYPES.issuperset(map(type, values)):
        return
    for value in values:
        if value is None or isinstance(value, bool):
            continue
        # PostgreSQL refuses NUL in text; what is too long for an index would be refused too.
        if not isinstance(value, str) or not (harmless or _fits(value)):
            raise ValueError("can't be searched by")


def _fits(value: str) -> bool:
    return "\x00" not in value and len(value.encode()) <= _MAX_VALUE_BYTES
