"""Puts a worker's services together from its first message. The one place of a worker that knows every room."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import uuid_utils

from acrux.decisionlog.append import LogWriter
from acrux.decisionlog.node import NodeSpools
from acrux.decisionlog.recorder import Recorder
from acrux.decisionlog.sealing import Keyring
from acrux.decisionlog.spool import Spool
from acrux.domain.identifiers import StreamId
from acrux.oidc.endpoints import Endpoints
from acrux.oidc.fetching import Fetcher
from acrux.oidc.id_tokens import Verifier
from acrux.oidc.jwks import KeyCache
from acrux.oidc.tickets import TicketSealer
from acrux.policy.model import Provider
from acrux.storage.database import Database
from acrux.wiring.geography import Atlas
from acrux.wiring.layout import StateDirectory
from acrux.wiring.link import SupervisorLink
from acrux.wiring.messages import Start
from acrux.wiring.metrics import Metrics
from acrux.wiring.services import PolicyHolder, Services, TokenCache

TICKETS: Final = "tickets"
"""What the key of tickets is derived for: a ticket key is no record key."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """A worker's services, and what has to be closed in the end."""

    services: Services
    keys: KeyCache
    fetcher: Fetcher
    stop: asyncio.Event
    fetching: asyncio.Task[None]

    async def close(self) -> None:
        """Closes everything, the stream last: its last record says that it ended cleanly."""
        self.stop.set()
        await self.fetching
        await self.keys.close()
        await self.services.endpoints.close()
        await self.fetcher.close()
        await asyncio.to_thread(self.services.node.close)
        await asyncio.to_thread(self.services.log.close)
        await asyncio.to_thread(self.services.database.close)


async def assemble(start: Start, link: SupervisorLink, holder: PolicyHolder) -> Assembly:
    """The services of one worker.

    Raises:
        LogUnavailable: the worker's stream can't be opened.
        OSError: the state directory can't be written.
    """
    state = StateDirectory(Path(start.state_directory))
    present, *old = start.service_keys
    keyring = Keyring(present, tuple(old))
    ticket_key, *old_ticket_keys = keyring.derive(TICKETS)
    stream = StreamId(_new_id())
    writer = LogWriter(
        await asyncio.to_thread(Spool, state.spool, stream),
        node=state.node_id(),
        wait_shipped=link.wait_shipped if start.settings.durability == "database" else None,
    )
    await asyncio.to_thread(writer.start)
    fetcher = Fetcher()
    keys = KeyCache(fetcher)
    endpoints = Endpoints(fetcher)
    services = Services(
        policy=holder,
        log=writer,
        recorder=Recorder(keyring, stream),
        node=NodeSpools(state.path),
        database=Database(start.database_url),
        tickets=TicketSealer(ticket_key, tuple(old_ticket_keys)),
        verifier=Verifier(keys),
        endpoints=endpoints,
        tokens=TokenCache(link.tokens, start.tokens),
        keyring=keyring,
        metrics=Metrics(),
        clock=_utc_now,
        new_id=_new_id,
        reload=link.reload,
        flush_log=link.flush,
        status=lambda: link.status,
        geography=Atlas() if start.geoip.states else None,
        settings=start.settings,
    )

    def providers() -> tuple[Provider, ...]:
        active = holder.active
        return () if active is None else tuple(active.compiled.checked.providers.values())

    stop = asyncio.Event()
    fetching = asyncio.create_task(keys.keep_fresh(providers, stop))
    return Assembly(services, keys, fetcher, stop, fetching)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    # The plain module's text is made in native code; `compat` goes through the standard library's class.
    return str(uuid_utils.uuid7())
