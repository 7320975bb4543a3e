"""What came back from a provider, in the form that judging needs. Pure: no signatures, no clock, no verdicts."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from acrux.domain.facts import FactValue, Json
from acrux.policy.model import Provider

_LIST_CLAIMS: Final = frozenset({"amr", "acrs"})


@dataclass(frozen=True, slots=True)
class InvalidToken:
    """An ID token, or claims, whose signature, algorithm or form is wrong.

    Attributes:
        reason: why, for the log.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class ReturnedClaims:
    """The claims of an ID token whose signature was verified, here or by the caller (OpenID Connect Core 2).

    Attributes:
        issuer: `iss`.
        subject: `sub`.
        audience: `aud`, always as a tuple.
        expires_at_seconds: `exp`, in seconds since the epoch.
        issued_at_seconds: `iat`, in seconds since the epoch.
        not_before_seconds: `nbf`, or None.
        authorized_party: `azp`, or None.
        nonce: `nonce`, or None.
        values: every claim, as it came.
    """

    issuer: str
    subject: str
    audience: tuple[str, ...]
    expires_at_seconds: float
    issued_at_seconds: float
    not_before_seconds: float | None = None
    authorized_party: str | None = None
    nonce: str | None = None
    values: Mapping[str, Json] = field(default_factory=dict)


def read_claims(values: Mapping[str, Json]) -> ReturnedClaims | InvalidToken:
    """Claims in their checked form: iss, sub, aud, exp and iat are required (OpenID Connect Core 2)."""
    issuer, subject = values.get("iss"), values.get("sub")
    audience = _texts(values.get("aud"))
    expires_at, issued_at = _number(values.get("exp")), _number(values.get("iat"))
    if not isinstance(issuer, str) or not isinstance(subject, str) or not subject:
        return InvalidToken("`iss` or `sub` is missing")
    if not audience:
        return InvalidToken("`aud` is missing")
    if expires_at is None or issued_at is None:
        return InvalidToken("`exp` or `iat` is missing")
    not_before, party, nonce = values.get("nbf"), values.get("azp"), values.get("nonce")
    if not_before is not None and _number(not_before) is None:
        return InvalidToken("`nbf` is no number")
    if not isinstance(party, str | None) or not isinstance(nonce, str | None):
        return InvalidToken("`azp` or `nonce` is no text")
    return ReturnedClaims(
        issuer=issuer,
        subject=subject,
        audience=audience,
        expires_at_seconds=expires_at,
        issued_at_seconds=issued_at,
        not_before_seconds=_number(not_before),
        authorized_party=party,
        nonce=nonce,
        values=MappingProxyType(dict(values)),
    )


def returned_words(values: Mapping[str, Json], claim: str) -> tuple[str, ...]:
    """The words of the accepted claim; () for any other form.

    `acr` is one text, `amr` (OpenID Connect Core 2) and Entra ID's `acrs` are lists. A claim of a provider's own is
    either: Login.gov's `aal` is a text.
    """
    value = values.get(claim)
    if isinstance(value, str):
        return (value,) if value and claim not in _LIST_CLAIMS else ()
    if claim == "acr":
        return ()
    return tuple(item for item in value if isinstance(item, str) and item) if isinstance(value, list | tuple) else ()


def auth_time_seconds(values: Mapping[str, Json]) -> float | None:
    """`auth_time` in seconds since the epoch; None where it is missing or no number."""
    return _number(values.get("auth_time"))


def returned_amr(values: Mapping[str, Json]) -> tuple[str, ...]:
    """`amr` as a tuple; () where it is missing or no list."""
    return returned_words(values, "amr")


def verified_user_facts(returned: ReturnedClaims, provider: Provider) -> dict[str, FactValue]:
    """The `user.*` facts that these claims prove; a fact that they don't prove is absent (policy-language.md, "Twice").

    `user.domain` is what stands after the last `@` of the subject, else of `email` if `email_verified` is true; in
    lower case, since names of domains have no case.
    """
    facts: dict[str, FactValue] = {}
    subject = returned.values.get(provider.subject_claim)
    if isinstance(subject, str) and subject:
        facts["user.id"] = subject
    groups = _texts(returned.values.get(provider.groups_claim))
    if groups is not None:
        facts["user.groups"] = groups
    email = returned.values.get("email") if returned.values.get("email_verified") is True else None
    domain = _domain(subject) or _domain(email)
    if domain:
        facts["user.domain"] = domain
    return facts


def _domain(address: Json) -> str:
    return address.rpartition("@")[2].lower() if isinstance(address, str) and "@" in address else ""


def _texts(value: Json) -> tuple[str, ...] | None:
    """A text or a list of texts as a tuple; None for anything else, so that half a list never counts."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple):
        return None
    texts = tuple(item for item in value if isinstance(item, str))
    return texts if len(texts) == len(value) else None


def _number(value: Json) -> float | None:
    """A NumericDate (RFC 7519 section 2). NaN compares false with everything, so it must never get past here."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None
