"""What Acrux answers, as frozen values. No network, no judging."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
FALLBACK_LIFETIME = timedelta(minutes=10)
"""How long a decision made in an outage may be used."""


class VerdictName(StrEnum):
    """What came back from the provider, judged against the decision (docs/client.md)."""

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


@dataclass(frozen=True, slots=True)
class Accept:
    """What may come back.

    Attributes:
        claim: the claim of the ID token: `acr`, `acrs`, `amr`, or one of the provider's own.
        values: the accepted words; empty where nothing was asked for.
        max_age_seconds: how old the login may be when the decision was made; None for no limit.
    """

    claim: str
    values: tuple[str, ...]
    max_age_seconds: int | None


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision of Acrux, or, where `fallback` is true, of this client in Acrux's absence.

    Attributes:
        id: the decision's id; what a help desk asks for.
        client: the client's name or id as it was asked for.
        outcome: `baseline` (nothing to add), `step_up` (add the parameters) or `deny` (refuse the login).
        level: the policy's level, or `deny`.
        authorization_params: what to merge into the authorization request, replacing what it had. An empty value
            means: leave the parameter out.
        accept: what may come back; None for `deny`.
        decided_at: when it was made.
        expires_at: after it the login has taken too long.
        ticket: what the outcome call sends back; '' for a fallback.
        fallback: whether the client's ceiling was demanded because Acrux could not be reached.
        reason: why, for people.
        rules: the rules that required it.
        requested_level: what the relying party itself asked for, as a level.
        shadow_level: what it would be if rules in report mode counted.
        policy_revision: the policy set that decided.
        receipt: Acrux's promise that the decision is recorded; empty for a fallback.
        nonce_sha256: of the nonce that was sent, base64url; None if none was.
        user_id: the user that was sent; None if none was.
    """

    id: str
    client: str
    outcome: Literal["baseline", "step_up", "deny"]
    level: str
    authorization_params: Mapping[str, str]
    accept: Accept | None
    decided_at: datetime
    expires_at: datetime
    ticket: str = ""
    fallback: bool = False
    reason: str = ""
    rules: tuple[str, ...] = ()
    requested_level: str | None = None
    shadow_level: str = ""
    policy_revision: str = ""
    receipt: Mapping[str, Json] = field(default_factory=dict)
    nonce_sha256: str | None = None
    user_id: str | None = None

    @property
    def denied(self) -> bool:
        """Whether the login must be refused at once."""
        return self.outcome == "deny"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether this login is what was decided.

    Attributes:
        name: the row of the table that fits.
        admit: whether to let the user in. Nothing else says so.
        level: the level that was reached, as far as is known.
        decision_id: the decision that was judged.
        retry: for `insufficient`: the decision to send the user to the provider with once more.
        receipt: Acrux's promise that the outcome is recorded; empty for a local verdict.
        local: whether this client judged, because Acrux could not.
        reason: what was wrong, for logs; '' where Acrux judged.
    """

    name: VerdictName
    admit: bool
    level: str | None
    decision_id: str
    retry: Decision | None = None
    receipt: Mapping[str, Json] = field(default_factory=dict)
    local: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that can be demanded of a client's logins: what applies while Acrux can't be reached.

    Attributes:
        client: the client.
        level: the level, or `deny`.
        authorization_params: as in a decision.
        accept: as in a decision.
        policy_revision: the set that it comes from.
        fetched_at: when this client last had it from Acrux.
    """

    client: str
    level: str
    authorization_params: Mapping[str, str]
    accept: Accept | None
    policy_revision: str
    fetched_at: datetime

    @property
    def outcome(self) -> Literal["baseline", "step_up", "deny"]:
        """What a decision at the ceiling comes to."""
        if self.accept is None:
            return "deny"
        return "step_up" if self.accept.values or self.authorization_params else "baseline"
