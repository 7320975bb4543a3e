"""The cache of keys: never old ones, never two fetches at once."""

import asyncio

import httpx
import pytest

from acrux.domain.identifiers import ProviderName
from acrux.domain.profiles import PROFILES
from acrux.oidc.fetching import Fetcher
from acrux.oidc.jwks import REFRESH_AFTER_SECONDS, TRUSTED_SECONDS, KeyCache, KeysUnavailableError
from acrux.policy.model import Provider

ISSUER = "https://login.example.com"
PROVIDER = Provider(ProviderName("corp"), ISSUER, PROFILES["generic"], {})


class Site:
    def __init__(self) -> None:
        self.fetched_count = 0
        self.answer: httpx.Response | None = None
        self.gate: asyncio.Event | None = None
        self.is_asked = asyncio.Event()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != "/keys":
            return httpx.Response(200, json={"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"})
        self.fetched_count += 1
        self.is_asked.set()
        if self.gate is not None:
            await self.gate.wait()
        return self.answer or httpx.Response(200, json={"keys": [{"kty": "RSA", "kid": str(self.fetched_count)}]})


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
async def site() -> Site:
    return Site()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def cache(site, clock):
    fetcher = Fetcher(httpx.MockTransport(site))
    keys = KeyCache(fetcher, clock)
    yield keys
    await keys.close()
    await fetcher.close()


async def kid(cache) -> str | None:
    return (await cache.keys(PROVIDER)).keys[0].kid


async def test_cached(cache, site, clock) -> None:
    """Within an hour the keys come from memory."""
    assert [await kid(cache), await kid(cache)] == ["1", "1"]
    clock.seconds = REFRESH_AFTER_SECONDS
    assert await kid(cache) == "1"
    assert site.fetched_count == 1


async def test_refreshed_beside_the_callers(cache, site, clock) -> None:
    """After an hour the caller still gets the known keys at once, and the next one gets new ones."""
    await kid(cache)
    clock.seconds = REFRESH_AFTER_SECONDS + 1
    assert await kid(cache) == "1"
    await cache.refetch(PROVIDER)  # waits for the fetch that is under way
    assert await kid(cache) == "2"
    assert site.fetched_count == 2


async def test_one_fetch_at_a_time(cache, site) -> None:
    """A hundred callers that need the keys at once cause one fetch, also if the first of them goes away."""
    site.gate = asyncio.Event()
    callers = [asyncio.create_task(kid(cache)) for _ in range(100)]
    await site.is_asked.wait()
    callers[0].cancel()
    site.gate.set()
    assert set(await asyncio.gather(*callers[1:])) == {"1"}
    assert site.fetched_count == 1


async def test_keys_older_than_a_day(cache, site, clock) -> None:
    """Keys older than a day are not trusted, even while the provider is away; a younger set outlives its absence."""
    await kid(cache)
    site.answer = httpx.Response(500)
    clock.seconds = TRUSTED_SECONDS
    assert await kid(cache) == "1"
    await asyncio.sleep(0)
    clock.seconds = TRUSTED_SECONDS + 1
    with pytest.raises(KeysUnavailableError, match="answered 500"):
        await kid(cache)
    site.answer = None
    clock.seconds += 5
    assert await kid(cache) != "1"


async def test_a_failure_is_not_repeated_at_once(cache, site, clock) -> None:
    """After a failed fetch the next callers are told at once, until a pause is over."""
    site.answer = httpx.Response(500)
    for _ in range(3):
        with pytest.raises(KeysUnavailableError):
            await kid(cache)
    assert site.fetched_count == 1
    clock.seconds = 5
    site.answer = None
    assert await kid(cache) == "2"


async def test_no_key_set(cache, site) -> None:
    """A document that is no key set counts as none."""
    site.answer = httpx.Response(200, json={"keys": None})
    with pytest.raises(KeysUnavailableError, match="no key set"):
        await kid(cache)


async def test_another_place_has_its_own_keys(cache, site) -> None:
    """A provider whose hosts have changed is fetched anew: the old keys may be from where nothing is fetched now."""
    await kid(cache)
    moved = Provider(PROVIDER.name, ISSUER, PROVIDER.profile, {}, hosts=("keys.example.net",))
    assert (await cache.keys(moved)).keys[0].kid == "2"


async def test_kept_fresh(cache, site, clock) -> None:
    """The background round fetches keys beforehand, goes on after failures, and ends when told to."""
    stop, rounds = asyncio.Event(), 0

    def providers():
        nonlocal rounds
        rounds += 1
        if rounds == 2:
            clock.seconds = 5
            site.answer = None
        if rounds == 3:
            stop.set()
        return [PROVIDER]

    site.answer = httpx.Response(500)
    await cache.keep_fresh(providers, stop, interval_seconds=0.001)
    assert rounds == 3
    assert site.fetched_count == 2


async def test_closing_ends_fetches(cache, site) -> None:
    """Closing does not wait for a provider that does not answer."""
    site.gate = asyncio.Event()
    caller = asyncio.create_task(kid(cache))
    await site.is_asked.wait()
    await cache.close()
    with pytest.raises(asyncio.CancelledError):
        await caller
