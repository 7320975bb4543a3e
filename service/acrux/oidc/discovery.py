"""A provider's metadata, as its discovery document says (OpenID Connect Discovery 1.0). No caching."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from acrux.domain.facts import Json
from acrux.oidc.fetching import Fetcher, FetchFailedError, check_url
from acrux.policy.model import Provider

WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class ProviderMetadata:
    """What a provider says of itself.

    Attributes:
        issuer: exactly the configured issuer.
        jwks_uri: where its keys are; a URL that may be fetched.
        document: everything else, unjudged.
    """

    issuer: str
    jwks_uri: str
    document: Mapping[str, Json] = field(default_factory=dict)


def discovery_url(issuer: str) -> str:
    """Where an issuer's document is (Discovery 4.1)."""
    return issuer.removesuffix("/") + WELL_KNOWN


async def discover(fetcher: Fetcher, provider: Provider) -> ProviderMetadata:
    """Fetches and checks a provider's metadata.

    Raises:
        FetchFailedError: it can't be had, names another issuer (Discovery 4.3), or has no usable `jwks_uri`.
    """
    document = await fetcher.fetch_object(discovery_url(provider.issuer), provider)
    issuer, jwks_uri = document.get("issuer"), document.get("jwks_uri")
    if issuer != provider.issuer:
        raise FetchFailedError(f"the discovery document names another issuer than `{provider.issuer}`")
    if not isinstance(jwks_uri, str):
        raise FetchFailedError(f"the discovery document of `{provider.issuer}` has no `jwks_uri`")
    check_url(jwks_uri, provider)
    return ProviderMetadata(provider.issuer, jwks_uri, document)
