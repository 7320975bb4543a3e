"""What every adapter does alike: the facts of a request, and what a login remembers. No framework, no network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from acrux.adapters.addresses import ProxyHeader, TrustedProxies
from acrux.adapters.authorization import Asked
from acrux.adapters.browsers import BrowserCookie, browser_cookie, known_id, new_id
from acrux.client import Decision, LoginFacts, Verdict
from acrux.client.answers import decision_from_state, decision_to_state
from acrux.client.errors import UnexpectedAnswerError

STATE_MEMBER = "acrux"
"""Where a login's own state keeps what is Acrux's."""
_MAX_USER_AGENT = 1024
LoginState: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Connection:
    """The request that begins or ends a login, as its framework has it.

    Attributes:
        peer: the address at the other end of the connection; None if it has none.
        proxy_lines: every line of the one header that trusted proxies write.
        user_agent: what the browser says it is.
        scheme: `http` or `https`.
        host: the host that the browser asked for, without its port.
        cookies: by name.
    """

    peer: str | None
    proxy_lines: Sequence[str]
    user_agent: str
    scheme: str
    host: str | None
    cookies: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Browser:
    """One browser: its id, and the cookie that keeps it.

    Attributes:
        id: becomes `browser.id`.
        cookie: the cookie's name and form.
        is_new: whether the cookie must be set.
    """

    id: str
    cookie: BrowserCookie
    is_new: bool


@dataclass(frozen=True, slots=True)
class Login:
    """What the login's own state remembers between the redirect and the callback.

    Attributes:
        decision: what was decided.
        nonce: what was sent to the provider; a retry keeps it, since it was decided for it.
        again: whether this is the second trip already.
        params: what the application asked for in its call, to be asked for again.
    """

    decision: Decision
    nonce: str
    again: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)

    def to_state(self) -> LoginState:
        """As small JSON. The nonce is not in it: every framework keeps that itself."""
        kept: LoginState = {"decision": decision_to_state(self.decision), "again": self.again}
        if self.params:
            kept["params"] = dict(self.params)
        return kept


def login_from_state(kept: object, nonce: object) -> Login | None:
    """The inverse of `Login.to_state`; None where no login was begun through an adapter."""
    if not isinstance(kept, dict) or not isinstance(kept.get("decision"), dict):
        return None
    if not isinstance(nonce, str) or not nonce:
        return None
    try:
        decision = decision_from_state(kept["decision"])
    except UnexpectedAnswerError:
        return None
    return Login(decision, nonce, kept.get("again") is True, dict(kept.get("params") or {}))


def nonce_again(login: Login, verdict: Verdict) -> str | None:
    """The nonce of the second trip: a retry was decided for the one of the first; else a new one is made."""
    return None if verdict.retry is None else login.nonce


def browser_of(connection: Connection, cookie_name: str) -> Browser:
    """The browser that is connected; a new id if it has none that could have been made here."""
    cookie = browser_cookie(cookie_name, connection.scheme, connection.host)
    known = known_id(connection.cookies.get(cookie.name))
    return Browser(known or new_id(), cookie, is_new=known is None)


def facts_of(connection: Connection, proxies: TrustedProxies, browser: Browser) -> LoginFacts:
    """What the connection and trusted proxies say of a login; nothing else of it is believed."""
    return {
        "ip": proxies.user_address(connection.peer, connection.proxy_lines),
        "user_agent": _printable(connection.user_agent),
        "browser_id": browser.id,
    }


def facts_asked(asked: Asked, nonce: str) -> LoginFacts:
    """What the authorization request asks for by itself."""
    return {
        "acr_values": asked.acr_values,
        "scopes": asked.scopes,
        "prompt": asked.prompt,
        "max_age_seconds": asked.max_age_seconds,
        "claims": asked.claims,
        "nonce": nonce,
    }


def connection_of_environ(environ: Mapping[str, Any], header: ProxyHeader, cookies: Mapping[str, str]) -> Connection:
    """The connection of a WSGI environment (PEP 3333), which is also what Django's `request.META` looks like.

    Django under ASGI has no `wsgi.url_scheme`; what says how it came is in `SERVER_PORT` then.
    """
    line = environ.get(f"HTTP_{header.upper().replace('-', '_')}", "")
    scheme = environ.get("wsgi.url_scheme") or ("https" if str(environ.get("SERVER_PORT")) == "443" else "http")
    return Connection(
        peer=environ.get("REMOTE_ADDR") or None,
        proxy_lines=[line] if line else [],
        user_agent=environ.get("HTTP_USER_AGENT", ""),
        scheme=scheme,
        host=_hostname(environ.get("HTTP_HOST") or environ.get("SERVER_NAME") or ""),
        cookies=cookies,
    )


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _printable(text: str) -> str | None:
    """A header as Acrux takes it: no control characters, and a bounded length."""
    return "".join(character for character in text if character.isprintable())[:_MAX_USER_AGENT] or None
