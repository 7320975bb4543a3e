"""A relying party on Starlette, Authlib and Acrux's adapter: `python app.py`, settled by the environment.

RP_NAME                    the client's name in the policy set, and the application's on its page
RP_CLIENT_ID, RP_CLIENT_SECRET, RP_ISSUER
                           its registration at the OpenID Provider
RP_ACRUX_URL               the decision service
RP_ACRUX_TOKEN, or RP_ACRUX_TOKEN_FILE
                           a token with the role of a relying party
RP_ACRUX_CACHE             where the ceiling is kept, for a start without the service (default: in memory)
RP_ACRUX_TIMEOUT_SECONDS, RP_ACRUX_REFRESH_SECONDS
                           the client's own (defaults: 0.3 and 60)
RP_HOST, RP_PORT           where to listen (127.0.0.1 and 8000), or RP_FD: a listening socket that was handed over
RP_URL                     the address that browsers use (default: the one that they sent)
RP_SESSION_KEY             signs the session cookie (default: random, so that a restart signs everybody out)
"""

from __future__ import annotations

import html
import os
import secrets
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from authlib.integrations.starlette_client import OAuth
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from acrux.adapters.starlette import LoginRefused, StarletteAcrux, refusal_page
from acrux.client import AsyncAcruxClient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

SHOWN_CLAIMS = ("sub", "name", "groups", "acr", "amr", "auth_time")
STYLE = (
    "body{font:1.05rem/1.6 system-ui,sans-serif;max-width:36rem;margin:10vh auto;padding:0 1rem}"
    "dt{float:left;width:7rem;color:#555}dd{margin:0 0 .2rem 7rem}a{margin-right:1rem}"
)


def create_app(settings: Mapping[str, str]) -> Starlette:
    """The application. What is Acrux's is the object `acrux` and its two calls; the rest is any Authlib application."""
    name = settings["RP_NAME"]
    oauth = OAuth()
    provider = oauth.register(
        "provider",
        client_id=settings["RP_CLIENT_ID"],
        client_secret=settings["RP_CLIENT_SECRET"],
        server_metadata_url=f"{settings['RP_ISSUER']}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
    )
    acrux = StarletteAcrux(
        AsyncAcruxClient(
            settings["RP_ACRUX_URL"],
            _acrux_token(settings),
            client=name,
            cache_path=settings.get("RP_ACRUX_CACHE"),
            timeout_seconds=float(settings.get("RP_ACRUX_TIMEOUT_SECONDS", "0.3")),
            refresh_interval_seconds=float(settings.get("RP_ACRUX_REFRESH_SECONDS", "60")),
        ),
        help_desk="Call the help desk at extension 4242.",
    )

    async def front(request: Request) -> Response:
        return HTMLResponse(_page(name, request.session.get("user")))

    async def login(request: Request) -> Response:
        return await acrux.authorize_redirect(provider, request, _callback_url(settings, request))

    async def callback(request: Request) -> Response:
        token = await acrux.authorize_access_token(provider, request)
        request.session.clear()
        request.session["user"] = {claim: token["userinfo"].get(claim) for claim in SHOWN_CLAIMS}
        return RedirectResponse("/", 303)

    async def me(request: Request) -> Response:
        user = request.session.get("user")
        return JSONResponse(user, status_code=200 if user else 401)

    async def logout(request: Request) -> Response:
        request.session.clear()
        return RedirectResponse("/", 303)

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    return Starlette(
        routes=[
            Route("/", front),
            Route("/login", login),
            Route("/callback", callback, name="callback"),
            Route("/me", me),
            Route("/logout", logout, methods=["POST"]),
            Route("/healthz", healthz),
        ],
        middleware=[
            Middleware(
                SessionMiddleware,
                secret_key=settings.get("RP_SESSION_KEY") or secrets.token_urlsafe(32),
                # Browsers do not tell ports apart: each application needs a cookie of its own.
                session_cookie=f"{name}-session",
            )
        ],
        exception_handlers={LoginRefused: refusal_page},
        lifespan=acrux.lifespan,
    )


def _acrux_token(settings: Mapping[str, str]) -> str:
    if "RP_ACRUX_TOKEN" in settings:
        return settings["RP_ACRUX_TOKEN"]
    return Path(settings["RP_ACRUX_TOKEN_FILE"]).read_text().strip()


def _callback_url(settings: Mapping[str, str], request: Request) -> str:
    if "RP_URL" in settings:
        return f"{settings['RP_URL'].rstrip('/')}/callback"
    return str(request.url_for("callback"))


def _page(name: str, user: Mapping[str, object] | None) -> str:
    title = html.escape(name.capitalize())
    if user is None:
        body = '<p>You are not signed in.</p><p><a href="/login">Sign in</a></p>'
    else:
        rows = "".join(f"<dt>{claim}</dt><dd>{html.escape(str(value))}</dd>" for claim, value in user.items())
        body = (
            f"<p>Signed in as {html.escape(str(user['sub']))}</p><dl>{rows}</dl>"
            '<form method="post" action="/logout"><button>Sign out</button></form>'
        )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{STYLE}</style></head>"
        f"<body><main><h1>{title}</h1>{body}</main></body></html>"
    )


def main() -> None:
    """Serves the application until SIGTERM."""
    settings = os.environ
    config = uvicorn.Config(
        create_app(settings),
        host=settings.get("RP_HOST", "127.0.0.1"),
        port=int(settings.get("RP_PORT", "8000")),
        log_level="info",
        # By default uvicorn takes X-Forwarded-For from everybody on this host, and the adapter would not know.
        proxy_headers=False,
    )
    handed_over = [socket.socket(fileno=int(settings["RP_FD"]))] if "RP_FD" in settings else None
    uvicorn.Server(config).run(sockets=handed_over)


if __name__ == "__main__":
    main()
