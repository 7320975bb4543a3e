"""What a decision and an outcome look like in the log: the contents of their records. No I/O, no clock.

`user.*`, `attr.*`, `browser.id`, the relying party's own `claims` and the subject are sealed under the service's key;
`user.id` can be looked up by its HMAC. Tokens, codes and nonces are never in a record.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import orjson

import acrux
from acrux.decisionlog.records import Entry, Idempotency, Kind, microseconds
from acrux.decisionlog.sealing import Keyring
from acrux.domain.decision import Accept, Decision, RuleEffect, Verdict
from acrux.domain.facts import BUILT_IN_FACTS, Facts, FactValue, Json, fact_to_json
from acrux.domain.identifiers import ClientName, DecisionId, LevelName, ProviderName, Revision, StreamId

# What is not listed is sealed. Two are in neither: the time is the answer's `decided_at_us`, and what is known are the
# names of all the others.
_TOLD_OTHERWISE: Final = frozenset({"request.time", "known"})
_PLAIN_FACTS: Final = frozenset(
    name for name in BUILT_IN_FACTS if not name.startswith(("user.", "browser.")) and name not in _TOLD_OTHERWISE
)
_NOT_SEALED: Final = _PLAIN_FACTS | _TOLD_OTHERWISE
_USER_FACT: Final = "user.id"
ACRUX: Final = "acrux"
CALLER: Final = "caller"
"""Who judged an outcome: the service; or the caller, while the service could not be reached."""
# Dataclasses are passed through, and so refused: orjson would write their fields unsorted, which is not canonical.
_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z | orjson.OPT_PASSTHROUGH_DATACLASS


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asked, and how the caller calls the request.

    Attributes:
        request_id: `X-Request-ID`.
        correlation_id: the relying party's own id of the login, or None.
        token_id: the id of the token that was used, or None.
    """

    request_id: str | None = None
    correlation_id: str | None = None
    token_id: str | None = None


@dataclass(frozen=True, slots=True)
class Returned:
    """What the provider returned, as far as it is logged.

    Attributes:
        acr: the value of the claim that carries the level, or None.
        amr: the methods of authentication.
        auth_time: seconds since 1970, or None.
        sid: the provider's session, or None.
        issuer: who issued the ID token, or None.
        subject: who was logged in; sealed.
        facts: the verified `user.*` facts with which it was decided again; sealed.
    """

    acr: str | None = None
    amr: tuple[str, ...] = ()
    auth_time: int | None = None
    sid: str | None = None
    issuer: str | None = None
    subject: str | None = None
    facts: Mapping[str, FactValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a decision.

    Attributes:
        id: the outcome's own id, a UUIDv7: what single use is decided by.
        decision_id: the decision.
        decided_at: the decision's time, from its ticket.
        client: the decision's client.
        provider: its provider, or None.
        revision: the set that decided.
        verdict: what came back, judged.
        admit: whether the login may go on.
        level: the level that was reached, or None.
        returned: what the provider returned.
        retry: the new decision of `insufficient` as JSON, without ticket, or None.
        judged_by: `acrux`, or `caller` where it was judged while Acrux could not be reached, and reported later.
        judged_at: when the caller judged, by its own clock; None otherwise.
        reported_verdict: what the caller's verdict was; None otherwise. Not `verdict` where that is `replayed`.
    """

    id: str
    decision_id: DecisionId
    decided_at: datetime
    client: ClientName
    provider: ProviderName | None
    revision: Revision
    verdict: Verdict
    admit: bool
    level: LevelName | None
    returned: Returned
    retry: Mapping[str, Json] | None = None
    judged_by: str = ACRUX
    judged_at: datetime | None = None
    reported_verdict: Verdict | None = None


class Recorder:
    """Makes the records of one stream.

    Args:
        keyring: seals and looks up.
        stream: the stream that the records will be appended to: its key seals them.
    """

    __slots__ = ("_keyring", "_sealer")

    def __init__(self, keyring: Keyring, stream: StreamId) -> None:
        self._keyring = keyring
        self._sealer = keyring.records(stream)

    def decision(
        self,
        decision_id: DecisionId,
        decision: Decision,
        facts: Facts,
        *,
        expires_at: datetime,
        caller: Caller,
        idempotency: Idempotency | None = None,
        floor: Mapping[str, Json] | None = None,
    ) -> Entry:
        """The record of a decision: everything that is needed to decide again, and the answer.

        `floor` is what was decided for the same login before (`level` and `max_age_seconds`), where it counts.
        """
        at_us = microseconds(decision.decided_at)
        plain, sealed = split_facts(facts.values)
        secret: dict[str, object] = {"facts": sealed} if sealed else {}
        if facts.requested_claims is not None:
            secret["requested_claims"] = facts.requested_claims
        user_id = sealed.get(_USER_FACT)
        content: dict[str, object] = {
            "acrux": acrux.__version__,
            "answer": {
                "accept": _accept_to_json(decision.accept),
                "authorization_params": dict(decision.authorization_params),
                "decided_at_us": at_us,
                "expires_at_us": microseconds(expires_at),
                "level": decision.level,
                "max_age_seconds": decision.max_age_seconds,
                "outcome": decision.outcome.value,
                "policy_revision": decision.policy_revision,
                "reason": decision.reason,
                "requested_level": decision.requested_level,
                "rules": decision.rules,
                "shadow_level": decision.shadow_level,
            },
            "client": decision.client,
            "correlation_id": caller.correlation_id,
            "decision_id": decision_id,
            "dropped_acr_values": decision.dropped_acr_values,
            "effects": [_effect_to_json(effect) for effect in decision.effects],
            "facts": plain,
            "provider": decision.provider,
            "request_id": caller.request_id,
            "sealed": self._sealer.seal_json(secret, decision_id) if secret else None,
            "token_id": caller.token_id,
            "user_hmac": self._keyring.pseudonym(user_id) if isinstance(user_id, str) else None,
        }
        if floor is not None:
            content["floor"] = floor
        return Entry(Kind.DECISION, dump(content), at_us, decision_id, False, idempotency)

    def outcome(self, outcome: Outcome, *, caller: Caller, idempotency: Idempotency | None = None) -> Entry:
        """The record of an outcome: filed under its decision's time and client."""
        returned = outcome.returned
        secret: dict[str, object] = {}
        if returned.subject is not None:
            secret["subject"] = returned.subject
        if returned.facts:
            secret["facts"] = returned.facts
        at_us = microseconds(outcome.decided_at)
        content = {
            "acrux": acrux.__version__,
            "admit": outcome.admit,
            "client": outcome.client,
            "correlation_id": caller.correlation_id,
            "decided_at_us": at_us,
            "decision_id": outcome.decision_id,
            "judged_at_us": None if outcome.judged_at is None else microseconds(outcome.judged_at),
            "judged_by": outcome.judged_by,
            "level": outcome.level,
            "outcome_id": outcome.id,
            "policy_revision": outcome.revision,
            "provider": outcome.provider,
            "reported_verdict": outcome.reported_verdict,
            "request_id": caller.request_id,
            "retry": outcome.retry,
            "returned": {
                "acr": returned.acr,
                "amr": returned.amr,
                "auth_time": returned.auth_time,
                "issuer": returned.issuer,
                "sid": returned.sid,
            },
            "sealed": self._sealer.seal_json(secret, outcome.decision_id) if secret else None,
            "token_id": caller.token_id,
            "user_hmac": self._keyring.pseudonym(returned.subject) if returned.subject is not None else None,
            "uses_up": outcome.verdict.uses_up,
            "verdict": outcome.verdict,
        }
        return Entry(Kind.OUTCOME, dump(content), at_us, outcome.decision_id, outcome.verdict.uses_up, idempotency)


def _accept_to_json(accept: Accept | None) -> dict[str, object] | None:
    if accept is None:
        return None
    return {"claim": accept.claim, "max_age_seconds": accept.max_age_seconds, "values": accept.values}


def _effect_to_json(effect: RuleEffect) -> dict[str, object]:
    return {
        "break_glass": effect.break_glass,
        "bucket": effect.bucket,
        "declared": effect.declared,
        "enforced": effect.enforced,
        "errored": effect.errored,
        "exception": effect.exception,
        "id": effect.id,
        "requires": effect.requires,
    }


def split_facts(values: Mapping[str, FactValue]) -> tuple[dict[str, FactValue], dict[str, FactValue]]:
    """The facts that stand in clear, and those that are sealed."""
    plain = {name: value for name, value in values.items() if name in _PLAIN_FACTS}
    return plain, {name: value for name, value in values.items() if name not in _NOT_SEALED}


def dump(content: Mapping[str, object]) -> bytes:
    """Canonical bytes of a record's content."""
    return orjson.dumps(content, default=_plain, option=_OPTIONS)


def _plain(value: object) -> object:
    """What orjson does not know: read-only mappings and durations."""
    match value:
        case Mapping():
            return dict(value)
        case timedelta():
            return fact_to_json(value)
        case _:
            raise TypeError(f"{type(value).__name__} can't be logged")
