"""The fixtures of these tests. Test folders are no packages: the builders are imported by name."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "building"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from client_bed import Both, Service

from acrux.client import AcruxClient, AsyncAcruxClient


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture(params=[AcruxClient, AsyncAcruxClient])
async def make(request, service, monkeypatch):
    # Each test says itself when to refresh; what happens beside the callers has tests of its own.
    monkeypatch.setattr(request.param, "start", lambda _: None)
    made = []

    def make_client(**settings) -> Both:
        made.append(Both(request.param, service, **settings))
        return made[-1]

    yield make_client
    for client in made:
        await client("close")


@pytest.fixture
def client(make) -> Both:
    return make()
