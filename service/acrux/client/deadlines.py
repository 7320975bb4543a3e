"""One time limit for a whole blocking call, however its answer drips in. No HTTP is spoken here.

httpx limits each read: an answer that comes a byte at a time would hold a login for as long as somebody likes.
"""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

_CURRENT = threading.local()
_SHORTEST_SECONDS = 0.001
"""Never 0, which would mean "at once" to some transports."""


@contextmanager
def hurried(deadline_seconds: float) -> Iterator[None]:
    """Whatever this thread does on the network within the block ends by then, on the monotonic clock."""
    _CURRENT.deadline_seconds = deadline_seconds
    try:
        yield
    finally:
        _CURRENT.deadline_seconds = None


def hurry(client: httpx.Client) -> None:
    """Has a client's connections keep to `hurried`; transports of the caller's own are left as they are."""
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001 - httpx has no public way
        hurry_transport(transport)


def hurry_transport(transport: httpx.BaseTransport | None) -> None:
    """The same for one transport, before another is put around it; one that is not httpx's own is left as it is."""
    pool: Any = getattr(transport, "_pool", None)
    backend = getattr(pool, "_network_backend", None)
    if isinstance(backend, httpcore.NetworkBackend):
        pool._network_backend = _Backend(backend)  # noqa: SLF001 - httpx has no public way


def _left(timeout_seconds: float | None, late: type[httpcore.TimeoutException]) -> float | None:
    """What is left of a step's time.

    Raises:
        TimeoutException: the call's time is over.
    """
    deadline_seconds: float | None = getattr(_CURRENT, "deadline_seconds", None)
    if deadline_seconds is None:
        return timeout_seconds
    left_seconds = deadline_seconds - time.monotonic()
    if left_seconds <= 0:
        raise late("timed out")
    return max(_SHORTEST_SECONDS, left_seconds if timeout_seconds is None else min(timeout_seconds, left_seconds))


class _Stream(httpcore.NetworkStream):
    """A connection each of whose steps has what is left of the call's time."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, _left(timeout, httpcore.ConnectTimeout)))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    """Makes such connections."""

    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left_seconds = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.connect_tcp(host, port, left_seconds, local_address, socket_options))

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self._inner.connect_unix_socket(path, _left(timeout, httpcore.ConnectTimeout), socket_options))

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)
