"""A relying party on Django, Authlib and Acrux's adapter: `python django_app.py`; settings: app.py."""

from __future__ import annotations

from authlib.integrations.django_client import OAuth
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django_site import CLIENT_ID, CLIENT_SECRET, ISSUER, configure, pages, run
from serving import HELP_DESK, acrux_client

from acrux.adapters.django import DjangoAcrux

configure(middleware=("acrux.adapters.django.LoginAnswersMiddleware",))
provider = OAuth().register(
    "provider",
    client_id=CLIENT_ID,
    client_secret=CLIENT_SECRET,
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
)
client = acrux_client()
acrux = DjangoAcrux(client, help_desk=HELP_DESK)


def login(request: HttpRequest) -> HttpResponse:
    return acrux.authorize_redirect(provider, request, request.build_absolute_uri("/callback"))


def callback(request: HttpRequest) -> HttpResponse:
    token = acrux.authorize_access_token(provider, request)
    request.session.cycle_key()
    request.session["user"] = token["userinfo"]["sub"]
    return HttpResponseRedirect("/")


urlpatterns = [*pages(client), path("login", login), path("callback", callback)]

if __name__ == "__main__":
    run()
