"""Parameters of OAuth requests, read without changing a byte of them: names and values beside the text. No meaning."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from acrux.http.problems import Code, Problem

# What may stand in a query (RFC 3986 section 3.4). A `#` would cut off all that follows it at the provider; a blank
# or a line break would get into a header line.
_RAW: Final = re.compile(rb"[\x21\x22\x24-\x7e]*")
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
MAX_PARAMETERS: Final = 200


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its text as it came, and the name that it has when it is read."""

    raw: str
    name: str

    @property
    def raw_value(self) -> str:
        """The value as it came."""
        return self.raw.partition("=")[2]


class Parameters:
    """The parameters of one request, in their order (RFC 6749 appendix B)."""

    __slots__ = ("all",)

    def __init__(self, every: Iterable[Parameter]) -> None:
        self.all = tuple(every)

    @classmethod
    def read(cls, raw: bytes) -> "Parameters":
        """The parameters of a query or a form.

        Raises:
            Problem: `invalid_request`: it has characters that don't belong there, too many parameters, or a name that
                is no text.
        """
        if _RAW.fullmatch(raw) is None:
            raise _wrong("the parameters have characters that must be percent-encoded")
        parts = [part for part in raw.decode("ascii").split("&") if part]
        if len(parts) > MAX_PARAMETERS:
            raise _wrong("too many parameters")
        return cls(Parameter(part, _decode(part.partition("=")[0], "a parameter's name")) for part in parts)

    def once(self, name: str) -> str:
        """The value of a parameter that counts; '' if it is not there (RFC 6749 section 3.1: the same).

        Raises:
            Problem: `invalid_request`: it is there twice, or is no text. Two readers could differ on which one counts.
        """
        found = self.every(name)
        if len(found) > 1:
            raise _wrong(f"`{name}` may be given once")
        return found[0] if found else ""

    def every(self, name: str) -> list[str]:
        """Every value of a parameter.

        Raises:
            Problem: `invalid_request`: one is no text.
        """
        return [_decode(each.raw_value, f"`{name}`") for each in self.all if each.name == name]

    def raw(self, name: str) -> str:
        """The value of a parameter as it came; '' if it is not there; of the first if it is repeated."""
        return next((each.raw_value for each in self.all if each.name == name), "")

    def repeated(self) -> set[str]:
        """The names that are there more than once."""
        names = [each.name for each in self.all]
        return {name for name in names if names.count(name) > 1}


def _decode(raw: str, what: str) -> str:
    if _BROKEN_ESCAPE.search(raw):
        raise _wrong(f"{what} is not percent-encoded as it must be")
    try:
        text = unquote_to_bytes(raw.replace("+", " ")).decode()
    except UnicodeDecodeError:
        raise _wrong(f"{what} is not UTF-8") from None
    if _CONTROLS.search(text):
        raise _wrong(f"{what} has control characters")
    return text


def _wrong(message: str) -> Problem:
    return Problem(Code.INVALID_REQUEST, message)
