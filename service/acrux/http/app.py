"""The ASGI application: Decide and the token guard in front, FastAPI behind, one envelope. No route's meaning."""

import asyncio
import re
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.routing import Match

import acrux
from acrux.decisionlog.queries import Queries
from acrux.http import (
    decisions,
    docs_page,
    explanations,
    fallbacks,
    health,
    lookups,
    policies,
    rp,
)
from acrux.http.bodies import fields_problem
from acrux.http.calls import REQUEST_ID
from acrux.http.decide import DecideRoute
from acrux.http.envelope import (
    NO_STORE,
    Message,
    Receive,
    Scope,
    Send,
    header,
    problem_headers,
    valid_request_id,
)
from acrux.http.idempotency import Retried
from acrux.http.problems import Code, Problem
from acrux.http.protocol import Protocol
from acrux.http.rp_adapter import RedirectAdapter
from acrux.http.shared import SharedLookups
from acrux.wiring.services import Services

ROUTERS: Final = (
    decisions.router,
    lookups.router,
    explanations.router,
    policies.router,
    fallbacks.router,
    rp.router,
    health.router,
    docs_page.router,
)
_DECIDE_PATH: Final = "/v1/decisions"
_TOKEN_PATH: Final = re.compile(r"/rp/([^/]+)/token")
_TOKEN_ROUTE: Final = next(
    route for route in rp.router.routes if isinstance(route, APIRoute) and route.operation_id == "rp_token"
)
_UNROUTED: Final = "none"
_CODES: Final = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED}


class Application:
    """What the server calls for each request. Everything that a request needs is in `services`.

    Attributes:
        protocol: how the server shall speak HTTP, so that what is no request is answered as everything else is.
    """

    __slots__ = ("_api", "_decide", "_redeem", "_services")
    protocol: Final = Protocol

    def __init__(self, services: Services, api: FastAPI, decide: DecideRoute) -> None:
        self._services = services
        self._api = api
        self._decide = decide
        # Every login of the guard's waits for this route: it does without FastAPI, which takes a fair part of its time.
        self._redeem = ServerErrorMiddleware(_redeem, handler=_on_defect)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request (ASGI 3)."""
        match scope["type"]:
            case "http" if scope["path"] == _DECIDE_PATH and scope["method"] == "POST":
                await self._decide(scope, receive, send)
            case "http":
                await self._serve(scope, receive, send)
            case "lifespan":
                await _live(receive, send)
            case _:
                await send({"type": "websocket.close", "code": 1000})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent_id = header(scope, b"x-request-id")
        request_id = sent_id.decode() if sent_id is not None and valid_request_id(sent_id) else self._services.new_id()
        is_head = scope["method"] == "HEAD"
        inner: dict[str, Any] = {**scope, REQUEST_ID: request_id}
        if is_head:  # what answers GET answers HEAD (RFC 9110 section 9.3.2)
            inner["method"] = "GET"
        lines = [NO_STORE, (b"x-request-id", request_id.encode())]

        async def send_in_envelope(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *lines]}
                operation = getattr(inner.get("route"), "operation_id", None) or _UNROUTED
                self._services.metrics.requests[operation, message["status"]] += 1
            elif is_head:
                message = {**message, "body": b""}
            await send(message)

        found = _TOKEN_PATH.fullmatch(scope["path"]) if scope["method"] == "POST" else None
        if found is None:
            await self._api(inner, receive, send_in_envelope)
        else:
            inner |= {"app": self._api, "route": _TOKEN_ROUTE, "path_params": {"client": found[1]}}
            await self._redeem(inner, receive, send_in_envelope)


async def _redeem(scope: Scope, receive: Receive, send: Send) -> None:
    """A token request, as its route in FastAPI would answer it."""
    response = await rp.token(Request(scope, receive), scope["path_params"]["client"])
    await response(scope, receive, send)


async def _live(receive: Receive, send: Send) -> None:
    """Nothing is started here, and nothing is stopped: the worker does both."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def build_api() -> FastAPI:
    """Every route, without the services that answer: enough for the OpenAPI document."""
    api = FastAPI(
        title="Acrux",
        version=acrux.__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            Problem: _on_problem,
            HTTPException: _on_http_exception,
            RequestValidationError: _on_invalid,
            Exception: _on_defect,
        },
    )
    for router in ROUTERS:
        api.include_router(router)
    return api


def create_app(services: Services) -> Application:
    """The application that a worker serves."""
    api = build_api()
    shared = SharedLookups(services)
    api.state.services = services
    api.state.shared = shared
    api.state.redirect_adapter = RedirectAdapter(services, shared)
    api.state.one_set = asyncio.Semaphore(1)
    api.state.queries = Queries(services.database, services.keyring, services.node)
    return Application(services, api, DecideRoute(services, Retried(services, shared)))


def _answer(request: Request, problem: Problem) -> Response:
    services: Services = request.app.state.services
    services.metrics.problems[problem.code] += 1
    page = rp.page_of(request, problem)
    response = page or Response(problem.body(request.scope[REQUEST_ID]), problem.status)
    lines = problem_headers(problem, services.settings.retry_after_seconds)
    for name, value in lines if page is None else problem.headers:
        response.headers[name.decode()] = value.decode()
    return response


async def _on_problem(request: Request, problem: Any) -> Response:
    return _answer(request, problem)


async def _on_invalid(request: Request, invalid: Any) -> Response:
    """A path or query parameter that is not as declared."""
    return _answer(request, fields_problem(invalid.errors()))


async def _on_http_exception(request: Request, raised: Any) -> Response:
    """The router's own: no such path, or no such method there."""
    headers = [(b"allow", ", ".join(_allowed(request)).encode())] if raised.status_code == 405 else []  # noqa: PLR2004 - RFC 9110 section 15.5.6
    code = _CODES.get(raised.status_code, Code.MALFORMED)
    detail = "no such path; `/docs` lists those that there are" if code is Code.NOT_FOUND else ""
    return _answer(request, Problem(code, detail, headers=headers))


async def _on_defect(request: Request, _defect: Exception) -> Response:
    """A defect is answered in the form of all problems; it goes on to the server, which logs it."""
    return _answer(request, Problem(Code.DEFECT))


def _allowed(request: Request) -> list[str]:
    """The methods of every route that has this path: the router itself knows those of the first one only."""
    methods: set[str] = set()
    for route in (route for router in ROUTERS for route in router.routes):
        if isinstance(route, APIRoute) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods)
