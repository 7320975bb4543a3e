"""Where allauth begins a login: its OpenID Connect provider, with what Acrux decides in the authorization request."""

import secrets
from typing import Any

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from django.http import HttpRequest, HttpResponse

from acrux.adapters.allauth.judging import AcruxOpenIDConnectOAuth2Adapter
from acrux.adapters.authorization import merged_url, replaced_url
from acrux.adapters.blocking import LoginRefusedError, TripNeededError
from acrux.adapters.django_answers import gate_of_settings, redirect, refusal_page
from acrux.adapters.logins import STATE_MEMBER, nonce_again

_NOT_THE_USERS = frozenset(
    {
        *("client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method", "request", "request_uri", "registration"),
        *("acr_values", "amr_values", "claims", "max_age"),
    }
)


class AcruxOpenIDConnectProvider(OpenIDConnectProvider):
    """Asks Acrux before the redirect; `AcruxOpenIDConnectOAuth2Adapter` has the verdict after it."""

    package = "acrux.adapters.allauth"  # where the library looks for `urls`
    oauth2_adapter_class = AcruxOpenIDConnectOAuth2Adapter
    # A token that was not asked for here belongs to no decision.
    supports_token_authentication = False

    def verify_token(self, _request: HttpRequest, _token: Any) -> Any:
        """Refuses every token that is handed in from elsewhere.

        Raises:
            ValidationError: always.
        """
        raise get_adapter().validation_error("invalid_token")

    def get_auth_params_from_request(self, request: HttpRequest, action: Any) -> dict[str, Any]:
        """As the library's; but of the user's own `?auth_params=` nothing that the login rests on."""
        configured = self.get_auth_params()
        asked = super().get_auth_params_from_request(request, action)
        kept = {name: value for name, value in asked.items() if name not in _NOT_THE_USERS}
        return kept | {name: value for name, value in configured.items() if name in _NOT_THE_USERS}

    def get_oauth2_adapter(self, request: HttpRequest) -> Any:
        """One for each request, so that the discovery document is fetched once."""
        if getattr(self, "_oauth2_adapter", None) is None:
            self._oauth2_adapter = super().get_oauth2_adapter(request)
        return self._oauth2_adapter

    def redirect(
        self, request: HttpRequest, process: Any, next_url: str | None = None, data: Any = None, **kwargs: Any
    ) -> HttpResponse:
        """As the library's, with what Acrux decides merged in; or the page that refuses."""
        after: TripNeededError | None = kwargs.pop("acrux_after", None)
        auth_params, scope = kwargs.pop("auth_params", None), kwargs.pop("scope", None)
        auth_params = self.get_auth_params() if auth_params is None else auth_params
        scope = list(self.get_scope() if scope is None else scope)
        nonce = (None if after is None else nonce_again(after.login, after.verdict)) or secrets.token_urlsafe(24)
        sent = {**{name: str(value) for name, value in auth_params.items()}, "nonce": nonce}
        asked = replaced_url(self.get_oauth2_adapter(request).authorize_url, {"scope": " ".join(scope), **sent})
        again = {"auth_params": auth_params, "scope": scope}
        try:
            trip = gate_of_settings().begin(request, asked, self.app.client_id, params=again, after=after)
        except LoginRefusedError as refused:
            return refusal_page(refused.refusal)
        kept = {**trip.login.to_state(), "nonce": nonce}
        response: HttpResponse = super().redirect(
            request, process, next_url, data, auth_params=sent, scope=scope, **{**kwargs, STATE_MEMBER: kept}
        )
        if not response.has_header("Location"):
            return response
        return redirect(merged_url(response["Location"], trip.login.decision), trip.browser)


provider_classes = [AcruxOpenIDConnectProvider]
