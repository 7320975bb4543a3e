"""Token requests as the guard takes them: one client, one grant, one way to authenticate. Nothing is forwarded here."""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_plus

import orjson
from fastapi import Response

from acrux.http.envelope import Headers
from acrux.http.problems import Problem
from acrux.http.rp_parameters import Parameters
from acrux.oidc.guard import challenge_of
from acrux.policy.model import Client

AUTHORIZATION_CODE: Final = "authorization_code"
REFRESH_TOKEN: Final = "refresh_token"  # noqa: S105 - the name of a grant
# RFC 8707 section 2 and RFC 8693 section 2.1: these may be given several times.
_REPEATABLE: Final = frozenset({"resource", "audience"})
_BAD_REQUEST: Final = 400
_UNPROCESSABLE: Final = 422
_FORM: Final = re.compile(
    rb"application/x-www-form-urlencoded[ \t]*(?:;[ \t]*charset=\"?utf-8\"?[ \t]*)?", re.IGNORECASE
)


class OAuthRefusal(Exception):  # noqa: N818 - RFC 6749 section 5.2's error response
    """What the relying party is answered when it gets no tokens.

    Attributes:
        error: the code of RFC 6749 section 5.2.
        description: for people; never a secret, never what was sent.
        status: the HTTP status.
        headers: more header lines.
    """

    def __init__(self, error: str, description: str, status: int = 400, **headers: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def response(self) -> Response:
        """The answer (RFC 6749 section 5.2)."""
        content: dict[str, Any] = {"error": self.error, "error_description": self.description}
        headers = {"pragma": "no-cache", "referrer-policy": "no-referrer", **self.headers}
        return Response(orjson.dumps(content), self.status, headers=headers, media_type="application/json")


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A token request that may be forwarded.

    Attributes:
        grant_type: one of the two that are served.
        challenge: the S256 challenge of its verifier; None where it has none.
        has_verifier: whether it has a `code_verifier`, of whatever form.
        refresh_token: the refresh token, or ''.
        headers: what is forwarded with it.
        body: the form, as it came.
    """

    grant_type: str
    challenge: str | None
    has_verifier: bool
    refresh_token: str = field(repr=False)
    headers: list[tuple[bytes, bytes]] = field(repr=False)
    body: bytes = field(repr=False)


def read_token_request(lines: Headers, query: bytes, body: bytes, client: Client) -> TokenRequest:
    """A token request of this client.

    Raises:
        OAuthRefusal: it is none that the guard can hold to a decision.
        Problem: its parameters can't be read.
    """
    headers = _headers(lines)
    if query:
        raise OAuthRefusal("invalid_request", "no query parameters are taken here")
    if not is_form(headers.get(b"content-type")):
        raise OAuthRefusal("invalid_request", "send `Content-Type: application/x-www-form-urlencoded`")
    form = Parameters.read(body)
    if form.repeated() - _REPEATABLE:
        raise OAuthRefusal("invalid_request", "a parameter is repeated")
    _check_client(headers, form, client)
    grant_type = form.once("grant_type")
    if grant_type not in {AUTHORIZATION_CODE, REFRESH_TOKEN}:
        raise OAuthRefusal("unsupported_grant_type", "`authorization_code` and `refresh_token` are served here")
    verifier = form.once("code_verifier")
    token = form.once("refresh_token")
    if grant_type == REFRESH_TOKEN and not token:
        raise OAuthRefusal("invalid_request", "`refresh_token` is missing")
    if grant_type == AUTHORIZATION_CODE and not form.once("code"):
        raise OAuthRefusal("invalid_request", "`code` is missing")
    passed: list[tuple[bytes, bytes]] = [
        (name, headers[name]) for name in (b"authorization", b"content-type") if name in headers
    ]
    return TokenRequest(grant_type, challenge_of(verifier), bool(verifier), token, passed, body)


def is_form(content_type: bytes | None) -> bool:
    """Whether a body says that it is a form."""
    return content_type is not None and _FORM.fullmatch(content_type) is not None


def _headers(lines: Headers) -> dict[bytes, bytes]:
    """The header lines by name; those that say who asks may be there once.

    Raises:
        OAuthRefusal: see above; or a DPoP proof, which names the endpoint that it is for, and that would be this one.
    """
    headers: dict[bytes, bytes] = {}
    for name, value in lines:
        if name in headers and name in {b"authorization", b"content-type"}:
            raise OAuthRefusal("invalid_request", f"`{name.decode()}` may be sent once")
        if name == b"dpop":
            raise OAuthRefusal("invalid_request", "DPoP can't be used through the token guard")
        headers[name] = value
    return headers


def _check_client(headers: dict[bytes, bytes], form: Parameters, client: Client) -> None:
    """Raises `invalid_client` unless it is this client that asks, with a secret, in one of the two known ways.

    Whether the secret is right is the provider's to say.
    """
    if form.every("client_assertion") or form.every("client_assertion_type"):
        raise _invalid_client("`private_key_jwt` can't be used through the token guard: its audience would be Acrux")
    authorization = headers.get(b"authorization")
    in_form, secret = form.once("client_id"), form.once("client_secret")
    if authorization is not None:
        if secret:
            raise OAuthRefusal("invalid_request", "the client authenticates in two ways at once")
        written, secret = _basic(authorization)
        # Encoded as RFC 6749 section 2.3.1 wants it, or, as many clients send it, not at all.
        names = {written, unquote_plus(written)}
        if in_form and in_form not in names:
            raise _invalid_client("the client has two names in one request")
    else:
        names = {in_form}
    if not any(names):
        raise _invalid_client("send the client's name and secret, by `client_secret_basic` or `client_secret_post`")
    if client.client_id not in names:
        raise _invalid_client("this is another client's token endpoint")
    if not secret:
        raise _invalid_client(
            "send the client's secret: public clients, whose users can redeem a code at the provider, and mutual TLS "
            "can't be guarded"
        )


def _basic(authorization: bytes) -> tuple[str, str]:
    """Name and secret of `client_secret_basic` (RFC 6749 section 2.3.1)."""
    scheme, _, encoded = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        raise _invalid_client("`client_secret_basic` and `client_secret_post` are the ways to authenticate here")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise _invalid_client("the `Authorization` header can't be read") from None
    name, _, secret = text.partition(":")
    return name, secret


def _invalid_client(description: str) -> OAuthRefusal:
    return OAuthRefusal("invalid_client", description, 401, www_authenticate='Basic realm="acrux"')


def refusal_of(problem: Problem, retry_after_seconds: int) -> OAuthRefusal:
    """A problem in the form that token endpoints answer in."""
    if problem.status in {429, 503}:
        return OAuthRefusal(
            "temporarily_unavailable",
            f"{problem.detail} ({problem.code})",
            problem.status,
            retry_after=str(retry_after_seconds),
        )
    # 422 is not among what RFC 6749 section 5.2 answers.
    status = _BAD_REQUEST if problem.status == _UNPROCESSABLE else problem.status
    return OAuthRefusal("invalid_request", f"{problem.detail} ({problem.code})", status)
