"""A relying party on django-allauth and Acrux's adapter: `python allauth_app.py`; settings: app.py."""

from __future__ import annotations

from django.urls import include, path
from django.views.generic.base import RedirectView
from django_site import CLIENT_ID, CLIENT_SECRET, ISSUER, NAME, configure, pages, run
from serving import HELP_DESK, acrux_client

client = acrux_client()
configure(
    apps=("allauth", "allauth.account", "allauth.socialaccount", "allauth.socialaccount.providers.openid_connect"),
    middleware=("allauth.account.middleware.AccountMiddleware",),
    AUTHENTICATION_BACKENDS=["allauth.account.auth_backends.AuthenticationBackend"],
    ACRUX={"client": client, "help_desk": HELP_DESK},
    ACCOUNT_EMAIL_VERIFICATION="none",
    SOCIALACCOUNT_LOGIN_ON_GET=True,
    SOCIALACCOUNT_PROVIDERS={
        "openid_connect": {
            "provider_class": "acrux.adapters.allauth.provider.AcruxOpenIDConnectProvider",
            "OAUTH_PKCE_ENABLED": True,
            "APPS": [
                {
                    "provider_id": "corp",
                    "name": NAME,
                    "client_id": CLIENT_ID,
                    "secret": CLIENT_SECRET,
                    "settings": {"server_url": ISSUER, "token_auth_method": "client_secret_basic"},
                }
            ],
        }
    },
)
urlpatterns = [
    *pages(client),
    path("login", RedirectView.as_view(url="/accounts/oidc/corp/login/", query_string=True)),
    path("accounts/", include("allauth.urls")),
]

if __name__ == "__main__":
    run()
