"""A provider's metadata is remembered, refreshed, and outlives short absences; forms go to the provider alone."""

import asyncio

import httpx
import pytest

from acrux.domain.profiles import PROFILES
from acrux.oidc.endpoints import Endpoints
from acrux.oidc.fetching import MAX_BODY_BYTES, Fetcher, FetchFailedError
from acrux.policy.model import Provider

ISSUER = "https://login.example.com"
PROVIDER = Provider("corp", ISSUER, PROFILES["generic"], {})


class Site:
    """A provider's site, and a clock."""

    def __init__(self):
        self.count, self.now_seconds, self.away, self.more = 0, 0.0, False, {}
        self.form = httpx.Response(200, json={})
        self.fetcher = Fetcher(httpx.MockTransport(self.answer))
        self.endpoints = Endpoints(self.fetcher, lambda: self.now_seconds)

    async def answer(self, request):
        """Answers whatever is asked."""
        if self.away:
            raise httpx.ConnectError("away")
        if request.method == "POST":
            return self.form
        self.count += 1
        await asyncio.sleep(0)
        urls = {"jwks_uri": f"{ISSUER}/jwks", "token_endpoint": f"{ISSUER}/token"}
        return httpx.Response(200, json={"issuer": ISSUER, **urls, **self.more})


async def test_metadata_is_remembered():
    """One fetch an hour, however many ask at once; a day without the provider at most."""
    site = Site()
    await asyncio.gather(*(site.endpoints.metadata(PROVIDER) for _ in range(5)))
    site.now_seconds = 3600.0
    await site.endpoints.metadata(PROVIDER)
    assert site.count == 1
    site.now_seconds = 3601.0
    await site.endpoints.metadata(PROVIDER)
    assert site.count == 2
    site.away, site.now_seconds = True, 3601.0 + 24 * 3600
    assert (await site.endpoints.metadata(PROVIDER)).issuer == ISSUER
    site.now_seconds += 10
    with pytest.raises(FetchFailedError):
        await site.endpoints.metadata(PROVIDER)
    site.away = False
    with pytest.raises(FetchFailedError):  # nobody waits for a fetch right after one that failed
        await site.endpoints.metadata(PROVIDER)
    site.now_seconds += 10
    assert (await site.endpoints.metadata(PROVIDER)).issuer == ISSUER
    await site.endpoints.close()


async def test_no_endpoint_elsewhere():
    """An endpoint that is missing or on another host is not used."""
    site = Site()
    with pytest.raises(FetchFailedError):
        await site.endpoints.authorization_endpoint(PROVIDER)
    site.more, site.now_seconds = {"authorization_endpoint": "https://evil.example.com/"}, 4000.0
    with pytest.raises(FetchFailedError):
        await site.endpoints.authorization_endpoint(PROVIDER)


async def test_forms():
    """Whatever the status: the answer; nothing over the limit, compressed or from elsewhere; no form in messages."""
    site = Site()
    site.form = httpx.Response(400, json={"error": "x"}, headers={"www-authenticate": "Basic", "set-cookie": "a=b"})
    found = await site.endpoints.exchange(PROVIDER, [(b"content-type", b"x/y")], b"secret")
    assert (found.status, found.body) == (400, b'{"error":"x"}')
    assert found.headers == {"content-type": "application/json", "www-authenticate": "Basic"}
    assert list(site.fetcher._client.cookies.jar) == []
    for form in (
        httpx.Response(200, content=b"a" * (MAX_BODY_BYTES + 1)),
        httpx.Response(200, content=b"", headers={"content-encoding": "gzip"}),
    ):
        site.form = form
        with pytest.raises(FetchFailedError):
            await site.endpoints.exchange(PROVIDER, [], b"secret")
    site.away = True
    with pytest.raises(FetchFailedError) as failure:
        await site.endpoints.exchange(PROVIDER, [], b"secret")
    assert "secret" not in str(failure.value)
    site.more, site.away, site.now_seconds = {"token_endpoint": "http://login.example.com/"}, False, 4000.0
    with pytest.raises(FetchFailedError):
        await site.endpoints.exchange(PROVIDER, [], b"")
    await site.fetcher.close()
