"""Between plain Python values and those of `celpy`, and what of `celpy` needs mending. For `celpy_engine` only."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import re2  # type: ignore[import-untyped] # celpy's own; it has no types
from celpy import celtypes
from celpy.evaluation import CELEvalError, base_functions

from acrux.cel.engine import CelValue


def to_celpy(value: Any) -> Any:  # noqa: PLR0911 - one return a type
    """A plain value as celpy's.

    Raises:
        TypeError: CEL has no such value.
        ValueError: it is out of the range of its type.
    """
    match value:
        case None:
            return None
        case bool():
            return celtypes.BoolType(value)
        case int():
            return celtypes.IntType(value)
        case float():
            return celtypes.DoubleType(value)
        case str():
            return celtypes.StringType(value)
        case list() | tuple():
            return celtypes.ListType([to_celpy(item) for item in value])
        case datetime():
            return celtypes.TimestampType(value)
        case timedelta():
            return celtypes.DurationType(value)
        case _:
            raise TypeError(f"no CEL value for {type(value).__name__}")


def from_celpy(value: Any) -> CelValue:  # noqa: PLR0911 - one return a type
    """The inverse; types become their names, in the words of the other engine.

    Raises:
        TypeError: the value is none that leaves an expression.
    """
    match value:
        case None:
            return None
        case celtypes.BoolType():
            return bool(value)
        case celtypes.IntType() | celtypes.UintType():
            return int(value)
        case float():
            return float(value)
        case bytes():
            return bytes(value)
        case str():
            return str(value)
        case list():
            return [from_celpy(item) for item in value]
        case celtypes.MapType():
            return {from_celpy(key): from_celpy(item) for key, item in value.items()}
        case celtypes.TimestampType():
            return datetime.combine(value.date(), value.time(), value.tzinfo).astimezone(UTC)
        case celtypes.DurationType():
            return timedelta(days=value.days, seconds=value.seconds, microseconds=value.microseconds)
        case type() if value in _TYPE_NAMES:
            return _TYPE_NAMES[value]
        case _:
            raise TypeError(f"a value of type {type(value).__name__}")


_TYPE_NAMES: Final = {
    celtypes.BoolType: "BOOL",
    celtypes.IntType: "INT",
    celtypes.UintType: "UINT",
    celtypes.DoubleType: "DOUBLE",
    celtypes.StringType: "STRING",
    celtypes.BytesType: "BYTES",
    celtypes.TimestampType: "TIMESTAMP",
    celtypes.DurationType: "DURATION",
}


def _number(value: Any) -> bool:
    return isinstance(value, (celtypes.IntType, celtypes.UintType, float)) and not isinstance(value, celtypes.BoolType)


def equal(left: Any, right: Any) -> Any:
    """`==` as CEL has it: numbers compare across their types, values of different types differ, errors stay errors."""
    for side in (left, right):
        if isinstance(side, CELEvalError):
            return side
    return celtypes.BoolType(_equal(left, right))


def _equal(left: Any, right: Any) -> bool:
    match left, right:
        case list(), list():
            return len(left) == len(right) and all(map(_equal, left, right))
        case dict(), dict():
            return len(left) == len(right) and all(
                any(_equal(key, other) and _equal(value, right[other]) for other in right)
                for key, value in left.items()
            )
        case _ if _number(left) and _number(right):
            # Plain numbers, so that celpy's own comparison, which refuses mixed types, stays out of it.
            return bool(from_celpy(left) == from_celpy(right))
        case _:
            same = type(left) is type(right) or (isinstance(left, str) and isinstance(right, str))
            return bool(same and left == right)


def unequal(left: Any, right: Any) -> Any:
    """`!=`."""
    outcome = equal(left, right)
    return outcome if isinstance(outcome, CELEvalError) else celtypes.BoolType(not outcome)


def member(item: Any, container: Any) -> Any:
    """`in` for lists and maps."""
    for side in (item, container):
        if isinstance(side, CELEvalError):
            return side
    return celtypes.BoolType(any(_equal(item, other) for other in container))


def divide(left: Any, right: Any) -> Any:
    """IEEE division for doubles: celpy gives infinity for everything over zero."""
    if isinstance(left, float) and isinstance(right, float) and right == 0.0:
        zero_sign = -1.0 if str(float(right)).startswith("-") else 1.0
        return celtypes.DoubleType(float(left) * zero_sign * float("inf"))
    return rewrapped("_/_")(left, right)


def rewrapped(name: str) -> Callable[[Any, Any], Any]:
    """An operator of celpy whose result may be a plain string, list or float, which its other operators refuse."""
    operator = base_functions[name]

    def called(left: Any, right: Any) -> Any:
        outcome = operator(left, right)
        if type(outcome) in (str, list, float):
            return to_celpy([from_celpy(item) for item in outcome] if isinstance(outcome, list) else outcome)
        return outcome

    return called


def index(container: Any, key: Any) -> Any:
    """`container[key]`: celpy counts negative indexes from the end, as Python does."""
    if isinstance(container, list) and isinstance(key, int) and key < 0:
        raise IndexError("negative index")
    return base_functions["_[_]"](container, key)


_RE_OPTIONS: Final = re2.Options()
# A pattern may be a fact, and the library would write a broken one to standard error.
_RE_OPTIONS.log_errors = False


def matches(text: Any, pattern: Any) -> Any:
    """`matches`: somewhere in the text, by RE2."""
    for side in (text, pattern):
        if isinstance(side, CELEvalError):
            return side
    try:
        return celtypes.BoolType(re2.compile(str(pattern), _RE_OPTIONS).search(str(text)) is not None)
    except re2.error as error:
        raise ValueError("invalid regular expression") from error


def milliseconds(value: Any, zone: Any = None) -> Any:
    """`getMilliseconds`: of a duration only what is left beside whole seconds."""
    if isinstance(value, celtypes.DurationType):
        total = abs(timedelta(days=value.days, seconds=value.seconds, microseconds=value.microseconds))
        sign = -1 if value.days < 0 else 1
        return celtypes.IntType(sign * (total.microseconds // 1000))
    return base_functions["getMilliseconds"](value, zone)


_TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DURATION: Final = re.compile(r"[-+]?(0|((\d+(\.\d*)?|\.\d+)(h|m|s|ms|us|ns))+)", re.ASCII)


def timestamp(value: Any) -> Any:
    """`timestamp(...)` of RFC 3339 text or of seconds: celpy takes much more for a time, and no number."""
    if isinstance(value, celtypes.IntType):
        return celtypes.TimestampType(datetime.fromtimestamp(0, UTC) + timedelta(seconds=int(value)))
    if isinstance(value, str) and not _TIMESTAMP.fullmatch(value):
        raise ValueError("no RFC 3339 timestamp")
    return celtypes.TimestampType(value.upper() if isinstance(value, str) else value)


def duration(value: Any) -> Any:
    """`duration(...)`: celpy knows days, CEL does not."""
    if isinstance(value, str) and not _DURATION.fullmatch(value):
        raise ValueError("no duration")
    return celtypes.DurationType("0s" if value in {"0", "+0", "-0"} else value)


def string(value: Any) -> Any:
    """`string(...)`: celpy writes booleans as Python does."""
    if isinstance(value, celtypes.BoolType):
        return celtypes.StringType("true" if value else "false")
    return celtypes.StringType(value)


_WHOLE: Final = re.compile(r"\s*[-+]?[0-9]+\s*", re.ASCII)


def _number_of(kind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`int(...)`, `uint(...)`, `double(...)`: Python reads `1_000`, and celpy hexadecimal."""

    def called(value: Any) -> Any:
        if isinstance(value, str):
            if "_" in value or (kind is not celtypes.DoubleType and not _WHOLE.fullmatch(value)):
                raise ValueError("no number")
            return kind(celtypes.StringType(value.strip()))
        return kind(value)

    return called


MENDED: Final[dict[str, Callable[..., Any]]] = {
    "_+_": rewrapped("_+_"),
    "_-_": rewrapped("_-_"),
    "_*_": rewrapped("_*_"),
    "_/_": divide,
    "_==_": equal,
    "_!=_": unequal,
    "_in_": member,
    "_[_]": index,
    "double": _number_of(celtypes.DoubleType),
    "duration": duration,
    "getMilliseconds": milliseconds,
    "int": _number_of(celtypes.IntType),
    "matches": matches,
    "string": string,
    "timestamp": timestamp,
    "uint": _number_of(celtypes.UintType),
}
"""What is registered over celpy's own."""
