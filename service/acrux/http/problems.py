"""What is answered when something is wrong: one table of codes, one form (RFC 9457). No route lives here."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

import orjson

from acrux.policy.request import FieldError, RequestInvalid

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "urn:acrux:problem:"


class Code(StrEnum):
    """What a program branches on. Every code has a row in `docs/errors.md`, which a test holds to this."""

    MALFORMED = "malformed"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN_ROLE = "forbidden_role"
    FORBIDDEN_CLIENT = "forbidden_client"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    BODY_TOO_LARGE = "body_too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    INVALID_REQUEST = "invalid_request"
    UNMAPPED_REQUESTED_ACR = "unmapped_requested_acr"
    INVALID_POLICY = "invalid_policy"
    TOO_MANY_REQUESTS = "too_many_requests"
    NO_POLICY = "no_policy"
    LOG_UNAVAILABLE = "log_unavailable"
    KEYS_UNAVAILABLE = "keys_unavailable"
    DATABASE_UNAVAILABLE = "database_unavailable"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    DEFECT = "defect"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its HTTP status, and a title that never changes."""

    status: HTTPStatus
    title: str


KINDS: Final = MappingProxyType(
    {
        Code.MALFORMED: Kind(HTTPStatus.BAD_REQUEST, "The request can't be read"),
        Code.UNAUTHENTICATED: Kind(HTTPStatus.UNAUTHORIZED, "A valid token is needed"),
        Code.FORBIDDEN_ROLE: Kind(HTTPStatus.FORBIDDEN, "The token's role does not allow this"),
        Code.FORBIDDEN_CLIENT: Kind(HTTPStatus.FORBIDDEN, "The token is not bound to this client"),
        Code.NOT_FOUND: Kind(HTTPStatus.NOT_FOUND, "There is no such thing"),
        Code.METHOD_NOT_ALLOWED: Kind(HTTPStatus.METHOD_NOT_ALLOWED, "The method is not allowed here"),
        Code.IDEMPOTENCY_CONFLICT: Kind(HTTPStatus.CONFLICT, "The idempotency key was used with another body"),
        Code.BODY_TOO_LARGE: Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large"),
        Code.UNSUPPORTED_MEDIA_TYPE: Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body must be JSON"),
        Code.INVALID_REQUEST: Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The request has wrong fields"),
        Code.UNMAPPED_REQUESTED_ACR: Kind(
            HTTPStatus.UNPROCESSABLE_ENTITY, "The requested acr is not in the provider's map"
        ),
        Code.INVALID_POLICY: Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "The policy set has errors"),
        Code.TOO_MANY_REQUESTS: Kind(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests"),
        Code.NO_POLICY: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "No policy set is loaded"),
        Code.LOG_UNAVAILABLE: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The record can't be made durable"),
        Code.KEYS_UNAVAILABLE: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The provider's keys can't be had"),
        Code.DATABASE_UNAVAILABLE: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The database can't be reached"),
        Code.PROVIDER_UNAVAILABLE: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "The provider can't be reached"),
        Code.DEFECT: Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "A defect of Acrux"),
    }
)
"""Every code's kind."""


class Problem(Exception):  # noqa: N818 - RFC 9457's own word
    """Raised anywhere below a route; answered as `application/problem+json`.

    Attributes:
        code: the machine's word.
        detail: what is wrong this time, for people; never a secret, never what the caller has not sent.
        errors: the fields that are wrong.
        headers: more header lines of the answer.
        fallback: for a 503: `ceiling` where the operator lets callers demand the client's ceiling, else `refuse`.
    """

    def __init__(
        self,
        code: Code,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        headers: Sequence[tuple[bytes, bytes]] = (),
        fallback: str = "refuse",
    ) -> None:
        super().__init__(detail or KINDS[code].title)
        self.code = code
        self.detail = detail or KINDS[code].title
        self.errors = tuple(errors)
        self.headers = tuple(headers)
        self.fallback = fallback

    @property
    def status(self) -> int:
        """The HTTP status."""
        return int(KINDS[self.code].status)

    def body(self, request_id: str) -> bytes:
        """The problem as JSON (http-api.md, "Errors")."""
        members: dict[str, object] = {
            "type": TYPE_PREFIX + self.code,
            "title": KINDS[self.code].title,
            "status": self.status,
            "detail": self.detail,
            "code": str(self.code),
            "request_id": request_id,
            "errors": [{"pointer": error.pointer, "message": error.message} for error in self.errors],
        }
        if self.status == HTTPStatus.SERVICE_UNAVAILABLE:
            members["fallback"] = self.fallback
        return orjson.dumps(members)


def from_invalid(invalid: RequestInvalid, prefix: str = "") -> Problem:
    """The problem of a body that is no Decide request; `prefix` is the pointer to where in the body that stands."""
    if invalid.malformed:
        return Problem(Code.MALFORMED, invalid.errors[0].message)
    errors = tuple(FieldError(prefix + error.pointer, error.message) for error in invalid.errors)
    return Problem(Code.INVALID_REQUEST, f"{len(errors)} wrong: {invalid}", errors=errors)


def field_problem(pointer: str, message: str) -> Problem:
    """The problem of one wrong field."""
    return Problem(Code.INVALID_REQUEST, f"{pointer}: {message}", errors=(FieldError(pointer, message),))
