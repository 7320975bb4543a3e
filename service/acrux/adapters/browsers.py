"""The random cookie that becomes `browser.id`. No framework; it identifies a browser, never a user."""

import ipaddress
import re
import secrets
from dataclasses import dataclass

MAX_AGE_SECONDS = 400 * 24 * 3600
"""As long as browsers keep a cookie at all."""
_ID = re.compile(r"[A-Za-z0-9_-]{22,64}")


@dataclass(frozen=True, slots=True)
class BrowserCookie:
    """The cookie's name and whether it is sent over https only.

    Attributes:
        name: `__Host-` before it pins the cookie to this host, over https (RFC 6265bis section 4.1.3.2).
        secure: False only for http on this machine, where development goes on.
    """

    name: str
    secure: bool


def browser_cookie(name: str, scheme: str, host: str | None) -> BrowserCookie:
    """The cookie for a request to this place. Http elsewhere is taken for a proxy that ends TLS."""
    if scheme == "http" and _is_loopback(host or ""):
        return BrowserCookie(name, secure=False)
    return BrowserCookie(f"__Host-{name}", secure=True)


def known_id(value: str | None) -> str | None:
    """The id that a cookie carries, if it is one that `new_id` could have made."""
    return value if value is not None and _ID.fullmatch(value) else None


def new_id() -> str:
    """A new random id."""
    return secrets.token_urlsafe(24)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
