"""The redirect adapter's routes: relying parties that can't be changed log in through them. No meaning is here."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response

from acrux.domain.identifiers import ClientName
from acrux.http.calls import REQUEST_ID, refuse_query
from acrux.http.envelope import Disconnected, check_length, header, read_body
from acrux.http.problems import Code, Problem
from acrux.http.rp_adapter import RedirectAdapter
from acrux.http.rp_authorize import DecidedInVain, authorize
from acrux.http.rp_forms import OAuthRefusal, is_form, read_token_request, refusal_of
from acrux.http.rp_mirror import mirror
from acrux.http.rp_pages import Sign, problem_page
from acrux.http.rp_token import redeem

router: Final = APIRouter(tags=["redirect adapter"])
_FOR_PROGRAMS: Final = ("/token", "/openid-configuration")
_Client = Annotated[str, Path(description="The client's name in the policy set.")]


@router.get("/rp/{client}/authorize", operation_id="rp_authorize")
async def authorize_by_query(request: Request, client: _Client) -> Response:
    """The authorization endpoint of a client: decides, and redirects to the client's provider."""
    return await _authorize(request, client, request.scope["query_string"])


@router.post("/rp/{client}/authorize", operation_id="rp_authorize_by_form")
async def authorize_by_form(request: Request, client: _Client) -> Response:
    """The same with the parameters in a form (OpenID Connect Core 3.1.2.1)."""
    return await _authorize(request, client, None)


@router.get("/rp/{client}/.well-known/openid-configuration", operation_id="rp_discovery")
async def discovery(request: Request, client: _Client) -> Response:
    """The discovery document of a client: its provider's, led through here."""
    refuse_query(request)
    adapter: RedirectAdapter = request.app.state.redirect_adapter
    async with adapter.admitted(request, client, adapter.mirror_quotas) as party:
        return await mirror(adapter, party)


@router.post("/rp/{client}/token", operation_id="rp_token")
async def token(request: Request, client: _Client) -> Response:
    """The token guard: tokens for logins that are what was decided."""
    adapter: RedirectAdapter = request.app.state.redirect_adapter
    services = adapter.services
    try:
        body = await _body(request)
        async with adapter.admitted(request, client, adapter.token_quotas, by_client=False) as party:
            scope = request.scope
            form = read_token_request(scope["headers"], scope["query_string"], body, party.client)
            return await redeem(adapter, party, form)
    except OAuthRefusal as refusal:
        return refusal.response()
    except Problem as problem:
        services.metrics.problems[problem.code] += 1
        return refusal_of(problem, services.settings.retry_after_seconds).response()


async def _authorize(request: Request, client: str, query: bytes | None) -> Response:
    """The redirect, or the page that says why there is none; `query` is None where the parameters are in a form."""
    adapter: RedirectAdapter = request.app.state.redirect_adapter
    settings = adapter.services.settings
    try:
        raw = await _form(request) if query is None else query
        async with adapter.admitted(request, client, adapter.redirect_quotas) as party:
            return await authorize(adapter, party, raw)
    except Problem as problem:
        adapter.services.metrics.problems[problem.code] += 1
        response = problem_page(
            problem, _sign(adapter, request, client, problem), settings.help_desk, may_repeat=query is not None
        )
        if response.status_code in {429, 503}:
            response.headers["retry-after"] = str(settings.retry_after_seconds)
        return response


def _sign(adapter: RedirectAdapter, request: Request, client: str, problem: Problem) -> Sign:
    """What the page has for the help desk; the name is shown if it is one of the policy set's, not if it is made up."""
    active = adapter.services.policy.active
    known = active is not None and ClientName(client) in active.compiled.checked.clients
    return Sign(
        request.scope[REQUEST_ID],
        adapter.services.clock(),
        application=client if known else "",
        decision_id=problem.decision_id if isinstance(problem, DecidedInVain) else "",
    )


def page_of(request: Request, problem: Problem) -> Response | None:
    """The page of a problem that no route has answered; None where programs ask and want it in their form."""
    path = request.scope["path"]
    if not path.startswith("/rp/") or path.endswith(_FOR_PROGRAMS):
        return None
    adapter: RedirectAdapter = request.app.state.redirect_adapter
    sign = Sign(request.scope[REQUEST_ID], adapter.services.clock())
    return problem_page(problem, sign, adapter.services.settings.help_desk, may_repeat=False)


async def _form(request: Request) -> bytes:
    """The parameters of a form; a query beside it would be a second set of them.

    Raises:
        Problem: `invalid_request`, `body_too_large`.
    """
    if request.scope["query_string"]:
        raise Problem(Code.INVALID_REQUEST, "a form takes no query beside it")
    if not is_form(header(request.scope, b"content-type")):
        raise Problem(Code.INVALID_REQUEST, "send `Content-Type: application/x-www-form-urlencoded`")
    return await _body(request)


async def _body(request: Request) -> bytes:
    check_length(header(request.scope, b"content-length"))
    try:
        return await read_body(request.receive)
    except Disconnected:
        # Nobody reads this answer; it only ends the request.
        raise Problem(Code.MALFORMED, "the caller went away before its body was here") from None
