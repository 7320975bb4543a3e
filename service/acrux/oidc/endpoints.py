"""A provider's endpoints for the redirect adapter: its metadata, remembered, and the way to its token endpoint."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from acrux.oidc.discovery import ProviderMetadata, discover
from acrux.oidc.fetching import Fetcher, FetchFailedError, FormAnswer, check_url
from acrux.policy.model import Provider

REFRESH_AFTER_SECONDS: Final = 3600.0
STALE_SECONDS: Final = 24 * 3600.0
"""Where a provider is away, what it said in the last day goes on being used: endpoints seldom move."""
FAILURE_PAUSE_SECONDS: Final = 5.0


@dataclass(slots=True)
class _Entry:
    metadata: ProviderMetadata | None = None
    fetched_at_seconds: float = float("-inf")
    failed_at_seconds: float = float("-inf")
    failure: str = ""
    fetching: "asyncio.Task[None] | None" = field(default=None, repr=False)


class Endpoints:
    """Providers' metadata, and requests to their token endpoints. Used on one event loop.

    Args:
        fetcher: how providers are reached.
        clock: a monotonic clock in seconds.
    """

    __slots__ = ("_clock", "_entries", "_fetcher")

    def __init__(self, fetcher: Fetcher, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._entries: dict[tuple[str, tuple[str, ...]], _Entry] = {}

    async def metadata(self, provider: Provider) -> ProviderMetadata:
        """What a provider says of itself, at most an hour old, or a day where it is away.

        Raises:
            FetchFailedError: nothing that young can be had.
        """
        # By what the fetch depends on: a reloaded set that moves the issuer must not see the old endpoints.
        entry = self._entries.setdefault((provider.issuer, provider.hosts), _Entry())
        if self._age_seconds(entry) > REFRESH_AFTER_SECONDS and self._may_try(entry):
            if entry.fetching is None or entry.fetching.done():
                entry.fetching = asyncio.create_task(self._refresh(entry, provider))
            # Shielded: one caller that goes away must not take the fetch away from the others.
            await asyncio.shield(entry.fetching)
        if entry.metadata is None or self._age_seconds(entry) > STALE_SECONDS:
            raise FetchFailedError(entry.failure)
        return entry.metadata

    async def authorization_endpoint(self, provider: Provider) -> str:
        """Where browsers are sent: a URL of the provider's own.

        Raises:
            FetchFailedError: it can't be had, or it is not on one of the provider's hosts.
        """
        return _endpoint(await self.metadata(provider), "authorization_endpoint", provider)

    async def exchange(self, provider: Provider, headers: list[tuple[bytes, bytes]], body: bytes) -> FormAnswer:
        """What the provider's token endpoint answers to a form.

        Raises:
            FetchFailedError: no answer can be had within the limits.
        """
        url = _endpoint(await self.metadata(provider), "token_endpoint", provider)
        return await self._fetcher.post_form(url, provider, headers, body)

    async def close(self) -> None:
        """Ends the fetches that are under way."""
        tasks = [entry.fetching for entry in self._entries.values() if entry.fetching is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _age_seconds(self, entry: _Entry) -> float:
        return self._clock() - entry.fetched_at_seconds

    def _may_try(self, entry: _Entry) -> bool:
        return self._clock() - entry.failed_at_seconds >= FAILURE_PAUSE_SECONDS

    async def _refresh(self, entry: _Entry, provider: Provider) -> None:
        at_seconds = self._clock()
        try:
            entry.metadata = await discover(self._fetcher, provider)
        except FetchFailedError as error:
            entry.failure, entry.failed_at_seconds = str(error), self._clock()
        else:
            entry.fetched_at_seconds = at_seconds


def _endpoint(metadata: ProviderMetadata, name: str, provider: Provider) -> str:
    url = metadata.document.get(name)
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or "#" in url or " " in url:
        raise FetchFailedError(f"the discovery document of `{provider.issuer}` has no usable `{name}`")
    check_url(url, provider)
    return url
