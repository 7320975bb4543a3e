"""What is below the application: bytes that are no request, heads without end, callers that dawdle."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
import uvicorn
from http_bed import bearer
from uvicorn.server import ServerState

from acrux.http import protocol
from acrux.http.protocol import MAX_HEAD_BYTES, Protocol

TOKEN = b"Authorization: " + bearer("jira")["Authorization"].encode() + b"\r\n"
DECIDE = b"POST /v1/decisions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + TOKEN
BODY = b'{"client":"jira"}'
ALIVE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


@asynccontextmanager
async def connected(app):
    """A connection to an application that is served with its own protocol."""
    config = uvicorn.Config(app, lifespan="off", ws="none", interface="asgi3", log_config=None)
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Protocol(config, ServerState(), {}, _loop=loop), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()


async def told(app, *sent):
    """The head and the body of what comes back for some bytes, until the connection is closed."""
    async with connected(app) as (reader, writer):
        for part in sent:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
        return head.decode().lower(), body


def is_refusal(head, body, detail):
    """Whether an answer is the 400 of all problems, with what surrounds every answer."""
    assert head.startswith("http/1.1 400 bad request\r\n")
    assert "content-type: application/problem+json" in head
    assert "cache-control: no-store" in head
    problem = json.loads(body)
    assert f"x-request-id: {problem['request_id']}" in head
    assert (problem["code"], problem["status"]) == ("malformed", 400)
    return detail in problem["detail"]


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x00\x00\r\n\r\n",
        b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n",
        DECIDE + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        DECIDE + b"Content-Length: 17\r\nContent-Length: 18\r\n\r\n" + BODY,
        DECIDE + b"Content-Length: -1\r\n\r\n",
        DECIDE + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-ID: a\x00b\r\n\r\n",
        "GET /v1/clients/é/fallback HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    ],
)
async def test_what_is_no_request_is_answered_as_a_problem(bed, sent):
    """Whatever the parser refuses has the form, the id and the no-store of every other answer."""
    assert is_refusal(*await told(bed.app, sent), "no HTTP/1.1 request")


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        (b"GET /healthz HTTP/1.1\r\n\r\n", "`Host` is missing"),
        (ALIVE + b"Host: y\r\n\r\n", "`Host` is there more than once"),
        (ALIVE + TOKEN + TOKEN + b"\r\n", "`Authorization` is there more than once"),
        (ALIVE + b"Idempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n", "`Idempotency-Key` is there more than once"),
    ],
)
async def test_a_head_that_reads_in_two_ways_is_refused(bed, sent, detail):
    """A line that a proxy and this service could choose differently between is nobody's to choose."""
    assert is_refusal(*await told(bed.app, sent), detail)


async def test_other_lines_may_repeat(bed):
    """Only the lines that are acted upon may be there once; HTTP/1.0 needs no `Host`."""
    head, _ = await told(bed.app, ALIVE + b"X-A: 1\r\nX-A: 2\r\nConnection: close\r\n\r\n")
    assert head.startswith("http/1.1 200")
    head, _ = await told(bed.app, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert head.startswith("http/1.1 200")


@pytest.mark.parametrize(
    "sent",
    [
        [ALIVE + b"X-A: " + b"a" * 2 * MAX_HEAD_BYTES],
        [b"GET /" + b"a" * 2 * MAX_HEAD_BYTES],
        [ALIVE, b"".join(b"X-%d: a\r\n" % number for number in range(9_000))],
        [ALIVE + b"X-A: " + b"a" * (MAX_HEAD_BYTES + 1) + b"\r\n\r\n"],
    ],
)
async def test_a_head_without_end_is_refused(bed, sent):
    """A head may not fill the memory, whether it ends or not."""
    assert is_refusal(*await told(bed.app, *sent), "more than 65536 bytes")


async def test_a_large_body_is_no_head(bed):
    """A small head with a body beside it in one packet is not taken for a large head: the body's own limit holds."""
    padded = BODY[:-1] + b" " * (MAX_HEAD_BYTES - len(BODY)) + b"}"
    sent = DECIDE + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(padded) + padded
    head, _ = await told(bed.app, sent)
    assert head.startswith("http/1.1 200")


async def test_a_caller_that_still_sends_has_its_413(bed):
    """The rest of a body that is too large is taken and dropped, and the connection goes on."""
    async with connected(bed.app) as (reader, writer):
        writer.write(DECIDE + b"Content-Length: 3000000\r\n\r\n" + b" " * 3_000_000)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 413")
        await reader.readuntil(b"}")
        writer.write(ALIVE + b"Connection: close\r\n\r\n")
        assert (await reader.read(-1)).startswith(b"HTTP/1.1 200")


async def test_another_protocol_is_not_gone_over_to(bed):
    """A request that asks for HTTP/2 on the way, as Java's client does, is answered as if it had not."""
    asks = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\n"
    async with connected(bed.app) as (reader, writer):
        for _ in range(2):  # and the connection goes on
            writer.write(DECIDE + asks + b"Content-Length: 17\r\n\r\n" + BODY)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            assert json.loads(await reader.readexactly(length))["level"] == "mfa"


async def test_rubbish_behind_a_request_is_not_its_answer(bed):
    """A whole request under way gets its own answer; what follows it and is none ends the connection."""
    head, body = await told(bed.app, DECIDE + b"Content-Length: 17\r\n\r\n" + BODY + b"\x00\x01rubbish\r\n\r\n")
    assert head.startswith("http/1.1 200")
    assert json.loads(body)["level"] == "mfa"


@pytest.mark.parametrize("sent", [b"GET /he", DECIDE + b"Content-Length: 17\r\n\r\n{"])
async def test_who_dawdles_is_given_up(bed, monkeypatch, sent):
    """Half a request does not hold its connection for ever."""
    monkeypatch.setattr(protocol, "MESSAGE_SECONDS", 0.01)
    assert is_refusal(*await told(bed.app, sent), "not here whole within")


async def test_who_dawdles_over_an_answered_request_is_hung_up_on(bed, monkeypatch):
    """A body that nobody wants any more, because its request is answered, is not waited for."""
    monkeypatch.setattr(protocol, "MESSAGE_SECONDS", 0.01)
    head, body = await told(bed.app, b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n{")
    assert head.startswith("http/1.1 404")
    assert json.loads(body)["code"] == "not_found"


async def test_what_is_asked_slowly_behind_another_request_has_its_time(bed, monkeypatch):
    """A request that waits for the one before it is not read meanwhile, and so is not late."""
    monkeypatch.setattr(protocol, "MESSAGE_SECONDS", 0.01)
    held, freed = asyncio.Event(), asyncio.Event()

    async def slow(scope, receive, send):
        if not held.is_set():
            held.set()
            await freed.wait()
        await bed.app(scope, receive, send)

    async with connected(slow) as (reader, writer):
        writer.write(DECIDE + b"Content-Length: 17\r\n\r\n" + BODY + DECIDE + b"Content-Length: 17\r\n\r\n{")
        await held.wait()
        await asyncio.sleep(0.05)
        freed.set()
        answers = await reader.read(-1)
    first, _, second = answers.partition(b"HTTP/1.1 400")
    assert first.startswith(b"HTTP/1.1 200")
    assert b"not here whole" in second
