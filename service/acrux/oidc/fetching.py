"""The one door through which anything of a provider is fetched, with its limits. No meaning, no caching.

http-api.md, "Close the loop": https (http on loopback), the issuer's host or one of the provider's `hosts`, no
redirects, 1 MiB, 2 seconds.
"""

import asyncio
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Final, Self
from urllib.parse import SplitResult, urlsplit

import httpx
import orjson

from acrux.domain.facts import Json
from acrux.policy.model import Provider

MAX_BODY_BYTES: Final = 1024 * 1024
TIMEOUT_SECONDS: Final = 2.0
FORM_TIMEOUT_SECONDS: Final = 10.0
"""A token endpoint does more than hand out a document, and giving up on it costs the user the login."""
KEEP_ALIVE_SECONDS: Final = 2.0
"""Shorter than what servers grant (Node.js: 5 s): a form must not meet a connection that is just being closed."""
MAX_CONNECTIONS: Final = 100
_OK: Final = 200
_SHOWN_HEADERS: Final = ("content-type", "retry-after", "www-authenticate")
_LOOPBACK_NAMES: Final = frozenset({"localhost", "localhost."})


class FetchFailedError(Exception):
    """Something of a provider could not be had. The message says why, for the log."""


class UnreachableError(FetchFailedError):
    """No whole answer came back at all: no connection, no trust in it, or none in time."""


@dataclass(frozen=True, slots=True)
class FormAnswer:
    """What a provider answered to a form: `headers` has those that the relying party may see.

    Their names are in lower case, their values' bytes stand for themselves (ISO 8859-1).
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


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
            # No request may carry what another one was given.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEP_ALIVE_SECONDS),
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
            FetchFailedError: the URL is not one of the provider's, or the object could not be had within the limits;
                `UnreachableError` where nobody answered.
        """
        check_url(url, provider)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                body = await self._fetch_body(url)
        except TimeoutError:
            raise UnreachableError(f"`{url}` took longer than {self._timeout_seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnreachableError(f"`{url}` can't be reached: {str(error) or type(error).__name__}") from error
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise FetchFailedError(f"`{url}` is not JSON") from None
        if not isinstance(document, dict):
            raise FetchFailedError(f"`{url}` is no JSON object")
        return document

    async def post_form(
        self, url: str, provider: Provider, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> FormAnswer:
        """What a URL of a provider answers to a form, whatever its status. Sent once, the form byte for byte.

        Raises:
            FetchFailedError: the URL is not one of the provider's, or no answer came within the limits. The message
                has nothing of the form.
        """
        check_url(url, provider)
        try:
            async with (
                asyncio.timeout(FORM_TIMEOUT_SECONDS),
                self._client.stream(
                    "POST", url, headers=headers, content=body, timeout=FORM_TIMEOUT_SECONDS
                ) as response,
            ):
                return FormAnswer(response.status_code, _shown(response), await _read(response, url))
        except TimeoutError:
            raise FetchFailedError(f"`{url}` took longer than {FORM_TIMEOUT_SECONDS:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FetchFailedError(f"`{url}` can't be reached: {type(error).__name__}") from None

    async def _fetch_body(self, url: str) -> bytes:
        async with self._client.stream("GET", url) as response:
            if response.status_code != _OK:
                raise FetchFailedError(f"`{url}` answered {response.status_code}")
            return await _read(response, url)


def _shown(response: httpx.Response) -> dict[str, str]:
    """Byte for byte: httpx guesses an encoding, and need not guess one that header lines are written in."""
    shown: dict[str, str] = {}
    for raw_name, value in response.headers.raw:
        name = raw_name.decode("latin-1").lower()
        if name in _SHOWN_HEADERS:
            shown[name] = value.decode("latin-1")
    return shown


async def _read(response: httpx.Response, url: str) -> bytes:
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
