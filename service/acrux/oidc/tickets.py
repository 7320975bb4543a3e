"""Tickets: what a caller carries between Decide and the outcome call, sealed. No look-up, no clock.

http-api.md, "Decide": 2 KiB at most, sealed with the service's key, so that any node can judge without a look-up.
"""

import base64
import binascii
import hashlib
import hmac
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from acrux.domain.decision import Accept, DecisionOutcome
from acrux.domain.facts import Json
from acrux.domain.identifiers import ClientName, DecisionId, LevelName, ProviderName, Revision

MAX_TICKET_CHARACTERS: Final = 2048
_PURPOSE: Final = b"acrux ticket 1"
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12  # NIST SP 800-38D: random 96-bit nonces, good for 2**32 seals under one key
_TAG_BYTES: Final = 16
_HEAD_BYTES: Final = 1 + _NONCE_BYTES
_MAX_BODY_BYTES: Final = MAX_TICKET_CHARACTERS * 3 // 4 - _HEAD_BYTES - _TAG_BYTES
# Adapters keep tickets in session cookies (4 KiB at most), so a big one is worth the time of zlib before it must be.
_WORTH_DEFLATING_BYTES: Final = 800
_PLAIN: Final = b"\x00"
_DEFLATED: Final = b"\x01"
_OUTCOMES: Final = {outcome: code for code, outcome in enumerate(DecisionOutcome)}
_OUTCOME_OF: Final = dict(enumerate(DecisionOutcome))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_DIGEST_PREFIX: Final = "sha256:"


class TicketTooLargeError(ValueError):
    """The policy's own words (client, provider, level and accepted values) alone are longer than a ticket may be."""


@dataclass(frozen=True, slots=True)
class InvalidTicket:
    """A text that is no ticket of this service.

    Attributes:
        reason: why, for the log; never for the caller's user.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the judging of an outcome must know of its decision.

    Attributes:
        decision_id: the decision.
        client_name: the client's name in the policy set, or its id as sent where the set does not know it.
        client_id: what the ID token's audience must be.
        provider: where the client logs in; None where none is known.
        revision: the policy set that decided.
        decided_at: when, to the microsecond.
        expires_at: after it the decision is of no use.
        outcome: `baseline`, `step_up` or `deny`.
        level: the level that was decided.
        accept: what may come back; None for `deny`.
        nonce_sha256: base64url of the SHA-256 of the login's nonce, or None where the caller sent none.
        user_id: the `user.id` that was sent, or None. Compare through `names_user`: a long one is kept as a digest.
        facts: those facts that the client's rules on `user.*` read, as JSON (policy-language.md, "Twice").
        facts_in_log: True where the facts did not fit: they must be read from the decision's record.
    """

    decision_id: DecisionId
    client_name: ClientName
    client_id: str
    provider: ProviderName | None
    revision: Revision
    decided_at: datetime
    expires_at: datetime
    outcome: DecisionOutcome
    level: LevelName
    accept: Accept | None
    nonce_sha256: str | None = None
    user_id: str | None = None
    facts: Mapping[str, Json] = field(default_factory=dict)
    facts_in_log: bool = False

    def names_user(self, subject: str) -> bool:
        """Whether the `user.id` that was sent, in clear or as a digest, is this one."""
        return self.user_id in {subject, _digest(subject)}


class TicketSealer:
    """Seals tickets with AES-GCM and opens them again; safe to share between threads.

    Args:
        key: 32 bytes; derived for this purpose alone.
        old_keys: keys that still open tickets after a rotation.

    Raises:
        ValueError: a key is not 32 bytes long.
    """

    __slots__ = ("_associated", "_current", "_head", "_keys")

    def __init__(self, key: bytes, old_keys: tuple[bytes, ...] = ()) -> None:
        self._keys: dict[int, list[AESGCM]] = {}
        for each in (key, *old_keys):
            if len(each) != _KEY_BYTES:
                raise ValueError("a ticket key is 32 bytes long")
            self._keys.setdefault(_key_id(each), []).append(AESGCM(each))
        self._current = AESGCM(key)
        self._head = bytes([_key_id(key)])
        self._associated = _PURPOSE + self._head

    def seal(self, ticket: Ticket) -> str:
        """The ticket as base64url text of at most 2048 characters. Facts that do not fit are left to the log.

        Raises:
            TicketTooLargeError: even without its facts it does not fit; the set's own words are that long.
        """
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._current.encrypt(nonce, _fitting_body(ticket), self._associated)
        return base64.urlsafe_b64encode(self._head + nonce + sealed).rstrip(b"=").decode()

    def open(self, text: str) -> Ticket | InvalidTicket:
        """The ticket that was sealed, unchanged but for what `seal` leaves out, or why the text is none."""
        if len(text) > MAX_TICKET_CHARACTERS:
            return InvalidTicket("too long")
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):  # ValueError: not ASCII
            return InvalidTicket("not base64url")
        if len(raw) <= _HEAD_BYTES + _TAG_BYTES:
            return InvalidTicket("too short")
        for key in self._keys.get(raw[0], ()):
            try:
                body = key.decrypt(raw[1:_HEAD_BYTES], raw[_HEAD_BYTES:], _PURPOSE + raw[:1])
            except InvalidTag:
                continue
            # What carries the tag was written by `seal`: from here on nothing can be malformed.
            return _read(zlib.decompress(body[1:]) if body[:1] == _DEFLATED else body[1:])
        return InvalidTicket("not sealed by this service")


def _key_id(key: bytes) -> int:
    """A hint, not a secret: keys that share it are tried in turn."""
    return hashlib.sha256(b"acrux ticket key id" + key).digest()[0]


def _fitting_body(ticket: Ticket) -> bytes:
    body = _write(ticket)
    if len(body) <= _WORTH_DEFLATING_BYTES:
        return _PLAIN + body
    shorter = _without_facts(ticket) if ticket.facts else ticket
    for candidate in (ticket, shorter, _with_hashed_user(shorter)):
        packed = _packed(_write(candidate))
        if len(packed) <= _MAX_BODY_BYTES:
            return packed
    raise TicketTooLargeError(f"the ticket of client `{ticket.client_name}` does not fit")


def _packed(body: bytes) -> bytes:
    return min(_PLAIN + body, _DEFLATED + zlib.compress(body, 6), key=len)


def _without_facts(ticket: Ticket) -> Ticket:
    return replace(ticket, facts={}, facts_in_log=True)


def _with_hashed_user(ticket: Ticket) -> Ticket:
    return ticket if ticket.user_id is None else replace(ticket, user_id=_digest(ticket.user_id))


def _digest(user_id: str) -> str:
    return _DIGEST_PREFIX + sha256_base64url(user_id)


def sha256_base64url(text: str) -> str:
    """The SHA-256 of a text's UTF-8 as base64url without padding: the form of `nonce_sha256`."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def same_text(one: str, other: str) -> bool:
    """Whether two texts are equal, in a time that does not say where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))


def _write(ticket: Ticket) -> bytes:
    accept = ticket.accept
    return orjson.dumps(
        (
            ticket.decision_id,
            ticket.client_name,
            None if ticket.client_id == ticket.client_name else ticket.client_id,
            ticket.provider,
            ticket.revision,
            (ticket.decided_at - _EPOCH) // _MICROSECOND,
            (ticket.expires_at - _EPOCH) // _MICROSECOND,
            _OUTCOMES[ticket.outcome],
            ticket.level,
            None if accept is None else (accept.claim, accept.values, accept.max_age_seconds),
            ticket.nonce_sha256,
            ticket.user_id,
            ticket.facts,
            ticket.facts_in_log,
        ),
    )


def _read(body: bytes) -> Ticket:
    row: list[Any] = orjson.loads(body)
    accept = row[9]
    return Ticket(
        decision_id=DecisionId(row[0]),
        client_name=ClientName(row[1]),
        client_id=row[1] if row[2] is None else row[2],
        provider=row[3] if row[3] is None else ProviderName(row[3]),
        revision=Revision(row[4]),
        decided_at=_EPOCH + timedelta(microseconds=row[5]),
        expires_at=_EPOCH + timedelta(microseconds=row[6]),
        outcome=_OUTCOME_OF[row[7]],
        level=LevelName(row[8]),
        accept=None if accept is None else Accept(accept[0], tuple(accept[1]), accept[2]),
        nonce_sha256=row[10],
        user_id=row[11],
        facts=row[12],
        facts_in_log=row[13],
    )
