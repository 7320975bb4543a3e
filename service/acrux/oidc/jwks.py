"""The cache of providers' keys: when they are fetched, and for how long they are trusted. No tokens are read here."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from acrux.oidc.discovery import discover
from acrux.oidc.fetching import Fetcher, FetchFailedError
from acrux.oidc.keys import KeySet, read_key_set
from acrux.policy.model import Provider

TRUSTED_SECONDS: Final = 24 * 3600.0
REFRESH_AFTER_SECONDS: Final = 3600.0
REFETCH_INTERVAL_SECONDS: Final = 60.0
FAILURE_PAUSE_SECONDS: Final = 5.0
"""After a failed fetch nobody waits for another one for this long."""


class KeysUnavailableError(Exception):
    """No key that may be trusted can be had: the caller is answered 503 and nothing is used up."""


@dataclass(slots=True)
class _Entry:
    """What is known of one provider's keys; times are of the cache's monotonic clock."""

    keys: KeySet | None = None
    fetched_at_seconds: float = float("-inf")
    tried_at_seconds: float = float("-inf")
    refetched_at_seconds: float = float("-inf")
    failure: str = ""
    fetching: "asyncio.Task[None] | None" = field(default=None, repr=False)


class KeyCache:
    """Keys by provider. One fetch at a time for each; used on one event loop.

    INVARIANT (no stale keys): keys fetched more than a day ago are never handed out.

    Args:
        fetcher: how they are fetched.
        clock: a monotonic clock in seconds.
    """

    __slots__ = ("_clock", "_entries", "_fetcher")

    def __init__(self, fetcher: Fetcher, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._entries: dict[tuple[str, tuple[str, ...]], _Entry] = {}

    async def keys(self, provider: Provider) -> KeySet:
        """The provider's keys, from memory if they are fresh; from an hour on they are refreshed beside the caller.

        Raises:
            KeysUnavailableError: there are none younger than a day, and none can be fetched.
        """
        entry = self._entry(provider)
        age_seconds = self._clock() - entry.fetched_at_seconds
        if entry.keys is None or age_seconds > TRUSTED_SECONDS:
            return await self._fetch(entry, provider, FAILURE_PAUSE_SECONDS)
        if age_seconds > REFRESH_AFTER_SECONDS and self._may_try(entry, REFETCH_INTERVAL_SECONDS):
            self._start(entry, provider)
        return entry.keys

    async def refetch(self, provider: Provider) -> KeySet:
        """The provider's keys for a token whose key is not among `keys`: fetched again, at most once a minute.

        Only fetches for such tokens count: keys that changed just after they were first fetched are had too. One that
        failed found nothing out, and is tried again after the pause that every failure has.

        Raises:
            KeysUnavailableError: the last try to fetch them failed, so that nobody knows whether the key is there.
        """
        entry = self._entry(provider)
        if entry.failure:
            return await self._fetch(entry, provider, FAILURE_PAUSE_SECONDS)
        now_seconds = self._clock()
        if now_seconds - entry.refetched_at_seconds < REFETCH_INTERVAL_SECONDS:
            return await self._fetch(entry, provider, REFETCH_INTERVAL_SECONDS)
        entry.refetched_at_seconds = now_seconds
        return await self._fetch(entry, provider, 0.0)

    async def keep_fresh(
        self,
        providers: Callable[[], Iterable[Provider]],
        stop: asyncio.Event,
        *,
        interval_seconds: float = 900.0,
    ) -> None:
        """Fetches the keys of providers beforehand, and again before they are a day old, until `stop` is set."""
        while not stop.is_set():
            for provider in providers():
                try:
                    await self.keys(provider)
                except KeysUnavailableError:
                    continue  # tried again at the next round, and whenever a login needs them
            try:
                async with asyncio.timeout(interval_seconds):
                    await stop.wait()
            except TimeoutError:
                continue

    async def close(self) -> None:
        """Ends the fetches that are under way."""
        tasks = [entry.fetching for entry in self._entries.values() if entry.fetching is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _entry(self, provider: Provider) -> _Entry:
        # By what the fetch depends on: a reloaded set that moves the issuer or its hosts must not see old keys.
        return self._entries.setdefault((provider.issuer, provider.hosts), _Entry())

    def _may_try(self, entry: _Entry, pause_seconds: float) -> bool:
        return self._clock() - entry.tried_at_seconds >= pause_seconds

    def _start(self, entry: _Entry, provider: Provider) -> "asyncio.Task[None]":
        if entry.fetching is None or entry.fetching.done():
            entry.tried_at_seconds = self._clock()
            entry.fetching = asyncio.create_task(self._refresh(entry, provider))
        return entry.fetching

    async def _fetch(self, entry: _Entry, provider: Provider, pause_seconds: float) -> KeySet:
        """The keys after a fetch, one that is under way, or the last one if it ended less than `pause_seconds` ago."""
        under_way = entry.fetching is not None and not entry.fetching.done()
        if under_way or self._may_try(entry, pause_seconds):
            # Shielded: one caller that goes away must not take the fetch away from the others.
            await asyncio.shield(self._start(entry, provider))
        if entry.failure or entry.keys is None or self._clock() - entry.fetched_at_seconds > TRUSTED_SECONDS:
            raise KeysUnavailableError(entry.failure or "the keys are older than a day")
        return entry.keys

    async def _refresh(self, entry: _Entry, provider: Provider) -> None:
        # Counted from before the fetch, so that keys never look younger than they are.
        at_seconds = self._clock()
        try:
            metadata = await discover(self._fetcher, provider)
            keys = read_key_set(await self._fetcher.fetch_object(metadata.jwks_uri, provider))
        except FetchFailedError as error:
            entry.failure = str(error)
            return
        if keys is None:
            entry.failure = f"`{metadata.jwks_uri}` is no key set"
            return
        entry.keys, entry.fetched_at_seconds, entry.failure = keys, at_seconds, ""
