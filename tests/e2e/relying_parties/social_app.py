"""A relying party on social-core (with its Django application) and Acrux's adapter: `python social_app.py` (app.py)."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.urls import include, path
from django_site import CLIENT_ID, CLIENT_SECRET, ISSUER, configure, pages, run
from serving import HELP_DESK, acrux_client

client = acrux_client()
configure(
    apps=("social_django",),
    middleware=("social_django.middleware.SocialAuthExceptionMiddleware",),
    AUTHENTICATION_BACKENDS=["acrux.adapters.social_core.AcruxOpenIdConnectAuth"],
    ACRUX={"client": client, "help_desk": HELP_DESK},
    SOCIAL_AUTH_OIDC_OIDC_ENDPOINT=ISSUER,
    SOCIAL_AUTH_OIDC_KEY=CLIENT_ID,
    SOCIAL_AUTH_OIDC_SECRET=CLIENT_SECRET,
    SOCIAL_AUTH_OIDC_USE_PKCE=True,
)


def login(request: HttpRequest) -> HttpResponse:
    """The library begins a login by POST only."""
    if request.method == "POST":
        from social_django.views import auth  # noqa: PLC0415 - reads settings when it is imported

        response: HttpResponse = auth(request, "oidc")
        return response
    return HttpResponse(
        '<!doctype html><title>Sign in with the company</title><form method="post">'
        f'<input type="hidden" name="csrfmiddlewaretoken" value="{get_token(request)}"><button>Sign in</button></form>'
    )


urlpatterns = [*pages(client), path("login", login), path("social/", include("social_django.urls"))]

if __name__ == "__main__":
    run()
