"""Where allauth has the tokens: its OAuth 2.0 adapter and callback view, with a verdict in between."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jwt
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest, HttpResponse
from jwt import InvalidSignatureError, PyJWKSet, PyJWTError
from requests import RequestException

from acrux.adapters.authorization import mix_up
from acrux.adapters.blocking import LoginRefusedError, TripNeededError
from acrux.adapters.django_answers import gate_of_settings, refusal_page
from acrux.adapters.logins import STATE_MEMBER, Login, login_from_state
from acrux.client.judging import unsigned

_OF_ONE_TRIP = frozenset({STATE_MEMBER, "pkce_code_verifier"})


class AcruxOpenIDConnectOAuth2Adapter(OpenIDConnectOAuth2Adapter):
    """Has the ID token judged before anybody is looked up or made.

    INVARIANT (nobody unjudged): `complete_login` returns only after a verdict that admits.

    Attributes:
        state: allauth's state of the login that has come back; None before that.
    """

    def __init__(self, request: HttpRequest, provider_id: str) -> None:
        super().__init__(request, provider_id)
        self.state: dict[str, Any] | None = None
        self._claims: dict[str, Any] | None = None
        self._subject: object = None

    @property
    def openid_config(self) -> Any:
        """As the library's; a provider that is away is answered with a page."""
        try:
            return super().openid_config
        except (RequestException, ValueError) as failure:
            away = gate_of_settings().provider_away(failure, login_of(self.state))
            raise ImmediateHttpResponse(refusal_page(away.refusal)) from failure

    def get_access_token_data(self, *arguments: Any, **keywords: Any) -> Any:
        """As the library's; what goes wrong is answered with a page."""
        with self._refusals():
            return super().get_access_token_data(*arguments, **keywords)

    def complete_login(self, request: HttpRequest, app: Any, token: Any, **kwargs: Any) -> Any:
        """As the library's, for a login that Acrux admits; the exception otherwise bears what to answer."""
        with self._refusals():
            found = super().complete_login(request, app, token, **kwargs)
            gate, login = gate_of_settings(), login_of(self.state)
            try:
                gate.judge(
                    login,
                    id_token=kwargs["response"].get("id_token"),
                    claims=self._claims,
                    issuer=self.openid_config["issuer"],
                    client_id=app.client_id,
                )
            except TripNeededError as after:
                raise ImmediateHttpResponse(self._again(request, after)) from after
            # OpenID Connect Core 5.3.2: what is said of another subject must not be used.
            if self._claims is None or self._subject not in {None, self._claims.get("sub")}:
                raise gate.ended_by_provider("mismatching_sub", login)
            return found

    def _decode_id_token(self, app: Any, id_token: Any) -> dict[str, Any]:
        """The claims, signature included: the library takes TLS for one, but a verdict given here must rest on it."""
        try:
            self._claims = self._verify(app, id_token)
        except (OAuth2Error, PyJWTError, RequestException, KeyError, TypeError, ValueError, RecursionError) as failure:
            gate = gate_of_settings()
            raise gate.ended_by_library("", login_of(self.state), id_token, failure) from failure
        return self._claims

    def _verify(self, app: Any, id_token: Any) -> dict[str, Any]:
        """The library's own check wants a `kid`, which a provider with one key may leave out (Core 10.1)."""
        refused = unsigned(id_token) if isinstance(id_token, str) else "the ID token is no text"
        if refused:
            raise OAuth2Error(refused)
        header = jwt.get_unverified_header(id_token)
        for key in self._keys():
            if header.get("kid") not in {None, key.key_id}:
                continue
            try:
                claims: dict[str, Any] = jwt.decode(
                    id_token,
                    key.key,
                    algorithms=[header["alg"]],
                    issuer=self.openid_config["issuer"],
                    audience=app.client_id,
                )
            except (InvalidSignatureError, jwt.InvalidKeyError, TypeError):
                continue
            jwtkit.verify_jti(claims)
            return claims
        raise OAuth2Error("no key of the provider's has signed the ID token")

    def _keys(self) -> list[Any]:
        with get_adapter().get_requests_session() as session:
            response = session.get(self.openid_config["jwks_uri"])
            response.raise_for_status()
            found = response.json()
        return PyJWKSet(found["keys"]).keys

    def _fetch_user_info(self, access_token: str) -> dict[str, Any]:
        found: dict[str, Any] = super()._fetch_user_info(access_token)
        if not isinstance(found, dict):
            raise OAuth2Error("the userinfo is no JSON object")
        self._subject = found.get("sub", "")
        return found

    def _again(self, request: HttpRequest, after: TripNeededError) -> HttpResponse:
        kept = {name: value for name, value in (self.state or {}).items() if name not in _OF_ONE_TRIP}
        response: HttpResponse = self.get_provider().redirect(
            request,
            kept.pop("process"),
            kept.pop("next", None),
            kept.pop("data", None),
            **after.login.params,
            **kept,
            acrux_after=after,
        )
        return response

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except LoginRefusedError as refused:
            raise ImmediateHttpResponse(refusal_page(refused.refusal)) from refused
        except (OAuth2Error, RequestException, KeyError, TypeError) as failure:
            ended = gate_of_settings().ended_by_provider("", login_of(self.state), failure)
            raise ImmediateHttpResponse(refusal_page(ended.refusal)) from failure


class AcruxCallbackView(OAuth2CallbackView):
    """The library's, which refuses with a page what belongs to no login, or is an error."""

    def _get_state(self, request: HttpRequest, provider: Any) -> tuple[dict[str, Any] | None, HttpResponse | None]:
        state, response = super()._get_state(request, provider)
        gate, login = gate_of_settings(), login_of(state)
        if state is None:
            # With strict cookies the library needs another request before it sees its session.
            again = self._redirect_strict_samesite(request, provider)
            return None, again or refusal_page(gate.not_under_way().refusal)
        if login is None:
            return None, refusal_page(gate.not_under_way().refusal)
        error = request.GET.get("error") or mix_up(self.adapter.openid_config, request.GET.dict())
        if error or "code" not in request.GET:
            return None, refusal_page(gate.ended_by_provider(error, login).refusal)
        self.adapter.state = state
        return state, response


def login_of(state: object) -> Login | None:
    """The login in allauth's state; None if it was not begun through the adapter."""
    kept = state.get(STATE_MEMBER) if isinstance(state, dict) else None
    return login_from_state(kept, kept.get("nonce")) if isinstance(kept, dict) else None
