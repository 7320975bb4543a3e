"""Acrux for Django applications that log in with Authlib. It decides nothing and stores no user.

MIDDLEWARE += ["acrux.adapters.django.LoginAnswersMiddleware"]

acrux = DjangoAcrux(AcruxClient("https://acrux.example.com", token, client="jira"))

def login(request):
    return acrux.authorize_redirect(oauth.jira, request, request.build_absolute_uri(reverse("callback")))

def callback(request):
    token = acrux.authorize_access_token(oauth.jira, request)     # returns only if the login is admitted
"""

from collections.abc import Callable, Iterable
from typing import Any

from acrux.adapters.addresses import ProxyHeader
from acrux.adapters.blocking import LoginRefusedError
from acrux.adapters.extras import missing_extra
from acrux.client import AcruxClient, LoginFacts

try:
    from django.contrib.sessions.backends import signed_cookies
    from django.http import HttpRequest, HttpResponse

    from acrux.adapters.authlib_blocking import Again, AuthlibGate
    from acrux.adapters.django_answers import (
        LoginAnswersMiddleware,
        LoginRefused,
        LoginStartsAgain,
        connection_of,
        redirect,
    )
except ModuleNotFoundError as missing:
    raise missing_extra("django", missing) from missing

__all__ = ["DjangoAcrux", "LoginAnswersMiddleware", "LoginRefused", "LoginStartsAgain"]


class DjangoAcrux:
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
        client: AcruxClient,
        *,
        trusted_proxies: Iterable[str] = (),
        proxy_header: ProxyHeader = "x-forwarded-for",
        facts: Callable[[HttpRequest], LoginFacts] | None = None,
        help_desk: str = "",
        cookie: str = "acrux-browser",
    ) -> None:
        self._gate: AuthlibGate[HttpRequest] = AuthlibGate(
            client,
            connection_of,
            trusted_proxies=trusted_proxies,
            proxy_header=proxy_header,
            facts=facts,
            help_desk=help_desk,
            cookie=cookie,
        )

    def authorize_redirect(
        self, registration: Any, request: HttpRequest, /, redirect_uri: str | None = None, **params: Any
    ) -> HttpResponse:
        """As Authlib's, with what Acrux decides merged in: it replaces `params` and the registration's own.

        Raises:
            LoginRefused: the policy denies it, or there is no decision.
            UnusableRequestError: the registration uses pushed or signed requests, or no `openid` scope.
        """
        try:
            trip = self._gate.send(
                registration, request, request.session, redirect_uri, params, in_cookie=_is_cookie(request)
            )
        except LoginRefusedError as refused:
            raise LoginRefused(refused.refusal) from refused
        return redirect(trip.url, trip.browser)

    def authorize_access_token(self, registration: Any, request: HttpRequest, /, **options: Any) -> dict[str, Any]:
        """As Authlib's: the token, `userinfo` in it, of a login that Acrux admits.

        Raises:
            LoginStartsAgain: the login needs one more trip; the middleware sends the browser there.
            LoginRefused: it is not admitted.
        """
        values = request.GET if request.method == "GET" else request.POST

        def fetch(overheard: Any, **options: Any) -> dict[str, Any]:
            token: dict[str, Any] = overheard.authorize_access_token(request, **options)
            return token

        try:
            found = self._gate.receive(
                registration, request, request.session, values.dict(), fetch, options, in_cookie=_is_cookie(request)
            )
        except LoginRefusedError as refused:
            raise LoginRefused(refused.refusal) from refused
        if isinstance(found, Again):
            raise LoginStartsAgain(found.verdict, found.trip.url, found.trip.browser)
        return found


def _is_cookie(request: HttpRequest) -> bool:
    return isinstance(request.session, signed_cookies.SessionStore)
