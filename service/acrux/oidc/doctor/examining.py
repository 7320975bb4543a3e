"""Fetches what a provider says of itself, under the same rules as the service does. Judges nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from acrux.domain.facts import Json
from acrux.oidc.discovery import discovery_url
from acrux.oidc.fetching import Fetcher, FetchFailedError, UnreachableError
from acrux.oidc.keys import KeySet, read_key_set
from acrux.policy.model import Provider


@dataclass(frozen=True, slots=True)
class Examined:
    """What could be had of a provider.

    Attributes:
        url: where its document was looked for.
        document: its discovery document, or None.
        keys: its key set, or None.
        failure: why there is no document, or ''.
        keys_failure: why there are no keys, or ''.
        reached: whether anybody answered wherever something was asked for.
    """

    provider: Provider
    url: str
    document: Mapping[str, Json] | None = None
    keys: KeySet | None = None
    failure: str = ""
    keys_failure: str = ""
    reached: bool = True


async def examine(fetcher: Fetcher, provider: Provider) -> Examined:
    """Fetches a provider's discovery document and keys; a document in another issuer's name is read too."""
    url = discovery_url(provider.issuer)
    try:
        document = await fetcher.fetch_object(url, provider)
    except FetchFailedError as error:
        return Examined(provider, url, failure=str(error), reached=not isinstance(error, UnreachableError))
    keys, failure, reached = await _keys(fetcher, provider, document.get("jwks_uri"))
    return Examined(provider, url, document=document, keys=keys, keys_failure=failure, reached=reached)


async def _keys(fetcher: Fetcher, provider: Provider, uri: Json) -> tuple[KeySet | None, str, bool]:
    if not isinstance(uri, str):
        return None, "the document has no `jwks_uri`", True
    try:
        keys = read_key_set(await fetcher.fetch_object(uri, provider))
    except FetchFailedError as error:
        return None, str(error), not isinstance(error, UnreachableError)
    return (None, f"`{uri}` is no key set", True) if keys is None else (keys, "", True)
