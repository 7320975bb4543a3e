"""A worker's side of the control channel: questions to the supervisor, and what it pushes. No HTTP, no policy words."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Final

from acrux.domain.identifiers import StreamId
from acrux.wiring.geoip_keeper import GeoipOffer
from acrux.wiring.messages import (
    Answer,
    Drain,
    FlushAsked,
    PolicyOffer,
    ReloadAsked,
    Shipped,
    Spooled,
    Start,
    StatusChanged,
    TokensAsked,
    TokensChanged,
)
from acrux.wiring.services import NodeStatus, ReloadReport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from acrux.wiring.channel import Channel
    from acrux.wiring.messages import ToSupervisor
    from acrux.wiring.services import Token

FLUSH_TIMEOUT_SECONDS: Final = 5.0
RELOAD_TIMEOUT_SECONDS: Final = 120.0
TOKENS_TIMEOUT_SECONDS: Final = 2.0


class SupervisorLink:
    """What a worker can ask of its supervisor, and what it hears from it.

    Attributes:
        status: what the supervisor last said of the node.
    """

    __slots__ = ("_channel", "_numbers", "_positions", "_questions", "_waiting", "status")

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._numbers = itertools.count(1)
        self._questions: dict[int, asyncio.Future[ReloadReport | Mapping[bytes, Token] | None]] = {}
        self._positions: dict[str, int] = {}
        self._waiting: list[tuple[str, int, asyncio.Future[None]]] = []
        self.status = NodeStatus()

    def tell(self, message: ToSupervisor) -> None:
        """Tells the supervisor something that needs no answer."""
        self._channel.send(message)

    async def reload(self) -> ReloadReport:
        """Has the policy directory read; returns when all workers have the set.

        Raises:
            OSError: the supervisor is gone, or did not answer within `RELOAD_TIMEOUT_SECONDS`.
        """
        number = next(self._numbers)
        content = await self._ask(number, ReloadAsked(number), RELOAD_TIMEOUT_SECONDS)
        if not isinstance(content, ReloadReport):
            raise OSError("the supervisor's answer is no reload report")
        return content

    async def tokens(self) -> Mapping[bytes, Token]:
        """The tokens that work at this moment.

        Raises:
            OSError: the supervisor or the database can't be asked.
        """
        number = next(self._numbers)
        content = await self._ask(number, TokensAsked(number), TOKENS_TIMEOUT_SECONDS)
        if content is None or isinstance(content, ReloadReport):
            raise OSError("the supervisor's answer has no tokens")
        return content

    async def flush(self) -> None:
        """Returns when everything that the node has appended so far is in the database.

        Raises:
            OSError: it is not, after `FLUSH_TIMEOUT_SECONDS` (a `TimeoutError`), or the supervisor is gone.
        """
        number = next(self._numbers)
        await self._ask(number, FlushAsked(number), FLUSH_TIMEOUT_SECONDS)

    async def wait_shipped(self, stream: StreamId, sequence: int, timeout_seconds: float, /) -> bool:
        """True as soon as a stream's record is in the database; False if it is not, after that time."""
        if self._positions.get(stream, 0) >= sequence:
            return True
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((stream, sequence, arrived))
        self.tell(Spooled())
        try:
            async with asyncio.timeout(timeout_seconds):
                await arrived
        except TimeoutError:
            return False
        return True

    async def listen(
        self,
        *,
        on_offer: Callable[[PolicyOffer | GeoipOffer], Awaitable[None]],
        on_tokens: Callable[[Mapping[bytes, Token]], None],
    ) -> None:
        """Hears the supervisor until it says to drain, or is gone."""
        while (message := await self._channel.receive()) is not None:
            match message:
                case PolicyOffer() | GeoipOffer():
                    await on_offer(message)
                case TokensChanged(tokens):
                    on_tokens(tokens)
                case StatusChanged(status):
                    self.status = status
                case Shipped(stream, position):
                    self._advance(stream, position)
                case Answer():
                    self._settle(message)
                case Drain():
                    return
                case Start():
                    raise RuntimeError("a worker is started once")
                case _:
                    raise RuntimeError(f"not for a worker: {type(message).__name__}")
        for question in self._questions.values():
            if not question.done():
                question.set_exception(ConnectionError("the supervisor is gone"))

    async def _ask(
        self, number: int, question: ToSupervisor, timeout_seconds: float
    ) -> ReloadReport | Mapping[bytes, Token] | None:
        answered: asyncio.Future[ReloadReport | Mapping[bytes, Token] | None]
        answered = asyncio.get_running_loop().create_future()
        self._questions[number] = answered
        self.tell(question)
        try:
            async with asyncio.timeout(timeout_seconds):
                return await answered
        finally:
            del self._questions[number]

    def _settle(self, answer: Answer) -> None:
        question = self._questions.get(answer.number)
        if question is None or question.done():
            return
        if answer.failed is None:
            question.set_result(answer.content)
        else:
            question.set_exception(OSError(answer.failed))

    def _advance(self, stream: str, position: int) -> None:
        self._positions[stream] = position
        still: list[tuple[str, int, asyncio.Future[None]]] = []
        for entry in self._waiting:
            waited_stream, sequence, arrived = entry
            if arrived.done():
                continue
            if waited_stream == stream and sequence <= position:
                arrived.set_result(None)
            else:
                still.append(entry)
        self._waiting = still
