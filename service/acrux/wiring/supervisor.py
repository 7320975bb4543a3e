"""The supervisor: sockets, first start, the one shipper, the policy watcher, the workers. It decides nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import acrux
from acrux.decisionlog.errors import DecisionLogError
from acrux.policy.model import CheckedPolicy
from acrux.storage.database import DatabaseUnavailable, DatabaseUrlInvalid, StorageError
from acrux.wiring.geoip import GeoipFact
from acrux.wiring.geoip_keeper import GeoipKeeper, GeoipUnusable
from acrux.wiring.last_good import LastGoodPolicy
from acrux.wiring.layout import StateDirectory, StateInUse
from acrux.wiring.messages import (
    Answer,
    FlushAsked,
    PolicyOffer,
    ReloadAsked,
    Shipped,
    Spooled,
    Start,
    StatusChanged,
    TokensAsked,
    TokensChanged,
    TokensUsed,
    ToSupervisor,
)
from acrux.wiring.node_log import NodeLog, SchemaTooOld
from acrux.wiring.policy_keeper import PolicyKeeper
from acrux.wiring.services import NodeStatus, ReloadReport, ServiceSettings
from acrux.wiring.settings import ServeSettings
from acrux.wiring.token_keeper import TokenKeeper
from acrux.wiring.watcher import PolicyWatcher
from acrux.wiring.worker_pool import Worker, WorkerPool, WorkersWontStart

_log: Final = logging.getLogger(__name__)
WATCH_SECONDS: Final = 0.5
TOKENS_SECONDS: Final = 2.0
STATUS_SECONDS: Final = 1.0
JOB_PAUSE_SECONDS: Final = 1.0
BACKLOG: Final = 2048
YOUNG_OBJECTS: Final = 20_000
"""How many new objects start a garbage collection: a batch on its way to the database makes thousands."""


class CannotServe(RuntimeError):  # noqa: N818 - says what is the matter
    """The service can't start; the message says why and what to do."""


@dataclass(eq=False, slots=True)
class _Running:
    pool: WorkerPool
    reloads: asyncio.Lock = field(default_factory=asyncio.Lock)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)


def serve(settings: ServeSettings, app_factory: str, *, say: Callable[[str], None]) -> None:
    """Serves until SIGTERM or Ctrl-C, then drains.

    Args:
        settings: how this node serves.
        app_factory: `module:function` that makes the ASGI application of `Services`: http is above this room.
        say: shows a line to whoever started the service.

    Raises:
        CannotServe: the service can't start.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s supervisor %(levelname)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)
    state = StateDirectory(settings.state)
    try:
        state.take()
        state.begin_metrics()
    except StateInUse as problem:
        raise CannotServe(str(problem)) from problem
    except OSError as problem:
        raise CannotServe(f"the state directory {settings.state} can't be used: {problem.strerror}") from problem
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(state.metrics)
    listening = _bind(settings)
    with listening:
        try:
            supervisor = Supervisor(settings, state, app_factory, [listening], say)
        except DatabaseUrlInvalid as problem:
            raise CannotServe(f"the database's URL can't be used: {problem}") from problem
        asyncio.run(supervisor.run())


class Supervisor:
    """One node of the service."""

    def __init__(
        self,
        settings: ServeSettings,
        state: StateDirectory,
        app_factory: str,
        listening: list[socket.socket],
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._state = state
        self._app_factory = app_factory
        self._listening = listening
        self._say = say
        self._log = NodeLog(settings, state, on_shipped=self._shipped)
        self._tokens = TokenKeeper(settings.state, self._log.read_tokens)
        self._keeper = PolicyKeeper(
            settings.policies,
            engine=settings.cel_engine,
            last_good=LastGoodPolicy(settings.state),
            clock=lambda: datetime.now(UTC),
            on_activated=self._activated,
        )
        self._geoip = GeoipKeeper(_geoip_sources(settings), settings.state, clock=lambda: datetime.now(UTC))
        self._running = _Running(
            WorkerPool(settings.workers, listening, make_start=self._make_start, on_message=self._heard)
        )
        self._status = NodeStatus()
        self._loop: asyncio.AbstractEventLoop

    async def run(self) -> None:
        """Starts, serves, drains.

        Raises:
            CannotServe: the service can't start.
        """
        self._loop = asyncio.get_running_loop()
        stop, reload = asyncio.Event(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, stop.set)
        self._loop.add_signal_handler(signal.SIGHUP, reload.set)
        try:
            await asyncio.to_thread(self._geoip.start)
        except GeoipUnusable as problem:
            raise CannotServe(str(problem)) from problem
        try:
            token = await asyncio.to_thread(self._log.open)
        except DatabaseUnavailable as away:
            raise CannotServe(f"the database {self._log.shown_database} can't be used: {away}") from away
        except (StorageError, DecisionLogError, SchemaTooOld, OSError) as problem:
            raise CannotServe(str(problem)) from problem
        try:
            await self._tokens.try_refresh()
            watcher = PolicyWatcher(self._settings.policies, in_place=self._settings.watch)
            await self._keeper.start()
            self._announce(token)
            starting = asyncio.create_task(self._running.pool.start())
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                try:
                    starting.result()
                except WorkersWontStart as problem:
                    raise CannotServe(str(problem)) from problem
                self._say(f"  ready, with {_count(self._settings.workers, 'worker')}. Ctrl-C stops it")
            jobs = [
                asyncio.create_task(_again_and_again(job))
                for job in (lambda: self._watch(watcher, reload), self._refresh_tokens, self._report_status)
            ]
            await stopping
            for job in (starting, *jobs):
                job.cancel()
            await asyncio.gather(starting, *jobs, return_exceptions=True)
        finally:
            await self._stop()

    async def reload(self) -> ReloadReport:
        """Reads policies and GeoIP files; returns when every worker decides with what is active then."""
        await self._reload_geoip()
        async with self._running.reloads:
            before = self._keeper.offer
            changed = await self._keeper.reload()
            offer = self._keeper.offer
            if offer is not before:
                await self._offer(offer, changed=changed)
            checked = self._keeper.checked
            return ReloadReport(None if checked is None else checked.revision, changed, offer.failure)

    async def _offer(self, offer: PolicyOffer, *, changed: bool) -> None:
        # A set is pickled once, and sent only where it is news.
        sent = offer if changed else PolicyOffer(offer.number, None, offer.loaded_at, offer.failure)
        await self._running.pool.offer(sent)

    async def _reload_geoip(self) -> None:
        async with self._running.reloads:
            if await asyncio.to_thread(self._geoip.reload):
                await self._running.pool.offer_geoip(self._geoip.offer)
                await asyncio.to_thread(self._geoip.forget_old_copies)

    def _make_start(self) -> Start:
        settings = self._settings
        return Start(
            settings=ServiceSettings(
                on_log_failure=settings.on_log_failure,
                durability=settings.durability,
                decision_ttl_seconds=settings.decision_ttl_seconds,
                metrics_public=settings.metrics_public,
                cel_engine=settings.cel_engine,
                trusted_proxies=settings.trusted_proxies,
                proxy_header=settings.proxy_header,
                public_url=settings.public_url,
                help_desk=settings.help_desk,
                quotas=settings.quotas,
            ),
            app_factory=self._app_factory,
            state_directory=str(self._state.path),
            database_url=settings.database_url,
            service_keys=self._log.service_keys,
            tokens=self._tokens.tokens,
            offer=self._keeper.offer,
            geoip=self._geoip.offer,
        )

    def _heard(self, worker: Worker, message: ToSupervisor) -> None:
        match message:
            case Spooled():
                self._log.shipper.wake()
            case TokensUsed(ids, at):
                self._begin(self._log.note_used(ids, at))
            case ReloadAsked(number):
                self._begin(self._answer_reload(worker, number))
            case TokensAsked(number):
                self._begin(self._answer_tokens(worker, number))
            case FlushAsked(number):
                self._begin(self._answer_flush(worker, number))
            case _:
                _log.error("a worker said %s to the wrong ear", type(message).__name__)

    async def _answer_reload(self, worker: Worker, number: int) -> None:
        try:
            worker.channel.send(Answer(number, await self.reload()))
        except TimeoutError:
            worker.channel.send(Answer(number, failed="a worker did not take the set in time"))

    async def _answer_tokens(self, worker: Worker, number: int) -> None:
        if await self._tokens.try_refresh():
            self._running.pool.broadcast(TokensChanged(self._tokens.tokens))
        worker.channel.send(Answer(number, self._tokens.tokens))

    async def _answer_flush(self, worker: Worker, number: int) -> None:
        done = await asyncio.to_thread(self._log.flush)
        worker.channel.send(Answer(number, failed=None if done else "the database has not taken everything in time"))

    async def _watch(self, watcher: PolicyWatcher, reload: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WATCH_SECONDS):
                    await reload.wait()
            asked = reload.is_set()
            reload.clear()
            try:
                if await asyncio.to_thread(watcher.settled_change) or asked:
                    await self.reload()
                if await asyncio.to_thread(self._geoip.settled_change):
                    await self._reload_geoip()
            except TimeoutError:
                _log.error("a worker did not take what is new in time")
            self._geoip.warn_of_old_files()

    async def _refresh_tokens(self) -> None:
        while True:
            await asyncio.sleep(TOKENS_SECONDS)
            if await self._tokens.try_refresh():
                self._running.pool.broadcast(TokensChanged(self._tokens.tokens))

    async def _report_status(self) -> None:
        while True:
            await asyncio.sleep(STATUS_SECONDS)
            status = self._log.status()
            if status != self._status:
                self._status = status
                self._running.pool.broadcast(StatusChanged(status))
            await self._log.keep_promises()

    async def _activated(self, checked: CheckedPolicy, at: datetime) -> None:
        await self._log.policy_activated(checked, at)

    def _shipped(self, stream: str, position: int) -> None:
        # From the shipper's thread. Workers wait for it only where the database's commit is what a 200 promises.
        if self._settings.durability == "database":
            self._loop.call_soon_threadsafe(self._running.pool.broadcast, Shipped(stream, position))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._running.tasks.add(task)
        task.add_done_callback(self._running.tasks.discard)

    async def _stop(self) -> None:
        self._say("stopping: what is under way is finished first")
        await self._running.pool.drain()
        await asyncio.gather(*self._running.tasks, return_exceptions=True)
        await asyncio.to_thread(self._log.close)

    def _announce(self, token: str | None) -> None:
        settings, checked = self._settings, self._keeper.checked
        host, port = self._listening[0].getsockname()[:2]
        shown_host = f"[{host}]" if ":" in host else host
        url = f"http://{shown_host}:{port}"
        self._say(f"acrux {acrux.__version__} on {url}")
        if checked is None:
            failure = self._keeper.offer.failure
            why = "" if failure is None else f": {failure.summary}"
            self._say(f"  no policy set yet{why}")
            self._say(f"  what is wrong:  acrux check {settings.policies}")
            self._say("  every decision is answered with 503 until that is mended and reloaded")
        else:
            rules, clients = _count(len(checked.rules), "rule"), _count(len(checked.clients), "client")
            self._say(f"  policies        {settings.policies} ({rules}, {clients}, {checked.revision[:19]}...)")
        for fact, state in self._geoip.offer.states.items():
            self._say(f"  {f'GeoIP {fact}':<15} {state.database_type}, built on {state.built_at:%Y-%m-%d}")
        self._say(f"  database        {self._log.shown_database}")
        if self._state.operator_token.exists():
            self._say(f"  operator token  {self._state.operator_token}")
        if token is not None and settings.show_token:
            self._say(f"                  {token}")
        self._say(f"  reference       {url}/docs")


async def _again_and_again(job: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Runs a job that never ends; should it fail all the same, that is said, and it begins again."""
    while True:
        try:
            await job()
        except Exception:  # noqa: BLE001 - logged, and begun again
            _log.exception("a job of the supervisor failed, and starts again")
        await asyncio.sleep(JOB_PAUSE_SECONDS)


def _geoip_sources(settings: ServeSettings) -> dict[GeoipFact, Path]:
    configured = {GeoipFact.COUNTRY: settings.geoip_country, GeoipFact.ASN: settings.geoip_asn}
    return {fact: source for fact, source in configured.items() if source is not None}


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _bind(settings: ServeSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as problem:
        raise CannotServe(
            f"{settings.host} port {settings.port} can't be listened on: {problem.strerror}. "
            "Choose another with --host and --port"
        ) from problem
    except OverflowError as problem:
        raise CannotServe(f"{settings.port} is no port") from problem
