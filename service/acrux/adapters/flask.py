"""Acrux for Flask applications that log in with Authlib. It decides nothing and stores no user.

acrux = FlaskAcrux(AcruxClient("https://acrux.example.com", token, client="jira"))

@app.get("/login")
def login():
    return acrux.authorize_redirect(oauth.jira, url_for("callback", _external=True))

@app.get("/callback")
def callback():
    token = acrux.authorize_access_token(oauth.jira)     # returns only if the login is admitted
"""

from collections.abc import Callable, Iterable
from typing import Any

from acrux.adapters.addresses import ProxyHeader
from acrux.adapters.blocking import LoginRefusedError
from acrux.adapters.browsers import MAX_AGE_SECONDS
from acrux.adapters.extras import missing_extra
from acrux.adapters.logins import Browser, Connection, connection_of_environ
from acrux.adapters.refusals import HEADERS, Refusal
from acrux.client import AcruxClient, LoginFacts, Verdict

try:
    from flask import Request, Response, request, session
    from flask.sessions import SecureCookieSession
    from werkzeug.exceptions import HTTPException

    from acrux.adapters.authlib_blocking import Again, AuthlibGate
except ModuleNotFoundError as missing:
    raise missing_extra("flask", missing) from missing


class LoginRefused(HTTPException):
    """A login is refused. Unless the application says otherwise, Flask answers it with a page.

    Attributes:
        refusal: why, and the page that says it.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text, Response(refusal.page(), refusal.status, HEADERS, mimetype="text/html"))
        self.code = refusal.status
        self.refusal = refusal


class LoginStartsAgain(HTTPException):
    """A login needs another trip to the provider; Flask answers it with the redirect.

    Attributes:
        verdict: what came back from the first trip.
        url: where to send the browser.
    """

    code = 302

    def __init__(self, verdict: Verdict, url: str, response: Response) -> None:
        super().__init__("", response)
        self.verdict = verdict
        self.url = url


class FlaskAcrux:
    """Asks Acrux where Authlib redirects, and again where Authlib has the token.

    INVARIANT (nobody unjudged): `authorize_access_token` returns only after a verdict that admits.

    Args:
        client: how Acrux is asked. If it names no client, the registration's `client_id` is sent.
        trusted_proxies: addresses or CIDRs of the proxies before the application; without them the address is the
            connection's. Not beside werkzeug's `ProxyFix`, which replaces that address itself.
        proxy_header: the one header that they write.
        facts: more facts of a request, such as attributes or what is known of the device; they win.
        help_desk: a sentence for the pages of refused logins.
        cookie: the name of the cookie that becomes `browser.id`; `__Host-` is put before it.
    """

    def __init__(
        self,
        client: AcruxClient,
        *,
        trusted_proxies: Iterable[str] = (),
        proxy_header: ProxyHeader = "x-forwarded-for",
        facts: Callable[[Request], LoginFacts] | None = None,
        help_desk: str = "",
        cookie: str = "acrux-browser",
    ) -> None:
        self._gate: AuthlibGate[Request] = AuthlibGate(
            client,
            _connection,
            trusted_proxies=trusted_proxies,
            proxy_header=proxy_header,
            facts=facts,
            help_desk=help_desk,
            cookie=cookie,
        )

    def authorize_redirect(self, registration: Any, /, redirect_uri: str | None = None, **params: Any) -> Response:
        """As Authlib's, with what Acrux decides merged in: it replaces `params` and the registration's own.

        Raises:
            LoginRefused: the policy denies it, or there is no decision.
            UnusableRequestError: the registration uses pushed or signed requests, or no `openid` scope.
        """
        try:
            trip = self._gate.send(registration, _request(), session, redirect_uri, params, in_cookie=_is_cookie())
        except LoginRefusedError as refused:
            raise LoginRefused(refused.refusal) from refused
        return _redirect(trip.url, trip.browser)

    def authorize_access_token(self, registration: Any, /, **options: Any) -> dict[str, Any]:
        """As Authlib's: the token, `userinfo` in it, of a login that Acrux admits.

        Raises:
            LoginStartsAgain: the login needs one more trip; Flask sends the browser there.
            LoginRefused: it is not admitted.
        """
        values = request.args if request.method == "GET" else request.form
        try:
            found = self._gate.receive(
                registration,
                _request(),
                session,
                values.to_dict(),
                _fetch,
                options,
                in_cookie=_is_cookie(),
            )
        except LoginRefusedError as refused:
            raise LoginRefused(refused.refusal) from refused
        if isinstance(found, Again):
            raise LoginStartsAgain(found.verdict, found.trip.url, _redirect(found.trip.url, found.trip.browser))
        return found


def _fetch(registration: Any, **options: Any) -> dict[str, Any]:
    token: dict[str, Any] = registration.authorize_access_token(**options)
    return token


def _is_cookie() -> bool:
    """Whether sessions are Flask's own, which are a cookie each."""
    return isinstance(session._get_current_object(), SecureCookieSession)  # type: ignore[attr-defined] # noqa: SLF001 - werkzeug documents it


def _request() -> Request:
    """The request itself rather than Flask's stand-in for it."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined] # noqa: SLF001 - werkzeug documents it
    return found


def _connection(found: Request, header: ProxyHeader) -> Connection:
    return connection_of_environ(found.environ, header, found.cookies)


def _redirect(url: str, browser: Browser) -> Response:
    response = Response("", 302, {"Location": url, "Cache-Control": "no-store"})
    if browser.is_new:
        cookie = browser.cookie
        response.set_cookie(
            cookie.name, browser.id, MAX_AGE_SECONDS, path="/", secure=cookie.secure, httponly=True, samesite="Lax"
        )
    return response
