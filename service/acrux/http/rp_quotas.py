"""The redirect adapter's own limits: token buckets by address and client, and places to work in. Decides nothing.

Buckets are this worker's: a service of several workers or nodes grants each of them the same.
"""

import asyncio
import ipaddress
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from acrux.http.problems import Code, Problem
from acrux.wiring.settings import Rate

MAX_BUCKETS: Final = 20_000
_IPV6_SITE_BITS: Final = 64
"""What one subscriber has: a quota by the whole address would be no quota."""


class Buckets:
    """Token buckets by key, of bounded memory: the one that was used longest ago is forgotten first.

    Args:
        rate: every bucket's; None for buckets that are never empty.
        clock: a monotonic clock in seconds.
    """

    __slots__ = ("_clock", "_levels", "_rate")

    def __init__(self, rate: Rate | None, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._levels)

    def take(self, key: str) -> bool:
        """Whether the key has one left; then it is gone."""
        rate = self._rate
        if rate is None:
            return True
        now_seconds = self._clock()
        level, at_seconds = self._levels.pop(key, (rate.burst, now_seconds))
        level = min(rate.burst, level + (now_seconds - at_seconds) * rate.per_second)
        granted = level >= 1.0
        self._levels[key] = (level - 1.0 if granted else level, now_seconds)
        if len(self._levels) > MAX_BUCKETS:
            self._levels.popitem(last=False)
        return granted


class Places:
    """How many requests are worked on at once, and how many may wait for that, and how long."""

    __slots__ = ("_free", "_max_waiting", "_share", "_shares", "_waiting_count", "_waiting_seconds")

    def __init__(self, count: int, max_waiting: int, waiting_seconds: float) -> None:
        self._shares: dict[str, Places] = {}
        self._share = (max(1, count * 3 // 4), max(1, max_waiting * 3 // 4), waiting_seconds)
        self._free = asyncio.Semaphore(count)
        self._max_waiting = max_waiting
        self._waiting_seconds = waiting_seconds
        self._waiting_count = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """A place for the length of the block.

        Raises:
            Problem: `too_many_requests`.
        """
        if self._waiting_count >= self._max_waiting:
            raise _too_many()
        self._waiting_count += 1
        try:
            async with asyncio.timeout(self._waiting_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise _too_many() from None
        finally:
            self._waiting_count -= 1
        try:
            yield
        finally:
            self._free.release()

    @asynccontextmanager
    async def one_for(self, provider: str) -> AsyncIterator[None]:
        """The same for a login at one of several providers.

        None of them has more than three quarters of the places: one that hangs must not hold up the logins at others.

        Raises:
            Problem: `too_many_requests`.
        """
        share = self._shares.get(provider)
        if share is None:
            share = self._shares[provider] = Places(*self._share)
        async with share.one(), self.one():
            yield


class Quotas:
    """The limits of one endpoint.

    Args:
        by_address: each address' quota, or None.
        by_client: each client's quota, or None.
        places: how many are worked on at once.
        clock: a monotonic clock in seconds.
    """

    __slots__ = ("_addresses", "_clients", "places")

    def __init__(
        self, by_address: Rate | None, by_client: Rate | None, places: Places, clock: Callable[[], float]
    ) -> None:
        self._addresses = Buckets(by_address, clock)
        self._clients = Buckets(by_client, clock)
        self.places = places

    def check_address(self, address: str | None) -> None:
        """Raises `too_many_requests` for an address that asks too often; all that have none share one quota."""
        if not self._addresses.take(site_of(address)):
            raise _too_many()

    def check_client(self, client: str) -> None:
        """Raises `too_many_requests` for a client that is asked for too often."""
        if not self._clients.take(client):
            raise _too_many()


def site_of(address: str | None) -> str:
    """What shares a quota: an IPv4 address, an IPv6 subscriber, or all whose address can't be known."""
    if address is None or ":" not in address:
        return address or ""
    return str(ipaddress.IPv6Network((address, _IPV6_SITE_BITS), strict=False))


def _too_many() -> Problem:
    return Problem(Code.TOO_MANY_REQUESTS, "too many sign-ins at this moment: try again in a few seconds")
