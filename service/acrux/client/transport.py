"""What both clients tell httpx, and what its errors mean. No connection is made here."""

from typing import Any

import httpx

from acrux.client.conversation import Call, Garbled, Unreached

TIMEOUT_SECONDS = 0.3
REFRESH_INTERVAL_SECONDS = 60.0
# What is said beside the callers, such as the report of an outage: nobody waits for it, and giving up on an answer that
# is on its way would only have it said twice.
UNHURRIED_SECONDS = 10.0


def settings(base_url: str, token: str, timeout_seconds: float) -> dict[str, Any]:
    """The arguments of httpx's clients.

    Raises:
        ValueError: the URL is not http or https, or the token can't stand in a header.
    """
    url = httpx.URL(base_url)
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError(f"no URL of an Acrux service: {base_url!r}")
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ValueError("the token is empty or malformed")
    return {
        "base_url": url,
        "timeout": timeout_seconds,
        "follow_redirects": False,
        "headers": {"Authorization": f"Bearer {token}", "Accept": "application/json", "User-Agent": "acrux-client"},
    }


def headers_of(call: Call) -> dict[str, str]:
    """The headers of one call."""
    headers = {} if call.body is None else {"Content-Type": "application/json"}
    if call.idempotency_key is not None:
        headers["Idempotency-Key"] = call.idempotency_key
    return headers


def failed(error: httpx.RequestError) -> Unreached | Garbled:
    """What a failed call means. Connections may be tried again: the idempotency key makes that harmless."""
    reason = str(error) or type(error).__name__
    if not isinstance(error, httpx.TransportError):
        return Garbled(reason)
    return Unreached(reason, may_retry=not isinstance(error, httpx.TimeoutException))
