"""The gate for Authlib's blocking clients, which Flask and Django share. Authlib and requests only; no framework."""

import copy
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeVar

from authlib.common.errors import AuthlibBaseError
from joserfc.errors import JoseError
from requests import RequestException

from acrux.adapters.authlib_rules import (
    COOKIE_CHARACTERS,
    SESSION_CHARACTERS,
    error_code,
    login_of,
    make_room,
    params_again,
    params_of_login,
    require_issuer,
    state_of,
    with_issuer,
)
from acrux.adapters.authorization import mix_up
from acrux.adapters.blocking import Gate, Trip, TripNeededError
from acrux.adapters.logins import Login
from acrux.client import Verdict

_Request = TypeVar("_Request")
_UNUSABLE = (AuthlibBaseError, JoseError, RequestException, ValueError, TypeError, KeyError, RecursionError)
"""What Authlib raises of a provider's answer: its own errors, and what its code stumbles over unchecked."""


@dataclass(frozen=True, slots=True)
class Again:
    """A login that needs one more trip, and that trip, ready to be sent."""

    verdict: Verdict
    trip: Trip


class AuthlibGate(Gate[_Request]):
    """Asks where Authlib redirects, and again where Authlib has the token."""

    def send(
        self,
        registration: Any,
        request: _Request,
        session: MutableMapping[str, Any],
        redirect_uri: str | None,
        params: Mapping[str, Any],
        *,
        in_cookie: bool,
        after: TripNeededError | None = None,
    ) -> Trip:
        """Lets Authlib write the request, asks about exactly that request, and keeps both in Authlib's state.

        Args:
            registration: Authlib's.
            request: the framework's.
            session: what Authlib's state is in.
            redirect_uri: for Authlib.
            params: the application's own, for Authlib.
            in_cookie: whether the session is a cookie, which has little room.
            after: what makes this trip the second one.

        Raises:
            LoginRefusedError: the policy denies it, or there is no decision.
            UnusableRequestError: the request can't be merged with.
        """
        try:
            begun = registration.create_authorization_url(redirect_uri, **params)
        except RequestException as failure:
            raise self.provider_away(failure) from failure
        require_issuer(registration.server_metadata)
        trip = self.begin(request, begun["url"], registration.client_id, params=params_of_login(params), after=after)
        kept = state_of(begun, trip.login, redirect_uri)
        make_room(session, registration.name, kept, COOKIE_CHARACTERS if in_cookie else SESSION_CHARACTERS)
        registration.framework.set_state_data(session, begun["state"], kept)
        return trip

    def receive(
        self,
        registration: Any,
        request: _Request,
        session: MutableMapping[str, Any],
        answer: Mapping[str, str],
        fetch: Callable[..., dict[str, Any]],
        options: dict[str, Any],
        *,
        in_cookie: bool,
    ) -> dict[str, Any] | Again:
        """Authlib's token, of a login that Acrux admits; or one more trip.

        Args:
            registration: Authlib's.
            request: the framework's.
            session: what Authlib's state is in.
            answer: the authorization response's parameters.
            fetch: calls the `authorize_access_token` of the registration that it is given, which verifies the ID
                token: signature, `iss`, `aud`, `exp`, nonce.
            options: for it.
            in_cookie: whether the session is a cookie, which has little room.

        Raises:
            LoginRefusedError: it is not admitted.
        """
        state = answer.get("state", "")
        kept = registration.framework.get_state_data(session, state) if state else None
        login = login_of(kept)
        if kept is None or login is None:
            # What is not there needs no clearing: a cache may not take whatever somebody calls a state for a key.
            if kept is not None:
                registration.framework.clear_state_data(session, state)
            raise self.not_under_way()
        try:
            metadata = registration.load_server_metadata()
        except RequestException as failure:
            raise self.provider_away(failure, login) from failure
        error = answer.get("error") or mix_up(metadata, answer)
        if error:
            registration.framework.clear_state_data(session, state)
            raise self.ended_by_provider(error, login)
        token = self._fetch(login, registration, fetch, with_issuer(options, metadata))
        try:
            self.judge(
                login,
                id_token=token.get("id_token"),
                claims=token.get("userinfo"),
                issuer=metadata.get("issuer"),
                client_id=registration.client_id,
            )
        except TripNeededError as after:
            params = params_again(login, after.verdict)
            uri = kept.get("redirect_uri")
            trip = self.send(registration, request, session, uri, params, in_cookie=in_cookie, after=after)
            return Again(after.verdict, trip)
        return token

    def _fetch(
        self, login: Login, registration: Any, fetch: Callable[..., dict[str, Any]], options: dict[str, Any]
    ) -> dict[str, Any]:
        overheard = Overheard(registration)
        try:
            return fetch(overheard.registration, **options)
        except _UNUSABLE as failure:
            raise self.ended_by_library(error_code(failure), login, overheard.id_token, failure) from failure


class Overheard:
    """A registration of Authlib's that says which ID token came, also where Authlib refuses it and says no more.

    Attributes:
        registration: for this one answer; it shares what the application's own knows of the provider.
        id_token: the raw ID token; None if none has come.
    """

    def __init__(self, registration: Any) -> None:
        self.registration = copy.copy(registration)
        self.registration.fetch_access_token = self._fetch
        self.id_token: object = None
        self._inner = registration

    def _fetch(self, **keywords: Any) -> Any:
        token = self._inner.fetch_access_token(**keywords)
        self.id_token = token.get("id_token")
        return token
