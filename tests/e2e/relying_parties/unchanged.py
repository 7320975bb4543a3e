"""A relying party that knows nothing of Acrux, on Starlette and Authlib: only its endpoints lead through the adapter.

RP_CLIENT_ID, RP_CLIENT_SECRET   its registration at the OpenID Provider
RP_DISCOVERY_URL                 the discovery document that it is pointed at
RP_TOKEN_URL                     overrides the document's token endpoint, where given
RP_AUTH_METHOD, RP_PKCE          `client_secret_basic` or `client_secret_post`; `S256`, or empty for none
RP_FD                            a listening socket that was handed over
"""

from __future__ import annotations

import os
import secrets
import socket
from typing import TYPE_CHECKING

import uvicorn
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.starlette_client import OAuth
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

SHOWN_CLAIMS = ("sub", "acr", "amr", "auth_time")


def create_app(settings: Mapping[str, str]) -> Starlette:
    """The application."""
    options = {"scope": "openid profile", "token_endpoint_auth_method": settings["RP_AUTH_METHOD"]}
    if settings.get("RP_PKCE"):
        options["code_challenge_method"] = settings["RP_PKCE"]
    more = {"access_token_url": settings["RP_TOKEN_URL"]} if settings.get("RP_TOKEN_URL") else {}
    provider = OAuth().register(
        "provider",
        client_id=settings["RP_CLIENT_ID"],
        client_secret=settings["RP_CLIENT_SECRET"],
        server_metadata_url=settings["RP_DISCOVERY_URL"],
        client_kwargs=options,
        **more,
    )
    refresh_tokens: dict[str, str] = {}

    async def login(request: Request) -> Response:
        return await provider.authorize_redirect(request, str(request.url_for("callback")))

    async def callback(request: Request) -> Response:
        token = await provider.authorize_access_token(request)
        request.session.clear()
        request.session["user"] = {claim: token["userinfo"].get(claim) for claim in SHOWN_CLAIMS}
        refresh_tokens[token["userinfo"]["sub"]] = token.get("refresh_token", "")
        return RedirectResponse("/me", 303)

    async def refresh(request: Request) -> Response:
        subject = request.session["user"]["sub"]
        async with provider._get_oauth_client(**await provider.load_server_metadata()) as client:
            url = provider.access_token_url or provider.server_metadata["token_endpoint"]
            token = await client.refresh_token(url, refresh_token=refresh_tokens[subject])
        refresh_tokens[subject] = token.get("refresh_token", refresh_tokens[subject])
        return JSONResponse(sorted(token))

    async def me(request: Request) -> Response:
        user = request.session.get("user")
        return JSONResponse(user, status_code=200 if user else 401)

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("alive")

    async def refused(_request: Request, error: Exception) -> Response:
        assert isinstance(error, OAuthError)
        return PlainTextResponse(f"{error.error}: {error.description}", 403)

    return Starlette(
        routes=[
            Route("/login", login),
            Route("/callback", callback, name="callback"),
            Route("/refresh", refresh),
            Route("/me", me),
            Route("/healthz", healthz),
        ],
        middleware=[
            Middleware(
                SessionMiddleware,
                secret_key=secrets.token_urlsafe(32),
                session_cookie=f"{settings['RP_CLIENT_ID']}-session",
            )
        ],
        exception_handlers={OAuthError: refused},
    )


def main() -> None:
    """Serves the application until SIGTERM."""
    config = uvicorn.Config(create_app(os.environ), log_level="info")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(os.environ["RP_FD"]))])


if __name__ == "__main__":
    main()
