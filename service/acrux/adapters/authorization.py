"""The authorization request and its answer: what is asked for, what is merged into it, who answers. No framework."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote_plus, urlsplit, urlunsplit

from acrux.client.values import Decision, Json

_LEVEL_PARAMS = ("acr_values", "amr_values")
_LEVEL_CLAIMS = ("acr", "acrs")


class UnusableRequestError(ValueError):
    """An authorization request that can't be merged with: the application's configuration must be changed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an authorization request asks for before anything is merged: facts for the decision."""

    acr_values: tuple[str, ...]
    scopes: tuple[str, ...]
    prompt: str
    max_age_seconds: int | None
    claims: dict[str, Json] | None


def read_asked(url: str) -> Asked:
    """What an authorization request asks for (OpenID Connect Core 3.1.2.1 and 5.5).

    Raises:
        UnusableRequestError: it is pushed or signed, so that a parameter beside it would be ignored; or malformed.
    """
    params = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    if params.keys() & {"request", "request_uri"}:
        raise UnusableRequestError("`request` and `request_uri` can't be used: what is merged beside them is ignored")
    max_age = params.get("max_age", "")
    if max_age and not (max_age.isascii() and max_age.isdecimal()):
        raise UnusableRequestError("`max_age` is no number of seconds")
    return Asked(
        acr_values=tuple(params.get("acr_values", "").split()),
        scopes=tuple(params.get("scope", "").split()),
        prompt=params.get("prompt", ""),
        max_age_seconds=int(max_age) if max_age else None,
        claims=_read_claims(params.get("claims", "")),
    )


def merged_url(url: str, decision: Decision) -> str:
    """The authorization request with the decision's parameters: replacing, never repeating one; others byte for byte.

    An empty value leaves its parameter out. A fallback was decided without knowing the request, so what the request
    asks for in another form than the ceiling goes, and the rest of its `claims` stays.
    """
    params = dict(decision.authorization_params)
    if decision.fallback and params:
        params = _beside(params, read_asked(url).claims)
    return replaced_url(url, params)


def replaced_url(url: str, params: Mapping[str, str]) -> str:
    """The address with these parameters: replacing, never repeating one; an empty value leaves its parameter out."""
    parts = urlsplit(url)
    kept = [pair for pair in parts.query.split("&") if pair and _name(pair) not in params]
    added = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in params.items() if value]
    return urlunsplit(parts._replace(query="&".join([*kept, *added])))


def mix_up(metadata: Mapping[str, Json], answer: Mapping[str, str]) -> str:
    """An error code if another provider than the registration's has answered (RFC 9207 section 2.4), else ''."""
    if "iss" not in answer:
        return "missing_iss" if metadata.get("authorization_response_iss_parameter_supported") is True else ""
    return "" if metadata.get("issuer") in {None, answer["iss"]} else "mismatching_iss"


def _name(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])


def _beside(params: Mapping[str, str], claims: dict[str, Json] | None) -> dict[str, str]:
    merged = {**dict.fromkeys(_LEVEL_PARAMS, ""), **params}
    if claims is None:
        return merged
    rest = {
        name: {key: request for key, request in member.items() if key not in _LEVEL_CLAIMS}
        if isinstance(member, dict)
        else member
        for name, member in claims.items()
    }
    demanded = _read_claims(params.get("claims", "")) or {}
    for name, member in demanded.items():
        own = rest.get(name)
        rest[name] = {**own, **member} if isinstance(own, dict) and isinstance(member, dict) else member
    merged["claims"] = json.dumps(rest, separators=(",", ":"))
    return merged


def _read_claims(text: str) -> dict[str, Json] | None:
    if not text:
        return None
    try:
        claims = json.loads(text)
    except (ValueError, RecursionError):
        raise UnusableRequestError("`claims` is not JSON") from None
    if not isinstance(claims, dict):
        raise UnusableRequestError("`claims` is no JSON object")
    return claims
