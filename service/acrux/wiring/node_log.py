"""What one node keeps: database, service key, first token, its shipper, and the supervisor's own stream. No HTTP."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from uuid_utils.compat import uuid7

from acrux.decisionlog.append import LogWriter
from acrux.decisionlog.batches import Clash
from acrux.decisionlog.errors import LogUnavailable
from acrux.decisionlog.records import Kind, event, from_microseconds, microseconds
from acrux.decisionlog.revisions import keep_revision
from acrux.decisionlog.sealing import load_or_create_service_key
from acrux.decisionlog.shipper import Shipper
from acrux.decisionlog.spool import Spool
from acrux.decisionlog.tokens import NewToken, create_token, has_operator
from acrux.domain.identifiers import ClientName, StreamId
from acrux.policy.model import CheckedPolicy
from acrux.storage import migrate, tokens
from acrux.storage.database import Database, DatabaseUnavailable
from acrux.wiring.layout import StateDirectory
from acrux.wiring.services import NodeStatus, Role, Token
from acrux.wiring.settings import ServeSettings

_log: Final = logging.getLogger(__name__)
FLUSH_SECONDS: Final = 4.0
SHIPPER_PAUSE_SECONDS: Final = 1.0


class SchemaTooOld(RuntimeError):  # noqa: N818 - says what is the matter
    """The database's schema is not this version's, and `--no-migrate` was given."""


class NodeLog:
    """The log's side of the supervisor.

    Args:
        on_shipped: told of each stream's new position, from the shipper's thread.
    """

    def __init__(
        self, settings: ServeSettings, state: StateDirectory, *, on_shipped: Callable[[StreamId, int], None]
    ) -> None:
        self._settings = settings
        self._state = state
        self._database = Database(settings.database_url)
        self._stop = threading.Event()
        self._writer: LogWriter
        self._unkept: dict[str, tuple[Mapping[str, bytes], datetime]] = {}
        self._used: dict[str, int] = {}
        self.service_keys: tuple[bytes, ...] = ()
        self.shipper = Shipper(self._database, state.spool, on_shipped=on_shipped, on_clash=self._log_clash)
        self._thread = threading.Thread(target=self._ship, name="shipper", daemon=True)

    @property
    def shown_database(self) -> str:
        """The database's URL without its password."""
        return self._database.shown

    def open(self) -> str | None:
        """Migrates, makes the key and the first token, opens the supervisor's stream, starts the shipper. Blocking.

        Returns: the first operator token, if this start made it.

        Raises:
            SchemaTooOld: see there.
            DatabaseUnavailable: the database is away, and this node was never part of the service: it has no tokens.
            LogUnavailable: the supervisor's stream can't be written.
        """
        self.service_keys = load_or_create_service_key(self._settings.service_key_file)
        made: str | None = None
        try:
            self._migrate()
            made = self._first_token()
        except DatabaseUnavailable as away:
            if not (self._state.path / "tokens.json").exists():
                raise
            # The bad day: a node that was part of the service before goes on deciding and spools meanwhile.
            _log.warning("the database is away; deciding goes on, records are spooled: %s", away)
        self._writer = LogWriter(Spool(self._state.spool, StreamId(str(uuid7()))), node=self._state.node_id())
        self._writer.start()
        self._thread.start()
        return made

    def close(self) -> None:
        """Closes the supervisor's stream, ships what is left if the database takes it, and closes. Blocking."""
        if self._thread.is_alive():
            self._writer.close()
            self._stop.set()
            self.shipper.wake()
            self._thread.join()
        self._database.close()

    def flush(self) -> bool:
        """Whether everything spooled so far is in the database after at most `FLUSH_SECONDS`. Blocking."""
        return self.shipper.flush(FLUSH_SECONDS)

    def status(self) -> NodeStatus:
        """How far behind the shipper is."""
        lag = self.shipper.lag()
        return NodeStatus(lag.row_count, lag.oldest_age_seconds, self.shipper.failure is None)

    def read_tokens(self) -> Mapping[bytes, Token]:
        """The tokens that work, by the SHA-256 digest of their text. Blocking.

        Raises:
            DatabaseUnavailable: they can't be read.
        """
        now_us = microseconds(datetime.now(UTC))
        found: dict[bytes, Token] = {}
        for row in self._database.read(tokens.every):
            ends_us = min((end for end in (row.expires_at_us, row.revoked_at_us) if end is not None), default=None)
            if ends_us is not None and ends_us <= now_us:
                continue
            found[row.token_hash] = Token(
                id=row.token_id,
                role=Role(row.role),
                clients=frozenset(ClientName(name) for name in row.client_names),
                expires_at=None if ends_us is None else from_microseconds(ends_us),
            )
        return found

    async def policy_activated(self, checked: CheckedPolicy, at: datetime) -> None:
        """Logs that a set is active, and keeps it for as long as the database is away, then in the database.

        Raises:
            LogUnavailable: the record can't be made durable.
        """
        entry = event(
            Kind.POLICY_ACTIVATED,
            {
                "files": {path: content.decode() for path, content in sorted(checked.files.items())},
                "policy_revision": checked.revision,
                "rules_count": len(checked.rules),
            },
        )
        self._unkept[checked.revision] = (checked.files, at)
        await self._writer.append(entry)
        await self.keep_promises()

    async def note_used(self, ids: frozenset[str], at: datetime) -> None:
        """Notes when tokens were last used; written with the next promises."""
        at_us = microseconds(at)
        for token_id in ids:
            self._used[token_id] = max(at_us, self._used.get(token_id, 0))

    async def keep_promises(self) -> None:
        """Writes what waits for the database: sets that were active, last uses. What fails is tried again."""
        if self._unkept or self._used:
            await asyncio.to_thread(self._keep_promises)

    def _keep_promises(self) -> None:
        try:
            for revision, (files, at) in tuple(self._unkept.items()):
                keep_revision(self._database, revision, files, at)
                del self._unkept[revision]
            used, self._used = self._used, {}
            try:
                self._database.write(lambda transaction: tokens.touch(transaction, used))
            except DatabaseUnavailable:
                self._used = {**used, **self._used}
                raise
        except DatabaseUnavailable:
            return  # said by the shipper

    def _migrate(self) -> None:
        if self._settings.migrate:
            migrate.upgrade(self._database)
            return
        found, wanted = migrate.current(self._database), migrate.head()
        if found != wanted:
            raise SchemaTooOld(
                f"the database's schema is {found or 'missing'}, this version needs {wanted}: "
                "run `acrux db upgrade`, or start without --no-migrate"
            )

    def _first_token(self) -> str | None:
        if has_operator(self._database):
            return None
        made: NewToken = create_token(self._database, role="operator", name="first operator")
        place = self._state.operator_token
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as out:
            out.write(f"{made.text}\n")
        return made.text

    def _log_clash(self, clash: Clash) -> None:
        try:
            self._writer.append_blocking(clash.entry)
        except LogUnavailable:
            _log.exception("a decision was used up twice, and that could not be logged: %s", clash.decision_id)

    def _ship(self) -> None:
        while not self._stop.is_set():
            try:
                self.shipper.run(self._stop)
            except Exception:  # noqa: BLE001 - see below
                # Whatever it is, records must not stay behind for it: said, and tried again.
                _log.exception("the shipper failed, and starts again")
                self._stop.wait(SHIPPER_PAUSE_SECONDS)
