"""One relying party by any adapter, and one browser at it."""

from __future__ import annotations

import asyncio
import copy
from contextlib import ExitStack
from typing import Any

import httpx

from acrux.client import AcruxClient, AsyncAcruxClient
from sites import django_site, flask_site, starlette_site

ISSUER = "https://login.example.com"
# Where each begins a login, with which method, and where its callback is.
PLACES = {
    "starlette": ("GET", "/login", "/callback"),
    "flask": ("GET", "/login", "/callback"),
    "django": ("GET", "/authlib/login", "/authlib/callback"),
    "mozilla_django_oidc": ("GET", "/oidc/authenticate/", "/oidc/callback/"),
    "allauth": ("GET", "/accounts/oidc/corp/login/", "/accounts/oidc/corp/login/callback/"),
    "social_core": ("POST", "/social/login/oidc/", "/social/complete/oidc/"),
}
AUTHLIB = ("starlette", "flask", "django")
"""Those that keep a login where Authlib keeps it."""
# The backend that Django asks who it is; each library takes every answer for its own.
BACKENDS = {
    "django": "django.contrib.auth.backends.ModelBackend",
    "mozilla_django_oidc": "acrux.adapters.mozilla_django_oidc.AcruxBackend",
    "allauth": "allauth.account.auth_backends.AuthenticationBackend",
    "social_core": "acrux.adapters.social_core.AcruxOpenIdConnectAuth",
}


class Party:
    """A site whose one client is registered at the provider as `jira-sso`."""

    def __init__(
        self,
        adapter: str,
        provider: Any,
        acrux: Any,
        *,
        url: str = "https://jira.example.com",
        peer: str = "203.0.113.7",
        client: str | None = "jira",
        static: dict[str, Any] | None = None,
        settings: dict[str, Any] | None = None,
        registration: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
        **acrux_settings: Any,
    ) -> None:
        self.adapter, self.provider = adapter, provider
        self.method, self.login_path, self.callback_path = PLACES[adapter]
        self.ends = ExitStack()
        self.client = self._client(acrux, client)
        self.ends.callback(self.client.close)
        authlib = {
            "client_id": "jira-sso",
            "client_secret": "s3cret",
            "server_metadata_url": f"{ISSUER}/.well-known/openid-configuration",
            "client_kwargs": {"scope": "openid profile", "code_challenge_method": "S256"},
            **(registration or {}),
        }
        made = {"params": static or {}, "options": options or {}, **acrux_settings}
        if adapter == "starlette":
            app = starlette_site.make_site(self.client.made, provider, authlib, **made)
            transport = starlette_site.Transport(app, peer)
        elif adapter == "flask":
            transport = httpx.WSGITransport(flask_site.make_site(self.client, authlib, **made), remote_addr=peer)
        else:
            app = django_site.application()
            django_site.forget_everybody()
            if adapter == "django":
                django_site.put(self.client, authlib, **made)
            self._override(static or {}, {**acrux_settings}, settings or {})
            transport = httpx.WSGITransport(app, remote_addr=peer)
        self.browser = self.ends.enter_context(httpx.Client(transport=transport, base_url=url))

    def _client(self, acrux: Any, name: str | None) -> Any:
        settings: dict[str, Any] = {"client": name, "timeout_seconds": 30}
        if self.adapter == "starlette":
            transport = httpx.MockTransport(acrux)
            made = AsyncAcruxClient("https://acrux.example.com", "acrux_t", transport=transport, **settings)
            return starlette_site.Blocking(made)
        blocking = httpx.MockTransport(lambda request: asyncio.run(acrux(request)))
        return AcruxClient("https://acrux.example.com", "acrux_t", transport=blocking, **settings)

    def _override(self, static: dict[str, Any], acrux_settings: dict[str, Any], settings: dict[str, Any]) -> None:
        from django.conf import settings as current  # noqa: PLC0415 - needs the settings
        from django.test import override_settings  # noqa: PLC0415 - same

        providers = copy.deepcopy(current.SOCIALACCOUNT_PROVIDERS)
        providers["openid_connect"]["AUTH_PARAMS"] = static
        changed = {
            "AUTHENTICATION_BACKENDS": [BACKENDS[self.adapter]],
            "ACRUX": {"client": self.client, "issuer": ISSUER, **acrux_settings},
            "OIDC_AUTH_REQUEST_EXTRA_PARAMS": static,
            "SOCIALACCOUNT_PROVIDERS": providers,
            "SOCIAL_AUTH_OIDC_AUTH_EXTRA_ARGUMENTS": static,
            **settings,
        }
        self.ends.enter_context(override_settings(**changed))

    def start(self, query: dict[str, str] | None = None, **headers: str | bytes) -> httpx.Response:
        """Asks for a login."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.browser.request(self.method, self.login_path, params=query, headers=sent)

    def begin(self, **headers: str | bytes) -> str:
        """Starts a login; the authorization request."""
        response = self.start(**headers)
        assert response.status_code == 302, response.text
        return response.headers["location"]

    def back(self, **answer: str) -> httpx.Response:
        return self.browser.get(self.callback_path, params=answer)

    def come_back(self, url: str, **claims: Any) -> httpx.Response:
        return self.back(**self.provider.sign_in(url, **claims))

    def is_signed_in(self) -> bool:
        return self.browser.get("/me").json() is not None
