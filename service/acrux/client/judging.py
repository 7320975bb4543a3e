"""The verdict table once more, for the time when Acrux can't judge. Pure; the claims were verified by the caller.

It mirrors the service's judge row by row (a shared file of cases in the tests holds them together). What only the
service can know is left out: decisions used up elsewhere, and rules on the user.
"""

import base64
import hmac
import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

from acrux.client.facts import sha256_base64url
from acrux.client.values import Accept, Decision, Json, Verdict, VerdictName

SKEW_SECONDS = 60
# The service's own list: with `none` or a shared secret everybody who can verify could also sign.
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
OTHER_KINDS = frozenset({"at+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt", "oauth-authz-req+jwt"})
"""What a provider signs with the same keys and is no ID token (RFC 8725 section 3.11)."""
_MAX_HEADER_CHARACTERS = 4096
_FORM = re.compile(r"[A-Za-z0-9_=.-]*")
"""What the compact form is written in (RFC 7515 section 7.1); of the rest readers of base64 skip some, each its own."""
_LIST_CLAIMS = frozenset({"amr", "acrs"})


def judge_locally(
    decision: Decision,
    claims: Mapping[str, Json],
    now: datetime,
    *,
    id_token: str | None = None,
    already_used: bool = False,
    issuer: str | None = None,
    client_id: str | None = None,
    subject_claim: str = "sub",
) -> Verdict:
    """Judges verified claims against a decision.

    Args:
        decision: what was decided.
        claims: of an ID token whose signature the caller has verified.
        now: an aware time.
        id_token: the token that they are of, if it is at hand: libraries verify signatures of kinds that are none here.
        already_used: whether this process has judged the decision before.
        issuer: what `iss` must be; None where the caller has checked it.
        client_id: what `aud` must hold; None where the caller has checked it.
        subject_claim: the claim that is the user's id.
    """
    name, reason = _find(
        decision,
        claims,
        now,
        unsigned="" if id_token is None else unsigned(id_token),
        already_used=already_used,
        mismatch=_mismatch(decision, claims, issuer, client_id, subject_claim),
    )
    admit = name is VerdictName.SATISFIED
    return Verdict(name, admit, decision.level if admit else None, decision.id, local=True, reason=reason)


def _find(
    decision: Decision,
    claims: Mapping[str, Json],
    now: datetime,
    *,
    unsigned: str,
    already_used: bool,
    mismatch: str,
) -> tuple[VerdictName, str]:
    """The first row of the table that fits (http-api.md, "Close the loop")."""
    malformed = unsigned or _malformed(claims) or _untimely(claims, now)
    accept = decision.accept
    if malformed:
        found = VerdictName.INVALID, malformed
    elif mismatch:
        found = VerdictName.MISMATCHED, mismatch
    elif decision.denied or accept is None:
        found = VerdictName.DENIED, "the decision was `deny`"
    elif already_used:
        found = VerdictName.REPLAYED, "this decision has had its outcome"
    elif now > decision.expires_at:
        found = VerdictName.EXPIRED, "the decision has expired"
    else:
        found = delivered(accept, claims, decision.decided_at, now)
    return found


def delivered(
    accept: Accept, claims: Mapping[str, Json], decided_at: datetime, now: datetime
) -> tuple[VerdictName, str]:
    """Whether verified claims have the level and the age that are accepted: the table's last rows, and why not."""
    if accept.values:
        words = _words(claims.get(accept.claim), accept.claim)
        if not words:
            return VerdictName.MISSING, f"no `{accept.claim}` came back"
        if not words & set(accept.values):
            return VerdictName.DOWNGRADED, f"another `{accept.claim}` came back"
    if accept.max_age_seconds is not None:
        at = _number(claims.get("auth_time"))
        if at is None:
            return VerdictName.STALE, "no `auth_time` came back"
        if at > now.timestamp() + SKEW_SECONDS:
            return VerdictName.STALE, "`auth_time` is in the future"
        if at + accept.max_age_seconds + SKEW_SECONDS < decided_at.timestamp():
            return VerdictName.STALE, "the login is too old"
    return VerdictName.SATISFIED, ""


def unsigned(id_token: str) -> str:
    """Why a token is none that could be trusted, by its header (RFC 7515 section 4.1) and form; '' if it may be."""
    if _FORM.fullmatch(id_token) is None:
        return "the ID token is malformed"
    encoded = id_token.split(".")
    try:
        header = _read_part(encoded[0][:_MAX_HEADER_CHARACTERS])
        _read_part(encoded[1] if len(encoded) > 1 else "")
    except (ValueError, RecursionError):
        return "the ID token is malformed, or has a member twice"
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        return "the ID token's algorithm is not allowed"
    if {"crit", "b64"} & header.keys():
        return "the ID token has critical header parameters"
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") in OTHER_KINDS:
        return "the token is no ID token"
    return ""


def _read_part(encoded: str) -> dict[str, Any]:
    """A part as strictly as the service reads it: what has two readings, or none elsewhere, is nobody's to choose."""
    text = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    found = _STRICT.decode(text)
    if not isinstance(found, dict):
        raise ValueError("no object")  # noqa: TRY004 - one kind of error for all that a part may be instead
    json.dumps(found, ensure_ascii=False).encode()  # lone surrogates have no UTF-8
    return found


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def _malformed(claims: Mapping[str, Json]) -> str:
    nonce, party = claims.get("nonce"), claims.get("azp")
    checks = (
        (not isinstance(claims.get("iss"), str), "`iss` is missing"),
        (not isinstance(claims.get("sub"), str) or not claims.get("sub"), "`sub` is missing"),
        (not _audience(claims), "`aud` is missing"),
        (_number(claims.get("exp")) is None or _number(claims.get("iat")) is None, "`exp` or `iat` is missing"),
        (claims.get("nbf") is not None and _number(claims.get("nbf")) is None, "`nbf` is no number"),
        (not isinstance(nonce, str | None) or not isinstance(party, str | None), "`azp` or `nonce` is no text"),
    )
    return next((reason for wrong, reason in checks if wrong), "")


def _untimely(claims: Mapping[str, Json], now: datetime) -> str:
    expires_at, not_before = _number(claims.get("exp")), _number(claims.get("nbf"))
    if expires_at is not None and now.timestamp() >= expires_at + SKEW_SECONDS:
        return "the ID token has expired"
    if not_before is not None and now.timestamp() < not_before - SKEW_SECONDS:
        return "the ID token is not valid yet"
    return ""


def _mismatch(
    decision: Decision,
    claims: Mapping[str, Json],
    issuer: str | None,
    client_id: str | None,
    subject_claim: str,
) -> str:
    audience, party = _audience(claims), claims.get("azp")
    nonce, issued_at = claims.get("nonce"), _number(claims.get("iat"))
    checks = (
        (issuer is not None and claims.get("iss") != issuer, "another issuer"),
        (client_id is not None and client_id not in audience, "another audience"),
        (client_id is not None and len(audience) > 1 and party is None, "several audiences and no `azp`"),
        (client_id is not None and party is not None and party != client_id, "another `azp`"),
        (not _is_nonce(nonce, decision.nonce_sha256), "another nonce"),
        (decision.user_id is not None and claims.get(subject_claim) != decision.user_id, "another subject"),
        (issued_at is not None and issued_at + SKEW_SECONDS < decision.decided_at.timestamp(), "issued too early"),
    )
    return next((reason for differs, reason in checks if differs), "")


def _is_nonce(nonce: Json, nonce_sha256: str | None) -> bool:
    if nonce_sha256 is None:
        return True
    return isinstance(nonce, str) and hmac.compare_digest(sha256_base64url(nonce), nonce_sha256)


def _audience(claims: Mapping[str, Json]) -> tuple[str, ...]:
    value = claims.get("aud")
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple):
        return ()
    texts = tuple(item for item in value if isinstance(item, str))
    return texts if len(texts) == len(value) else ()


def _words(value: Json, claim: str) -> set[str]:
    if isinstance(value, str):
        return {value} if value and claim not in _LIST_CLAIMS else set()
    if claim == "acr":
        return set()
    return {item for item in value if isinstance(item, str) and item} if isinstance(value, list | tuple) else set()


def _number(value: Json) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None
