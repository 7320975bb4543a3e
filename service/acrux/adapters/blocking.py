"""Asking and judging for frameworks that block, once for all of them. No framework; it decides nothing.

INVARIANT (nobody unjudged): `judge` returns a verdict that admits, or raises.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import parse_qs, urlsplit

from acrux.adapters.addresses import ProxyHeader, TrustedProxies
from acrux.adapters.authorization import UnusableRequestError, merged_url, read_asked
from acrux.adapters.logins import Browser, Connection, Login, browser_of, facts_asked, facts_of
from acrux.adapters.refusals import (
    Cause,
    Refusal,
    for_log,
    of_absent_provider,
    of_denial,
    of_failure,
    of_provider_error,
    of_verdict,
    starts_again,
)
from acrux.client import AcruxClient, AcruxError, Decision, LoginFacts, Verdict

_LOG = logging.getLogger("acrux.adapters")
_Request = TypeVar("_Request")
GATE_SETTINGS = frozenset({"trusted_proxies", "proxy_header", "facts", "help_desk", "cookie"})
"""What the setting `ACRUX` may hold beside what its adapter needs."""


class LoginRefusedError(Exception):
    """A login is refused; frameworks have exceptions of their own, which their adapters raise instead.

    Attributes:
        refusal: why, and the page that says it.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


class TripNeededError(Exception):
    """A login needs one more trip to the provider.

    Attributes:
        login: the login that came back.
        verdict: how it was judged.
    """

    def __init__(self, login: Login, verdict: Verdict) -> None:
        super().__init__(verdict.name.value)
        self.login = login
        self.verdict = verdict


@dataclass(frozen=True, slots=True)
class Trip:
    """An authorization request, ready to be sent.

    Attributes:
        url: where to send the browser.
        login: what to keep until it comes back.
        browser: whose cookie to set if it is new.
    """

    url: str
    login: Login
    browser: Browser


class Gate(Generic[_Request]):
    """What an adapter asks Acrux through.

    Args:
        client: how Acrux is asked. If it names no client, the registration's `client_id` is sent.
        connection: what the framework's request says of its connection, given the header that the proxies write.
        trusted_proxies: addresses or CIDRs of the proxies before the application; without them the address is the
            connection's.
        proxy_header: the one header that they write.
        facts: more facts of a request, such as attributes or what is known of the device; they win.
        help_desk: a sentence for the pages of refused logins.
        cookie: the name of the cookie that becomes `browser.id`; `__Host-` is put before it.
    """

    def __init__(
        self,
        client: AcruxClient,
        connection: Callable[[_Request, ProxyHeader], Connection],
        *,
        trusted_proxies: Iterable[str] = (),
        proxy_header: ProxyHeader = "x-forwarded-for",
        facts: Callable[[_Request], LoginFacts] | None = None,
        help_desk: str = "",
        cookie: str = "acrux-browser",
    ) -> None:
        self._client = client
        self._connection = connection
        self._proxies = TrustedProxies(trusted_proxies, proxy_header)
        self._facts = facts
        self._help_desk = help_desk
        self._cookie = cookie

    def begin(
        self,
        request: _Request,
        url: str,
        client_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        after: TripNeededError | None = None,
    ) -> Trip:
        """Asks about exactly this authorization request, and merges the decision into it.

        Args:
            request: the framework's.
            url: the authorization request as the framework would send it.
            client_id: the registration's.
            params: what to ask for again on a second trip.
            after: what makes this trip the second one. Its retry, if it has one, is the decision; `url` must have the
                nonce of the first trip then.

        Raises:
            LoginRefusedError: the policy denies it, or there is no decision.
            UnusableRequestError: the request can't be merged with, or has no nonce.
        """
        asked, nonce = read_asked(url), _nonce_of(url)
        connection = self._connection(request, self._proxies.header)
        browser = browser_of(connection, self._cookie)
        decision = None if after is None else after.verdict.retry
        if decision is None:
            facts: LoginFacts = {**facts_of(connection, self._proxies, browser)}
            if self._facts is not None:
                facts.update(self._facts(request))
            decision = self._decide(client_id, {**facts, **facts_asked(asked, nonce)})
        if decision.denied:
            raise LoginRefusedError(of_denial(decision, self._help_desk))
        login = Login(decision, nonce, again=after is not None, params=params or {})
        return Trip(merged_url(url, decision), login, browser)

    def judge(
        self,
        login: Login | None,
        *,
        id_token: object,
        claims: Mapping[str, Any] | None,
        issuer: str | None,
        client_id: str,
    ) -> Verdict:
        """The verdict that admits this login.

        Args:
            login: what was kept; None if nothing was.
            id_token: the raw ID token.
            claims: its claims, verified by the framework: what is judged here if Acrux can't be reached.
            issuer: what `iss` must be when judging here; None where the framework has compared it.
            client_id: what `aud` must hold, likewise.

        Raises:
            LoginRefusedError: it is not admitted.
            TripNeededError: it is not admitted, but may be after one more trip.
        """
        if login is None:
            raise self.not_under_way()
        if not isinstance(id_token, str) or not id_token or not claims:
            raise self.ended_by_provider("missing_id_token", login)
        try:
            verdict = self._client.outcome(
                login.decision, id_token=id_token, claims=dict(claims), issuer=issuer, client_id=client_id
            )
        except AcruxError as error:
            _LOG.error("decision %s: the login is refused, nobody judged it: %s", login.decision.id, error)
            raise LoginRefusedError(of_failure(error, login.decision.id, self._help_desk)) from error
        if verdict.admit:
            return verdict
        _LOG.warning("decision %s: %s %s", verdict.decision_id, verdict.name, verdict.reason)
        if login.again or not starts_again(verdict):
            raise LoginRefusedError(of_verdict(verdict, self._help_desk))
        raise TripNeededError(login, verdict)

    def ended_by_provider(self, error: str, login: Login | None, failure: Exception | None = None) -> LoginRefusedError:
        """The refusal of a login that the provider ended with an error, or with what `failure` says is of no use."""
        decision_id = "" if login is None else login.decision.id
        why = f"{type(failure).__name__}: {failure}" if failure is not None else error
        _LOG.warning("decision %s: the provider's answer can't be used: %s", decision_id, for_log(why))
        return LoginRefusedError(of_provider_error(error, decision_id, self._help_desk))

    def ended_by_library(
        self, error: str, login: Login | None, id_token: object, failure: Exception | None = None
    ) -> LoginRefusedError:
        """The refusal of a login whose ID token the library does not take.

        Acrux judges it all the same, so that the log has the verdict; whatever that is, the login stays refused.
        """
        if login is not None and isinstance(id_token, str) and id_token:
            try:
                # No claim of it is verified: judged here it is `invalid`.
                verdict = self._client.outcome(login.decision, id_token=id_token, claims={})
                _LOG.warning("decision %s: %s %s", verdict.decision_id, verdict.name, verdict.reason)
            except AcruxError as unjudged:
                _LOG.error("decision %s: nobody judged what came back: %s", login.decision.id, unjudged)
        return self.ended_by_provider(error, login, failure)

    def provider_away(self, failure: Exception, login: Login | None = None) -> LoginRefusedError:
        """The refusal of a login whose provider can't be asked what it is."""
        decision_id = "" if login is None else login.decision.id
        why = for_log(f"{type(failure).__name__}: {failure}")
        _LOG.error("decision %s: the provider can't be had: %s", decision_id, why)
        return LoginRefusedError(of_absent_provider(decision_id, self._help_desk))

    def not_under_way(self) -> LoginRefusedError:
        """The refusal of an answer that belongs to no login."""
        _LOG.warning("a login is refused: the provider's answer belongs to none that is under way in this session")
        return LoginRefusedError(Refusal(Cause.NO_LOGIN, help_desk=self._help_desk))

    def _decide(self, client_id: str, facts: LoginFacts) -> Decision:
        try:
            return self._client.decide(client=self._client.client or client_id, **facts)
        except AcruxError as error:
            _LOG.error("a login is refused, there is no decision: %s", error)
            raise LoginRefusedError(of_failure(error, "", self._help_desk)) from error


def _nonce_of(url: str) -> str:
    """The one nonce of an authorization request whose ID token can be judged."""
    params = parse_qs(urlsplit(url).query)
    nonces, scopes = params.get("nonce", []), " ".join(params.get("scope", [])).split()
    if "openid" not in scopes:
        raise UnusableRequestError("the registration has no `openid` scope, so no ID token could be judged")
    if len(nonces) != 1:
        raise UnusableRequestError("the request has no nonce, or several: an answer could belong to another login")
    return nonces[0]
