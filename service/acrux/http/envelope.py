"""What every request and answer have around them: request ids, body limits, header lines. No routes."""

import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final, TypeAlias

from acrux.http.problems import MEDIA_TYPE, Code, Problem

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = Iterable[tuple[bytes, bytes]]

MAX_BODY_BYTES: Final = 64 * 1024
NO_STORE: Final = (b"cache-control", b"no-store")
JSON: Final = (b"content-type", b"application/json")
_PROBLEM_JSON: Final = (b"content-type", MEDIA_TYPE.encode())
_REQUEST_ID: Final = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?")
_MEDIA_TYPE: Final = re.compile(rb"application/json[ \t]*(?:;[ \t]*charset=\"?utf-8\"?[ \t]*)?", re.IGNORECASE)


class Disconnected(Exception):  # noqa: N818 - a fact about the caller, not an error of the service
    """The caller has gone before its body was read."""


def valid_request_id(sent: bytes) -> bool:
    """Whether a caller's `X-Request-ID` is echoed: up to 128 printable ASCII characters."""
    return _REQUEST_ID.fullmatch(sent) is not None


def header(scope: Scope, name: bytes) -> bytes | None:
    """The value of a header line; of the last one if it is repeated."""
    found: bytes | None = None
    for line, value in scope["headers"]:
        if line == name:
            found = value
    return found


def check_media_type(content_type: bytes | None) -> None:
    """Raises `unsupported_media_type` unless the body says that it is JSON in UTF-8 (RFC 8259 section 8.1)."""
    if content_type == b"application/json":
        return
    if content_type is None or _MEDIA_TYPE.fullmatch(content_type) is None:
        raise Problem(Code.UNSUPPORTED_MEDIA_TYPE, "send `Content-Type: application/json`")


def check_length(content_length: bytes | None) -> None:
    """Raises `body_too_large` for a body that says so itself, before any of it is read."""
    if content_length is not None and content_length.isdigit() and int(content_length[:20]) > MAX_BODY_BYTES:
        raise too_large()


def too_large() -> Problem:
    """The problem of a body beyond the limit.

    The connection stays: closing it on a caller that still sends would reset it, and the answer could be lost with it.
    `acrux.http.protocol` drops the rest, and hangs up on whoever takes too long.
    """
    return Problem(Code.BODY_TOO_LARGE, f"at most {MAX_BODY_BYTES} bytes")


async def read_body(receive: Receive) -> bytes:
    """The whole body; stops reading at the limit, however the body is chunked.

    Raises:
        Problem: `body_too_large`.
        Disconnected: there is nobody to answer.
    """
    message = await receive()
    if message["type"] != "http.request":
        raise Disconnected
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False) and len(body) <= MAX_BODY_BYTES:
        return body
    chunks = [body]
    size = len(body)
    while size <= MAX_BODY_BYTES and message.get("more_body", False):
        message = await receive()
        if message["type"] != "http.request":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        chunks.append(chunk)
    if size > MAX_BODY_BYTES:
        raise too_large()
    return b"".join(chunks)


async def send_answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """Sends one whole answer."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def problem_headers(problem: Problem, retry_after_seconds: int) -> list[tuple[bytes, bytes]]:
    """The header lines that belong to a problem, its content type first."""
    headers = [_PROBLEM_JSON, *problem.headers]
    if problem.code is Code.UNAUTHENTICATED:
        headers.append((b"www-authenticate", b"Bearer"))
    if problem.status in {429, 503}:
        headers.append((b"retry-after", b"%d" % retry_after_seconds))
    return headers
