"""One time limit for a whole blocking call: what each step on the network is granted."""

import threading
import time

import httpcore
import httpx
import pytest

from acrux.client.deadlines import _Backend, _left, hurried, hurry


def test_a_step_has_what_is_left() -> None:
    """Within a hurried call a step has its own time or what is left, the shorter; after the call its own again."""
    with hurried(time.monotonic() + 1000):
        assert _left(5, httpcore.ReadTimeout) == 5
        assert 900 < _left(None, httpcore.ReadTimeout) <= 1000
        assert 900 < _left(2000, httpcore.ReadTimeout) <= 1000
    assert _left(2000, httpcore.ReadTimeout) == 2000
    assert _left(None, httpcore.ReadTimeout) is None


def test_no_step_begins_too_late() -> None:
    """After the deadline no step is begun, however short it would be: drops that come fast enough would go on."""
    with hurried(time.monotonic() - 1), pytest.raises(httpcore.WriteTimeout):
        _left(5, httpcore.WriteTimeout)


def test_others_are_not_hurried() -> None:
    """A deadline is the thread's own: what is said beside the callers has its own time."""
    found = []
    with hurried(time.monotonic() - 1):
        other = threading.Thread(target=lambda: found.append(_left(5, httpcore.ReadTimeout)))
        other.start()
        other.join()
    assert found == [5]


def test_every_connection_of_a_client_is_reached() -> None:
    """httpx has no public way to its connections: should its inside change, this says so. Own transports are left."""
    with httpx.Client(mounts={"http://a.example.com": httpx.HTTPTransport(), "http://b.example.com": None}) as client:
        hurry(client)
        mounted = next(transport for transport in client._mounts.values() if transport is not None)
        for transport in (client._transport, mounted):
            assert isinstance(transport._pool._network_backend, _Backend)
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(204))) as own:
        hurry(own)
        assert own.get("http://a.example.com").status_code == 204
