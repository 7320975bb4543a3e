"""What Authlib needs besides: which parameters are a trip's own, which answers are mixed up. Imports no Authlib."""

import json
from collections.abc import Mapping, MutableMapping
from typing import Any

from acrux.adapters.authorization import UnusableRequestError
from acrux.adapters.logins import STATE_MEMBER, Login, login_from_state, nonce_again
from acrux.client import Verdict

_OF_ONE_TRIP = frozenset({"state", "nonce", "code_verifier"})
_OF_AUTHLIB = ("nonce", "code_verifier")
COOKIE_CHARACTERS = 3000
"""What logins may take of a session that is a cookie, as JSON: with the longest ticket one, else three or more."""
SESSION_CHARACTERS = 100_000
"""The same where sessions are kept on the server: whoever begins logins without end must not fill it."""


def params_of_login(params: Mapping[str, Any]) -> dict[str, Any]:
    """The application's own parameters that a second trip asks for too."""
    return {name: value for name, value in params.items() if name not in _OF_ONE_TRIP}


def params_again(login: Login, verdict: Verdict) -> dict[str, Any]:
    """What Authlib is asked for on the second trip."""
    nonce = nonce_again(login, verdict)
    return dict(login.params) if nonce is None else {**login.params, "nonce": nonce}


def state_of(begun: Mapping[str, Any], login: Login, redirect_uri: str | None) -> dict[str, Any]:
    """What Authlib's state keeps. Authlib would keep the whole URL too, and never reads it: a cookie has 4 KiB."""
    of_authlib = {name: begun[name] for name in _OF_AUTHLIB if name in begun}
    return {"redirect_uri": redirect_uri, **of_authlib, STATE_MEMBER: login.to_state()}


def login_of(kept: object) -> Login | None:
    """The login in Authlib's state; None if it was not begun through the adapter."""
    return login_from_state(kept.get(STATE_MEMBER), kept.get("nonce")) if isinstance(kept, dict) else None


def require_issuer(metadata: Mapping[str, Any]) -> None:
    """Nobody is sent to a provider whose answers could not be told from another's while Acrux is away.

    Raises:
        UnusableRequestError: the registration does not know its issuer.
    """
    if not metadata.get("issuer"):
        raise UnusableRequestError(
            "the registration names no `issuer`: give it `server_metadata_url=`, or `issuer=` beside its endpoints"
        )


def with_issuer(options: dict[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The application's options, the check of `iss` in them: Authlib drops its own where it is given other ones."""
    issuer = metadata.get("issuer")
    if options.get("claims_options") is None or not issuer:
        return options
    return {**options, "claims_options": {"iss": {"values": [issuer]}, **options["claims_options"]}}


def error_code(error: Exception) -> str:
    """The code of an error of Authlib's, where it has one."""
    code = getattr(error, "error", None)
    return code if isinstance(code, str) else ""


def make_room(session: MutableMapping[str, Any], name: str, added: Mapping[str, Any], limit_characters: int) -> None:
    """Forgets the oldest logins of a registration that came to nothing, so that the new one fits into the session.

    Authlib forgets none for an hour. A browser drops a cookie that has grown too long, with the new login in it, so
    that somebody who began a few would be refused until then.
    """
    prefix = f"_state_{name}_"
    keys = list(session.keys())  # Django's sessions can't be iterated
    waiting = [key for key in keys if key.startswith(prefix) and login_of(_kept_in(session[key])) is not None]
    waiting.sort(key=lambda key: session[key].get("exp") or 0)
    sizes = {key: len(json.dumps(session[key])) for key in waiting}
    left = limit_characters - len(json.dumps(added)) - sum(sizes.values())
    for key in waiting:
        if left >= 0:
            return
        left += sizes[key]
        session.pop(key)


def _kept_in(entry: object) -> object:
    return entry.get("data") if isinstance(entry, dict) else None
