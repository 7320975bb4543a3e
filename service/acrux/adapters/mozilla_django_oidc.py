"""Acrux for Django applications that log in with mozilla-django-oidc. It decides nothing and stores no user.

AUTHENTICATION_BACKENDS = ["acrux.adapters.mozilla_django_oidc.AcruxBackend"]
OIDC_AUTHENTICATE_CLASS = "acrux.adapters.mozilla_django_oidc.AcruxAuthenticationRequestView"
OIDC_CALLBACK_CLASS = "acrux.adapters.mozilla_django_oidc.AcruxAuthenticationCallbackView"
ACRUX = {"client": AcruxClient("https://acrux.example.com", token, client="wiki"), "issuer": issuer}
"""

from time import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from acrux.adapters.authorization import mix_up, replaced_url
from acrux.adapters.blocking import LoginRefusedError, Trip, TripNeededError
from acrux.adapters.extras import missing_extra
from acrux.adapters.logins import STATE_MEMBER, Login, login_from_state, nonce_again
from acrux.adapters.refusals import Cause

try:
    from django.contrib import auth
    from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation
    from django.http import HttpRequest, HttpResponse, JsonResponse
    from django.utils.module_loading import import_string
    from jwt import PyJWTError
    from mozilla_django_oidc.auth import OIDCAuthenticationBackend
    from mozilla_django_oidc.middleware import SessionRefresh
    from mozilla_django_oidc.views import OIDCAuthenticationCallbackView, OIDCAuthenticationRequestView
    from requests import RequestException

    from acrux.adapters.django_answers import acrux_setting, gate_of_settings, keep_browser, redirect, refusal_page
except ModuleNotFoundError as missing:
    raise missing_extra("mozilla_django_oidc", missing, "mozilla-django-oidc") from missing

_STATES = "oidc_states"
_NEXT = "oidc_login_next"
_EXPIRATION = "oidc_id_token_expiration"
_LOGIN, _VERDICT = "acrux_login", "acrux_verdict"
# What a silent request (`prompt=none`) is answered where nobody is signed in any more (OpenID Connect Core 3.1.2.6).
_SILENT = frozenset({"login_required", "interaction_required", "consent_required", "account_selection_required"})


class AcruxAuthenticationRequestView(OIDCAuthenticationRequestView):
    """Begins a login as the library does, with what Acrux decides merged into its authorization request.

    It asks once the library has written the whole request, `get_extra_params` and nonce included: what is decided on
    is what is sent, and neither a setting nor an override can put a weaker parameter beside it.
    """

    def get(self, request: HttpRequest) -> HttpResponse:
        """The redirect to the provider, or the page that refuses."""
        return self.begin(request, None)

    def begin(self, request: HttpRequest, after: TripNeededError | None) -> HttpResponse:
        """The same, for a second trip too, which keeps where the user wanted to go."""
        wanted = request.session.get(_NEXT)
        url = super().get(request)["Location"]
        if after is not None:
            request.session[_NEXT] = wanted
        try:
            trip = _send(request, url, after)
        except LoginRefusedError as refused:
            return refusal_page(refused.refusal)
        return redirect(trip.url, trip.browser)


class AcruxAuthenticationCallbackView(OIDCAuthenticationCallbackView):
    """Ends a login as the library does, if Acrux admits it.

    INVARIANT (nobody unjudged): `login_success` signs nobody in without a verdict that admits, whatever the backend.
    """

    def get(self, request: HttpRequest) -> HttpResponse:
        """The redirect into the application, to the provider once more, or the page that refuses."""
        try:
            return self._get(request)
        except LoginRefusedError as refused:
            _end_expired(request, refused)
            return refusal_page(refused.refusal)
        except TripNeededError as after:
            view: Any = import_string(self.get_settings("OIDC_AUTHENTICATE_CLASS"))()
            view.setup(request)
            response: HttpResponse = view.begin(request, after)
            return response

    def login_success(self) -> HttpResponse:
        """Signs in whom Acrux admits."""
        if getattr(self.request, _VERDICT, None) is None:
            raise gate_of_settings().not_under_way()
        return super().login_success()

    def _get(self, request: HttpRequest) -> HttpResponse:
        gate = gate_of_settings()
        states = request.session.get(_STATES)
        kept = states.get(request.GET.get("state")) if isinstance(states, dict) else None
        login = login_from_state(kept.get(STATE_MEMBER), kept.get("nonce")) if isinstance(kept, dict) else None
        if login is None:
            raise gate.not_under_way()
        error = request.GET.get("error")
        if error:
            # The library forgets the login, and signs out whoever was to be asked again.
            response: HttpResponse = super().get(request)
            if error in _SILENT:
                return response
            raise gate.ended_by_provider(error, login)
        error = mix_up({"issuer": _issuer()}, request.GET.dict())
        if error:
            _forget(request)
            raise gate.ended_by_provider(error, login)
        setattr(request, _LOGIN, login)
        try:
            return super().get(request)
        except (SuspiciousOperation, RequestException) as failure:
            raise gate.ended_by_provider("", login, failure) from failure


class AcruxBackend(OIDCAuthenticationBackend):
    """Has the ID token judged before any user is looked up or made.

    The library checks its signature and nonce; `iss` and `aud` it does not: Acrux does, and where Acrux can't be
    reached the same table does here.
    """

    def get_token(self, payload: Any) -> Any:
        """The token response, which is a JSON object (RFC 6749 section 5.1)."""
        found = super().get_token(payload)
        if not isinstance(found, dict):
            raise SuspiciousOperation("the token response is no JSON object")
        return found

    def verify_token(self, token: Any, **kwargs: Any) -> Any:
        """The claims of a token that the library takes; an ID token that it refuses is judged all the same."""
        try:
            return super().verify_token(token, **kwargs)
        except (
            SuspiciousOperation,
            PyJWTError,
            RequestException,
            KeyError,
            TypeError,
            ValueError,
            RecursionError,
        ) as failure:
            login: Login | None = getattr(getattr(self, "request", None), _LOGIN, None)
            if login is None:
                raise
            is_id_token = "nonce" in kwargs
            raise gate_of_settings().ended_by_library("", login, token if is_id_token else None, failure) from failure

    def store_tokens(self, access_token: Any, id_token: Any) -> None:
        """Nothing yet: the library would put them into the session of whoever is about to be refused."""

    def get_payload_data(self, token: Any, key: Any) -> Any:
        """The claims of a signed token; OIDC_ALLOW_UNSECURED_JWT changes nothing here."""
        return self._verify_jws(token, key)

    def get_userinfo(self, access_token: Any, id_token: Any, payload: Any) -> Any:
        """The library's, for a login that Acrux admits.

        Raises:
            LoginRefusedError: it is not admitted; `AcruxAuthenticationCallbackView` shows the page.
            TripNeededError: it needs one more trip; that view sends the browser there.
            SuspiciousOperation: this is no login of that view, but a token from elsewhere.
        """
        request = getattr(self, "request", None)
        login: Login | None = getattr(request, _LOGIN, None)
        if request is None or login is None:
            raise SuspiciousOperation("not a login that Acrux decided on")
        gate = gate_of_settings()
        verdict = gate.judge(
            login, id_token=id_token, claims=payload, issuer=_issuer(), client_id=self.OIDC_RP_CLIENT_ID
        )
        found = super().get_userinfo(access_token, id_token, payload)
        # OpenID Connect Core 5.3.2: what is said of another subject must not be used.
        if not isinstance(found, dict) or found.get("sub") != payload.get("sub"):
            raise gate.ended_by_provider("mismatching_sub", login)
        super().store_tokens(access_token, id_token)
        setattr(request, _VERDICT, verdict)
        return found


class AcruxSessionRefresh(SessionRefresh):
    """The library's middleware, whose silent logins are decided on and judged like any other."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """A redirect to the provider if the session must be renewed; for scripts the address in an answer of 403."""
        response = super().process_request(request)
        if response is None:
            return None
        is_script = response.has_header("refresh_url")
        try:
            trip = _send(request, response["refresh_url" if is_script else "Location"], None)
        except LoginRefusedError as refused:
            _end_expired(request, refused)
            return refusal_page(refused.refusal)
        if not is_script:
            return redirect(trip.url, trip.browser)
        answer = JsonResponse({"refresh_url": trip.url}, status=403, headers={"refresh_url": trip.url})
        keep_browser(answer, trip.browser)
        return answer


def _send(request: HttpRequest, url: str, after: TripNeededError | None) -> Trip:
    """Decides on the authorization request that the library has just written, and keeps the login beside its nonce."""
    (state,) = parse_qs(urlsplit(url).query)["state"]
    kept = request.session[_STATES][state]
    nonce = None if after is None else nonce_again(after.login, after.verdict)
    if nonce is not None:
        kept["nonce"] = nonce
        url = replaced_url(url, {"nonce": nonce})
    trip = gate_of_settings().begin(
        request, url, OIDCAuthenticationBackend.get_settings("OIDC_RP_CLIENT_ID"), after=after
    )
    kept[STATE_MEMBER] = trip.login.to_state()
    request.session.modified = True
    return trip


def _end_expired(request: HttpRequest, refused: LoginRefusedError) -> None:
    """Signs out whose session had to be renewed and is refused that; the library asks at GET only, and would go on.

    Not where the answer belongs to no login (anybody could send that), nor while Acrux or the provider is away.
    """
    expires_at_seconds = request.session.get(_EXPIRATION)
    is_expired = isinstance(expires_at_seconds, int | float) and expires_at_seconds <= time()
    if is_expired and refused.refusal.cause in {Cause.DENIED, Cause.NOT_SATISFIED} and request.user.is_authenticated:
        auth.logout(request)


def _forget(request: HttpRequest) -> None:
    del request.session[_STATES][request.GET["state"]]
    request.session.modified = True


def _issuer() -> str:
    issuer = acrux_setting().get("issuer")
    if not isinstance(issuer, str) or not issuer:
        raise ImproperlyConfigured('the setting `ACRUX` has no "issuer": mozilla-django-oidc does not know it')
    return issuer
