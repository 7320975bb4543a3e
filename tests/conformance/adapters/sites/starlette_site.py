"""A Starlette application that logs in with Authlib and the adapter, and how blocking tests speak to it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from authlib.integrations.starlette_client import OAuth
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from acrux.adapters.starlette import LoginRefused, StarletteAcrux, refusal_page


class Blocking:
    """An asynchronous Acrux client, for tests that block: each call has an event loop of its own."""

    def __init__(self, made: Any) -> None:
        self.made = made

    def refresh(self) -> None:
        asyncio.run(self.made.refresh())

    def close(self) -> None:
        asyncio.run(self.made.close())


class Transport(httpx.BaseTransport):
    """Carries blocking requests to an ASGI application."""

    def __init__(self, app: Any, peer: str) -> None:
        self._inner = httpx.ASGITransport(app, client=(peer, 5000))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def answer() -> httpx.Response:
            sent = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
            response = await self._inner.handle_async_request(sent)
            return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())

        return asyncio.run(answer())


def make_site(
    client: Any,
    provider: Any,
    registration: dict[str, Any],
    params: dict[str, Any],
    options: dict[str, Any],
    **settings: Any,
) -> Starlette:
    oauth = OAuth(cache=registration.pop("cache", None))
    client_kwargs = {**registration["client_kwargs"], "transport": httpx.MockTransport(provider)}
    oauth.register("jira", **{**registration, "client_kwargs": client_kwargs})
    acrux = StarletteAcrux(client, **settings)

    async def login(request) -> Response:
        return await acrux.authorize_redirect(oauth.jira, request, request.url_for("callback"), **params)

    async def callback(request) -> Response:
        token = await acrux.authorize_access_token(oauth.jira, request, **options)
        request.session["user"] = token["userinfo"]["sub"]
        return JSONResponse({"sub": token["userinfo"]["sub"]})

    async def me(request) -> Response:
        return JSONResponse(request.session.get("user"))

    return Starlette(
        routes=[
            Route("/login", login),
            Route("/callback", callback, methods=["GET", "POST"], name="callback"),
            Route("/me", me),
        ],
        middleware=[Middleware(SessionMiddleware, secret_key="k")],
        exception_handlers={LoginRefused: refusal_page},
    )
