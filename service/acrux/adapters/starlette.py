"""Acrux for Starlette and FastAPI applications that log in with Authlib. It decides nothing and stores no user.

acrux = StarletteAcrux(AsyncAcruxClient("https://acrux.example.com", token, client="jira"))

async def login(request):
    return await acrux.authorize_redirect(oauth.jira, request, request.url_for("callback"))

async def callback(request):
    token = await acrux.authorize_access_token(oauth.jira, request)     # returns only if the login is admitted
"""

import copy
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any

from acrux.adapters.addresses import ProxyHeader, TrustedProxies
from acrux.adapters.authlib_rules import (
    error_code,
    login_of,
    params_again,
    params_of_login,
    require_issuer,
    state_of,
    with_issuer,
)
from acrux.adapters.authorization import UnusableRequestError, merged_url, mix_up, read_asked
from acrux.adapters.browsers import MAX_AGE_SECONDS
from acrux.adapters.extras import missing_extra
from acrux.adapters.logins import Browser, Connection, Login, browser_of, facts_asked, facts_of
from acrux.adapters.refusals import (
    HEADERS,
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
from acrux.client import AcruxError, AsyncAcruxClient, Decision, LoginFacts, Verdict

try:
    from authlib.common.errors import AuthlibBaseError
    from authlib.integrations.starlette_client import StarletteOAuth2App
    from joserfc.errors import JoseError
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, RedirectResponse, Response
except ModuleNotFoundError as missing:
    raise missing_extra("starlette", missing) from missing

try:
    from httpx2 import HTTPError  # type: ignore[import-not-found,unused-ignore] # what Authlib prefers where it is
except ModuleNotFoundError:
    from httpx import HTTPError

_LOG = logging.getLogger("acrux.adapters")
# What Authlib raises of a provider's answer: its own errors, and what its code stumbles over unchecked.
_UNUSABLE = (AuthlibBaseError, JoseError, HTTPError, ValueError, TypeError, KeyError, RecursionError)


class LoginRefused(HTTPException):
    """A login is refused. Unless the application says otherwise, Starlette answers it in plain text.

    Attributes:
        refusal: why, and the page that says it.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.status, refusal.text, dict(HEADERS))
        self.refusal = refusal


class LoginStartsAgain(HTTPException):
    """A login needs another trip to the provider; Starlette answers it with the redirect.

    Attributes:
        verdict: what came back from the first trip.
        url: where to send the browser.
    """

    def __init__(self, verdict: Verdict, url: str) -> None:
        super().__init__(302, "", {"Location": url, "Cache-Control": "no-store"})
        self.verdict = verdict
        self.url = url


async def refusal_page(_request: Request, refused: Exception) -> Response:
    """An exception handler that shows a refusal as a page: `app.add_exception_handler(LoginRefused, refusal_page)`."""
    if not isinstance(refused, LoginRefused):
        raise refused
    return HTMLResponse(refused.refusal.page(), refused.status_code, HEADERS)


@dataclass(frozen=True, slots=True)
class _Trip:
    """An authorization request, ready to be sent."""

    url: str
    browser: Browser


class StarletteAcrux:
    """Asks Acrux where Authlib redirects, and again where Authlib has the token.

    INVARIANT (nobody unjudged): `authorize_access_token` returns only after a verdict that admits.

    Args:
        client: how Acrux is asked. If it names no client, the registration's `client_id` is sent.
        trusted_proxies: addresses or CIDRs of the proxies before the application; without them the address is the
            connection's.
        proxy_header: the one header that they write.
        facts: more facts of a request, such as attributes or what is known of the device; they win.
        help_desk: a sentence for the pages of refused logins.
        cookie: the name of the cookie that becomes `browser.id`; `__Host-` is put before it.
    """

    def __init__(
        self,
        client: AsyncAcruxClient,
        *,
        trusted_proxies: Iterable[str] = (),
        proxy_header: ProxyHeader = "x-forwarded-for",
        facts: Callable[[Request], LoginFacts] | None = None,
        help_desk: str = "",
        cookie: str = "acrux-browser",
    ) -> None:
        self._client = client
        self._proxies = TrustedProxies(trusted_proxies, proxy_header)
        self._facts = facts
        self._help_desk = help_desk
        self._cookie = cookie

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncIterator[None]:
        """For `Starlette(lifespan=acrux.lifespan)`: the ceiling from the start, a last try to report at the end."""
        async with self._client:
            yield

    async def authorize_redirect(
        self,
        registration: StarletteOAuth2App,
        request: Request,
        /,
        redirect_uri: object = None,
        **params: Any,
    ) -> Response:
        """As Authlib's, with what Acrux decides merged in: it replaces `params` and the registration's own.

        Raises:
            LoginRefused: the policy denies it, or there is no decision.
            UnusableRequestError: the registration uses pushed or signed requests, or no `openid` scope.
        """
        uri = None if redirect_uri is None else str(redirect_uri)
        trip = await self._begin(registration, request, uri, params, again=False, retry=None)
        response = RedirectResponse(trip.url, 302, {"Cache-Control": "no-store"})
        if trip.browser.is_new:
            cookie = trip.browser.cookie
            response.set_cookie(
                cookie.name, trip.browser.id, MAX_AGE_SECONDS, path="/", secure=cookie.secure, httponly=True
            )
        return response

    async def authorize_access_token(
        self,
        registration: StarletteOAuth2App,
        request: Request,
        /,
        **options: Any,
    ) -> dict[str, Any]:
        """As Authlib's: the token, `userinfo` in it, of a login that Acrux admits.

        Raises:
            LoginStartsAgain: the login needs one more trip; Starlette sends the browser there.
            LoginRefused: it is not admitted.
        """
        answer = await _answer(request)
        redirect_uri, login = await self._login_of(registration, request, answer.get("state", ""))
        try:
            metadata = await registration.load_server_metadata()
        except (HTTPError, JSONDecodeError) as failure:
            raise self._provider_away(failure, login.decision.id) from failure
        error = answer.get("error") or mix_up(metadata, answer)
        if error:
            await registration.framework.clear_state_data(request.session, answer["state"])
            _LOG.warning("decision %s: the provider answered `%s`", login.decision.id, for_log(error))
            raise LoginRefused(of_provider_error(error, login.decision.id, self._help_desk))
        token = await self._fetch_token(registration, request, login, options)
        verdict = await self._judge(registration, login, token)
        if verdict.admit:
            return token
        _LOG.warning("decision %s: %s %s", verdict.decision_id, verdict.name, verdict.reason)
        if login.again or not starts_again(verdict):
            raise LoginRefused(of_verdict(verdict, self._help_desk))
        trip = await self._begin(
            registration, request, redirect_uri, params_again(login, verdict), again=True, retry=verdict.retry
        )
        raise LoginStartsAgain(verdict, trip.url)

    async def _begin(
        self,
        registration: StarletteOAuth2App,
        request: Request,
        redirect_uri: str | None,
        params: Mapping[str, Any],
        *,
        again: bool,
        retry: Decision | None,
    ) -> _Trip:
        """Lets Authlib write the request, asks Acrux about exactly that request, and merges the decision into it."""
        try:
            begun = await registration.create_authorization_url(redirect_uri, **params)
        except (HTTPError, JSONDecodeError) as failure:
            raise self._provider_away(failure, "") from failure
        require_issuer(registration.server_metadata)
        asked, nonce = read_asked(begun["url"]), _nonce(begun)
        browser = browser_of(self._connection(request), self._cookie)
        decision = retry
        if decision is None:
            facts: LoginFacts = {**self._gather(request, browser), **facts_asked(asked, nonce)}
            decision = await self._decide(registration, facts)
        if decision.denied:
            raise LoginRefused(of_denial(decision, self._help_desk))
        login = Login(decision, nonce, again, params_of_login(params))
        await registration.save_authorize_data(request, state=begun["state"], **state_of(begun, login, redirect_uri))
        return _Trip(merged_url(begun["url"], decision), browser)

    async def _decide(self, registration: StarletteOAuth2App, facts: LoginFacts) -> Decision:
        try:
            return await self._client.decide(client=self._client.client or registration.client_id, **facts)
        except AcruxError as error:
            _LOG.error("a login is refused, there is no decision: %s", error)
            raise LoginRefused(of_failure(error, "", self._help_desk)) from error

    async def _login_of(
        self, registration: StarletteOAuth2App, request: Request, state: str
    ) -> tuple[str | None, Login]:
        """The login that a callback belongs to: it was begun here, by this browser, and has not come back yet."""
        kept = await registration.framework.get_state_data(request.session, state) if state else None
        login = login_of(kept)
        if kept is None or login is None:
            # What is not there needs no clearing: a cache may not take whatever somebody calls a state for a key.
            if kept is not None:
                await registration.framework.clear_state_data(request.session, state)
            _LOG.warning("a login is refused: the provider's answer belongs to none that is under way in this session")
            raise LoginRefused(Refusal(Cause.NO_LOGIN, help_desk=self._help_desk))
        return kept.get("redirect_uri"), login

    async def _fetch_token(
        self, registration: StarletteOAuth2App, request: Request, login: Login, options: dict[str, Any]
    ) -> dict[str, Any]:
        """Authlib's token, in which Authlib has verified the ID token: signature, `iss`, `aud`, `exp`, nonce."""
        options = with_issuer(options, await registration.load_server_metadata())
        overheard = _Overheard(registration)
        try:
            token: dict[str, Any] = await overheard.registration.authorize_access_token(request, **options)
        except _UNUSABLE as error:
            await self._judge_for_log(login, overheard.id_token)
            why = for_log(f"{type(error).__name__}: {error}")
            _LOG.warning("decision %s: the provider's answer can't be used: %s", login.decision.id, why)
            raise LoginRefused(of_provider_error(error_code(error), login.decision.id, self._help_desk)) from error
        if not isinstance(token.get("id_token"), str) or not token.get("userinfo"):
            raise LoginRefused(of_provider_error("missing_id_token", login.decision.id, self._help_desk))
        return token

    async def _judge_for_log(self, login: Login, id_token: object) -> None:
        """Has Acrux judge a token that Authlib does not take: the log has the verdict, the login stays refused."""
        if not isinstance(id_token, str) or not id_token:
            return
        try:
            # No claim of it is verified: judged here it is `invalid`.
            verdict = await self._client.outcome(login.decision, id_token=id_token, claims={})
        except AcruxError as unjudged:
            _LOG.error("decision %s: nobody judged what came back: %s", login.decision.id, unjudged)
            return
        _LOG.warning("decision %s: %s %s", verdict.decision_id, verdict.name, verdict.reason)

    def _provider_away(self, failure: Exception, decision_id: str) -> LoginRefused:
        why = for_log(f"{type(failure).__name__}: {failure}")
        _LOG.error("decision %s: the provider can't be had: %s", decision_id, why)
        return LoginRefused(of_absent_provider(decision_id, self._help_desk))

    async def _judge(self, registration: StarletteOAuth2App, login: Login, token: dict[str, Any]) -> Verdict:
        try:
            return await self._client.outcome(
                login.decision,
                id_token=token["id_token"],
                claims=dict(token["userinfo"]),
                issuer=registration.server_metadata.get("issuer"),
                client_id=registration.client_id,
            )
        except AcruxError as error:
            _LOG.error("decision %s: the login is refused, nobody judged it: %s", login.decision.id, error)
            raise LoginRefused(of_failure(error, login.decision.id, self._help_desk)) from error

    def _gather(self, request: Request, browser: Browser) -> LoginFacts:
        facts = facts_of(self._connection(request), self._proxies, browser)
        if self._facts is not None:
            facts.update(self._facts(request))
        return facts

    def _connection(self, request: Request) -> Connection:
        return Connection(
            peer=None if request.client is None else request.client.host,
            proxy_lines=request.headers.getlist(self._proxies.header),
            user_agent=request.headers.get("user-agent", ""),
            scheme=request.url.scheme,
            host=request.url.hostname,
            cookies=request.cookies,
        )


class _Overheard:
    """A registration of Authlib's that says which ID token came, also where Authlib refuses it and says no more."""

    def __init__(self, registration: StarletteOAuth2App) -> None:
        self.registration = copy.copy(registration)
        self.registration.fetch_access_token = self._fetch
        self.id_token: object = None
        self._inner = registration

    async def _fetch(self, **keywords: Any) -> Any:
        token = await self._inner.fetch_access_token(**keywords)
        self.id_token = token.get("id_token")
        return token


def _nonce(begun: Mapping[str, Any]) -> str:
    nonce = begun.get("nonce")
    if not isinstance(nonce, str) or not nonce:
        raise UnusableRequestError("the registration has no `openid` scope, so no ID token could be judged")
    return nonce


async def _answer(request: Request) -> dict[str, str]:
    """The authorization response's parameters, from the query or, with `response_mode=form_post`, from the form."""
    if request.method == "GET":
        return dict(request.query_params)
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str)}
