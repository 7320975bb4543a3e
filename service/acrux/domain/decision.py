"""What was decided, and why: pure values, ready to be answered, sealed and logged. No arithmetic on levels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from acrux.domain.identifiers import ClientName, LevelName, ProviderName, Revision, RuleId


class DecisionOutcome(StrEnum):
    """`baseline`: nothing is asked for; `step_up`: parameters are added; `deny`: the login is refused."""

    BASELINE = "baseline"
    STEP_UP = "step_up"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Matched:
    """The rule's condition is true."""


@dataclass(frozen=True, slots=True)
class NotMatched:
    """The rule's condition is false."""


@dataclass(frozen=True, slots=True)
class Errored:
    """The rule's condition could not be evaluated; it requires what a match requires.

    Attributes:
        message: what the engine said.
    """

    message: str


RuleOutcome: TypeAlias = Matched | NotMatched | Errored
"""Three outcomes, three types: never a bool, never None."""


@dataclass(frozen=True, slots=True)
class RuleEffect:
    """A rule that matched or errored in a decision, and what it came to.

    Attributes:
        id: the rule.
        errored: whether it errored rather than matched.
        enforced: False for a rule in `report` mode, which counts in the shadow level only.
        requires: the level that it requires in the end, exceptions and break-glass applied.
        declared: the level that its `require` says.
        exception: the id of the exception that replaced the requirement, or None.
        break_glass: the id of the break-glass that lowered it, or None.
        bucket: its rollout bucket, 0 to 99, or None where it has no rollout or the fact was absent.
    """

    id: RuleId
    errored: bool
    enforced: bool
    requires: LevelName
    declared: LevelName
    exception: str | None = None
    break_glass: str | None = None
    bucket: int | None = None


@dataclass(frozen=True, slots=True)
class Accept:
    """What the relying party may accept on the way back.

    Attributes:
        claim: the claim of the ID token that carries the level (`acr`, `acrs`, `amr`, or the provider's own).
        values: the words of the decided level and of every higher one; empty where nothing was asked for.
        max_age_seconds: how old the login may be at `decided_at`; None for no limit.
    """

    claim: str
    values: tuple[str, ...]
    max_age_seconds: int | None


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision (policy-language.md, "What a decision is").

    Attributes:
        outcome: what the caller does.
        level: the level that is asked for, or `deny`.
        requested_level: the lowest level that the relying party itself asked for and the provider's map knows, or None.
        shadow_level: the level if the rules in `report` mode counted.
        max_age_seconds: how old the login may be, or None.
        authorization_params: what to merge into the authorization request, replacing what it had. An empty value
            stands for "omit it" (RFC 6749 section 3.1).
        accept: what to accept on the way back; None for `deny`.
        rules: the enforced rules that matched or errored and still require more than the default.
        reason: the description of the first of them that requires the final level, else `default` or `requested`.
        effects: every rule, enforced or in report, that matched or errored.
        client: the client's name.
        provider: the provider that the client logs in at; None where none is known.
        policy_revision: the set that decided.
        decided_at: `request.time`.
    """

    outcome: DecisionOutcome
    level: LevelName
    requested_level: LevelName | None
    shadow_level: LevelName
    max_age_seconds: int | None
    authorization_params: Mapping[str, str]
    accept: Accept | None
    rules: tuple[RuleId, ...]
    reason: str
    effects: tuple[RuleEffect, ...]
    client: ClientName
    provider: ProviderName | None
    policy_revision: Revision
    decided_at: datetime
    # Dropped values of the relying party's own request, for the record (`unmapped_requested_acr: drop`).
    dropped_acr_values: tuple[str, ...] = field(default=())

    @property
    def errored_rules(self) -> tuple[RuleId, ...]:
        """The rules that errored, enforced or in report, sorted by id."""
        return tuple(effect.id for effect in self.effects if effect.errored)


class Verdict(StrEnum):
    """What came back from the provider, judged against the decision (http-api.md, "Close the loop")."""

    INVALID = "invalid"
    MISMATCHED = "mismatched"
    DENIED = "denied"
    REPLAYED = "replayed"
    EXPIRED = "expired"
    MISSING = "missing"
    DOWNGRADED = "downgraded"
    STALE = "stale"
    INSUFFICIENT = "insufficient"
    SATISFIED = "satisfied"

    @property
    def uses_up(self) -> bool:
        """Whether this verdict uses the decision up: one outcome per decision."""
        return self not in {Verdict.INVALID, Verdict.MISMATCHED, Verdict.REPLAYED}
