"""The control channel and a worker's side of it, over a real socket pair."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from acrux.domain.identifiers import Revision, StreamId
from acrux.wiring.channel import Channel
from acrux.wiring.link import SupervisorLink
from acrux.wiring.messages import (
    Answer,
    Drain,
    FlushAsked,
    PolicyOffer,
    PolicyTaken,
    ReloadAsked,
    Shipped,
    Spooled,
    StatusChanged,
    TokensAsked,
    TokensChanged,
)
from acrux.wiring.services import NodeStatus, ReloadReport, Role, Token

TOKENS = {b"digest": Token("t1", Role.OPERATOR)}
STREAM = StreamId("s1")


@contextlib.asynccontextmanager
async def pair() -> AsyncIterator[tuple[Channel, Channel]]:
    ours, theirs = socket.socketpair()
    left, right = await Channel.over(ours), await Channel.over(theirs)
    try:
        yield left, right
    finally:
        await left.close()
        await right.close()


class Heard:
    def __init__(self) -> None:
        self.offers: list[PolicyOffer] = []
        self.tokens: list[object] = []

    async def offer(self, offer: PolicyOffer) -> None:
        self.offers.append(offer)

    def take_tokens(self, tokens: object) -> None:
        self.tokens.append(tokens)


async def test_messages_arrive_whole_and_in_order() -> None:
    """What is sent is received, whole and in order, however large; the end of the other side is a None."""
    async with pair() as (left, right):
        large = PolicyOffer(1, b"x" * 3_000_000, datetime.now(UTC), None)
        left.send(large)
        left.send(Drain())
        assert await right.receive() == large
        assert await right.receive() == Drain()
        await left.close()
        assert await right.receive() is None
        left.send(Drain())  # to nobody: no error


async def test_a_question_gets_its_own_answer() -> None:
    """Answers find their questions by number, in whatever order they come; a failed one raises OSError."""
    async with pair() as (left, right):
        link, heard = SupervisorLink(left), Heard()
        listening = asyncio.create_task(link.listen(on_offer=heard.offer, on_tokens=heard.take_tokens))
        reload, tokens, flush = (
            asyncio.create_task(link.reload()),
            asyncio.create_task(link.tokens()),
            asyncio.create_task(link.flush()),
        )
        asked = [await right.receive() for _ in range(3)]
        assert [type(question) for question in asked] == [ReloadAsked, TokensAsked, FlushAsked]
        report = ReloadReport(Revision("sha256:1"), changed=True)
        right.send(Answer(asked[2].number, failed="the database is away"))
        right.send(Answer(asked[1].number, TOKENS))
        right.send(Answer(99))
        right.send(Answer(asked[0].number, report))
        assert await reload == report
        assert await tokens == TOKENS
        with pytest.raises(OSError, match="the database is away"):
            await flush
        right.send(Drain())
        await listening


async def test_an_answer_of_the_wrong_kind_is_an_error() -> None:
    """A reload answered with tokens, or tokens with nothing, is an OSError and no value."""
    async with pair() as (left, right):
        link, heard = SupervisorLink(left), Heard()
        listening = asyncio.create_task(link.listen(on_offer=heard.offer, on_tokens=heard.take_tokens))
        reload, tokens = asyncio.create_task(link.reload()), asyncio.create_task(link.tokens())
        first, second = await right.receive(), await right.receive()
        right.send(Answer(first.number, TOKENS))
        right.send(Answer(second.number, None))
        for task in (reload, tokens):
            with pytest.raises(OSError, match="answer"):
                await task
        right.send(Drain())
        await listening


async def test_a_worker_hears_what_is_pushed() -> None:
    """Offers, tokens and the node's status reach the worker; a drain ends the listening."""
    async with pair() as (left, right):
        link, heard = SupervisorLink(left), Heard()
        offer = PolicyOffer(3, None, None, None)
        for message in (offer, TokensChanged(TOKENS), StatusChanged(NodeStatus(5, 1.5, database_reachable=False))):
            right.send(message)
        right.send(Drain())
        await link.listen(on_offer=heard.offer, on_tokens=heard.take_tokens)
        assert heard.offers == [offer]
        assert heard.tokens == [TOKENS]
        assert link.status == NodeStatus(5, 1.5, database_reachable=False)


async def test_a_message_for_the_supervisor_is_refused_by_a_worker() -> None:
    """A worker that hears what only a supervisor is told stops: the two are not the same program."""
    async with pair() as (left, right):
        right.send(PolicyTaken(1))
        heard = Heard()
        with pytest.raises(RuntimeError, match="PolicyTaken"):
            await SupervisorLink(left).listen(on_offer=heard.offer, on_tokens=heard.take_tokens)


async def test_a_lost_supervisor_fails_open_questions() -> None:
    """Whoever waits for a supervisor that is gone gets an OSError, not silence."""
    async with pair() as (left, right):
        link, heard = SupervisorLink(left), Heard()
        listening = asyncio.create_task(link.listen(on_offer=heard.offer, on_tokens=heard.take_tokens))
        flush = asyncio.create_task(link.flush())
        await right.receive()
        await right.close()
        with pytest.raises(ConnectionError):
            await flush
        await listening


async def test_waiting_for_the_database() -> None:
    """A wait ends when the position has reached the sequence, at once where it already has, and in False in time."""
    async with pair() as (left, right):
        link, heard = SupervisorLink(left), Heard()
        listening = asyncio.create_task(link.listen(on_offer=heard.offer, on_tokens=heard.take_tokens))
        first = asyncio.create_task(link.wait_shipped(STREAM, 5, 30.0))
        second = asyncio.create_task(link.wait_shipped(STREAM, 9, 30.0))
        never = asyncio.create_task(link.wait_shipped(STREAM, 99, 0.0))
        assert isinstance(await right.receive(), Spooled)
        assert await never is False
        right.send(Shipped("other", 100))
        right.send(Shipped(STREAM, 7))
        assert await first is True
        assert not second.done()
        right.send(Shipped(STREAM, 9))
        assert await second is True
        assert await link.wait_shipped(STREAM, 8, 0.0) is True
        right.send(Drain())
        await listening
