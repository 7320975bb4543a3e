"""Bindings in the shared database, asked for in few threads of their own: no flood of logins starves the API."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Final, TypeVar

from acrux.decisionlog.records import microseconds
from acrux.domain.identifiers import ClientName
from acrux.http.problems import Code, Problem
from acrux.http.single_use import Beside
from acrux.oidc.guard import Binding, BindingKind, binding_hash, nonce_hash
from acrux.oidc.tickets import InvalidTicket, Ticket
from acrux.storage import bindings
from acrux.storage.bindings import BindingRow, BoundMeanwhile
from acrux.storage.database import DatabaseUnavailable, RowRefused, Transaction
from acrux.wiring.services import Services

THREADS: Final = 2
TIMEOUT_SECONDS: Final = 3.0
GRACE: Final = timedelta(hours=1)
"""For how long an expired decision is still found, so that a late login is called `expired` and not `unbound`."""
REFRESH_KEPT: Final = timedelta(days=400)
"""For how long after its last use a refresh token is known; providers end them earlier."""
REPLACED_KEPT: Final = timedelta(days=1)
"""For how long one is known that was rotated: some clients refresh every few minutes."""
_Found = TypeVar("_Found")


class Bindings:
    """What the values of logins are bound to."""

    __slots__ = ("_pool", "_services")

    def __init__(self, services: Services) -> None:
        self._services = services
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="bindings")

    async def ready(self, client: ClientName) -> None:
        """Raises `database_unavailable` where no binding could be found."""
        await self.rows(client, {BindingKind.NONCE: ""})

    async def rows(self, client: ClientName, values: Mapping[BindingKind, str]) -> dict[str, BindingRow]:
        """What these values of a client are bound to, by kind.

        Raises:
            Problem: `database_unavailable`.
        """
        keys = {str(kind): binding_hash(value) for kind, value in values.items()}
        now_us = microseconds(self._services.clock())
        database = self._services.database
        return await self._ask(
            lambda: database.read(lambda transaction: bindings.find(transaction, client, keys, now_us=now_us))
        )

    async def find(self, client: ClientName, kind: BindingKind, value: str) -> Binding | None:
        """The decision that one value of a client is bound to; None if there is none that this service made.

        Raises:
            Problem: `database_unavailable`.
        """
        return self._opened((await self.rows(client, {kind: value})).get(kind))

    async def find_login(self, client: ClientName, challenge: str) -> tuple[Binding | None, Binding | None]:
        """The decision that a challenge is bound to, and what the nonce of that decision is bound to.

        One look at the database: on the way of a token request each costs a fair part of a millisecond.

        Raises:
            Problem: `database_unavailable`.
        """
        now_us = microseconds(self._services.clock())

        def look(transaction: Transaction) -> tuple[Binding | None, Binding | None]:
            def found(kind: BindingKind, digest: bytes) -> Binding | None:
                rows = bindings.find(transaction, client, {str(kind): digest}, now_us=now_us)
                return self._opened(rows.get(kind))

            by_challenge = found(BindingKind.CHALLENGE, binding_hash(challenge))
            digest = None if by_challenge is None else nonce_hash(by_challenge.ticket)
            return by_challenge, None if digest is None else found(BindingKind.NONCE, digest)

        return await self._ask(lambda: self._services.database.read(look))

    def _opened(self, row: BindingRow | None) -> Binding | None:
        if row is None:
            return None
        ticket = self._services.tickets.open(row.ticket)
        return None if isinstance(ticket, InvalidTicket) else Binding(ticket, row.with_challenge)

    async def bind(
        self,
        client: ClientName,
        values: Mapping[BindingKind, str],
        seen: Mapping[str, BindingRow],
        decision: tuple[str, str],
        at: datetime,
    ) -> bool:
        """Binds a login's values to a decision, id and sealed ticket; False if one was bound anew since it was seen.

        Raises:
            Problem: `database_unavailable`.
        """
        decision_id, ticket = decision
        kept_until = at + timedelta(seconds=self._services.settings.decision_ttl_seconds) + GRACE
        # Who opens a login again without its challenge must not get around the verifier.
        with_challenge = BindingKind.CHALLENGE in values or any(row.with_challenge for row in seen.values())
        rows = [
            BindingRow(client, kind, binding_hash(value), decision_id, ticket, with_challenge, microseconds(kept_until))
            for kind, value in values.items()
        ]
        database, now_us = self._services.database, microseconds(at)
        try:
            await self._ask(
                lambda: database.write(lambda transaction: bindings.bind(transaction, rows, seen, now_us=now_us))
            )
        except BoundMeanwhile:
            return False
        return True

    def keeping_refresh(
        self, client: ClientName, refresh_token: str, ticket: Ticket, at: datetime, replaced: str = ""
    ) -> Beside:
        """How it is remembered that a refresh token was issued through the guard, and what it must go on being.

        The one that it replaces must not be used any more (RFC 6749 section 6), but an answer may have been lost.
        """
        row = BindingRow(
            client,
            BindingKind.REFRESH,
            binding_hash(refresh_token),
            ticket.decision_id,
            self._services.tickets.seal(ticket),
            with_challenge=False,
            expires_at_us=microseconds(at + REFRESH_KEPT),
        )
        old = binding_hash(replaced) if replaced and replaced != refresh_token else None
        ends_at_us = microseconds(at + REPLACED_KEPT)

        def write(transaction: Transaction) -> None:
            bindings.put(transaction, row)
            if old is not None:
                bindings.end_by(transaction, client, BindingKind.REFRESH, old, at_us=ends_at_us)

        return Beside(write)

    async def keep(self, beside: Beside) -> None:
        """Writes it, unless that is done.

        Raises:
            Problem: `database_unavailable`.
        """
        if not beside.done:
            await self._ask(lambda: self._services.database.write(beside.write))

    async def _ask(self, question: Callable[[], _Found]) -> _Found:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await loop.run_in_executor(self._pool, question)
        except (DatabaseUnavailable, RowRefused, TimeoutError) as failure:
            raise Problem(Code.DATABASE_UNAVAILABLE, "the shared database can't be reached") from failure
