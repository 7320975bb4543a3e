"""The decision log on each database: every test here runs on SQLite and on PostgreSQL."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest
from uuid_utils.compat import uuid7

from acrux.decisionlog.append import LogWriter
from acrux.decisionlog.node import NodeSpools
from acrux.decisionlog.queries import Queries
from acrux.decisionlog.recorder import Caller, Outcome, Recorder, Returned
from acrux.decisionlog.sealing import Keyring
from acrux.decisionlog.shipper import Shipper
from acrux.decisionlog.spool import Spool
from acrux.domain.decision import Accept, Decision, DecisionOutcome, RuleEffect, Verdict
from acrux.domain.facts import Facts
from acrux.storage import migrate
from acrux.storage.database import Database

START = datetime(2026, 11, 24, 8, 0, 0, 123456, tzinfo=UTC)
REVISION = "sha256:" + "9" * 64


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'acrux.db'}"
    return request.getfixturevalue("postgresql_url")


@pytest.fixture
def database(database_url):
    """A database with the schema of the migrations."""
    opened = Database(database_url)
    migrate.upgrade(opened)
    yield opened
    opened.close()


@pytest.fixture
def keyring():
    """A service's keys."""
    return Keyring(b"k" * 32)


class Node:
    """One node: a state directory, a stream that is written to, a shipper that is run by hand."""

    def __init__(self, directory, database, keyring, clock=None):
        self.directory = directory
        self.stream = str(uuid7())
        self.writer = LogWriter(Spool(directory / "spool", self.stream), node=directory.name, clock=clock)
        self.writer.start()
        self.keyring = keyring
        self.recorder = Recorder(keyring, self.stream)
        self.clashes = []
        self.shipped = []
        self.shipper = Shipper(
            database,
            directory / "spool",
            on_clash=self.clashes.append,
            on_shipped=lambda stream, position: self.shipped.append((stream, position)),
            clock=clock,
        )
        self.queries = Queries(database, keyring)
        self.spools = NodeSpools(directory)
        self._count = 0

    def decide(self, *, at=None, idempotency=None, caller=None, facts=None, **changes):
        """Log a decision; returns its id and its receipt."""
        self._count += 1
        decision_id = str(uuid7())
        decision = make_decision(at or START + timedelta(seconds=self._count), **changes)
        entry = self.recorder.decision(
            decision_id,
            decision,
            make_facts(decision, **(facts or {})),
            expires_at=decision.decided_at + timedelta(minutes=10),
            caller=caller or Caller("request-1", "correlation-1", "token-1"),
            idempotency=idempotency,
        )
        return decision_id, self.writer.append_blocking(entry)

    def judge(self, decision_id, verdict, *, at=START, outcome_id=None, acr="urn:example:loa:2", idempotency=None):
        """Log an outcome; returns its receipt."""
        outcome = Outcome(
            id=outcome_id or str(uuid7()),
            decision_id=decision_id,
            decided_at=at,
            client="jira",
            provider="corp",
            revision=REVISION,
            verdict=verdict,
            admit=verdict is Verdict.SATISFIED,
            level="mfa",
            returned=Returned(acr=acr, amr=("otp",), subject="u-1029"),
        )
        entry = self.recorder.outcome(outcome, caller=Caller("request-2"), idempotency=idempotency)
        return self.writer.append_blocking(entry)

    def ship(self):
        """Ship until nothing is left."""
        while self.shipper.ship_once():
            pass

    def close(self):
        """End the stream and the shipper."""
        self.writer.close()
        self.spools.close()
        self.shipper.close()


def make_decision(at, *, client="jira", level="mfa", rules=("atlassian-sso",), shadow=None, revision=REVISION):
    """A decision with the given traits."""
    return Decision(
        outcome=DecisionOutcome.STEP_UP,
        level=level,
        requested_level=None,
        shadow_level=shadow or level,
        max_age_seconds=28800,
        authorization_params=MappingProxyType({"acr_values": "urn:example:loa:2", "max_age": "28800"}),
        accept=Accept("acr", ("urn:example:loa:2",), 28800),
        rules=rules,
        reason="Jira holds design data",
        effects=tuple(RuleEffect(rule, rule == "broken", True, level, level) for rule in rules),
        client=client,
        provider="corp",
        policy_revision=revision,
        decided_at=at,
    )


def make_facts(decision, *, user="u-1029", zones=("office",), app="jira-mobile", **more):
    """The facts of a decision."""
    return Facts(
        {
            "client.id": decision.client,
            "app.id": app,
            "network.ip": "198.51.100.9",
            "network.zones": zones,
            "user.id": user,
            "attr.risk_score": 12.5,
            "browser.id": "browser-Zk3",
            "session.age": timedelta(seconds=300),
            "request.time": decision.decided_at,
            **more,
        }
    )


@pytest.fixture
def make_node(tmp_path, database, keyring):
    """Makes nodes that share the database and the service's key."""
    nodes = []

    def make(name="node-1", clock=None):
        nodes.append(Node(tmp_path / name, database, keyring, clock))
        return nodes[-1]

    yield make
    for node in nodes:
        node.close()


@pytest.fixture
def node(make_node):
    """One node."""
    return make_node()


@pytest.fixture
def run():
    """Runs a coroutine to its end."""
    return asyncio.run
