"""The first half of a login through the redirect adapter: read, decide, bind, redirect. The target is never sent here.

relying-parties.md, "Rules of the road". Whatever is wrong with a request is shown to its user, and redirects nowhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import orjson
from fastapi import Response

from acrux.decisionlog.recorder import Caller
from acrux.domain.decision import Decision, DecisionOutcome
from acrux.domain.facts import Json
from acrux.domain.request import DecideRequest
from acrux.engine import NO_FLOOR, Floor
from acrux.http.bodies import parse_json
from acrux.http.deciding import build_facts, decide_built, log_and_answer, login_of
from acrux.http.envelope import Headers
from acrux.http.problems import Code, Problem
from acrux.http.rp_adapter import Party, RedirectAdapter, provider_away
from acrux.http.rp_pages import HEADERS, Sign, denied_page
from acrux.http.rp_parameters import Parameters
from acrux.oidc.fetching import FetchFailedError
from acrux.oidc.guard import BindingKind, is_challenge
from acrux.oidc.tickets import InvalidTicket, sha256_base64url
from acrux.policy.facts import BuiltFacts
from acrux.policy.model import Client
from acrux.policy.request import RequestInvalid, request_from_json
from acrux.storage.bindings import BindingRow

MAX_REQUEST_BYTES: Final = 16 * 1024
"""Longer addresses than this are refused by browsers, proxies and providers anyway."""
_UNUSABLE: Final = ("request", "request_uri")
_DESTINATION: Final = b"sec-fetch-dest"
_PURPOSE: Final = b"sec-purpose"
_FETCH_METADATA: Final = (_DESTINATION, _PURPOSE)
_ATTEMPTS: Final = 5
_LOST: Final = "\x00"
"""A level that no ladder has: counts as the highest."""


class DecidedInVain(Problem):
    """What is wrong with a login whose decision is recorded already.

    Attributes:
        decision_id: that decision.
    """

    def __init__(self, problem: Problem, decision_id: str) -> None:
        super().__init__(problem.code, problem.detail, fallback=problem.fallback)
        self.decision_id = decision_id


@dataclass(frozen=True, slots=True)
class Asked:
    """An authorization request that may be served.

    Attributes:
        parameters: as they came.
        redirect_uri: the registered one that it named.
        response_mode: as named, or ''.
        bound: what the decision will be bound by.
        request: its facts.
    """

    parameters: Parameters
    redirect_uri: str
    response_mode: str
    bound: Mapping[BindingKind, str]
    request: DecideRequest


async def authorize(adapter: RedirectAdapter, party: Party, raw: bytes) -> Response:
    """The redirect that an authorization request comes to.

    Raises:
        Problem: whatever is wrong; the request redirects nowhere.
    """
    address = party.address if is_opened_by_a_person(party.call.request.scope["headers"]) else None
    asked = read_authorization(raw, party.client, address)
    services = adapter.services
    try:
        endpoint = await services.endpoints.authorization_endpoint(party.provider)
    except FetchFailedError as failure:
        raise provider_away(failure) from failure
    decision, decision_id = await _decide_and_bind(adapter, party, asked)
    if decision.outcome is DecisionOutcome.DENY:
        return _denied(party, asked, decision_id, decision.decided_at, services.settings.help_desk)
    return _redirect(merged(endpoint, asked.parameters, decision.authorization_params))


def read_authorization(raw: bytes, client: Client, address: str | None) -> Asked:
    """An authorization request, held to what can be decided and guarded.

    Raises:
        Problem: `invalid_request`, `malformed`.
    """
    if len(raw) > MAX_REQUEST_BYTES:
        raise _refused("the request is too long")
    parameters = Parameters.read(raw)
    # First of all: whether the answer could go anywhere but to this client.
    if parameters.once("client_id") != client.client_id:
        raise _refused("`client_id` is not the one that this client has in the policy set")
    redirect_uri = parameters.once("redirect_uri")
    if not client.redirect_uris:
        raise _refused("this client has no `redirect_uris` in the policy set, so it can't be served here")
    if redirect_uri not in client.redirect_uris:
        raise _refused("`redirect_uri` is not one of those that this client has in the policy set")
    for name in _UNUSABLE:
        if parameters.every(name):
            raise _refused(f"`{name}` can't be used: what is merged beside signed or pushed requests is ignored")
    if parameters.once("response_type") != "code":
        raise _refused("`response_type` must be `code`: other flows hand out tokens past the guard")
    scopes = parameters.once("scope").split()
    if "openid" not in scopes:
        raise _refused("`scope` must have `openid`: without an ID token nothing can be judged")
    bound = _bound(parameters)
    nonce = bound.get(BindingKind.NONCE)
    body: dict[str, Json] = {
        "client": client.name,
        "request": _requested(parameters, scopes),
    }
    if address is not None:
        body["network"] = {"ip": address}
    if nonce is not None:
        body["nonce_sha256"] = sha256_base64url(nonce)
    try:
        request = request_from_json(body)
    except RequestInvalid as invalid:
        # Its message names what was sent, and this one stands on a page.
        raise _refused("the parameters are longer, or more, than a decision takes") from invalid
    return Asked(parameters, redirect_uri, parameters.once("response_mode"), bound, request)


def is_opened_by_a_person(lines: Headers) -> bool:
    """Whether a browser opens this address as a page of its own, as far as it says (Fetch Metadata, W3C).

    An image, a frame or a prefetch in any page that somebody in the office looks at would else lend the office's
    address to whoever made that page, and knows the login that is in it.
    """
    said = {name: value.strip().lower() for name, value in lines if name in _FETCH_METADATA}
    return said.get(_DESTINATION, b"document") == b"document" and b"prefetch" not in said.get(_PURPOSE, b"")


def _bound(parameters: Parameters) -> dict[BindingKind, str]:
    nonce, challenge = parameters.once("nonce"), parameters.once("code_challenge")
    method = parameters.once("code_challenge_method")
    if challenge and method != "S256":
        raise _refused("`code_challenge_method` must be `S256`: a plain challenge gives its secret away")
    if challenge and not is_challenge(challenge):
        raise _refused("`code_challenge` is no S256 challenge")
    if not nonce and not challenge:
        raise _refused("the request needs a `nonce` or an S256 `code_challenge`: nothing else binds its decision to it")
    found = {BindingKind.NONCE: nonce, BindingKind.CHALLENGE: challenge}
    return {kind: value for kind, value in found.items() if value}


def _requested(parameters: Parameters, scopes: list[str]) -> dict[str, Json]:
    words: list[Json] = [word for value in parameters.every("acr_values") for word in value.split()]
    requested: dict[str, Json] = {"acr_values": words, "scopes": list(scopes), "prompt": parameters.once("prompt")}
    max_age, claims = parameters.once("max_age"), parameters.once("claims")
    if max_age:
        if not (max_age.isascii() and max_age.isdecimal()):
            raise _refused("`max_age` is no number of seconds")
        requested["max_age"] = int(max_age[:11])
    if claims:
        requested["claims"] = parse_json(claims.encode())
    if not requested["prompt"]:
        del requested["prompt"]
    return requested


async def _decide_and_bind(adapter: RedirectAdapter, party: Party, asked: Asked) -> tuple[Decision, str]:
    """The decision, durable and bound; never below one that a value of this request is bound to already."""
    name, decision_id = party.client.name, ""
    for _ in range(_ATTEMPTS):
        now = adapter.services.clock()
        seen = await adapter.bindings.rows(name, asked.bound)
        floor = _floor(adapter, party, seen)
        built = build_facts(party.decider, asked.request, now)
        decision = decide_built(party.decider, built, now, floor)
        told = await _log(party, built, asked, decision, floor, seen)
        decision_id = told["decision_id"]
        try:
            is_bound = await adapter.bindings.bind(name, asked.bound, seen, (decision_id, told["ticket"]), now)
        except Problem as problem:
            raise DecidedInVain(problem, decision_id) from problem
        if is_bound:
            adapter.services.metrics.ignored_attributes_count += built.ignored_attributes
            return decision, decision_id
    raise DecidedInVain(Problem(Code.TOO_MANY_REQUESTS, "this sign-in is opened again and again"), decision_id)


def _floor(adapter: RedirectAdapter, party: Party, seen: Mapping[str, BindingRow]) -> Floor:
    """The highest of what was decided for these values before."""
    floor = NO_FLOOR
    for row in seen.values():
        ticket = adapter.services.tickets.open(row.ticket)
        if isinstance(ticket, InvalidTicket):
            floor = floor.joined(party.decider.floor_of(_LOST, None))
        else:
            max_age_seconds = None if ticket.accept is None else ticket.accept.max_age_seconds
            floor = floor.joined(party.decider.floor_of(ticket.level, max_age_seconds))
    return floor


async def _log(
    party: Party, built: BuiltFacts, asked: Asked, decision: Decision, floor: Floor, seen: Mapping[str, BindingRow]
) -> dict[str, Any]:
    kept: dict[str, Any] | None = None
    if floor is not NO_FLOOR:
        level = party.decider.level_of(floor)
        before = sorted({row.decision_id for row in seen.values()})
        kept = {"decisions": before, "level": level, "max_age_seconds": floor.max_age_seconds}
    call = party.call
    answer = await log_and_answer(
        call.services,
        decision,
        built.facts,
        login_of(party.decider, built, asked.request, decision),
        Caller(call.request_id, None, call.token.id),
        floor=kept,
    )
    told: dict[str, Any] = orjson.loads(answer)
    return told


def merged(endpoint: str, parameters: Parameters, added: Mapping[str, str]) -> str:
    """The authorization request at the provider: replacing, never repeating a parameter; all others byte for byte."""
    kept = [each.raw for each in parameters.all if each.name not in added]
    kept += [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in added.items() if value]
    return _with_query(endpoint, kept)


def _with_query(url: str, pairs: list[str]) -> str:
    base, mark, query = url.partition("?")
    return base + "?" + "&".join([query, *pairs] if mark and query else pairs)


def _denied(party: Party, asked: Asked, decision_id: str, at: datetime, help_desk: str) -> Response:
    """`access_denied` at the registered URI (RFC 6749 section 4.1.2.1, RFC 9207)."""
    pairs = [
        "error=access_denied",
        "error_description=" + quote(f"refused by policy, decision {decision_id}", safe=""),
        "iss=" + quote(party.provider.issuer, safe=""),
    ]
    if asked.parameters.raw("state"):
        pairs.append("state=" + asked.parameters.raw("state"))
    match asked.response_mode:
        case "" | "query":
            return _redirect(_with_query(asked.redirect_uri, pairs))
        case "fragment":
            return _redirect(asked.redirect_uri + "#" + "&".join(pairs))
        case _:
            # A form post takes a script, a signed answer the provider's key: the user is told here.
            sign = Sign(party.call.request_id, at, party.client.name, decision_id)
            return denied_page(sign, help_desk)


def _redirect(target: str) -> Response:
    headers = {"location": target, "referrer-policy": HEADERS["referrer-policy"]}
    return Response(status_code=302, headers=headers)


def _refused(message: str) -> Problem:
    return Problem(Code.INVALID_REQUEST, message)
