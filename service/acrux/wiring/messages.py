"""What the supervisor and its workers say to each other. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from acrux.wiring.geoip_keeper import GeoipOffer
from acrux.wiring.services import NodeStatus, PolicyFailure, ReloadReport, ServiceSettings, Token


@dataclass(frozen=True, slots=True)
class PolicyOffer:
    """The set that every worker shall decide with.

    Attributes:
        number: grows with each offer; a worker confirms it by number.
        pickled: the validated `CheckedPolicy`, pickled once for all workers; None while there is no set at all, or
            where the set stays and only `failure` is news.
        loaded_at: when the set was validated; None while there is none.
        failure: why a newer set was not taken; None when the newest is the one offered.
    """

    number: int
    pickled: bytes | None
    loaded_at: datetime | None
    failure: PolicyFailure | None


@dataclass(frozen=True, slots=True)
class Start:
    """The first message to a worker: all that it is made of.

    Attributes:
        app_factory: `module:function` that makes the ASGI application of `Services`.
        state_directory: what is local to the node.
        database_url: where records are shipped to.
        service_keys: the service's keys, the present one first.
    """

    settings: ServiceSettings
    app_factory: str
    state_directory: str
    database_url: str
    service_keys: tuple[bytes, ...]
    tokens: Mapping[bytes, Token]
    offer: PolicyOffer
    geoip: GeoipOffer


@dataclass(frozen=True, slots=True)
class TokensChanged:
    """The tokens that work from now on, by the SHA-256 digest of their text."""

    tokens: Mapping[bytes, Token]


@dataclass(frozen=True, slots=True)
class Shipped:
    """All of a stream up to a position is in the database."""

    stream: str
    position: int


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """How far behind the shipper is."""

    status: NodeStatus


@dataclass(frozen=True, slots=True)
class Drain:
    """Accept nothing new, finish what is under way, close the stream, exit."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker serves."""


@dataclass(frozen=True, slots=True)
class PolicyTaken:
    """The worker decides with the offer of that number."""

    number: int


@dataclass(frozen=True, slots=True)
class GeoipTaken:
    """The worker looks addresses up in the files of the offer of that number."""

    number: int


@dataclass(frozen=True, slots=True)
class Spooled:
    """There is something to ship, and a caller waits for it."""


@dataclass(frozen=True, slots=True)
class TokensUsed:
    """Tokens that were used since the worker last said so."""

    ids: frozenset[str]
    at: datetime


@dataclass(frozen=True, slots=True)
class ReloadAsked:
    """A worker's caller asks to read the policy directory."""

    number: int


@dataclass(frozen=True, slots=True)
class TokensAsked:
    """A worker met a token that it does not know."""

    number: int


@dataclass(frozen=True, slots=True)
class FlushAsked:
    """A worker's caller wants everything appended so far in the database."""

    number: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an asked thing.

    Attributes:
        number: the question's.
        content: a `ReloadReport`, the tokens, or None.
        failed: why it could not be done; None when it was.
    """

    number: int
    content: ReloadReport | Mapping[bytes, Token] | None = None
    failed: str | None = None


ToWorker: TypeAlias = Start | PolicyOffer | GeoipOffer | TokensChanged | Shipped | StatusChanged | Drain | Answer
ToSupervisor: TypeAlias = (
    Ready | PolicyTaken | GeoipTaken | Spooled | TokensUsed | ReloadAsked | TokensAsked | FlushAsked
)
Message: TypeAlias = ToWorker | ToSupervisor
