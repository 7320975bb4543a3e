"""A decision in the shape of Decide's answer (http-api.md), without id, expiry, ticket and receipt. No HTTP."""

from acrux.domain.decision import Accept, Decision
from acrux.domain.facts import Json, format_timestamp


def decision_to_json(decision: Decision) -> dict[str, Json]:
    """The answer's fields in their documented order; nulls are always present."""
    return {
        "outcome": decision.outcome.value,
        "level": decision.level,
        "authorization_params": dict(decision.authorization_params),
        "accept": accept_to_json(decision.accept),
        "rules": list(decision.rules),
        "reason": decision.reason,
        "requested_level": decision.requested_level,
        "shadow_level": decision.shadow_level,
        "policy_revision": decision.policy_revision,
        "decided_at": format_timestamp(decision.decided_at),
    }


def accept_to_json(accept: Accept | None) -> dict[str, Json] | None:
    """What to accept on the way back; None for `deny`."""
    if accept is None:
        return None
    return {"claim": accept.claim, "values": list(accept.values), "max_age_seconds": accept.max_age_seconds}
