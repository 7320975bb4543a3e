"""What a worker's HTTP application is made of: one value with every part. Nothing is built here, no I/O is done."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal

from acrux.wiring.settings import AdapterQuotas

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from acrux.decisionlog.append import LogWriter
    from acrux.decisionlog.node import NodeSpools
    from acrux.decisionlog.recorder import Recorder
    from acrux.decisionlog.sealing import Keyring
    from acrux.domain.facts import Json
    from acrux.domain.identifiers import ClientName, Revision
    from acrux.engine import Decider
    from acrux.oidc.endpoints import Endpoints
    from acrux.oidc.id_tokens import Verifier
    from acrux.oidc.tickets import TicketSealer
    from acrux.storage.database import Database
    from acrux.wiring.geography import Atlas
    from acrux.wiring.metrics import Metrics

HELD_REVISIONS: Final = 4
"""How many sets a worker keeps compiled: a login that began before a reload is judged by its own set."""
REFRESH_INTERVAL_SECONDS: Final = 0.25
"""An unknown token asks the supervisor for the current tokens at most this often: guessing must cost nothing."""
_BEARER: Final = b"bearer "


class Role(StrEnum):
    """What a token may do (http-api.md, "Who may call")."""

    RELYING_PARTY = "relying-party"
    AUTHOR = "author"
    AUDITOR = "auditor"
    PRIVACY = "privacy"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Token:
    """A token that works, as a worker knows it; its secret is known only as a hash.

    Attributes:
        id: its public id, for the log and for idempotency keys.
        role: the one role that it has.
        clients: the clients' names that a relying party's token is bound to; empty for the other roles.
        expires_at: when it ends, or None.
    """

    id: str
    role: Role
    clients: frozenset[ClientName] = frozenset()
    expires_at: datetime | None = None

    def may_speak_for(self, client: str) -> bool:
        """Whether the token's binding lets it act for a client: operators act for every client."""
        return self.role is Role.OPERATOR or client in self.clients


class TokenCache:
    """The tokens that work, by the SHA-256 of their text: a hash and a dictionary look-up, never a query.

    Args:
        fetch: asks the supervisor for the present tokens, by SHA-256 digest; raises OSError when it can't be asked.
    """

    __slots__ = ("_by_digest", "_fetch", "_fetched_at_seconds", "_fetching", "_used")

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Mapping[bytes, Token]]],
        tokens: Mapping[bytes, Token] | None = None,
    ) -> None:
        self._fetch = fetch
        self._by_digest: Mapping[bytes, Token] = dict(tokens or {})
        self._fetched_at_seconds = float("-inf")
        self._fetching = asyncio.Lock()
        self._used: set[str] = set()

    def find(self, authorization: bytes) -> Token | None:
        """The token of an `Authorization` header's value, whether it has ended or not; None if there is none."""
        if authorization[:7].lower() != _BEARER:
            return None
        token = self._by_digest.get(hashlib.sha256(authorization[7:].strip()).digest())
        if token is not None:
            self._used.add(token.id)
        return token

    def replace(self, tokens: Mapping[bytes, Token]) -> None:
        """Takes a new set of tokens, as the supervisor pushes it."""
        self._by_digest = dict(tokens)

    async def refresh(self) -> None:
        """Asks for the present tokens, at most every `REFRESH_INTERVAL_SECONDS`; returns when they are here.

        When the supervisor can't be asked the known tokens stay.
        """
        loop = asyncio.get_running_loop()
        async with self._fetching:
            if loop.time() - self._fetched_at_seconds < REFRESH_INTERVAL_SECONDS:
                return
            self._fetched_at_seconds = loop.time()
            try:
                self.replace(await self._fetch())
            except OSError:
                return

    def take_used(self) -> frozenset[str]:
        """The ids of the tokens that were found since the last call: for their "last use"."""
        used, self._used = frozenset(self._used), set()
        return used


@dataclass(frozen=True, slots=True)
class PolicyFailure:
    """Why the newest set was not taken.

    Attributes:
        at: when it was tried.
        summary: one line for people.
        diagnostics: the diagnostics in their JSON form (policy-language.md, "Diagnostics").
    """

    at: datetime
    summary: str
    diagnostics: tuple[Mapping[str, Json], ...] = ()


class PolicyHolder:
    """The set that decides, and the last few that did. `active` is one attribute read: no decision waits for a lock."""

    __slots__ = ("_held", "active", "last_error", "loaded_at")

    def __init__(self) -> None:
        self.active: Decider | None = None
        self.loaded_at: datetime | None = None
        self.last_error: PolicyFailure | None = None
        self._held: OrderedDict[str, Decider] = OrderedDict()

    @property
    def revision(self) -> Revision | None:
        """The active set's revision, or None."""
        return None if self.active is None else self.active.compiled.checked.revision

    def swap(self, decider: Decider, loaded_at: datetime) -> None:
        """Makes a set the active one and forgets what was wrong with the one before."""
        revision = decider.compiled.checked.revision
        self._held[revision] = decider
        self._held.move_to_end(revision)
        while len(self._held) > HELD_REVISIONS:
            self._held.popitem(last=False)
        self.active = decider
        self.loaded_at = loaded_at
        self.last_error = None

    def held(self, revision: str) -> Decider | None:
        """The set of a revision if it is among the last few."""
        return self._held.get(revision)


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """What became of a reload: the revision that every worker has now, whether that is news, and what was wrong."""

    revision: Revision | None
    changed: bool
    failure: PolicyFailure | None = None


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What the supervisor last said of this node.

    Attributes:
        unshipped_count: records in the spools that are not in the database yet.
        lag_seconds: the age of the oldest of them; 0.0 if there is none.
        database_reachable: whether the shipper's last try reached the database.
    """

    unshipped_count: int = 0
    lag_seconds: float = 0.0
    database_reachable: bool = True


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """The settings that answers depend on (http-api.md, "Serving").

    Attributes:
        on_log_failure: whether callers may demand the client's ceiling when a record can't be made durable.
        durability: what a 200 promises (decision-log.md).
        decision_ttl_seconds: how long a decision may be used.
        metrics_public: whether `/metrics` answers without a token.
        cel_engine: the engine that unsaved sets are compiled with in explanations.
        retry_after_seconds: what a 503 says in `Retry-After`.
        trusted_proxies, proxy_header, public_url, help_desk, quotas: as in `ServeSettings`.
    """

    on_log_failure: Literal["refuse", "ceiling"] = "refuse"
    durability: Literal["spool", "database"] = "spool"
    decision_ttl_seconds: int = 600
    metrics_public: bool = False
    cel_engine: str = "google"
    retry_after_seconds: int = 1
    trusted_proxies: tuple[str, ...] = ()
    proxy_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    public_url: str | None = None
    help_desk: str = ""
    quotas: AdapterQuotas = field(default_factory=AdapterQuotas)


@dataclass(frozen=True, slots=True)
class Services:
    """Every part that the HTTP application works with. Built once a worker by `acrux.wiring`.

    Attributes:
        endpoints: what providers say of themselves, and the way to their token endpoints.
        log: appends to this process' stream.
        recorder: makes that stream's records.
        clock: the service's clock; aware UTC.
        new_id: a new UUIDv7 in text form.
        reload: asks the supervisor to read the policy directory; returns when all workers have the set.
        flush_log: returns when everything appended so far is in the database; raises TimeoutError.
        status: what the supervisor last said of the node; no I/O.
        geography: where addresses are; None where no file is configured.
    """

    policy: PolicyHolder
    log: LogWriter
    recorder: Recorder
    node: NodeSpools
    database: Database
    tickets: TicketSealer
    verifier: Verifier
    endpoints: Endpoints
    tokens: TokenCache
    keyring: Keyring
    metrics: Metrics
    clock: Callable[[], datetime]
    new_id: Callable[[], str]
    reload: Callable[[], Awaitable[ReloadReport]]
    flush_log: Callable[[], Awaitable[None]]
    status: Callable[[], NodeStatus] = NodeStatus
    geography: Atlas | None = None
    settings: ServiceSettings = field(default_factory=ServiceSettings)
