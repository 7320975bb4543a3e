"""Below the application: what is no HTTP request is answered in the form of all problems, and nobody may dawdle."""

import asyncio
import re
from collections.abc import Iterable
from typing import Any, Final

import uuid_utils
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from acrux.http.envelope import NO_STORE, problem_headers, valid_request_id
from acrux.http.problems import Code, Problem

MAX_HEAD_BYTES: Final = 64 * 1024
MESSAGE_SECONDS: Final = 15.0
"""A request that is not here whole by then is given up: less than a drain takes, so that none is cut off by one."""
LINGER_SECONDS: Final = 2.0
_LOOKS: Final = 3
"""How often within that time a connection is looked at: so late by a third at most."""
_NO_HEAD: Final = float("-inf")
_HEAD_END: Final = b"\r\n\r\n"
_TOO_LARGE: Final = f"the request line and the header lines have more than {MAX_HEAD_BYTES} bytes"
_TOO_LATE: Final = f"the request was not here whole within {MESSAGE_SECONDS:.0f} seconds"
_NO_HTTP: Final = "no HTTP/1.1 request"
_ONCE: Final = (b"host", b"authorization", b"content-type", b"idempotency-key")
_UPGRADE_LINE: Final = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)


class Protocol(HttpToolsProtocol):
    """One connection.

    uvicorn answers what its parser refuses with plain text, bounds neither the request's head nor the time that it
    takes, and loses the body of a request that asks for another protocol, as Java's client does by default. A server
    may go on as if that had not been asked (RFC 9110 section 7.8).
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._head_bytes = 0.0
        self._began_at_seconds: float | None = None
        self._why = _NO_HTTP
        self._refused = False
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to watch the time."""
        super().connection_made(transport)
        self._watch = self.loop.call_later(MESSAGE_SECONDS / _LOOKS, self._give_up_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends watching."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes what has come; a head without end is refused before it fills the memory."""
        if self._refused or self.transport.is_closing():
            return
        if self._head_bytes == 0:
            self._began_at_seconds = self.loop.time()
            if b"pgrade" in data:
                data = _without_upgrade(data)
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Hands the request on, if its head is one that nobody can read in two ways (RFC 9112 sections 3.2 and 11.2).

        Raises:
            ValueError: it is not; that stops the parser, which leads to `send_400_response`.
        """
        names = [name for name, _ in self.headers]
        if b"host" not in names and self.parser.get_http_version() == "1.1":
            self._why = "the header line `Host` is missing"
            raise ValueError(self._why)
        if len(set(names)) < len(names):
            for name in _ONCE:
                if names.count(name) > 1:
                    self._why = f"the header line `{name.decode().title()}` is there more than once"
                    raise ValueError(self._why)
        if self._head_bytes > MAX_HEAD_BYTES and self._head_length() > MAX_HEAD_BYTES:
            self._why = _TOO_LARGE
            raise ValueError(self._why)
        self._head_bytes = _NO_HEAD
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is here; the next may begin."""
        self._head_bytes = 0
        self._began_at_seconds = None
        super().on_message_complete()
        self.headers = []

    def send_400_response(self, msg: str) -> None:
        """Answers what the parser refuses."""
        del msg  # it says the same of everything
        self._refuse(self._why)

    def _refuse(self, why: str) -> None:
        """Answers what is no request, and closes: nobody knows where the next one would begin.

        What still comes is taken and dropped for a moment: closing on it at once would reset the connection, and the
        answer could be lost with it (RFC 9112 section 9.6).
        """
        if self._refused or self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete and not cycle.more_body:
            # A whole request is under way: this answer would be taken for its own.
            cycle.keep_alive = False
            self.flow.pause_reading()
            return
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(_answer(why, self.headers or ()))
        self._refused = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing to say: anybody could fill the log with it."""

    def _head_length(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _give_up_late(self) -> None:
        now = self.loop.time()
        self._watch = self.loop.call_later(MESSAGE_SECONDS / _LOOKS, self._give_up_late)
        if self.pipeline:
            self._began_at_seconds = now  # it waits for the request before it, and is not read meanwhile
        began = self._began_at_seconds
        if began is None or now - began < MESSAGE_SECONDS:
            return
        cycle: RequestResponseCycle | None = self.cycle
        if self._head_bytes < 0 and cycle is not None and cycle.response_complete:
            self.transport.close()  # answered, without the rest of its body
        else:
            self._refuse(_TOO_LATE)


def _answer(why: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    sent_id = dict(headers).get(b"x-request-id", b"")
    request_id = sent_id.decode() if valid_request_id(sent_id) else str(uuid_utils.uuid7())
    problem = Problem(Code.MALFORMED, why)
    body = problem.body(request_id)
    lines = (
        *problem_headers(problem, 0),
        NO_STORE,
        (b"x-request-id", request_id.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    )
    return STATUS_LINE[problem.status] + b"".join(b"%b: %b\r\n" % line for line in lines) + b"\r\n" + body


def _without_upgrade(data: bytes) -> bytes:
    """The same request, without asking for another protocol; only its head is looked at."""
    head, end, rest = data.partition(_HEAD_END)
    return _UPGRADE_LINE.sub(b"", head) + end + rest
