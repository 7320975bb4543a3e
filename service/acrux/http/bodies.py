"""JSON bodies of every route but Decide: read once, strictly, each wrong field named by its pointer. No meaning."""

import re
from json import JSONDecodeError, JSONDecoder
from typing import Annotated, Any, Final, NoReturn, TypeVar

from pydantic import StringConstraints, TypeAdapter, ValidationError

from acrux.domain.facts import Json
from acrux.http.problems import Code, Problem
from acrux.policy.request import FieldError

PRINTABLE: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"
_Model = TypeVar("_Model")

Id = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=256, pattern=PRINTABLE)]
Text = Annotated[str, StringConstraints(strict=True, max_length=512, pattern=PRINTABLE)]
LongText = Annotated[str, StringConstraints(strict=True, max_length=16 * 1024, pattern=PRINTABLE)]


def parse_json(body: bytes) -> Json:
    """A JSON text as a value; an object with a key twice, NaN and Infinity are refused (RFC 8259 sections 4 and 6).

    Raises:
        Problem: `malformed`.
    """
    try:
        value: Json = _DECODER.decode(body.decode())
    except RecursionError:
        raise Problem(Code.MALFORMED, "nested too deeply") from None
    except JSONDecodeError as wrong:
        raise Problem(Code.MALFORMED, f"no JSON: {wrong.msg} at character {wrong.pos}") from None
    except ValueError as wrong:  # no UTF-8, a number of thousands of digits, or ours below
        raise Problem(Code.MALFORMED, f"no JSON: {_reason(wrong)}") from None
    return value


def _reason(wrong: ValueError) -> str:
    return "not UTF-8" if isinstance(wrong, UnicodeDecodeError) else str(wrong)


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has a key twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_DECODER: Final = JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def validate(adapter: TypeAdapter[_Model], value: Json) -> _Model:
    """The value in its checked form.

    Raises:
        Problem: `invalid_request`, with every wrong field.
    """
    try:
        return adapter.validate_python(value, strict=True)
    except ValidationError as invalid:
        raise fields_problem(invalid.errors(include_url=False, include_input=False)) from None


def fields_problem(errors: Any, prefix: str = "") -> Problem:
    """The problem of pydantic's errors; a tag that only names one form of several is no part of a pointer."""
    fields = tuple(FieldError(prefix + _pointer(error["loc"]), _message(error)) for error in errors)
    detail = "; ".join(f"{field.pointer or 'the body'}: {field.message}" for field in fields[:5])
    return Problem(Code.INVALID_REQUEST, detail, errors=fields)


def _pointer(loc: tuple[str | int, ...]) -> str:
    steps = (str(step) for step in loc if not (isinstance(step, str) and step.startswith("(")))
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


_ALTERNATIVES: Final = re.compile(r"\^(?:!\?)?\(([a-z_|]+)\)\$")
"""A pattern that lists words."""
_MESSAGES: Final = {
    "missing": "required",
    "extra_forbidden": "unknown field",
    "string_pattern_mismatch": "has characters that are not allowed here",
    "string_unicode": "no well-formed Unicode text",
    "recursion_loop": "nested too deeply",
}


def _message(error: Any) -> str:
    alternatives = _ALTERNATIVES.fullmatch(error.get("ctx", {}).get("pattern", ""))
    if alternatives is not None:
        return "expected one of " + ", ".join(f"`{word}`" for word in alternatives[1].split("|"))
    message: str = _MESSAGES.get(error["type"]) or error["msg"]
    return message[0].lower() + message[1:]
