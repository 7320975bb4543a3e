"""What a relying party tells Acrux of a login, and the body of Decide that says it. No network."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import TypedDict

from acrux.client.values import Json


class LoginFacts(TypedDict, total=False):
    """The facts of one login; whatever is unknown is left out, or None (docs/client.md).

    Keys:
        ip: the user's address, from the connection or a trusted proxy; never from the user.
        app: the source application, such as a mobile app.
        user_id, user_domain, user_groups: the user, if known beforehand.
        managed, platform, user_agent: the device.
        browser_id: a random cookie.
        session_level, session_age_seconds: what the user already has.
        acr_values, scopes, prompt, max_age_seconds, claims: the authorization request's own.
        attributes: whatever else the policy set declares.
        nonce: the login's nonce; only its SHA-256 leaves this process.
        correlation_id: what will be found in the log beside the decision.
    """

    ip: str | None
    app: str | None
    user_id: str | None
    user_domain: str | None
    user_groups: Sequence[str] | None
    managed: bool | None
    platform: str | None
    user_agent: str | None
    browser_id: str | None
    session_level: str | None
    session_age_seconds: int | None
    acr_values: Sequence[str] | None
    scopes: Sequence[str] | None
    prompt: str | None
    max_age_seconds: int | None
    claims: Mapping[str, Json] | None
    attributes: Mapping[str, Json] | None
    nonce: str | None
    correlation_id: str | None


def sha256_base64url(text: str) -> str:
    """The SHA-256 of a text's UTF-8, base64url without padding: the form of `nonce_sha256`."""
    # A lone surrogate, which JSON can hold and UTF-8 can't, makes another hash rather than an error.
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode(errors="surrogatepass")).digest()).rstrip(b"=").decode()


def decide_body(client: str, facts: LoginFacts) -> dict[str, Json]:
    """The body of Decide: unknown facts are absent, never null.

    Raises:
        TypeError: a fact has another name, or a type that can't be sent. Left out in silence it could lower a level.
    """
    for name in facts.keys() - LoginFacts.__annotations__.keys():
        raise TypeError(f"no fact is called `{name}`; there are {', '.join(LoginFacts.__annotations__)}")
    nonce, attributes = facts.get("nonce"), facts.get("attributes")
    return _present(
        {
            "client": {"id": client},
            "app": _present({"id": facts.get("app")}),
            "network": _present({"ip": facts.get("ip")}),
            "user": _present(
                {"id": facts.get("user_id"), "domain": facts.get("user_domain"), "groups": facts.get("user_groups")}
            ),
            "device": _present(
                {
                    "managed": facts.get("managed"),
                    "platform": facts.get("platform"),
                    "user_agent": facts.get("user_agent"),
                }
            ),
            "browser": _present({"id": facts.get("browser_id")}),
            "session": _present({"level": facts.get("session_level"), "age_seconds": facts.get("session_age_seconds")}),
            "request": _present(
                {
                    "acr_values": facts.get("acr_values") or None,
                    "scopes": facts.get("scopes") or None,
                    "prompt": facts.get("prompt") or None,
                    "max_age": facts.get("max_age_seconds"),
                    "claims": facts.get("claims") or None,
                }
            ),
            "attributes": attributes or {},
            "nonce_sha256": None if nonce is None else sha256_base64url(nonce),
            "correlation_id": facts.get("correlation_id"),
        }
    )


def _present(members: Mapping[str, object]) -> dict[str, Json]:
    return {name: _plain(value) for name, value in members.items() if value is not None and value != {}}


def _plain(value: object) -> Json:
    match value:
        case bool() | int() | float() | str() | None:
            return value
        case Mapping():
            return {str(name): _plain(item) for name, item in value.items()}
        case Sequence():
            return [_plain(item) for item in value]
        case _:
            raise TypeError(f"a fact can't be of type {type(value).__name__}")
