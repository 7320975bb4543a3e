"""A relying party on mozilla-django-oidc and Acrux's adapter: `python mozilla_app.py`, settled by the environment."""

from __future__ import annotations

import httpx
from django.urls import include, path
from django.views.generic.base import RedirectView
from django_site import CLIENT_ID, CLIENT_SECRET, ISSUER, configure, pages, run
from serving import HELP_DESK, acrux_client

client = acrux_client()
# The library reads no discovery document by itself.
provider = httpx.get(f"{ISSUER}/.well-known/openid-configuration").raise_for_status().json()
configure(
    apps=("mozilla_django_oidc",),
    AUTHENTICATION_BACKENDS=["acrux.adapters.mozilla_django_oidc.AcruxBackend"],
    OIDC_AUTHENTICATE_CLASS="acrux.adapters.mozilla_django_oidc.AcruxAuthenticationRequestView",
    OIDC_CALLBACK_CLASS="acrux.adapters.mozilla_django_oidc.AcruxAuthenticationCallbackView",
    ACRUX={"client": client, "issuer": ISSUER, "help_desk": HELP_DESK},
    OIDC_RP_CLIENT_ID=CLIENT_ID,
    OIDC_RP_CLIENT_SECRET=CLIENT_SECRET,
    OIDC_RP_SIGN_ALGO="RS256",
    OIDC_RP_SCOPES="openid email",
    OIDC_USE_PKCE=True,
    OIDC_TOKEN_USE_BASIC_AUTH=True,
    OIDC_OP_AUTHORIZATION_ENDPOINT=provider["authorization_endpoint"],
    OIDC_OP_TOKEN_ENDPOINT=provider["token_endpoint"],
    OIDC_OP_USER_ENDPOINT=provider["userinfo_endpoint"],
    OIDC_OP_JWKS_ENDPOINT=provider["jwks_uri"],
)
urlpatterns = [
    *pages(client),
    path("login", RedirectView.as_view(pattern_name="oidc_authentication_init", query_string=True)),
    path("oidc/", include("mozilla_django_oidc.urls")),
]

if __name__ == "__main__":
    run()
