"""The worker processes: started, replaced when they die, told things, drained. What they say is only handed on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import multiprocess

from acrux.wiring.channel import Channel
from acrux.wiring.geoip_keeper import GeoipOffer
from acrux.wiring.messages import Drain, GeoipTaken, PolicyOffer, PolicyTaken, Ready, Start, ToSupervisor, ToWorker

_log: Final = logging.getLogger(__name__)
FIRST_DELAY_SECONDS: Final = 0.1
LONGEST_DELAY_SECONDS: Final = 5.0
OFFER_TIMEOUT_SECONDS: Final = 60.0
DRAIN_TIMEOUT_SECONDS: Final = 35.0
STARTS_BEFORE_GIVING_UP: Final = 3


class WorkersWontStart(RuntimeError):  # noqa: N818 - it reads as what happened
    """Workers died before one of them served, several times over: the cause is above, in their own words."""


@dataclass(eq=False, slots=True)
class Worker:
    """One worker process.

    Attributes:
        taken: the number of the newest offer that it decides with.
        geoip_taken: the number of the newest offer of GeoIP files that it looks addresses up in.
        changed: set whenever one of the two moves, or the worker is gone.
    """

    process: subprocess.Popen[bytes]
    channel: Channel
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    taken: int = 0
    geoip_taken: int = 0
    gone: bool = False


class WorkerPool:
    """A fixed number of workers on the same listening sockets.

    Args:
        listening: the sockets that all workers accept from.
        make_start: the first message of a new worker, made when it starts: it has the policy at once.
        on_message: everything a worker says but `Ready`, `PolicyTaken` and `GeoipTaken`.
    """

    def __init__(
        self,
        count: int,
        listening: list[socket.socket],
        *,
        make_start: Callable[[], Start],
        on_message: Callable[[Worker, ToSupervisor], None],
    ) -> None:
        self._count = count
        self._listening = listening
        self._make_start = make_start
        self._on_message = on_message
        self._workers: set[Worker] = set()
        self._keepers: list[asyncio.Task[None]] = []
        self._draining = False
        self._served_once = asyncio.Event()

    async def start(self) -> None:
        """Starts the workers; returns when all of them serve.

        Raises:
            WorkersWontStart: they keep dying before one has served.
        """
        self._keepers = [asyncio.create_task(self._keep_one(), name=f"worker-{n}") for n in range(self._count)]
        serving = asyncio.create_task(self._all_ready())
        await asyncio.wait([serving, *self._keepers], return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            serving.cancel()
            for keeper in self._keepers:
                if keeper.done():
                    keeper.result()
        await serving

    def broadcast(self, message: ToWorker) -> None:
        """Tells every worker something."""
        for worker in self._workers:
            worker.channel.send(message)

    async def offer(self, offer: PolicyOffer) -> None:
        """Offers a set to every worker; returns when each decides with it, or is gone.

        Raises:
            TimeoutError: one of them does neither within `OFFER_TIMEOUT_SECONDS`.
        """
        await self._until_all(offer, lambda worker: worker.taken >= offer.number)

    async def offer_geoip(self, offer: GeoipOffer) -> None:
        """Offers GeoIP files to every worker; returns when each looks addresses up in them, or is gone.

        Raises:
            TimeoutError: as `offer`.
        """
        await self._until_all(offer, lambda worker: worker.geoip_taken >= offer.number)

    async def _until_all(self, offer: PolicyOffer | GeoipOffer, took: Callable[[Worker], bool]) -> None:
        workers = tuple(self._workers)
        self.broadcast(offer)
        async with asyncio.timeout(OFFER_TIMEOUT_SECONDS):
            for worker in workers:
                while not took(worker) and not worker.gone:
                    worker.changed.clear()
                    await worker.changed.wait()

    async def drain(self) -> None:
        """Lets every worker finish what is under way; one that does not within `DRAIN_TIMEOUT_SECONDS` is killed."""
        self._draining = True
        self.broadcast(Drain())
        _, late = await asyncio.wait(self._keepers, timeout=DRAIN_TIMEOUT_SECONDS) if self._keepers else ((), set())
        for worker in tuple(self._workers):
            _log.warning("worker %d does not finish; killing it", worker.process.pid)
            worker.process.kill()
        if late:
            await asyncio.wait(late)

    @property
    def failed(self) -> asyncio.Future[None] | None:
        """A keeper that gave up, if there is one: its exception says why."""
        return next((keeper for keeper in self._keepers if keeper.done() and not self._draining), None)

    async def _all_ready(self) -> None:
        # The set of workers changes while we wait, so there is no one event to wait for.
        while len(self._workers) < self._count or not all(w.ready.is_set() for w in self._workers):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def _keep_one(self) -> None:
        delay_seconds = FIRST_DELAY_SECONDS
        starts = 0
        while not self._is_draining():
            worker = await self._spawn()
            starts += 1
            await self._attend(worker)
            status = await asyncio.to_thread(worker.process.wait)
            multiprocess.mark_process_dead(worker.process.pid)  # type: ignore[no-untyped-call]
            if self._is_draining():
                return
            _log.error("worker %d is gone (exit status %d); starting another", worker.process.pid, status)
            if worker.ready.is_set():
                delay_seconds, starts = FIRST_DELAY_SECONDS, 0
                continue
            if starts >= STARTS_BEFORE_GIVING_UP and not self._served_once.is_set():
                raise WorkersWontStart("the workers don't start; what they said is above")
            await asyncio.sleep(delay_seconds)
            delay_seconds = min(delay_seconds * 2, LONGEST_DELAY_SECONDS)

    def _is_draining(self) -> bool:
        return self._draining

    async def _spawn(self) -> Worker:
        ours, theirs = socket.socketpair()
        descriptors = [theirs.fileno(), *(listening.fileno() for listening in self._listening)]
        with theirs:
            # A session of its own: Ctrl-C at a terminal reaches the supervisor alone, which then drains.
            process = subprocess.Popen(  # noqa: ASYNC220, S603 - forking is fast; the command is this program
                [sys.executable, "-m", "acrux.wiring.worker", *map(str, descriptors)],
                pass_fds=descriptors,
                start_new_session=True,
                env=dict(os.environ),
                stdin=subprocess.DEVNULL,
            )
        worker = Worker(process, await Channel.over(ours))
        # No await between the start message and the set: an offer made from here on reaches this worker too.
        start = self._make_start()
        worker.channel.send(start)
        worker.taken = start.offer.number if start.offer.pickled is None else 0
        self._workers.add(worker)
        return worker

    async def _attend(self, worker: Worker) -> None:
        try:
            while (message := await worker.channel.receive()) is not None:
                match message:
                    case Ready():
                        worker.ready.set()
                        self._served_once.set()
                    case PolicyTaken(number):
                        worker.taken = number
                        worker.changed.set()
                    case GeoipTaken(number):
                        worker.geoip_taken = number
                        worker.changed.set()
                    case _:
                        self._on_message(worker, message)  # type: ignore[arg-type]
        finally:
            worker.gone = True
            worker.changed.set()
            self._workers.discard(worker)
            with contextlib.suppress(ConnectionError):
                await worker.channel.close()
