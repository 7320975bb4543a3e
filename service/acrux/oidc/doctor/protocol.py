"""Whether the protocol itself can work with a provider: names, endpoints, signatures, keys, flows. Pure; no levels."""

from collections.abc import Iterator, Mapping
from typing import Final

from acrux.domain.facts import Json
from acrux.oidc.doctor.examining import Examined
from acrux.oidc.doctor.findings import Finding, Grade, listed, shown
from acrux.oidc.fetching import FetchFailedError, check_url
from acrux.oidc.keys import ALGORITHMS
from acrux.policy.model import Provider

ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
# What a discovery document means that does not say (Discovery 3).
DEFAULT_GRANTS: Final = ("authorization_code", "implicit")


def protocol_findings(examined: Examined, *, several_providers: bool) -> tuple[Finding, ...]:
    """The findings, in the order in which a login meets them."""
    document = examined.document
    if document is None:
        mend = "`issuer` in the policy set must be the provider's own, exactly; this machine must be able to reach it"
        return (Finding("discovery", Grade.ERROR, f"no discovery document: {examined.failure}", mend),)
    found = [
        Finding("discovery", Grade.OK, f"the discovery document is at `{examined.url}`"),
        _issuer(examined.provider, document),
        *_endpoints(examined.provider, document),
        *_flows(document),
        _front_channel(document),
        _pkce(document),
        _issuer_in_answer(document, several_providers=several_providers),
        _signatures(document),
        _keys(examined),
    ]
    return tuple(found)


def _issuer(provider: Provider, document: Mapping[str, Json]) -> Finding:
    said = document.get("issuer")
    if said == provider.issuer:
        return Finding("issuer", Grade.OK, "it names exactly the issuer of the policy set")
    if not isinstance(said, str):
        return Finding("issuer", Grade.ERROR, "it names no issuer (Discovery 4.3)", "that is the provider's to mend")
    mend = (
        "character by character, a slash at the end too: write the issuer as the provider does, if it is the right one"
    )
    message = f"it names the issuer {shown([said])}, the policy set says {shown([provider.issuer])} (Discovery 4.3)"
    return Finding("issuer", Grade.ERROR, message, mend)


def _endpoints(provider: Provider, document: Mapping[str, Json]) -> Iterator[Finding]:
    good = []
    for name in ENDPOINTS:
        fault = endpoint_fault(provider, document, name)
        if fault is None:
            good.append(name)
        else:
            mend = "if it does live there, add that host to the provider's `hosts` in the policy set"
            yield Finding("endpoints", Grade.ERROR, f"`{name}`: {fault}", mend if "`hosts`" in fault else "")
    if good:
        names = ", ".join(f"`{name}`" for name in good)
        yield Finding("endpoints", Grade.OK, f"where they may be, on the issuer's host or one of `hosts`: {names}")


def endpoint_fault(provider: Provider, document: Mapping[str, Json], name: str) -> str | None:
    """Why an endpoint can't be used, or None."""
    url = document.get(name)
    if not isinstance(url, str) or not url:
        return "missing"
    try:
        check_url(url, provider)
    except FetchFailedError as error:
        return str(error)
    return None


def _flows(document: Mapping[str, Json]) -> Iterator[Finding]:
    types, grants = listed(document, "response_types_supported"), listed(document, "grant_types_supported")
    if types is not None and "code" not in types:
        yield Finding("flows", Grade.ERROR, f"the response type `code` is not among {shown(types) or 'what it lists'}")
    elif grants is not None and "authorization_code" not in grants:
        yield Finding("flows", Grade.ERROR, "the grant type `authorization_code` is not among what it lists")
    else:
        yield Finding("flows", Grade.OK, "the authorization code flow is there")


def _front_channel(document: Mapping[str, Json]) -> Finding:
    """Where requests must be pushed or signed, parameters beside them don't count (RFC 9126 5, RFC 9101 10.5)."""
    name = request_lock(document)
    if name is not None:
        message = f"`{name}` is true: what is asked for in the browser's address is ignored"
        mend = "exempt the clients that Acrux adds a level to: it can't add one to a request that is pushed or signed"
        return Finding("request-objects", Grade.ERROR, message, mend)
    return Finding("request-objects", Grade.OK, "neither pushed nor signed requests are demanded of every client")


def request_lock(document: Mapping[str, Json]) -> str | None:
    """What keeps parameters of the browser's address from counting, or None."""
    names = ("require_pushed_authorization_requests", "require_signed_request_object")
    return next((name for name in names if document.get(name) is True), None)


def _pkce(document: Mapping[str, Json]) -> Finding:
    if "S256" in (listed(document, "code_challenge_methods_supported") or ()):
        return Finding("pkce", Grade.OK, "PKCE with `S256`: the token guard can bind a login before the code is spent")
    message = "it does not say that it takes PKCE with `S256`"
    mend = "behind the token guard such an application must send a `nonce`; elsewhere nothing is needed"
    return Finding("pkce", Grade.WARNING, message, mend)


def _issuer_in_answer(document: Mapping[str, Json], *, several_providers: bool) -> Finding:
    if document.get("authorization_response_iss_parameter_supported") is True:
        return Finding("response-iss", Grade.OK, "its answers name their issuer (RFC 9207)")
    message = "its answers don't name their issuer (`authorization_response_iss_parameter_supported`, RFC 9207)"
    if not several_providers:
        return Finding("response-iss", Grade.OK, message + "; with one provider that does not matter")
    mend = "an application that logs in at several providers needs a redirect URI of its own for each of them"
    return Finding("response-iss", Grade.WARNING, message, mend)


def _signatures(document: Mapping[str, Json]) -> Finding:
    said = listed(document, "id_token_signing_alg_values_supported")
    if said is None:
        message = "it does not say how it signs ID tokens, though it must (Discovery 3)"
        return Finding("id-token-algorithms", Grade.WARNING, message, "see that it is RS256, PS256, ES256 or EdDSA")
    good = [name for name in said if name in ALGORITHMS]
    others = [name for name in said if name not in ALGORITHMS]
    if not good:
        message = f"it signs ID tokens with {shown(others) or 'nothing'} only: Acrux takes none of it"
        return Finding(
            "id-token-algorithms", Grade.ERROR, message, "an asymmetric algorithm is needed: RS256, ES256, ..."
        )
    if others:
        message = f"it signs ID tokens with {shown(good)}, but offers {shown(others)} too, which Acrux refuses"
        mend = f"register every client with one of the first, such as `{good[0]}`"
        return Finding("id-token-algorithms", Grade.WARNING, message, mend)
    return Finding("id-token-algorithms", Grade.OK, f"it signs ID tokens with {shown(good)}")


def usable_keys(examined: Examined) -> dict[str, int]:
    """How many keys can verify each algorithm that Acrux takes."""
    if examined.keys is None:
        return {}
    counts = {
        name: sum(key.fits(name) and key.for_algorithm(name) is not None for key in examined.keys.keys)
        for name in ALGORITHMS
    }
    return {name: count for name, count in counts.items() if count}


def _keys(examined: Examined) -> Finding:
    if examined.keys is None:
        return Finding(
            "keys", Grade.ERROR, f"no keys: {examined.keys_failure}", "without them no ID token can be verified"
        )
    counts = usable_keys(examined)
    if not counts:
        message = f"none of its {len(examined.keys.keys)} asymmetric keys can verify an ID token"
        return Finding(
            "keys", Grade.ERROR, message, "a key needs a `kty`, and `use`, `alg` and `key_ops` that allow it"
        )
    said = listed(examined.document or {}, "id_token_signing_alg_values_supported")
    fitting = [name for name in counts if said is None or name in said]
    if not fitting:
        message = f"it signs ID tokens with {shown(said or ())}, and its keys fit {shown(counts)} only"
        return Finding("keys", Grade.ERROR, message, "no ID token of this provider could be verified")
    return Finding("keys", Grade.OK, f"it has keys for {shown(fitting)}")
