"""The redirect adapter's limits: token buckets of bounded memory, and places to work in."""

import asyncio

import pytest

from acrux.http import rp_quotas
from acrux.http.problems import Problem
from acrux.http.rp_quotas import Buckets, Places, Quotas, Rate


class Clock:
    """A clock that a test sets."""

    seconds = 0.0

    def __call__(self):
        return self.seconds


def test_a_bucket_fills_again():
    """So many at once, then so many a second; never more than the burst."""
    clock = Clock()
    buckets = Buckets(Rate(2, 3), clock)
    assert [buckets.take("a") for _ in range(4)] == [True, True, True, False]
    assert buckets.take("b")
    clock.seconds = 0.5
    assert [buckets.take("a") for _ in range(2)] == [True, False]
    clock.seconds = 1000.0
    assert [buckets.take("a") for _ in range(4)] == [True, True, True, False]


def test_no_limit():
    """A quota that is off never ends, and remembers nobody."""
    buckets = Buckets(None, Clock())
    assert all(buckets.take("a") for _ in range(1000))
    assert len(buckets) == 0


def test_memory_is_bounded(monkeypatch):
    """The key that was used longest ago is forgotten."""
    monkeypatch.setattr(rp_quotas, "MAX_BUCKETS", 2)
    buckets = Buckets(Rate(0, 1), Clock())
    assert buckets.take("a")
    assert buckets.take("b")
    assert not buckets.take("a")
    assert buckets.take("c")
    assert len(buckets) == 2
    assert not buckets.take("a")
    assert buckets.take("b")


def test_who_shares_a_quota():
    """An IPv6 subscriber has one quota, and so have all whose address can't be known; clients are apart."""
    quotas = Quotas(Rate(0, 1), Rate(0, 2), Places(1, 1, 1.0), Clock())
    for first, second in (("2001:db8::1", "2001:db8::2"), (None, None), ("203.0.113.1", "203.0.113.1")):
        quotas.check_address(first)
        with pytest.raises(Problem):
            quotas.check_address(second)
    quotas.check_address("2001:db8:0:1::1")
    quotas.check_client("jira")
    quotas.check_client("jira")
    with pytest.raises(Problem):
        quotas.check_client("jira")
    quotas.check_client("wiki")


async def test_places():
    """One works, one waits, the next is sent away; who waits too long too."""
    places = Places(1, 1, 0.05)
    begun, end = asyncio.Event(), asyncio.Event()

    async def work():
        async with places.one():
            begun.set()
            await end.wait()

    async def wait():
        async with places.one():
            pass

    working = asyncio.create_task(work())
    await begun.wait()
    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    with pytest.raises(Problem):
        await wait()
    with pytest.raises(Problem):
        await waiting
    end.set()
    await working
    await wait()


async def test_a_provider_that_hangs():
    """Logins at one of several providers never have all places, however many of them wait."""
    places = Places(4, 4, 0.05)
    end = asyncio.Event()

    async def hang():
        async with places.one_for("slow"):
            await end.wait()

    hanging = [asyncio.create_task(hang()) for _ in range(20)]
    await asyncio.sleep(0)
    async with places.one_for("quick"):
        pass
    await asyncio.sleep(0.1)
    end.set()
    ended = await asyncio.gather(*hanging, return_exceptions=True)
    assert [isinstance(one, Problem) for one in ended].count(False) == 3
