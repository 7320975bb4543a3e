"""Who calls, and whether its role allows what it asks. A hash and a dictionary look-up; no query, no policy."""

from collections.abc import Set as AbstractSet
from typing import Final

from acrux.http.problems import Code, Problem
from acrux.wiring.services import Role, Services, Token

RELYING_PARTIES: Final = frozenset({Role.RELYING_PARTY, Role.OPERATOR})
AUTHORS: Final = frozenset({Role.AUTHOR, Role.OPERATOR})
AUDITORS: Final = frozenset({Role.AUDITOR, Role.OPERATOR})
POLICY_READERS: Final = frozenset({Role.AUTHOR, Role.AUDITOR, Role.OPERATOR})
LOOKERS_UP: Final = frozenset({Role.RELYING_PARTY, Role.AUDITOR, Role.OPERATOR})
EVERYBODY: Final = frozenset(Role)


async def authenticate(services: Services, authorization: bytes | None, roles: AbstractSet[Role]) -> Token:
    """The token that calls.

    Raises:
        Problem: `unauthenticated` or `forbidden_role`.
    """
    token = None if authorization is None else services.tokens.find(authorization)
    if token is None:
        token = await _find_again(services, authorization)
    if token.expires_at is not None and services.clock() >= token.expires_at:
        raise Problem(Code.UNAUTHENTICATED, "the token has ended")
    if token.role not in roles:
        raise Problem(Code.FORBIDDEN_ROLE, f"not for the role `{token.role}`")
    return token


async def _find_again(services: Services, authorization: bytes | None) -> Token:
    """A token may be younger than what this worker knows."""
    if authorization is None or authorization[:7].lower() != b"bearer ":
        raise Problem(Code.UNAUTHENTICATED, "send `Authorization: Bearer acrux_...`")
    await services.tokens.refresh()
    token = services.tokens.find(authorization)
    if token is None:
        raise Problem(Code.UNAUTHENTICATED, "the token is not known, or was revoked")
    return token


def require_client(token: Token, client: str) -> None:
    """Raises `forbidden_client` unless the token may speak for the client."""
    if not token.may_speak_for(client):
        raise Problem(Code.FORBIDDEN_CLIENT, f"the token is not bound to `{client}`")
