"""The one door to providers: what may be fetched, and how much of it."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from acrux.domain.identifiers import ProviderName
from acrux.domain.profiles import PROFILES
from acrux.oidc.discovery import discover, discovery_url
from acrux.oidc.fetching import MAX_BODY_BYTES, Fetcher, FetchFailedError, check_url, is_loopback
from acrux.policy.model import Provider

ISSUER = "https://login.example.com"


def provider(issuer: str = ISSUER, *hosts: str) -> Provider:
    return Provider(ProviderName("corp"), issuer, PROFILES["generic"], {}, hosts=hosts)


@pytest.mark.parametrize(
    ("issuer", "hosts", "url"),
    [
        (ISSUER, (), "https://login.example.com/keys"),
        (ISSUER, (), "https://LOGIN.example.com:8443/keys"),
        (ISSUER, ("keys.example.net",), "https://keys.example.net/keys"),
        (ISSUER, ("keys.example.net:8443",), "https://keys.example.net:8443/keys"),
        ("http://localhost:5000", (), "http://localhost:5000/jwks"),
        ("http://127.0.0.1:5000", (), "http://127.0.0.1:5000/jwks"),
        ("http://[::1]:5000", (), "http://[::1]:5000/jwks"),
    ],
)
def test_allowed(issuer, hosts, url) -> None:
    """The issuer's host and the provider's own hosts may be fetched from: over https, or http on loopback."""
    check_url(url, provider(issuer, *hosts))


@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        ((), "http://login.example.com/keys"),
        ((), "https://evil.example.net/keys"),
        ((), "https://login.example.com.evil.example.net/keys"),
        ((), "https://evil.example.net/login.example.com"),
        ((), "https://login.example.com@evil.example.net/keys"),
        ((), "https://user@login.example.com/keys"),
        ((), "https://:secret@login.example.com/keys"),
        (("keys.example.net:8443",), "https://keys.example.net/keys"),
        ((), "file:///etc/passwd"),
        ((), "ftp://login.example.com/keys"),
        ((), "//login.example.com/keys"),
        ((), "https:///keys"),
        ((), "https://[::1/keys"),
        ((), "http://127.0.0.1/keys"),
        (("10.0.0.1",), "http://10.0.0.1/keys"),
    ],
)
def test_refused(hosts, url) -> None:
    """Nothing else is fetched, whatever a discovery document says."""
    with pytest.raises(FetchFailedError):
        check_url(url, provider(ISSUER, *hosts))


def test_loopback() -> None:
    """Loopback is a name or an address of this machine; names are not resolved."""
    assert all(map(is_loopback, ("localhost", "LOCALHOST", "127.9.9.9", "::1")))
    assert not any(map(is_loopback, ("10.0.0.1", "localhost.example.com", "::2")))


async def fetched(handler, url=f"{ISSUER}/keys"):
    async with Fetcher(httpx.MockTransport(handler)) as fetcher:
        return await fetcher.fetch_object(url, provider())


async def test_fetches_an_object() -> None:
    """A JSON object is returned, and was asked for uncompressed."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["accept-encoding"] == "identity"
        return httpx.Response(200, json={"keys": []})

    assert await fetched(answer) == {"keys": []}


def raising(error):
    def answer(request):
        raise error

    return answer


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda _: httpx.Response(302, headers={"Location": f"{ISSUER}/other"}), "answered 302"),
        (lambda _: httpx.Response(500), "answered 500"),
        (lambda _: httpx.Response(200, content=b"<html>"), "not JSON"),
        (lambda _: httpx.Response(200, content=b'{"a": NaN}'), "not JSON"),
        (lambda _: httpx.Response(200, json=[1]), "no JSON object"),
        (lambda _: httpx.Response(200, content=b" " * (MAX_BODY_BYTES + 1)), "longer than"),
        (
            lambda _: httpx.Response(200, content=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"}),
            "compressed",
        ),
        (raising(httpx.ConnectError("refused")), "can't be reached: refused"),
        (raising(httpx.ReadError("")), "can't be reached: ReadError"),
    ],
)
async def test_failures(answer, message) -> None:
    """Redirects, errors, other forms, and more than a mebibyte are failures that say what they are."""
    with pytest.raises(FetchFailedError, match=message):
        await fetched(answer)


@asynccontextmanager
async def server(*chunks: bytes, pause_seconds: float) -> AsyncIterator[str]:
    """A server that sends its answer in pieces, with pauses."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            for chunk in chunks:
                writer.write(chunk)
                await writer.drain()
                await asyncio.sleep(pause_seconds)
        except ConnectionError:
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


async def test_slow_answers_are_cut() -> None:
    """The time is for the whole document: a provider that sends a byte now and then is not waited for."""
    async with server(HEAD, *[b" "] * 1000, pause_seconds=0.05) as url, Fetcher(timeout_seconds=0.2) as fetcher:
        with pytest.raises(FetchFailedError, match=r"longer than 0\.2 s"):
            await fetcher.fetch_object(url, provider(url))


async def test_over_a_real_connection() -> None:
    """A document arrives in pieces over a real connection."""
    async with server(HEAD, b'{"a":', b"1}", pause_seconds=0.001) as url, Fetcher() as fetcher:
        assert await fetcher.fetch_object(url, provider(url)) == {"a": 1}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"issuer": f"{ISSUER}/", "jwks_uri": f"{ISSUER}/keys"}, "another issuer"),
        ({"jwks_uri": f"{ISSUER}/keys"}, "another issuer"),
        ({"issuer": ISSUER}, "no `jwks_uri`"),
        ({"issuer": ISSUER, "jwks_uri": 5}, "no `jwks_uri`"),
        ({"issuer": ISSUER, "jwks_uri": "https://evil.example.net/keys"}, "neither the issuer's host"),
    ],
)
async def test_discovery_refuses(document, message) -> None:
    """A document that names another issuer, by as little as a slash, or keys elsewhere is not used."""
    async with Fetcher(httpx.MockTransport(lambda _: httpx.Response(200, json=document))) as fetcher:
        with pytest.raises(FetchFailedError, match=message):
            await discover(fetcher, provider())


async def test_discovery() -> None:
    """The metadata of the configured issuer is returned with the document."""
    document = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys", "x": 1}
    async with Fetcher(httpx.MockTransport(lambda _: httpx.Response(200, json=document))) as fetcher:
        found = await discover(fetcher, provider())
    assert (found.issuer, found.jwks_uri, found.document) == (ISSUER, f"{ISSUER}/keys", document)


def test_discovery_url() -> None:
    """The document's place is the issuer's path and the well-known one (Discovery 4.1)."""
    assert discovery_url("https://login.example.com/realms/a") == (
        "https://login.example.com/realms/a/.well-known/openid-configuration"
    )
    assert discovery_url("https://login.example.com/") == "https://login.example.com/.well-known/openid-configuration"
