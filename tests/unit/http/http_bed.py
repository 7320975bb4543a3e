"""A whole HTTP application on real parts: policy, spool, SQLite, tickets. Only time and tokens are handed in."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
from uuid_utils import uuid7

from acrux.analysis.loading import load_policy
from acrux.decisionlog import append
from acrux.decisionlog.append import LogWriter
from acrux.decisionlog.node import NodeSpools
from acrux.decisionlog.recorder import Recorder
from acrux.decisionlog.records import microseconds
from acrux.decisionlog.sealing import Keyring
from acrux.decisionlog.shipper import Shipper
from acrux.decisionlog.spool import Spool
from acrux.domain.identifiers import ClientName, StreamId
from acrux.http.app import create_app
from acrux.oidc.endpoints import Endpoints
from acrux.oidc.fetching import Fetcher
from acrux.oidc.id_tokens import Verifier
from acrux.oidc.jwks import KeyCache
from acrux.oidc.tickets import TicketSealer
from acrux.storage.database import Database
from acrux.storage.migrate import upgrade
from acrux.wiring.metrics import Metrics
from acrux.wiring.services import (
    PolicyHolder,
    ReloadReport,
    Role,
    Services,
    ServiceSettings,
    Token,
    TokenCache,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from acrux.policy.facts import Geography

NOW = datetime(2026, 11, 24, 8, 0, 0, 123456, tzinfo=UTC)
SERVICE_KEY = bytes(range(32))
POLICY = {
    "policy.yaml": b"""version: acrux/v1
ladder:
  - basic
  - {level: mfa, max_age: 12h}
  - {level: phishing-resistant, max_age: 15m}
providers:
  corp:
    issuer: https://login.example.com
    acr: {mfa: urn:example:loa:2, phishing-resistant: [urn:example:loa:3, phr]}
  strict:
    issuer: https://strict.example.com
    acr: {mfa: "2", phishing-resistant: "3"}
clients:
  jira: {provider: corp, client_id: jira-sso, tags: [atlassian]}
  intranet: {provider: corp}
  forbidden: {provider: corp}
  twin-a: {provider: corp, client_id: twin}
  twin-b: {provider: strict, client_id: twin}
networks:
  office: {cidrs: [203.0.113.0/24], trusted: true, owner: netops@example.com, review_by: 2030-01-01}
attributes:
  risk_score: {type: double, description: "0 to 100"}
defaults: {unregistered_client: basic, provider: corp}
rules:
  - id: atlassian-sso
    description: Jira holds design data, so every login takes a second factor.
    owner: iam@example.com
    when: '"atlassian" in client.tags'
    require: mfa
    max_age: 8h
  - id: finance-group
    description: Finance takes the strongest factor.
    owner: iam@example.com
    when: client.id == "jira" && "user.groups" in known && "finance" in user.groups
    require: phishing-resistant
  - id: risky
    description: The fraud engine is worried.
    owner: soc@example.com
    when: '"attr.risk_score" in known && attr.risk_score >= 80.0'
    require: phishing-resistant
    mode: report
  - id: nobody
    description: This client is closed.
    owner: soc@example.com
    when: client.id == "forbidden"
    require: deny
"""
}
SECRETS = {
    "operator": Token("tok-operator", Role.OPERATOR),
    "author": Token("tok-author", Role.AUTHOR),
    "auditor": Token("tok-auditor", Role.AUDITOR),
    "privacy": Token("tok-privacy", Role.PRIVACY),
    "jira": Token("tok-jira", Role.RELYING_PARTY, frozenset({ClientName("jira")})),
    "intranet": Token("tok-intranet", Role.RELYING_PARTY, frozenset({ClientName("intranet")})),
    "ended": Token("tok-ended", Role.OPERATOR, frozenset(), NOW - timedelta(seconds=1)),
}


def digest(name: str) -> bytes:
    """The digest of the token called so."""
    return hashlib.sha256(f"acrux_{name}".encode()).digest()


def bearer(name: str) -> dict[str, str]:
    """The header of the token called so."""
    return {"Authorization": f"Bearer acrux_{name}"}


@dataclass
class Clock:
    """A clock that a test sets."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at


@dataclass
class Bed:
    """An application and its parts.

    Attributes:
        tokens: what the "supervisor" knows; a worker learns of it by asking.
    """

    directory: Path
    settings: ServiceSettings = field(default_factory=ServiceSettings)
    files: Mapping[str, bytes] | None = field(default_factory=lambda: dict(POLICY))
    clock: Clock = field(default_factory=Clock)
    tokens: dict[bytes, Token] = field(default_factory=lambda: {digest(name): one for name, one in SECRETS.items()})
    migrated: bool = True

    def __post_init__(self) -> None:
        self.asked_tokens = itertools.count()
        self.holder = PolicyHolder()
        if self.files is not None:
            self.load(self.files)
        keyring = Keyring(SERVICE_KEY)
        stream = StreamId(str(uuid7()))
        self.node = NodeSpools(self.directory)
        self.writer = LogWriter(Spool(self.node.spool_directory, stream), node="test")
        self.writer.start()
        self.database = Database(f"sqlite:///{self.directory}/acrux.db")
        if self.migrated:
            upgrade(self.database)
        self.reported = ReloadReport(self.holder.revision, changed=False)
        self.services = Services(
            policy=self.holder,
            log=self.writer,
            recorder=Recorder(keyring, stream),
            node=self.node,
            database=self.database,
            tickets=TicketSealer(keyring.derive("tickets")[0]),
            verifier=Verifier(KeyCache(Fetcher())),
            endpoints=Endpoints(Fetcher()),
            tokens=TokenCache(self._fetch_tokens, dict(self.tokens)),
            keyring=keyring,
            metrics=Metrics(),
            clock=self.clock,
            new_id=lambda: str(uuid7()),
            reload=self._reload,
            flush_log=self._flush,
            settings=self.settings,
        )
        self.use(self.services)

    def use(self, services: Services) -> None:
        """Makes the application anew, of these services."""
        self.services = services
        self.app = create_app(services)

    def replace(self, **parts: Any) -> None:
        """Makes the application anew with other parts."""
        self.use(replace(self.services, **parts))

    def load(self, files: Mapping[str, bytes], geography: Geography | None = None) -> None:
        """Makes another set the active one; where addresses are is for sets whose tests are not run."""
        loaded = load_policy(files, run_checks=geography is None, geography=geography)
        self.holder.swap(loaded.decider, self.clock())

    def client(self, who: str | None = "operator", *, raising: bool = True) -> httpx.AsyncClient:
        """A client of the application, with a token."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=raising),
            base_url="http://acrux.example.com",
            headers={} if who is None else bearer(who),
        )

    def ship(self) -> None:
        """Moves everything that is spooled into the database."""
        # Time is the bed's here too: by the real one, what the bed's requests left may have expired long ago.
        shipper = Shipper(
            self.database,
            self.node.spool_directory,
            on_shipped=lambda _stream, _position: None,
            clock=append.Clock(now_us=lambda: microseconds(self.clock())),
        )
        while shipper.ship_once():
            pass
        shipper.close()

    def close(self) -> None:
        """Gives everything up."""
        self.node.close()
        self.writer.close()
        self.database.close()

    async def _fetch_tokens(self) -> Mapping[bytes, Token]:
        next(self.asked_tokens)
        return dict(self.tokens)

    async def _reload(self) -> ReloadReport:
        return self.reported

    async def _flush(self) -> None:
        return
