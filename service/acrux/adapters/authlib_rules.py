"""What Authlib needs besides: which parameters are a trip's own, which answers are mixed up. Imports no Authlib."""

from collections.abc import Mapping
from typing import Any

from acrux.adapters.logins import STATE_MEMBER, Login, login_from_state, nonce_again
from acrux.client import Verdict

_OF_ONE_TRIP = frozenset({"state", "nonce", "code_verifier"})
_OF_AUTHLIB = ("nonce", "code_verifier")


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
