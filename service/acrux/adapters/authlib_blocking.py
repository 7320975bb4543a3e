"""The gate for Authlib's blocking clients, which Flask and Django share. Authlib and requests only; no framework."""

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeVar

from authlib.common.errors import AuthlibBaseError
from joserfc.errors import JoseError
from requests import RequestException

from acrux.adapters.authlib_rules import (
    error_code,
    login_of,
    params_again,
    params_of_login,
    state_of,
    with_issuer,
)
from acrux.adapters.authorization import mix_up
from acrux.adapters.blocking import Gate, Trip, TripNeededError
from acrux.adapters.logins import Login
from acrux.client import Verdict

_Request = TypeVar("_Request")


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
        after: TripNeededError | None = None,
    ) -> Trip:
        """Lets Authlib write the request, asks about exactly that request, and keeps both in Authlib's state.

        Raises:
            LoginRefusedError: the policy denies it, or there is no decision.
            UnusableRequestError: the request can't be merged with.
        """
        begun = registration.create_authorization_url(redirect_uri, **params)
        trip = self.begin(request, begun["url"], registration.client_id, params=params_of_login(params), after=after)
        registration.framework.set_state_data(session, begun["state"], state_of(begun, trip.login, redirect_uri))
        return trip

    def receive(
        self,
        registration: Any,
        request: _Request,
        session: MutableMapping[str, Any],
        answer: Mapping[str, str],
        fetch: Callable[..., dict[str, Any]],
        options: dict[str, Any],
    ) -> dict[str, Any] | Again:
        """Authlib's token, of a login that Acrux admits; or one more trip.

        Args:
            registration: Authlib's.
            request: the framework's.
            session: what Authlib's state is in.
            answer: the authorization response's parameters.
            fetch: Authlib's `authorize_access_token`, which verifies the ID token: signature, `iss`, `aud`, `exp`,
                nonce.
            options: for it.

        Raises:
            LoginRefusedError: it is not admitted.
        """
        state = answer.get("state", "")
        kept = registration.framework.get_state_data(session, state) if state else None
        login = login_of(kept)
        if kept is None or login is None:
            registration.framework.clear_state_data(session, state)
            raise self.not_under_way()
        metadata = registration.load_server_metadata()
        error = answer.get("error") or mix_up(metadata, answer)
        if error:
            registration.framework.clear_state_data(session, state)
            raise self.ended_by_provider(error, login)
        token = self._fetch(login, fetch, with_issuer(options, metadata))
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
            trip = self.send(registration, request, session, kept.get("redirect_uri"), params, after=after)
            return Again(after.verdict, trip)
        return token

    def _fetch(self, login: Login, fetch: Callable[..., dict[str, Any]], options: dict[str, Any]) -> dict[str, Any]:
        try:
            return fetch(**options)
        except (AuthlibBaseError, JoseError, RequestException) as error:
            raise self.ended_by_provider(error_code(error), login, error) from error
