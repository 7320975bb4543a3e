"""Records: what is logged, as canonical JSON bytes. No I/O, no clock; sensitive facts leave this room sealed only.

A record is one JSON object with sorted keys and no floats in it:

    {"content": {...}, "kind": "decision", "recorded_at_us": 1764..., "sequence": 7, "stream": "0199...", "version": 1}

`content` is made by whoever logs (see `recorder`); the rest, the *envelope*, by the writer of the stream.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import orjson

from acrux.domain.facts import Json
from acrux.domain.identifiers import DecisionId, StreamId

VERSION: Final = 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_ENVELOPE: Final = (
    b'{"content":%b,"kind":"%b","recorded_at_us":%d,"sequence":%d,"stream":"%b","version":' + b"%d}" % VERSION
)


class Kind(StrEnum):
    """The kinds of records."""

    DECISION = "decision"
    OUTCOME = "outcome"
    FALLBACK = "fallback"
    UNBOUND = "unbound"
    POLICY_ACTIVATED = "policy_activated"
    TOKEN_CHANGED = "token_changed"  # noqa: S105 - the name of a kind
    REDACTION = "redaction"
    STREAM_OPENED = "stream_opened"
    STREAM_CLOSED = "stream_closed"
    CLOCK_STEP = "clock_step"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The caller's proof that a record is in the log.

    Attributes:
        stream: the stream.
        sequence: the record's place in it; the first is 1, and there are no gaps.
        leaf_hash: SHA-256 of a zero byte and the record's bytes, 64 hexadecimal digits.
    """

    stream: StreamId
    sequence: int
    leaf_hash: str


@dataclass(frozen=True, slots=True)
class Idempotency:
    """What makes a retry find the first answer.

    Attributes:
        key_hash: a hash over token, route and the caller's key, 32 bytes.
        request_hash: a hash over the request's body: another body under the same key is a conflict.
        expires_at_us: until when a retry is answered, in microseconds.
        answer: the JSON of the answer without its receipt.
    """

    key_hash: bytes
    request_hash: bytes
    expires_at_us: int
    answer: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One record to be appended.

    Attributes:
        kind: its kind.
        content: canonical JSON of an object.
        at_us: the time under which it is filed: a decision's own time, for decisions and their outcomes, so that the
            two are found, and dropped, together; None for the time of recording.
        decision_id: the decision that it is, or is about.
        uses_up: whether it is an outcome that uses its decision up.
        idempotency: what makes a retry find the answer, or None.
    """

    kind: Kind
    content: bytes
    at_us: int | None = None
    decision_id: DecisionId | None = None
    uses_up: bool = False
    idempotency: Idempotency | None = None


def envelope(entry: Entry, *, recorded_at_us: int, sequence: int, stream: StreamId) -> bytes:
    """The record's canonical bytes: these are hashed, stored and exported."""
    return _ENVELOPE % (entry.content, entry.kind.encode(), recorded_at_us, sequence, stream.encode())


def canonical(value: dict[str, Json]) -> bytes:
    """A JSON object in canonical form: sorted keys, no spaces, UTF-8."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def event(kind: Kind, content: dict[str, Json]) -> Entry:
    """A record that is about no decision."""
    return Entry(kind, canonical(content))


def microseconds(at: datetime) -> int:
    """An aware time in microseconds since 1970, UTC."""
    return (at - _EPOCH) // _MICROSECOND


def from_microseconds(at_us: int) -> datetime:
    """The inverse of `microseconds`."""
    return _EPOCH + timedelta(microseconds=at_us)
