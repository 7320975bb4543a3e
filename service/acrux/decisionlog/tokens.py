"""Tokens: made, listed, replaced, ended; every change is a record. Their text is never stored, only its hash.

The record of a change is committed in the transaction of the change, as a stream of its own (see `direct`).
"""

import base64
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import orjson
from uuid_utils.compat import uuid7

from acrux.decisionlog.direct import log_directly
from acrux.decisionlog.errors import DecisionLogError
from acrux.decisionlog.records import Entry, Kind, canonical, from_microseconds, microseconds
from acrux.storage import tokens
from acrux.storage.database import Database, Transaction
from acrux.storage.tokens import TokenRow

PREFIX: Final = "acrux_"
_SECRET_BYTES: Final = 32


class TokenInvalid(DecisionLogError):  # noqa: N818 - says what is wrong
    """The token that was asked for can't be: its role, clients or end make no sense. The message says which."""


class TokenUnknown(DecisionLogError):  # noqa: N818 - says what is wrong
    """No token, or more than one, goes by that id or name."""


class TokenRole(StrEnum):
    """What a token may do (http-api.md, "Who may call")."""

    RELYING_PARTY = "relying-party"
    AUTHOR = "author"
    AUDITOR = "auditor"
    PRIVACY = "privacy"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class TokenEntry:
    """A token, without its text.

    Attributes:
        id: its public id.
        name: what people call it; may be empty.
        role: what it may do.
        clients: the clients that a relying party's token is bound to.
        created_at: when it was made.
        expires_at: when it ends by itself, or None.
        revoked_at: when it was, or will be, ended; or None.
        last_used_at: when it was last used, or None.
    """

    id: str
    name: str
    role: TokenRole
    clients: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def works_at(self, now: datetime) -> bool:
        """Whether it works at a time."""
        return all(end is None or now < end for end in (self.expires_at, self.revoked_at))


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token just made: the only time that its text is known.

    Attributes:
        text: what callers send.
        token: the rest.
    """

    text: str
    token: TokenEntry


def hash_token(text: str) -> bytes:
    """What is stored of a token's text: its SHA-256."""
    return hashlib.sha256(text.encode()).digest()


def create_token(
    database: Database,
    *,
    role: str,
    name: str = "",
    clients: Iterable[str] = (),
    expires_at: datetime | None = None,
    now: datetime | None = None,
) -> NewToken:
    """Make a token.

    Raises:
        TokenInvalid: see there.
        DatabaseUnavailable: the database is away.
    """
    now = now or datetime.now(UTC)
    wanted = _check(role, tuple(dict.fromkeys(clients)), expires_at, now)
    text, row = _new_row(wanted, name, tuple(dict.fromkeys(clients)), expires_at, now)

    def work(transaction: Transaction) -> None:
        tokens.insert(transaction, row)
        _log(transaction, "created", row, now)

    database.write(work)
    return NewToken(text, _entry(row))


def list_tokens(database: Database) -> tuple[TokenEntry, ...]:
    """Every token that ever was, oldest first.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    return tuple(_entry(row) for row in database.read(tokens.every))


def has_operator(database: Database, now: datetime | None = None) -> bool:
    """Whether a token with the role of an operator works: without one nobody could make the next.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    at = now or datetime.now(UTC)
    return any(token.role is TokenRole.OPERATOR and token.works_at(at) for token in list_tokens(database))


def rotate_token(
    database: Database, id_or_name: str, *, overlap_seconds: int = 0, now: datetime | None = None
) -> NewToken:
    """Make a token like another, and end the other after `overlap_seconds`.

    Raises:
        TokenUnknown: see there; also if the token does not work any more.
        DatabaseUnavailable: the database is away.
    """
    at = now or datetime.now(UTC)

    def work(transaction: Transaction) -> NewToken:
        old = _resolve(transaction, id_or_name, at)
        entry = _entry(old)
        text, row = _new_row(entry.role, old.name, entry.clients, entry.expires_at, at)
        tokens.insert(transaction, row)
        _log(transaction, "created", row, at)
        _end(transaction, old, at + timedelta(seconds=overlap_seconds), at)
        return NewToken(text, _entry(row))

    return database.write(work)


def revoke_token(database: Database, id_or_name: str, *, now: datetime | None = None) -> TokenEntry:
    """End a token now.

    Raises:
        TokenUnknown: see there; also if the token does not work any more.
        DatabaseUnavailable: the database is away.
    """
    at = now or datetime.now(UTC)

    def work(transaction: Transaction) -> TokenEntry:
        return _end(transaction, _resolve(transaction, id_or_name, at), at, at)

    return database.write(work)


def _check(role: str, clients: tuple[str, ...], expires_at: datetime | None, now: datetime) -> TokenRole:
    try:
        wanted = TokenRole(role)
    except ValueError:
        raise TokenInvalid(f"unknown role `{role}`; roles are {', '.join(TokenRole)}") from None
    if wanted is TokenRole.RELYING_PARTY and not clients:
        raise TokenInvalid("a relying party's token is bound to the clients that it may speak for: name them")
    if wanted is not TokenRole.RELYING_PARTY and clients:
        raise TokenInvalid(f"only a relying party's token is bound to clients, not one with the role `{wanted}`")
    if expires_at is not None and expires_at <= now:
        raise TokenInvalid("its end is in the past")
    return wanted


def _new_row(
    role: TokenRole, name: str, clients: tuple[str, ...], expires_at: datetime | None, now: datetime
) -> tuple[str, TokenRow]:
    text = PREFIX + base64.urlsafe_b64encode(os.urandom(_SECRET_BYTES)).rstrip(b"=").decode()
    row = TokenRow(
        token_id=str(uuid7()),
        token_hash=hash_token(text),
        name=name,
        role=role.value,
        clients=orjson.dumps(clients),
        created_at_us=microseconds(now),
        expires_at_us=None if expires_at is None else microseconds(expires_at),
        revoked_at_us=None,
        last_used_at_us=None,
    )
    return text, row


def _resolve(transaction: Transaction, id_or_name: str, now: datetime) -> TokenRow:
    working = [row for row in tokens.every(transaction) if _entry(row).works_at(now)]
    found = [row for row in working if row.token_id == id_or_name]
    found = found or [row for row in working if row.name and row.name == id_or_name]
    if not found:
        raise TokenUnknown(f"no working token has the id or the name `{id_or_name}`")
    if len(found) > 1:
        raise TokenUnknown(f"{len(found)} tokens have the name `{id_or_name}`: use an id")
    return found[0]


def _end(transaction: Transaction, row: TokenRow, ends_at: datetime, now: datetime) -> TokenEntry:
    ended = row._replace(revoked_at_us=microseconds(ends_at))
    tokens.revoke(transaction, row.token_id, at_us=microseconds(ends_at))
    _log(transaction, "revoked", ended, now)
    return _entry(ended)


def _log(transaction: Transaction, action: str, row: TokenRow, now: datetime) -> None:
    content = canonical(
        {
            "action": action,
            "clients": list(row.client_names),
            "expires_at_us": row.expires_at_us,
            "name": row.name,
            "revoked_at_us": row.revoked_at_us,
            "role": row.role,
            "token_id": row.token_id,
        }
    )
    log_directly(transaction, [Entry(Kind.TOKEN_CHANGED, content)], now_us=microseconds(now))


def _entry(row: TokenRow) -> TokenEntry:
    return TokenEntry(
        id=row.token_id,
        name=row.name,
        role=TokenRole(row.role),
        clients=row.client_names,
        created_at=from_microseconds(row.created_at_us),
        expires_at=_time(row.expires_at_us),
        revoked_at=_time(row.revoked_at_us),
        last_used_at=_time(row.last_used_at_us),
    )


def _time(at_us: int | None) -> datetime | None:
    return None if at_us is None else from_microseconds(at_us)
