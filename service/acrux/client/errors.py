"""What can go wrong between a relying party and Acrux. Each of them means: do not let this login go on.

AcruxError
├── RequestRefusedError      Acrux answered 4xx: the token, the client or a fact is wrong
├── UnavailableError         Acrux can't be reached, or can't record, and there is no ceiling to fall back on
└── UnexpectedAnswerError    something answered that is not what the API documents
"""

from dataclasses import dataclass


class AcruxError(Exception):
    """The base of all of them: the login must be refused."""


@dataclass(frozen=True, slots=True)
class WrongField:
    """A field that Acrux does not take: an RFC 6901 pointer into the request, and why."""

    pointer: str
    message: str


class RequestRefusedError(AcruxError):
    """Acrux answered 4xx.

    Attributes:
        status: the HTTP status.
        code: the problem's code, '' if the answer had none.
        request_id: for the operator's logs.
        errors: the fields that are wrong.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        request_id: str = "",
        errors: tuple[WrongField, ...] = (),
    ) -> None:
        # The detail names the first few by itself.
        named = (f"{error.pointer}: {error.message}" for error in errors)
        fields = "".join(f"; {field}" for field in named if field not in detail)
        super().__init__(f"{status} {code or 'refused'}: {detail}{fields}")
        self.status = status
        self.code = code
        self.request_id = request_id
        self.errors = errors


class UnavailableError(AcruxError):
    """Acrux can't be had, and nothing says what may be demanded instead.

    Attributes:
        code: the code of the 503's problem, '' if Acrux could not be reached at all.
    """

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class UnexpectedAnswerError(AcruxError):
    """An answer that the API does not document: another service, a captive portal, a newer major version."""
