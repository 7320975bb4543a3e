"""What the relying parties on Django share: a site of one module, and a front page. Settings: see app.py."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path
from serving import serve

if TYPE_CHECKING:
    from django.http import HttpRequest

    from acrux.client import AcruxClient

NAME, ISSUER = os.environ["RP_NAME"], os.environ["RP_ISSUER"]
CLIENT_ID, CLIENT_SECRET = os.environ["RP_CLIENT_ID"], os.environ["RP_CLIENT_SECRET"]


def configure(*, apps: tuple[str, ...] = (), middleware: tuple[str, ...] = (), **more: Any) -> None:
    """Django's settings: the ordinary ones of any site, and what a library needs besides."""
    settings.configure(
        SECRET_KEY=os.environ.get("RP_SESSION_KEY") or secrets.token_urlsafe(32),
        ALLOWED_HOSTS=["127.0.0.1", "localhost"],
        USE_TZ=True,
        ROOT_URLCONF="__main__",
        # Browsers do not tell ports apart: each application needs cookies of its own.
        SESSION_COOKIE_NAME=f"{NAME}-session",
        CSRF_COOKIE_NAME=f"{NAME}-csrf",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": Path(tempfile.mkdtemp(prefix="relying-party-")) / "site.db",
            }
        },
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            *apps,
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            *middleware,
        ],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {
                    "context_processors": [
                        "django.template.context_processors.request",
                        "django.contrib.auth.context_processors.auth",
                        "django.contrib.messages.context_processors.messages",
                    ]
                },
            }
        ],
        LOGIN_REDIRECT_URL="/",
        **more,
    )
    django.setup()


def pages(client: AcruxClient) -> list[Any]:
    """The front page, who is signed in, and whether the application is ready."""

    def user_of(request: HttpRequest) -> str | None:
        return request.user.get_username() if request.user.is_authenticated else request.session.get("user")

    def front(request: HttpRequest) -> HttpResponse:
        user = user_of(request)
        return HttpResponse(f"Signed in as {user}" if user else '<a href="/login">Sign in</a>')

    def me(request: HttpRequest) -> HttpResponse:
        user = user_of(request)
        return JsonResponse({"user": user}, status=200 if user else 401)

    def healthz(_request: HttpRequest) -> HttpResponse:
        return HttpResponse("ok\n", status=200 if client.ceiling() else 503)

    return [path("", front), path("me", me), path("healthz", healthz)]


def run() -> None:
    """Makes the database and serves the site."""
    call_command("migrate", verbosity=0)
    serve(get_wsgi_application())
