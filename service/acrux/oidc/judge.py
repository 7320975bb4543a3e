"""The verdict on what came back, in the one order that http-api.md, "Close the loop", gives. Pure: no I/O, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from acrux.domain.decision import Accept, DecisionOutcome, Verdict
from acrux.domain.facts import FactValue, Json
from acrux.domain.identifiers import LevelName
from acrux.domain.ladder import AssuranceLadder
from acrux.oidc.claims import (
    InvalidToken,
    ReturnedClaims,
    auth_time_seconds,
    returned_amr,
    returned_words,
    verified_user_facts,
)
from acrux.oidc.tickets import InvalidTicket, Ticket, same_text, sha256_base64url
from acrux.policy.model import Client, Provider

SKEW_SECONDS: Final = 60
ISSUED_BEFORE_SECONDS: Final = 60
"""An ID token may be this much older than its decision: clocks differ, replays are older."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict and what it rests on.

    Attributes:
        verdict: the first row of the table that fits. `insufficient` is found by the caller, who decides again when
            this is `satisfied` and then says `as_insufficient`.
        reason: what was wrong, in a few words for the record; empty for `satisfied`.
        level: the highest level whose word came back, else the lowest of the ladder; the lowest too where nothing was
            proved (`invalid`, `mismatched`).
        returned: the words of the accepted claim, as they came back and were proved.
        acr: the `acr` claim if it is a text.
        amr: the `amr` claim.
        auth_time_seconds: `auth_time`, in seconds since the epoch.
        sid: the provider's session, if it says.
        user_facts: the `user.*` facts that the claims prove, for deciding again.
    """

    verdict: Verdict
    reason: str
    level: LevelName
    returned: tuple[str, ...] = ()
    acr: str | None = None
    amr: tuple[str, ...] = ()
    auth_time_seconds: float | None = None
    sid: str | None = None
    user_facts: Mapping[str, FactValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Finding:
    verdict: Verdict
    reason: str = ""


def judge(  # noqa: D417, PLR0911 - values say what they are; one return a row of the table
    ticket: Ticket | InvalidTicket,
    returned: ReturnedClaims | InvalidToken,
    *,
    decision_id: str,
    provider: Provider | None,
    client: Client | None,
    ladder: AssuranceLadder,
    now: datetime,
    already_used: bool,
) -> Judgement:
    """Judges what came back against the decision that the ticket carries.

    Args:
        decision_id: the decision that the caller named; another one than the ticket's makes the ticket `invalid`.
        provider: the ticket's provider, from the ticket's revision where it is held; None if it is gone.
        client: the ticket's client, likewise; None for an unregistered one.
        ladder: for the level that was attained.
        already_used: whether this decision has had its outcome.
    """
    unproved = ladder.lowest
    if isinstance(ticket, InvalidTicket):
        return Judgement(Verdict.INVALID, f"ticket: {ticket.reason}", unproved)
    if ticket.decision_id != decision_id:
        return Judgement(Verdict.INVALID, "ticket: of another decision", unproved)
    if isinstance(returned, InvalidToken):
        return Judgement(Verdict.INVALID, returned.reason, unproved)
    untimely = _untimely(returned, now)
    if untimely:
        return Judgement(Verdict.INVALID, untimely, unproved)
    if provider is None or provider.name != ticket.provider:
        return Judgement(Verdict.MISMATCHED, "the provider is not in the policy set", unproved)
    mismatch = _mismatch(ticket, returned, provider, client)
    if mismatch:
        return Judgement(Verdict.MISMATCHED, mismatch, unproved)
    found = _judge_proved(ticket, returned, now, already_used=already_used)
    return _describe(found, ticket, returned, provider, ladder)


def _untimely(returned: ReturnedClaims, now: datetime) -> str:
    at = now.timestamp()
    if at >= returned.expires_at_seconds + SKEW_SECONDS:
        return "the ID token has expired"
    # RFC 7519 section 4.1.5; OpenID Connect itself does not use `nbf`.
    if returned.not_before_seconds is not None and at < returned.not_before_seconds - SKEW_SECONDS:
        return "the ID token is not valid yet"
    return ""


def _mismatch(ticket: Ticket, returned: ReturnedClaims, provider: Provider, client: Client | None) -> str:
    """What differs, or ''. The numbers are those of OpenID Connect Core 3.1.3.7."""
    party = returned.authorized_party
    checks = (
        (client is not None and client.client_id != ticket.client_id, "the client has another id now"),
        (returned.issuer != provider.issuer, "another issuer"),  # 2
        (ticket.client_id not in returned.audience, "another audience"),  # 3
        (len(returned.audience) > 1 and party is None, "several audiences and no `azp`"),  # 4
        (party is not None and party != ticket.client_id, "another `azp`"),  # 5
        (not _is_nonce(returned.nonce, ticket.nonce_sha256), "another nonce"),  # 11
        (not _is_user(returned.values.get(provider.subject_claim), ticket), "another subject"),
        (returned.issued_at_seconds + ISSUED_BEFORE_SECONDS < ticket.decided_at.timestamp(), "issued too early"),  # 10
    )
    return next((reason for differs, reason in checks if differs), "")


def _is_nonce(nonce: str | None, nonce_sha256: str | None) -> bool:
    if nonce_sha256 is None:
        return True
    return nonce is not None and same_text(sha256_base64url(nonce), nonce_sha256.rstrip("="))


def _is_user(subject: Json, ticket: Ticket) -> bool:
    return ticket.user_id is None or (isinstance(subject, str) and ticket.names_user(subject))


def _judge_proved(ticket: Ticket, returned: ReturnedClaims, now: datetime, *, already_used: bool) -> _Finding:
    """The rows below `mismatched`: these are the right claims for this login."""
    if ticket.outcome is DecisionOutcome.DENY or ticket.accept is None:
        return _Finding(Verdict.DENIED, "the decision was `deny`")
    if already_used:
        return _Finding(Verdict.REPLAYED, "this decision has had its outcome")
    if now > ticket.expires_at:
        return _Finding(Verdict.EXPIRED, "the decision has expired")
    return _judge_delivery(ticket, ticket.accept, returned, now)


def _judge_delivery(ticket: Ticket, accept: Accept, returned: ReturnedClaims, now: datetime) -> _Finding:
    if accept.values:
        words = returned_words(returned.values, accept.claim)
        if not words:
            return _Finding(Verdict.MISSING, f"no `{accept.claim}` came back")
        if not set(words) & set(accept.values):
            return _Finding(Verdict.DOWNGRADED, f"another `{accept.claim}` came back")
    if accept.max_age_seconds is not None:
        at = auth_time_seconds(returned.values)
        if at is None:
            return _Finding(Verdict.STALE, "no `auth_time` came back")
        if at > now.timestamp() + SKEW_SECONDS:
            return _Finding(Verdict.STALE, "`auth_time` is in the future")
        if at + accept.max_age_seconds + SKEW_SECONDS < ticket.decided_at.timestamp():
            return _Finding(Verdict.STALE, "the login is too old")
    return _Finding(Verdict.SATISFIED)


def _describe(
    found: _Finding,
    ticket: Ticket,
    returned: ReturnedClaims,
    provider: Provider,
    ladder: AssuranceLadder,
) -> Judgement:
    values = returned.values
    acr, sid = values.get("acr"), values.get("sid")
    claim = provider.profile.accept_claim if ticket.accept is None else ticket.accept.claim
    words = returned_words(values, claim)
    return Judgement(
        verdict=found.verdict,
        reason=found.reason,
        level=attained_level(words, provider, ladder),
        returned=words,
        acr=acr if isinstance(acr, str) else None,
        amr=returned_amr(values),
        auth_time_seconds=auth_time_seconds(values),
        sid=sid if isinstance(sid, str) else None,
        user_facts=verified_user_facts(returned, provider),
    )


def attained_level(words: tuple[str, ...], provider: Provider, ladder: AssuranceLadder) -> LevelName:
    """The highest level one of whose words at this provider came back; the lowest of the ladder where none did."""
    came_back = set(words)
    return next(
        (level for level in reversed(ladder.levels) if came_back.intersection(provider.acr.get(level, ()))),
        ladder.lowest,
    )
