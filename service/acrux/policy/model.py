"""The checked policy as plain, frozen, picklable values. No YAML, no spans beyond a place to show, no CEL library."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from acrux.cel import CheckedExpression
from acrux.domain.facts import FactType, FactValue
from acrux.domain.identifiers import ClientName, LevelName, ProviderName, Revision, RuleId
from acrux.domain.ladder import AssuranceLadder
from acrux.domain.profiles import ProviderProfile
from acrux.domain.request import DecideRequest


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thing stands in the policy files, for people: a relative POSIX path, and line and column from 1."""

    file: str
    line: int
    column: int = 1


@dataclass(frozen=True, slots=True)
class Condition:
    """A checked CEL condition of type bool, and the names of the facts that it reads."""

    expression: CheckedExpression
    reads: frozenset[str]

    @property
    def text(self) -> str:
        """The expression as written."""
        return self.expression.text


class RuleMode(StrEnum):
    """`enforce` decides, `report` counts in the shadow level only, `off` is out."""

    ENFORCE = "enforce"
    REPORT = "report"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open time window: from `from_at`, inclusive, to `until_at`, exclusive; None is open."""

    from_at: datetime | None = None
    until_at: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Whether a time is inside."""
        return (self.from_at is None or at >= self.from_at) and (self.until_at is None or at < self.until_at)


@dataclass(frozen=True, slots=True)
class Rollout:
    """The share of requests that a rule applies to.

    Attributes:
        percent: buckets below it are in; 0 to 100.
        by: the fact whose value picks the bucket.
        absent_is_in: what an absent fact means.
    """

    percent: float
    by: str
    absent_is_in: bool


@dataclass(frozen=True, slots=True)
class ExceptionClause:
    """Lowers its own rule while it lasts. `expires_on` is inclusive, UTC."""

    id: str
    when: Condition
    instead: LevelName
    owner: str
    ticket: str
    expires_on: date
    place: Place
    description: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of `rules`. `require` is a level or `deny`."""

    id: RuleId
    when: Condition
    require: LevelName
    place: Place
    description: str = ""
    owner: str = ""
    ticket: str = ""
    max_age_seconds: int | None = None
    mode: RuleMode = RuleMode.ENFORCE
    rollout: Rollout | None = None
    active: Window = Window()
    exceptions: tuple[ExceptionClause, ...] = ()


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """The way out for at most a day: lowers every requirement above `instead` to it, never a `deny`."""

    id: str
    when: Condition
    instead: LevelName
    owner: str
    ticket: str
    active: Window
    place: Place
    description: str = ""


@dataclass(frozen=True, slots=True)
class Invariant:
    """What must hold for every request that `condition` (the key `for`) is true of."""

    id: str
    condition: Condition
    never_below: LevelName | None
    never_above: LevelName | None
    place: Place
    description: str = ""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a test case expects; None: not said. `rules` in any order; `outcome`, `reason` and `max_age_seconds` too."""

    level: LevelName | None = None
    rules: tuple[RuleId, ...] | None = None
    acr_values: tuple[str, ...] | None = None
    outcome: str | None = None
    shadow_level: LevelName | None = None
    max_age_seconds: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class TestCase:
    """One case of `tests`, its `given` merged with its group's; `now` as the language says where it has none."""

    __test__ = False  # not a test of this project, whatever its name

    name: str
    now: datetime
    given: DecideRequest
    expect: Expectation
    place: Place


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenID Provider. `acr` has this provider's words for each level, the first of which is asked for."""

    name: ProviderName
    issuer: str
    profile: ProviderProfile
    acr: Mapping[LevelName, tuple[str, ...]]
    refuse_unmapped: bool = True
    hosts: tuple[str, ...] = ()
    subject_claim: str = "sub"
    groups_claim: str = "groups"


@dataclass(frozen=True, slots=True)
class Client:
    """A relying party's registration at its provider."""

    name: ClientName
    provider: ProviderName
    client_id: str
    tags: tuple[str, ...] = ()
    redirect_uris: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Network:
    """A named set of CIDRs."""

    name: str
    cidrs: tuple[str, ...]
    trusted: bool = False
    owner: str = ""
    review_by: date | None = None


@dataclass(frozen=True, slots=True)
class Attribute:
    """A fact `attr.<name>` beyond the built-in ones."""

    name: str
    type: FactType
    default: FactValue | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What applies where no rule says more."""

    require: LevelName
    unregistered_client: LevelName | None = None
    provider: ProviderName | None = None


@dataclass(frozen=True, slots=True)
class CheckedPolicy:
    """A whole policy set without an error: plain values, to be compiled by an engine, pickled to workers, stored.

    Attributes:
        files: the files as read, relative POSIX path to content, for the log and the last good set.
    """

    revision: Revision
    ladder: AssuranceLadder
    providers: Mapping[ProviderName, Provider]
    clients: Mapping[ClientName, Client]
    networks: Mapping[str, Network]
    attributes: Mapping[str, Attribute]
    defaults: Defaults
    rules: tuple[Rule, ...]
    break_glass: tuple[BreakGlass, ...]
    invariants: tuple[Invariant, ...]
    tests: tuple[TestCase, ...]
    files: Mapping[str, bytes] = field(repr=False)
