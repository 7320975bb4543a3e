"""The discovery document of a client: what its provider says, led through the redirect adapter. An allow-list."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from fastapi import Response

from acrux.domain.facts import Json
from acrux.http.calls import answer
from acrux.http.envelope import header
from acrux.http.problems import Code, Problem
from acrux.http.rp_adapter import Party, RedirectAdapter, provider_away
from acrux.oidc.fetching import FetchFailedError
from acrux.oidc.keys import ALGORITHMS

# What passes as it is (OpenID Connect Discovery 3, RP-Initiated Logout 2.1, RFC 8414 section 2, RFC 9207 section 3).
# Not in it, on purpose: whatever leads around the guard (pushed requests, request objects, device and CIBA grants,
# registration, mTLS aliases), what would make the ID token unreadable here, and `signed_metadata`, which would win.
_AS_THEY_ARE: Final = (
    "issuer",
    "jwks_uri",
    "userinfo_endpoint",
    "end_session_endpoint",
    "check_session_iframe",
    "revocation_endpoint",
    "introspection_endpoint",
    "scopes_supported",
    "acr_values_supported",
    "subject_types_supported",
    "userinfo_signing_alg_values_supported",
    "display_values_supported",
    "claim_types_supported",
    "claims_supported",
    "claims_locales_supported",
    "ui_locales_supported",
    "claims_parameter_supported",
    "service_documentation",
    "op_policy_uri",
    "op_tos_uri",
    "authorization_response_iss_parameter_supported",
    "frontchannel_logout_supported",
    "frontchannel_logout_session_supported",
    "backchannel_logout_supported",
    "backchannel_logout_session_supported",
    "prompt_values_supported",
)
# What is cut down to what the adapter can do; `default` is what a provider means that does not say (Discovery 3).
_CUT_DOWN: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "response_modes_supported": (("query", "fragment", "form_post"), ()),
    "grant_types_supported": (("authorization_code", "refresh_token"), ("authorization_code",)),
    "token_endpoint_auth_methods_supported": (("client_secret_basic", "client_secret_post"), ("client_secret_basic",)),
    "id_token_signing_alg_values_supported": (tuple(ALGORITHMS), ("RS256",)),
    "code_challenge_methods_supported": (("S256",), ()),
}
_FIXED: Final[Mapping[str, Json]] = {
    "response_types_supported": ["code"],
    "request_parameter_supported": False,
    "request_uri_parameter_supported": False,
    "require_request_uri_registration": False,
    "require_pushed_authorization_requests": False,
}


async def mirror(adapter: RedirectAdapter, party: Party) -> Response:
    """The document, with the provider's own issuer and the endpoints of this adapter.

    Raises:
        Problem: `provider_unavailable`, `invalid_request`.
    """
    base = public_url(adapter, party) + "/rp/" + quote(party.client.name, safe="")
    try:
        metadata = await adapter.services.endpoints.metadata(party.provider)
    except FetchFailedError as failure:
        raise provider_away(failure) from failure
    return answer(mirrored(metadata.document, base))


def mirrored(document: Mapping[str, Json], base: str) -> dict[str, Json]:
    """A provider's document as a client of the adapter may have it; `base` is where the adapter serves that client."""
    shown: dict[str, Json] = {name: document[name] for name in _AS_THEY_ARE if name in document}
    for name, (possible, default) in _CUT_DOWN.items():
        said = document.get(name)
        offered = said if isinstance(said, list) else list(default)
        if offered:
            shown[name] = [value for value in offered if value in possible]
    return {
        **shown,
        **_FIXED,
        "authorization_endpoint": base + "/authorize",
        "token_endpoint": base + "/token",
    }


def public_url(adapter: RedirectAdapter, party: Party) -> str:
    """Where this service is reached: as the operator says, else as the relying party reached it.

    Raises:
        Problem: `invalid_request`: it can't be told.
    """
    configured = adapter.services.settings.public_url
    if configured is not None:
        return configured.rstrip("/")
    scope = party.call.request.scope
    host = header(scope, b"host") or b""
    # No header of a proxy is read for this: behind one, the operator says the address.
    if not host or not all(each in _HOST_CHARACTERS for each in host):
        raise Problem(Code.INVALID_REQUEST, "the `Host` header names no host: set `--public-url`")
    return f"{scope['scheme']}://{host.decode('ascii')}"


_HOST_CHARACTERS: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]")
