"""The token guard: forwards a token request, and lets tokens out only where the login is what was decided.

relying-parties.md, "The redirect adapter": anything but `satisfied` becomes `invalid_grant`. The verdict itself is
oidc's; nothing of a request or of tokens is logged but what a record of an outcome has.
"""

from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from fastapi import Response

from acrux.domain.decision import Verdict
from acrux.domain.identifiers import DecisionId
from acrux.http.bodies import parse_json
from acrux.http.calls import require_policy
from acrux.http.outcome import Returning, settle
from acrux.http.problems import Code, Problem
from acrux.http.rp_adapter import Party, RedirectAdapter, provider_away
from acrux.http.rp_forms import REFRESH_TOKEN, OAuthRefusal, TokenRequest
from acrux.http.rp_unbound import UNBOUND, record
from acrux.http.single_use import Beside
from acrux.oidc.claims import InvalidToken, ReturnedClaims
from acrux.oidc.fetching import FetchFailedError, FormAnswer
from acrux.oidc.guard import Binding, BindingKind, Mismatched, Unbound, binding_hash, match_bindings, nonce_hash
from acrux.oidc.judge import judge
from acrux.oidc.jwks import KeysUnavailableError
from acrux.oidc.tickets import Ticket, TicketTooLargeError
from acrux.policy.model import Provider

_NO_ID_TOKEN: Final = InvalidToken("no ID token came back")
_UNREADABLE: Final = InvalidToken("what came back is no JSON object, or has a member twice")
_MEMBERS: Final = frozenset({"access_token", "id_token", "refresh_token"})
"""In another case they would be other members here, and the same ones to readers that have no case."""
_OF_NO_NONCE: Final = ""
"""What is no text's hash."""
_HEADERS: Final = {"pragma": "no-cache", "referrer-policy": "no-referrer"}


async def redeem(adapter: RedirectAdapter, party: Party, request: TokenRequest) -> Response:
    """The answer to a token request.

    Raises:
        OAuthRefusal: no tokens.
        Problem: nothing could be found out.
    """
    if request.grant_type == REFRESH_TOKEN:
        return await _refresh(adapter, party, request)
    by_challenge, with_nonce = None, None
    if request.challenge is not None:
        by_challenge, with_nonce = await adapter.bindings.find_login(party.client.name, request.challenge)
    else:
        # A code is spent by forwarding it: not without being able to find what it belongs to.
        await adapter.bindings.ready(party.client.name)
    if by_challenge is None:
        _check_client(adapter, party)
        if request.has_verifier:
            await adapter.unbound.refuse(party, request, "no decision is bound to the code_challenge")
    if not adapter.services.log.available:
        # Nor without being able to record what comes of it.
        raise Problem(Code.LOG_UNAVAILABLE, "the outcome of the login can't be recorded")
    answer = await _forward(adapter, party, request)
    if answer.status != HTTPStatus.OK:
        return _passed_on(answer)
    tokens = _read_tokens(answer)
    returned = await _verified(party, tokens)
    nonce = returned.nonce if isinstance(returned, ReturnedClaims) else None
    by_nonce = await _by_nonce(adapter, party, nonce, by_challenge, with_nonce)
    found = match_bindings(by_challenge, by_nonce, has_verifier=request.has_verifier, has_nonce=bool(nonce))
    if isinstance(found, Unbound):
        reason = returned.reason if isinstance(returned, InvalidToken) else found.reason
        await adapter.unbound.refuse(party, request, reason, was_accepted=True)
    mismatch = found.reason if isinstance(found, Mismatched) else _moved(party, returned)
    beside: Beside | None = None
    issued = _refresh_token(tokens)
    if issued and isinstance(returned, ReturnedClaims):
        kept, at = _for_refresh(found.ticket, returned), adapter.services.clock()
        # With the subject it may be longer than a ticket may be. Then the refresh token is not remembered: using it is
        # refused as `unbound`, and the user logs in anew.
        with suppress(TicketTooLargeError):
            beside = adapter.bindings.keeping_refresh(party.client.name, issued, kept, at)
    await _require_satisfied(party, found.ticket, returned, mismatch, beside)
    if beside is not None:
        await adapter.bindings.keep(beside)
    return _passed_on(answer)


def _check_client(adapter: RedirectAdapter, party: Party) -> None:
    """The client's quota is for what is not known to belong to a login: else anybody could use it up for all of them.

    Raises:
        Problem: `too_many_requests`.
    """
    adapter.token_quotas.check_client(party.client.name)


def _moved(party: Party, returned: ReturnedClaims | InvalidToken) -> str:
    """What differs where a new set sends the client to another provider than the login began at; or ''.

    The token was verified by the keys of today's provider, and will be judged by the set of its decision: one provider
    must not speak for the other.
    """
    if isinstance(returned, ReturnedClaims) and returned.issuer != party.provider.issuer:
        return "another issuer"
    return ""


async def _by_nonce(
    adapter: RedirectAdapter, party: Party, nonce: str | None, by_challenge: Binding | None, with_nonce: Binding | None
) -> Binding | None:
    """What the nonce of the ID token is bound to: known already where it is the one of the login that was found."""
    if not nonce:
        return None
    if by_challenge is not None and binding_hash(nonce) == nonce_hash(by_challenge.ticket):
        return with_nonce
    return await adapter.bindings.find(party.client.name, BindingKind.NONCE, nonce)


async def _refresh(adapter: RedirectAdapter, party: Party, request: TokenRequest) -> Response:
    """Tokens for a refresh token that was issued through the guard, as long as they are for the same login."""
    binding = await adapter.bindings.find(party.client.name, BindingKind.REFRESH, request.refresh_token)
    if binding is None:
        _check_client(adapter, party)
        await adapter.unbound.refuse(party, request, "the refresh token was not issued through the guard")
    answer = await _forward(adapter, party, request)
    if answer.status != HTTPStatus.OK:
        return _passed_on(answer)
    tokens = _read_tokens(answer)
    # OpenID Connect Core 12.2: there need not be an ID token. In what can't be read there could be one.
    if isinstance(tokens, InvalidToken) or tokens.get("id_token") is not None:
        await _require_same_login(adapter, party, request, binding.ticket, await _verified(party, tokens))
    issued = _refresh_token(tokens) or request.refresh_token
    at = adapter.services.clock()
    await adapter.bindings.keep(
        adapter.bindings.keeping_refresh(party.client.name, issued, binding.ticket, at, request.refresh_token)
    )
    return _passed_on(answer)


async def _forward(adapter: RedirectAdapter, party: Party, request: TokenRequest) -> FormAnswer:
    headers = [*request.headers, (b"accept", b"application/json")]
    try:
        answer = await adapter.services.endpoints.exchange(party.provider, headers, request.body)
    except FetchFailedError as failure:
        raise provider_away(failure) from failure
    if answer.status != HTTPStatus.OK and not 400 <= answer.status < 500:  # noqa: PLR2004 - RFC 9110 section 15.5
        raise Problem(Code.PROVIDER_UNAVAILABLE, f"the provider's token endpoint answered {answer.status}")
    if answer.status != HTTPStatus.OK and _may_bear_tokens(answer):
        detail = f"the provider's token endpoint answered {answer.status} and yet with tokens"
        raise Problem(Code.PROVIDER_UNAVAILABLE, detail)
    return answer


def _may_bear_tokens(refusal: FormAnswer) -> bool:
    """Whether somebody could find tokens in a refusal: not every relying party looks at the status first."""
    content = _read_tokens(refusal)
    if isinstance(content, dict):
        return bool(content.keys() & _MEMBERS)
    # No JSON, or an ambiguous one, in which a backslash can hide a name.
    text = refusal.body.lower()
    return b"\\" in text or any(name.encode() in text for name in _MEMBERS)


def _passed_on(answer: FormAnswer) -> Response:
    return Response(answer.body, answer.status, headers={**answer.headers, **_HEADERS})


def _read_tokens(answer: FormAnswer) -> dict[str, Any] | InvalidToken:
    """The members of a provider's answer; no object in which every reader finds the same ones can't be judged."""
    try:
        content = parse_json(answer.body)
    except Problem:
        return _UNREADABLE
    if not isinstance(content, dict) or any(name.lower() in _MEMBERS for name in content.keys() - _MEMBERS):
        return _UNREADABLE
    return content


async def _verified(party: Party, tokens: dict[str, Any] | InvalidToken) -> ReturnedClaims | InvalidToken:
    if isinstance(tokens, InvalidToken):
        return tokens
    id_token = tokens.get("id_token")
    if not isinstance(id_token, str):
        return _NO_ID_TOKEN
    try:
        return await party.call.services.verifier.verify(id_token, party.provider)
    except KeysUnavailableError as failure:
        raise Problem(Code.KEYS_UNAVAILABLE, "the provider's keys can't be had") from failure


async def _require_satisfied(
    party: Party, ticket: Ticket, returned: ReturnedClaims | InvalidToken, mismatch: str, beside: Beside | None
) -> None:
    """Judges and logs the login; `beside` is written with its use.

    Raises:
        OAuthRefusal: it is not what was decided.
    """
    services = party.call.services
    decider = services.policy.held(ticket.revision) or require_policy(services)
    checked = decider.compiled.checked
    returning = Returning(
        call=party.call,
        decision_id=ticket.decision_id,
        ticket=ticket,
        decider=decider,
        provider=None if ticket.provider is None else checked.providers.get(ticket.provider),
        client=checked.clients.get(ticket.client_name),
        returned=returned,
        now=services.clock(),
    )
    judgement, _ = await settle(returning, None, mismatch=mismatch, beside=beside)
    if judgement.verdict is not Verdict.SATISFIED:
        raise _invalid_grant(judgement.verdict, ticket.decision_id)


def _for_refresh(ticket: Ticket, returned: ReturnedClaims) -> Ticket:
    """What the tokens of later refreshes must go on being: the same login of the same subject."""
    return replace(ticket, user_id=returned.subject, facts={}, facts_in_log=False)


def _refresh_token(tokens: dict[str, Any] | InvalidToken) -> str:
    """The refresh token among these; '' if there is none."""
    token = tokens.get("refresh_token") if isinstance(tokens, dict) else None
    return token if isinstance(token, str) else ""


async def _require_same_login(
    adapter: RedirectAdapter,
    party: Party,
    request: TokenRequest,
    ticket: Ticket,
    returned: ReturnedClaims | InvalidToken,
) -> None:
    """Raises `invalid_grant` unless a refreshed ID token is for the same subject, with an acr that was accepted."""
    checked = party.decider.compiled.checked
    now = adapter.services.clock()
    # Core 12.2: a refreshed token need not repeat the nonce; one that has a nonce must have the login's.
    repeats_nonce = isinstance(returned, ReturnedClaims) and returned.nonce is not None
    nonce_sha256 = (ticket.nonce_sha256 or _OF_NO_NONCE) if repeats_nonce else None
    judgement = judge(
        replace(ticket, expires_at=now, nonce_sha256=nonce_sha256),
        returned,
        decision_id=ticket.decision_id,
        provider=_by_subject(party.provider),
        client=party.client,
        ladder=checked.ladder,
        now=now,
        already_used=False,
    )
    if judgement.verdict is not Verdict.SATISFIED:
        reason = f"the refreshed ID token is {judgement.verdict}: {judgement.reason}"
        await record(party, request, reason, ticket.decision_id)
        adapter.services.metrics.verdicts[UNBOUND] += 1
        raise _invalid_grant(judgement.verdict, ticket.decision_id)


def _by_subject(provider: Provider) -> Provider:
    """The provider whose users are told apart by `sub`, which a refreshed ID token must keep (Core 12.2)."""
    return replace(provider, subject_claim="sub")


def _invalid_grant(verdict: Verdict, decision_id: DecisionId) -> OAuthRefusal:
    return OAuthRefusal("invalid_grant", f"the sign-in is not what was decided ({verdict}); decision {decision_id}")
