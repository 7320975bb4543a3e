"""What the adapters on Django share: its requests, its answers, and the ACRUX setting. Django only; no OIDC library."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect

from acrux.adapters.addresses import ProxyHeader
from acrux.adapters.blocking import GATE_SETTINGS, Gate
from acrux.adapters.browsers import MAX_AGE_SECONDS
from acrux.adapters.logins import Browser, Connection, connection_of_environ
from acrux.adapters.refusals import HEADERS, Refusal
from acrux.client import Verdict


class LoginRefused(PermissionDenied):
    """A login is refused. `LoginAnswersMiddleware` shows the page; without it Django answers a bare 403.

    Attributes:
        refusal: why, and the page that says it.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


class LoginStartsAgain(PermissionDenied):
    """A login needs another trip to the provider. `LoginAnswersMiddleware` sends the browser there; without it: 403.

    Attributes:
        verdict: what came back from the first trip.
        url: where to send the browser.
        browser: whose cookie is set if it is new.
    """

    def __init__(self, verdict: Verdict, url: str, browser: Browser) -> None:
        super().__init__(verdict.name.value)
        self.verdict = verdict
        self.url = url
        self.browser = browser


class LoginAnswersMiddleware:
    """Answers refused and restarted logins that a view lets through."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Lets every request through; what matters is `process_exception`."""
        return self._get_response(request)

    def process_exception(self, _request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Django calls it with what a view raised."""
        match error:
            case LoginRefused():
                return refusal_page(error.refusal)
            case LoginStartsAgain():
                return redirect(error.url, error.browser)
            case _:
                return None


def refusal_page(refusal: Refusal) -> HttpResponse:
    """A refusal as a page."""
    return HttpResponse(refusal.page(), status=refusal.status, headers=HEADERS)


def redirect(url: str, browser: Browser) -> HttpResponse:
    """The redirect to the provider."""
    response = HttpResponseRedirect(url, headers={"Cache-Control": "no-store"})
    keep_browser(response, browser)
    return response


def keep_browser(response: HttpResponse, browser: Browser) -> None:
    """Sets the browser's cookie if it has none."""
    if browser.is_new:
        cookie = browser.cookie
        response.set_cookie(
            cookie.name, browser.id, MAX_AGE_SECONDS, path="/", secure=cookie.secure, httponly=True, samesite="Lax"
        )


def connection_of(request: HttpRequest, header: ProxyHeader) -> Connection:
    """The connection of a request."""
    environ = {**request.META, "wsgi.url_scheme": request.scheme}
    return connection_of_environ(environ, header, request.COOKIES)


def acrux_setting() -> dict[str, Any]:
    """The setting `ACRUX`: `client`, and whatever else the gate takes.

    Raises:
        ImproperlyConfigured: there is none, or it has a key that means nothing.
    """
    found = getattr(settings, "ACRUX", None)
    if not isinstance(found, dict) or "client" not in found:
        raise ImproperlyConfigured('the setting `ACRUX` is missing: {"client": AcruxClient(...), ...}')
    unknown = sorted(str(name) for name in found.keys() - GATE_SETTINGS - {"client", "issuer"})
    if unknown:
        known = ", ".join(["client", *sorted(GATE_SETTINGS)])
        raise ImproperlyConfigured(f"the setting `ACRUX` has an unknown key `{unknown[0]}`; there are {known}")
    return found


def gate_of_settings() -> Gate[HttpRequest]:
    """The gate that the setting `ACRUX` describes. It is cheap: what is worth keeping is in the client."""
    options = {name: value for name, value in acrux_setting().items() if name not in {"client", "issuer"}}
    try:
        return Gate(acrux_setting()["client"], connection_of, **options)
    except ValueError as wrong:
        raise ImproperlyConfigured(f"the setting `ACRUX`: {wrong}") from wrong
