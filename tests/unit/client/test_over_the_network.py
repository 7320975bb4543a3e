"""The clients over real connections: their time, and what they do beside the callers."""

import asyncio
import inspect
import socket
import time

import dripping
import httpx
import pytest

from acrux.client import (
    AcruxClient,
    AsyncAcruxClient,
    UnavailableError,
)


@pytest.fixture
def silent_port():
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.fixture(params=dripping.PLACES)
def dripping_port(request):
    """A port whose answers come a few bytes at a time: the status line, headers without end, or the body."""
    with dripping.dripping_port(request.param) as port:
        yield port


@pytest.mark.parametrize("kind", [AcruxClient, AsyncAcruxClient])
async def test_time_is_for_the_whole_call(kind, silent_port, monkeypatch) -> None:
    """A service that accepts and says nothing costs the caller the time-out, once."""
    monkeypatch.setattr(kind, "start", lambda _: None)
    client = kind(f"http://127.0.0.1:{silent_port}", "acrux_t", client="jira", timeout_seconds=0.2)

    async def call(name):
        found = getattr(client, name)()
        return await found if inspect.isawaitable(found) else found

    began = time.monotonic()
    with pytest.raises(UnavailableError):
        await call("decide")
    assert time.monotonic() - began < 5
    monkeypatch.setattr(client, "_timeout_seconds", -1.0)
    with pytest.raises(UnavailableError, match="timed out"):
        await call("decide")
    await call("close")


@pytest.mark.parametrize("kind", [AcruxClient, AsyncAcruxClient])
async def test_time_is_for_an_answer_that_drips(kind, dripping_port, monkeypatch) -> None:
    """An answer that never pauses for long and never ends is none: Acrux could not be reached in time."""
    monkeypatch.setattr(kind, "start", lambda _: None)
    client = kind(f"http://127.0.0.1:{dripping_port}", "acrux_t", client="jira", timeout_seconds=0.1)

    async def call(name):
        found = getattr(client, name)()
        return await found if inspect.isawaitable(found) else found

    with pytest.raises(UnavailableError, match="timed out"):
        await call("decide")
    await call("close")


async def test_refreshes_beside_the_callers_async(service) -> None:
    """The asynchronous client has the ceiling soon after its start, without being asked, and reports on its own."""
    async with AsyncAcruxClient(
        "https://acrux.example.com", "acrux_t", client="jira",
        transport=httpx.MockTransport(service), refresh_interval_seconds=0.001,
    ) as client:  # fmt: skip
        while client.ceiling() is None:  # noqa: ASYNC110 - the client has no event to wait for
            await asyncio.sleep(0.001)
        service.answers["decide"] = httpx.ConnectError("refused")
        assert (await client.decide()).fallback
        while not service.reports():  # noqa: ASYNC110 - same
            await asyncio.sleep(0.001)
    client.start()
    assert client._refresher.cancelled() or client._refresher.done(), "a closed client does not start again"


def test_refreshes_beside_the_callers_sync(service) -> None:
    """The blocking client does the same on a thread of its own."""
    with AcruxClient(
        "https://acrux.example.com", "acrux_t", client="jira",
        transport=httpx.MockTransport(service), refresh_interval_seconds=0.001,
    ) as client:  # fmt: skip
        while client.ceiling() is None:
            time.sleep(0.001)
        service.answers["decide"] = httpx.ConnectError("refused")
        assert client.decide().fallback
        while not service.reports():
            time.sleep(0.001)
        refresher = client._refresher
        client.start()
        assert client._refresher is refresher
    assert not refresher.is_alive()
    client._refresher_process = 0
    client.start()
    assert client._refresher is refresher, "a closed client does not start again"
