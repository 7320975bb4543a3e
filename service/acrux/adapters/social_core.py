"""Acrux for applications that log in with social-core (python-social-auth), on any framework. It decides nothing.

AUTHENTICATION_BACKENDS = ["acrux.adapters.social_core.AcruxOpenIdConnectAuth"]
ACRUX = {"client": AcruxClient("https://acrux.example.com", token, client="wiki")}
"""

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from time import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from acrux.adapters.addresses import ProxyHeader
from acrux.adapters.authorization import mix_up
from acrux.adapters.blocking import GATE_SETTINGS, Gate, LoginRefusedError, Trip, TripNeededError
from acrux.adapters.browsers import MAX_AGE_SECONDS
from acrux.adapters.extras import missing_extra
from acrux.adapters.logins import (
    STATE_MEMBER,
    Connection,
    Login,
    connection_of_environ,
    login_from_state,
    nonce_again,
)
from acrux.adapters.refusals import HEADERS, Refusal

try:
    from social_core.backends.open_id_connect import OpenIdConnectAssociation, OpenIdConnectAuth
    from social_core.exceptions import AuthConfigurationError, SocialAuthBaseException
except ModuleNotFoundError as missing:
    raise missing_extra("social_core", missing, "social") from missing

_STUMBLES = (ValueError, TypeError, KeyError, ArithmeticError, RecursionError)
"""What the library's code stumbles over in a token that it takes unchecked, beside its own errors."""


class AcruxLogins:
    """Makes an OpenID Connect backend of the library ask Acrux: `class Okta(AcruxLogins, OktaOpenIdConnect)`.

    It asks once the backend has written the whole request, `auth_extra_arguments` and nonce included, and has the ID
    token judged before the pipeline runs, so that no pipeline can leave that out.

    INVARIANT (nobody unjudged): `do_auth` runs the pipeline only after a verdict that admits.
    """

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Refuses a class in which the library's methods come first: it would ask nobody, and nobody would notice.

        Raises:
            TypeError: it is such a class.
        """
        super().__init_subclass__(**keywords)
        order = cls.__mro__
        if OpenIdConnectAuth in order and order.index(OpenIdConnectAuth) < order.index(AcruxLogins):
            raise TypeError(f"`AcruxLogins` must stand before the backend: class {cls.__name__}(AcruxLogins, ...)")

    _after: TripNeededError | None = None
    _trip: Trip | None = None
    _returned: object = None

    def auth_url(self: Any) -> str:
        """The backend's authorization request, with what Acrux decides merged in.

        Raises:
            LoginRefusedError: the policy denies it, or there is no decision.
            UnusableRequestError: the request can't be merged with.
        """
        url = super().auth_url()  # type: ignore[misc]
        client_id, _ = self.get_key_and_secret()
        trip: Trip = self._gate().begin(self.strategy, url, client_id, after=self._after)
        (state,) = parse_qs(urlsplit(url).query)["state"]
        key = self.transaction_key(state)
        self.strategy.session_set(key, {**self.strategy.session_get(key), STATE_MEMBER: trip.login.to_state()})
        self._trip = trip
        return trip.url

    def start(self: Any) -> Any:
        """The redirect to the provider, or the page that refuses."""
        try:
            # The library asks in several places, and answers a provider that is away with an exception to the user.
            self._metadata()
            response = super().start()  # type: ignore[misc]
        except LoginRefusedError as refused:
            return self._page(refused.refusal)
        # Responses of Django and of Flask are alike in this; elsewhere the browser has no id.
        if self._trip.browser.is_new and hasattr(response, "set_cookie"):
            cookie = self._trip.browser.cookie
            response.set_cookie(
                cookie.name,
                self._trip.browser.id,
                max_age=MAX_AGE_SECONDS,
                path="/",
                secure=cookie.secure,
                httponly=True,
                samesite="Lax",
            )
        return response

    def auth_complete(self: Any, *args: Any, **kwargs: Any) -> Any:
        """The user, or what to answer instead: the redirect to the provider once more, or the page that refuses."""
        try:
            error = self.data.get("error") or mix_up(self._metadata(), self.data)
            if error:
                self.validate_state()
                raise self._gate().ended_by_provider(error, self._login())
            return super().auth_complete(*args, **kwargs)  # type: ignore[misc]
        except LoginRefusedError as refused:
            return self._page(refused.refusal)
        except TripNeededError as after:
            self._after = after
            return self.start()

    def validate_state(self: Any) -> Any:
        """As the backend's; an answer that belongs to no login is refused with a page."""
        try:
            return super().validate_state()  # type: ignore[misc]
        except AuthConfigurationError:
            raise
        except SocialAuthBaseException as failure:
            raise self._gate().not_under_way() from failure

    def request_access_token(self: Any, *args: Any, **kwargs: Any) -> Any:
        """As the backend's, which verifies the ID token; what can't be used is refused with a page."""
        try:
            return super().request_access_token(*args, **kwargs)  # type: ignore[misc]
        except AuthConfigurationError:
            raise
        except SocialAuthBaseException as failure:
            raise self._gate().ended_by_library("", self._login(), self._returned, failure) from failure

    def validate_and_return_id_token(self: Any, id_token: Any, access_token: Any) -> Any:
        """As the backend's; a token that it refuses is judged all the same."""
        self._returned = id_token
        try:
            return super().validate_and_return_id_token(id_token, access_token)  # type: ignore[misc]
        except _STUMBLES as failure:
            raise self._gate().ended_by_library("", self._login(), id_token, failure) from failure

    def do_auth(self: Any, access_token: Any, *args: Any, **kwargs: Any) -> Any:
        """As the backend's, for a login that Acrux admits.

        Raises:
            LoginRefusedError: it is not admitted, or was not begun here.
            TripNeededError: it needs one more trip.
        """
        client_id, _ = self.get_key_and_secret()
        self._gate().judge(
            self._login(),
            id_token=(kwargs.get("response") or {}).get("id_token"),
            claims=self.id_token,
            issuer=self.id_token_issuer(),
            client_id=client_id,
        )
        return super().do_auth(access_token, *args, **kwargs)  # type: ignore[misc]

    def user_data(self: Any, access_token: Any, *args: Any, **kwargs: Any) -> Any:
        """As the backend's, which compares the subject; what can't be used is refused with a page."""
        try:
            return super().user_data(access_token, *args, **kwargs)  # type: ignore[misc]
        except SocialAuthBaseException as failure:
            raise self._gate().ended_by_provider("", self._login(), failure) from failure

    def validate_userinfo_sub(self: Any, userinfo: Any) -> Any:
        """As the backend's, of what is a JSON object (OpenID Connect Core 5.3.2)."""
        if userinfo is not None and not isinstance(userinfo, dict):
            raise self._gate().ended_by_provider("mismatching_sub", self._login())
        return super().validate_userinfo_sub(userinfo)  # type: ignore[misc]

    def get_and_store_nonce(self: Any, url: str, state: str) -> Any:
        """As the backend's; the second trip of a retry has the nonce of the first."""
        nonce = None if self._after is None else nonce_again(self._after.login, self._after.verdict)
        if nonce is None:
            return super().get_and_store_nonce(url, state)  # type: ignore[misc]
        lifetime = self.setting("NONCE_LIFETIME", self.NONCE_LIFETIME)
        association = OpenIdConnectAssociation(nonce, issued=int(time()), lifetime=lifetime, assoc_type=state)
        self.strategy.storage.association.store(url, association)
        return nonce

    def _metadata(self: Any) -> dict[str, Any]:
        """What the provider says of itself, as far as the backend asks it at all."""
        try:
            discovered = self.oidc_config() if self.oidc_endpoint() else {}
            return {**discovered, "issuer": self.id_token_issuer()}
        except AuthConfigurationError:
            raise
        except SocialAuthBaseException as failure:
            raise self._gate().provider_away(failure) from failure

    def _login(self: Any) -> Login | None:
        transaction = self._oauth2_transaction
        if not isinstance(transaction, dict):
            return None
        return login_from_state(transaction.get(STATE_MEMBER), transaction.get("oidc_nonce"))

    def _gate(self: Any) -> Gate[Any]:
        found = self.setting("ACRUX")
        if not isinstance(found, dict) or "client" not in found:
            raise _wrongly_set("ACRUX", 'it is missing: {"client": AcruxClient(...), ...}', self)
        options = {name: value for name, value in found.items() if name not in {"client", "environ", "issuer"}}
        for name in options.keys() - GATE_SETTINGS:
            known = ", ".join(["client", *sorted(GATE_SETTINGS)])
            raise _wrongly_set(f'ACRUX["{name}"]', f"unknown; there are {known}", self)
        environ = found.get("environ", _environ)
        return Gate(
            found["client"], lambda strategy, header: _connection(strategy, environ(strategy), header), **options
        )

    def _page(self: Any, refusal: Refusal) -> Any:
        response = self.strategy.html_with_headers(refusal.page(), HEADERS)
        response.status_code = refusal.status
        return response


class AcruxOpenIdConnectAuth(AcruxLogins, OpenIdConnectAuth[Any]):
    """The library's generic backend, with Acrux."""


def _wrongly_set(name: str, what: str, backend: Any = None) -> AuthConfigurationError:
    """The library's own error, whose message names nothing: the note does, in its traceback."""
    error = AuthConfigurationError(backend, what, parameter=name, code="invalid_setting", stage="begin")
    error.add_note(f"the setting `{name}`: {what}")
    return error


def _environ(strategy: Any) -> Mapping[str, Any]:
    """The WSGI environment of the request: Django calls it META. `ACRUX["environ"]` says it for other strategies."""
    request = getattr(strategy, "request", None)
    found = getattr(request, "META", None) or getattr(request, "environ", None)
    if found is None:
        raise _wrongly_set('ACRUX["environ"]', "it is missing: where the WSGI environment of a strategy's request is")
    environ: Mapping[str, Any] = found
    return environ


def _connection(strategy: Any, environ: Mapping[str, Any], header: ProxyHeader) -> Connection:
    scheme = "https" if strategy.request_is_secure() else "http"
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(environ.get("HTTP_COOKIE", ""))
    except CookieError:
        cookies.clear()
    known = {name: morsel.value for name, morsel in cookies.items()}
    return connection_of_environ({**environ, "wsgi.url_scheme": scheme}, header, known)
