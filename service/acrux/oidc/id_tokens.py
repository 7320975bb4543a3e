"""ID tokens: form, algorithm and signature (OpenID Connect Core 3.1.3.7, RFC 8725). Claims are judged elsewhere."""

import json
import re
from base64 import urlsafe_b64decode
from typing import Any, Final

import jwt
import orjson

from acrux.domain.facts import Json
from acrux.oidc.claims import InvalidToken, ReturnedClaims, read_claims
from acrux.oidc.jwks import KeyCache
from acrux.oidc.keys import ALGORITHMS, KeySet
from acrux.policy.model import Provider

MAX_ID_TOKEN_BYTES: Final = 32 * 1024
_OTHER_KINDS: Final = frozenset({"at+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt", "oauth-authz-req+jwt"})
"""What a provider signs with the same keys and is no ID token (RFC 8725 section 3.11)."""
_FORM: Final = re.compile(r"[A-Za-z0-9_=.-]*")
"""What the compact form is written in (RFC 7515 section 7.1); of the rest readers of base64 skip some, each its own."""
_JWS: Final = jwt.PyJWS(algorithms=list(ALGORITHMS))


class Verifier:
    """Verifies ID tokens with their provider's keys.

    Args:
        keys: the providers' keys.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: KeyCache) -> None:
        self._keys = keys

    async def verify(self, id_token: str, provider: Provider) -> ReturnedClaims | InvalidToken:
        """The claims of a token that this provider signed, or why it is none. Times and audience are not judged here.

        Raises:
            KeysUnavailableError: the provider's keys can't be had.
        """
        header = read_header(id_token)
        if isinstance(header, InvalidToken):
            return header
        algorithm, kid = header
        keys = await self._keys.keys(provider)
        verified = _verify_with(keys, id_token, algorithm, kid)
        if isinstance(verified, InvalidToken) and (kid is None or not keys.has(kid)):
            # The provider may have changed its keys since; a bad token costs at most one fetch a minute.
            verified = _verify_with(await self._keys.refetch(provider), id_token, algorithm, kid)
        return verified if isinstance(verified, InvalidToken) else _read_payload(verified)


def read_header(id_token: str) -> tuple[str, str | None] | InvalidToken:
    """The algorithm and key id that an unverified token names, if they may be used at all."""
    if len(id_token) > MAX_ID_TOKEN_BYTES:
        return InvalidToken("the ID token is too long")
    header = _read_header_members(id_token)
    if isinstance(header, InvalidToken):
        return header
    algorithm, kind = header.get("alg"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        return InvalidToken("the ID token's algorithm is not allowed")
    if {"crit", "b64"} & header.keys():
        return InvalidToken("the ID token has critical header parameters")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") in _OTHER_KINDS:
        return InvalidToken("the token is no ID token")
    return algorithm, header.get("kid")


def _read_header_members(id_token: str) -> dict[str, Any] | InvalidToken:
    try:
        header: dict[str, Any] = _JWS.get_unverified_header(id_token)
    except (jwt.PyJWTError, ValueError):  # ValueError: lone surrogates have no UTF-8
        return InvalidToken("the ID token is malformed")
    if _FORM.fullmatch(id_token) is None:
        return InvalidToken("the ID token is malformed")
    encoded = id_token.partition(".")[0]
    if not _is_unambiguous(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))):
        return InvalidToken("the ID token's header has a member twice")
    return header


def _verify_with(keys: KeySet, id_token: str, algorithm: str, kid: str | None) -> bytes | InvalidToken:
    """The payload, if one of the keys that fit has signed it."""
    for key in keys.candidates(kid, algorithm):
        verifying = key.for_algorithm(algorithm)
        if verifying is None:
            continue
        try:
            payload: bytes = _JWS.decode_complete(
                id_token,
                verifying,
                algorithms=[algorithm],
                options={"verify_signature": True, "enforce_minimum_key_length": True},
            )["payload"]
        except (jwt.PyJWTError, ValueError):
            continue
        return payload
    return InvalidToken("no key of the provider has signed the ID token")


def _read_payload(payload: bytes) -> ReturnedClaims | InvalidToken:
    try:
        claims: Json = orjson.loads(payload)  # strict: no NaN, no Infinity
    except orjson.JSONDecodeError:
        return InvalidToken("the ID token's claims are not JSON")
    if not isinstance(claims, dict):
        return InvalidToken("the ID token's claims are no object")
    return (
        read_claims(claims) if _is_unambiguous(payload) else InvalidToken("the ID token's claims have a member twice")
    )


def _is_unambiguous(text: bytes) -> bool:
    """Whether every reader of this JSON finds the same members: an object with one twice has two readings.

    RFC 7519 section 4 lets a reader take the last one or refuse; the relying party's library need not take the one that
    was judged here.
    """
    try:
        _UNIQUE.decode(text.decode())
    except (ValueError, RecursionError):
        return False
    return True


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


_UNIQUE: Final = json.JSONDecoder(object_pairs_hook=_unique)
