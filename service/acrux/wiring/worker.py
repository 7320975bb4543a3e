"""One worker process: builds the services, serves the application on the shared sockets, drains. No policy is read."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import logging
import pickle
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import uvicorn
import uvloop

from acrux.cel import load_engine
from acrux.engine import prepare
from acrux.policy.compiled import compile_policy
from acrux.wiring.assembly import Assembly, assemble
from acrux.wiring.channel import Channel
from acrux.wiring.geoip import open_table
from acrux.wiring.geoip_keeper import GeoipOffer
from acrux.wiring.link import SupervisorLink
from acrux.wiring.messages import GeoipTaken, PolicyOffer, PolicyTaken, Ready, Start, TokensUsed
from acrux.wiring.services import PolicyHolder

_log: Final = logging.getLogger(__name__)
KEEP_ALIVE_SECONDS: Final = 75
DRAIN_SECONDS: Final = 30
BACKLOG: Final = 2048
TICK_SECONDS: Final = 1.0
YOUNG_OBJECTS: Final = 20_000
"""How many new objects start a garbage collection: a request makes hundreds, nearly all of which need none."""


class WorkerServer(uvicorn.Server):
    """uvicorn's server, governed by the supervisor instead of by signals."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals alone: the supervisor says when to drain."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts, and says so."""
        await super().startup(sockets)
        self._on_started()


class Worker:
    """One worker, from its first message to its end."""

    def __init__(self, channel: Channel, start: Start, listening: list[socket.socket]) -> None:
        self._start = start
        self._link = SupervisorLink(channel)
        self._listening = listening
        self._holder = PolicyHolder()
        self._offers = asyncio.Lock()
        self._taking: set[asyncio.Task[None]] = set()
        self._assembly: Assembly
        self._server: WorkerServer

    async def run(self) -> None:
        """Serves until the supervisor says to drain, or is gone."""
        start = self._start
        self._assembly = await assemble(start, self._link, self._holder)
        await self._take_files(start.geoip)
        await self._take(start.offer)
        module, _, name = start.app_factory.partition(":")
        application = getattr(importlib.import_module(module), name)(self._assembly.services)
        server = self._server = WorkerServer(_uvicorn_config(application), lambda: self._link.tell(Ready()))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, _stop, server)
        listening = asyncio.create_task(self._listen(server))
        ticking = asyncio.create_task(self._tick())
        try:
            await server.serve(sockets=self._listening)
        finally:
            for task in (listening, ticking):
                task.cancel()
            await asyncio.gather(listening, ticking, return_exceptions=True)
            await self._assembly.close()

    async def _listen(self, server: WorkerServer) -> None:
        try:
            await self._link.listen(on_offer=self._begin, on_tokens=self._assembly.services.tokens.replace)
        finally:
            # Drained, orphaned or confused: in each case nothing new is accepted, and what is under way is finished.
            _stop(server)

    async def _begin(self, offer: PolicyOffer | GeoipOffer) -> None:
        # Beside the listening: compiling a large set must not keep other messages waiting. The lock keeps the order.
        task = asyncio.create_task(self._take_or_stop(offer))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def _take_or_stop(self, offer: PolicyOffer | GeoipOffer) -> None:
        try:
            await (self._take(offer) if isinstance(offer, PolicyOffer) else self._take_files(offer))
        except Exception:  # noqa: BLE001 - see below
            # The supervisor validated what it offers. A worker that can't take it must not go on with what is older
            # in silence: it drains, and another is started.
            _log.exception("what the supervisor offers can't be taken")
            _stop(self._server)

    async def _take_files(self, offer: GeoipOffer) -> None:
        atlas = self._assembly.services.geography
        if atlas is not None:
            async with self._offers:
                tables = await asyncio.to_thread(
                    lambda: [open_table(Path(state.copy), fact) for fact, state in offer.states.items()]
                )
                atlas.take(tables, offer.states)
            self._assembly.services.metrics.set_geoip(offer.states)
        self._link.tell(GeoipTaken(offer.number))

    async def _take(self, offer: PolicyOffer) -> None:
        async with self._offers:
            if offer.pickled is not None and offer.loaded_at is not None:
                await self._activate(offer.pickled, offer.loaded_at)
            self._holder.last_error = offer.failure
        self._assembly.services.metrics.set_policy(
            loaded_at=self._holder.loaded_at, broken=self._holder.last_error is not None
        )
        self._link.tell(PolicyTaken(offer.number))

    async def _activate(self, pickled: bytes, loaded_at: datetime) -> None:
        if self._holder.loaded_at == loaded_at:
            return
        engine = load_engine(self._start.settings.cel_engine)
        geography = self._assembly.services.geography
        decider = await asyncio.to_thread(lambda: prepare(compile_policy(pickle.loads(pickled), engine, geography)))  # noqa: S301 - from the supervisor
        self._holder.swap(decider, loaded_at)
        # The set stays for long: collections, which would go through all of it again and again, leave it alone. What
        # was left alone for the set before is looked at once more, so that many reloads leave nothing behind.
        gc.unfreeze()
        gc.collect()
        gc.freeze()

    async def _tick(self) -> None:
        services = self._assembly.services
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if services.geography is not None:
                services.metrics.geoip_failed_lookups.update(services.geography.take_failed())
            services.metrics.flush()
            status = self._link.status
            services.metrics.set_log(unshipped_count=status.unshipped_count, lag_seconds=status.lag_seconds)
            if used := services.tokens.take_used():
                self._link.tell(TokensUsed(used, datetime.now(UTC)))


def _stop(server: WorkerServer) -> None:
    server.should_exit = True


def _uvicorn_config(application: Any) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        loop="none",
        http=application.protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        log_level="error",
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


async def _run(channel_descriptor: int, listening_descriptors: list[int]) -> None:
    channel = await Channel.over(socket.socket(fileno=channel_descriptor))
    start = await channel.receive()
    if not isinstance(start, Start):
        return  # the supervisor went before it had said anything
    listening = [socket.socket(fileno=descriptor) for descriptor in listening_descriptors]
    await Worker(channel, start, listening).run()
    await channel.close()


def main() -> None:
    """The worker's program: its arguments are the descriptors of its channel and of the listening sockets."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s worker[%(process)d] %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would say each fetch of keys
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
    channel_descriptor, *listening_descriptors = (int(argument) for argument in sys.argv[1:])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(channel_descriptor, listening_descriptors))


if __name__ == "__main__":
    main()
