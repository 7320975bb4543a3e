"""The one door through which anything of a provider is fetched, with its limits. No meaning, no caching.

http-api.md, "Close the loop": https (http on loopback), the issuer's host or one of the provider's `hosts`, no
redirects, 1 MiB, 2 seconds.
"""

import asyncio
import ipaddress
from types import TracebackType
from typing import Final, Self
from urllib.parse import SplitResult, urlsplit

import httpx
import orjson

from acrux.domain.facts import Json
from acrux.policy.model import Provider

MAX_BODY_BYTES: Final = 1024 * 1024
TIMEOUT_SECONDS: Final = 2.0
_OK: Final = 200
_LOOPBACK_NAMES: Final = frozenset({"localhost", "localhost."})


class FetchFailedError(Exception):
    """Something of a provider could not be had. The message says why, for the log."""


class Fetcher:
    """Fetches JSON documents of configured providers; its connections are shared by all of them.

    Args:
        transport: how connections are made; httpx's own by default.
        timeout_seconds: for one document, from the first byte sent to the last one read.
    """

    __slots__ = ("_client", "_timeout_seconds")

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._client = httpx.AsyncClient(
            transport=transport,
            follow_redirects=False,
            timeout=timeout_seconds,
            # An operator's outbound proxy may stand before providers, never before this machine's own.
            mounts=dict.fromkeys(("all://localhost", "all://127.0.0.1", "all://[::1]")) if transport is None else None,
            # Compressed bodies would get around the limit, so they are neither asked for nor taken.
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "acrux"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def fetch_object(self, url: str, provider: Provider) -> dict[str, Json]:
        """The JSON object at a URL of a provider.

        Raises:
            FetchFailedError: the URL is not one of the provider's, or the object could not be had within the limits.
        """
        check_url(url, provider)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                body = await self._fetch_body(url)
        except TimeoutError:
            raise FetchFailedError(f"`{url}` took longer than {self._timeout_seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FetchFailedError(f"`{url}` can't be reached: {str(error) or type(error).__name__}") from error
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise FetchFailedError(f"`{url}` is not JSON") from None
        if not isinstance(document, dict):
            raise FetchFailedError(f"`{url}` is no JSON object")
        return document

    async def _fetch_body(self, url: str) -> bytes:
        async with self._client.stream("GET", url) as response:
            if response.status_code != _OK:
                raise FetchFailedError(f"`{url}` answered {response.status_code}")
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise FetchFailedError(f"`{url}` is compressed, though that was not asked for")
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise FetchFailedError(f"`{url}` is longer than {MAX_BODY_BYTES} bytes")
            return bytes(body)


def check_url(url: str, provider: Provider) -> None:
    """Accepts the URLs that may be fetched for a provider.

    Raises:
        FetchFailedError: any other.
    """
    host = _host(url)
    parts = _split(url)
    if parts.username is not None or parts.password is not None:
        raise FetchFailedError(f"`{url}` carries credentials")
    allowed = {_host(provider.issuer), *(entry.lower() for entry in provider.hosts)}
    if not allowed & {host, parts.netloc.lower()}:
        raise FetchFailedError(f"`{host}` is neither the issuer's host nor one of the provider's `hosts`")
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)):
        return
    raise FetchFailedError(f"`{url}` is not https")


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise FetchFailedError(f"`{url}` is no URL") from None


def _host(url: str) -> str:
    host = _split(url).hostname
    if not host:
        raise FetchFailedError(f"`{url}` is no URL")
    return host


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its name or address; names are not resolved."""
    if host.lower() in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
