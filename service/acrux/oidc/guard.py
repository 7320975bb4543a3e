"""Which decision a token request belongs to: bindings by nonce and by PKCE challenge, judged. No I/O, no clock."""

import base64
import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from acrux.oidc.tickets import Ticket

# RFC 7636 sections 4.1 and 4.2: a verifier, and the challenge that S256 makes of it.
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


class BindingKind(StrEnum):
    """What a decision is bound by, and what a refresh token was issued for."""

    NONCE = "nonce"
    CHALLENGE = "challenge"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class Binding:
    """A decision that a value is bound to.

    Attributes:
        ticket: the decision.
        with_challenge: whether it is bound by a challenge: then a verifier must come back.
    """

    ticket: Ticket
    with_challenge: bool


@dataclass(frozen=True, slots=True)
class Bound:
    """The token request belongs to this decision, as far as bindings say."""

    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Unbound:
    """The token request belongs to no decision."""

    reason: str


@dataclass(frozen=True, slots=True)
class Mismatched:
    """The token request belongs to this decision by one binding and not by the other."""

    ticket: Ticket
    reason: str


Match: TypeAlias = Bound | Unbound | Mismatched


def match_bindings(
    by_challenge: Binding | None, by_nonce: Binding | None, *, has_verifier: bool, has_nonce: bool
) -> Match:
    """The decision that a token request belongs to (relying-parties.md, "Rules of the road", binding).

    Args:
        by_challenge: what the verifier's challenge is bound to, or None.
        by_nonce: what the ID token's nonce is bound to, or None.
        has_verifier: whether the token request has a `code_verifier`.
        has_nonce: whether the verified ID token has a `nonce`.
    """
    if has_verifier:
        return _by_challenge(by_challenge, by_nonce, has_nonce=has_nonce)
    if not has_nonce:
        return Unbound("neither a code_verifier nor a nonce came back")
    if by_nonce is None:
        return Unbound("no decision is bound to the nonce")
    if by_nonce.with_challenge:
        # PKCE was taken out on the way to the provider, or the code is another login's.
        return Mismatched(by_nonce.ticket, "the login had a code_challenge and the token request has no code_verifier")
    return Bound(by_nonce.ticket)


def _by_challenge(by_challenge: Binding | None, by_nonce: Binding | None, *, has_nonce: bool) -> Match:
    if by_challenge is None:
        return Unbound("no decision is bound to the code_challenge")
    if has_nonce and by_nonce is None:
        return Mismatched(by_challenge.ticket, "no decision is bound to the nonce")
    if by_nonce is not None and by_nonce.ticket.decision_id != by_challenge.ticket.decision_id:
        return Mismatched(by_challenge.ticket, "nonce and code_challenge are bound to different decisions")
    # A login with a nonce whose ID token has none is found by the ticket, which knows the nonce's hash.
    return Bound(by_challenge.ticket)


def is_challenge(text: str) -> bool:
    """Whether a text has the form of an S256 challenge."""
    return _CHALLENGE.fullmatch(text) is not None


def challenge_of(verifier: str) -> str | None:
    """The S256 challenge of a verifier; None for what is no verifier (RFC 7636 section 4.6)."""
    if _VERIFIER.fullmatch(verifier) is None:
        return None
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def binding_hash(value: str) -> bytes:
    """What a bound value is kept as."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()


def nonce_hash(ticket: Ticket) -> bytes | None:
    """What the nonce of a decision is kept as: its ticket knows the same hash; None where it has no nonce."""
    return None if ticket.nonce_sha256 is None else base64.urlsafe_b64decode(ticket.nonce_sha256 + "=")
