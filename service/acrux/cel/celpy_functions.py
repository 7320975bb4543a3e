"""The string and math extensions for the second engine, which has none. Plain Python values; no CEL library.

Semantics: cel-go's `ext/strings.go` and `ext/math.go`. A function raises `ValueError` where the extension has an error.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

_SPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
_INT_BITS: Final = 64
_SMALLEST_INT: Final = -(2**63)
_QUOTED: Final = str.maketrans(
    {
        "\a": "\\a",
        "\b": "\\b",
        "\f": "\\f",
        "\n": "\\n",
        "\r": "\\r",
        "\t": "\\t",
        "\v": "\\v",
        "\\": "\\\\",
        '"': '\\"',
    }
)
_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_UPPER: Final = {lower + 32: lower for lower in range(ord("A"), ord("Z") + 1)}


def _within(index: int, length: int) -> int:
    if not 0 <= index <= length:
        raise ValueError(f"index {index} is outside 0 to {length}")
    return index


def char_at(text: str, index: int) -> str:
    """`.charAt(int)`; empty at the end."""
    return text[_within(index, len(text)) :][:1]


def index_of(text: str, part: str, start: int = 0) -> int:
    """`.indexOf(string[, int])`: -1 if it is not there."""
    return text.find(part, _within(start, len(text)))


def last_index_of(text: str, part: str, start: int | None = None) -> int:
    """`.lastIndexOf(string[, int])`: the last that begins at or before `start`."""
    if start is None:
        return text.rfind(part)
    return text.rfind(part, 0, _within(start, len(text)) + len(part))


def join(items: Sequence[str], separator: str = "") -> str:
    """`.join([string])`."""
    return separator.join(items)


def lower_ascii(text: str) -> str:
    """`.lowerAscii()`."""
    return text.translate(_LOWER)


def upper_ascii(text: str) -> str:
    """`.upperAscii()`."""
    return text.translate(_UPPER)


def replace(text: str, old: str, new: str, limit: int = -1) -> str:
    """`.replace(string, string[, int])`; a negative limit is none."""
    return text.replace(old, new, limit if limit >= 0 else -1)


def split(text: str, separator: str, limit: int = -1) -> list[str]:
    """`.split(string[, int])`; an empty separator splits into characters, limit 0 gives nothing."""
    if limit == 0:
        return []
    if separator == "":
        if limit < 0 or limit >= len(text):
            return list(text) or [""]
        return [*text[: limit - 1], text[limit - 1 :]]
    return text.split(separator, limit - 1 if limit > 0 else -1)


def substring(text: str, start: int, end: int | None = None) -> str:
    """`.substring(int[, int])`."""
    last = len(text) if end is None else _within(end, len(text))
    if _within(start, len(text)) > last:
        raise ValueError("the end is before the start")
    return text[start:last]


def trim(text: str) -> str:
    """`.trim()`: Unicode white space at both ends."""
    return text.strip(_SPACE)


def reverse(text: str) -> str:
    """`.reverse()`, by code points."""
    return text[::-1]


def quote(text: str) -> str:
    """`strings.quote(string)`."""
    return f'"{text.translate(_QUOTED)}"'


def _numbers(values: tuple[Any, ...]) -> Sequence[Any]:
    found = values[0] if len(values) == 1 and isinstance(values[0], list) else values
    if not found:
        raise ValueError("an empty list has no greatest and no least")
    return found


def greatest(*values: Any) -> Any:
    """`math.greatest(...)` of numbers or of one list."""
    return max(_numbers(values))


def least(*values: Any) -> Any:
    """`math.least(...)` of numbers or of one list."""
    return min(_numbers(values))


def _finite(function: Callable[[float], float]) -> Callable[[float], float]:
    """Rounding leaves infinities and NaN as they are, and keeps the sign of zero."""

    def rounded(value: float) -> float:
        return math.copysign(float(function(value)), value) if math.isfinite(value) else value

    return rounded


def _round(value: float) -> float:
    whole = math.trunc(value)
    away = 1 if abs(value - whole) >= 0.5 else 0  # noqa: PLR2004 - halves go away from zero
    return whole + math.copysign(away, value)


def absolute(value: float) -> float:
    """`math.abs(number)`; the smallest int has none."""
    if isinstance(value, int) and value == _SMALLEST_INT:
        raise ValueError("integer overflow")
    return abs(value)


def sign(value: float) -> float:
    """`math.sign(number)`: -1, 0 or 1, in the number's type."""
    if value != value:  # noqa: PLR0124 - NaN
        return value
    return type(value)((value > 0) - (value < 0))


def sqrt(value: float) -> float:
    """`math.sqrt(number)`: NaN for what has none."""
    return math.sqrt(value) if value >= 0 else math.nan


def _wrapped(value: int) -> int:
    low: int = value & (2**_INT_BITS - 1)
    return low - 2**_INT_BITS if low >> (_INT_BITS - 1) else low


def shift_left(value: int, bits: int) -> int:
    """`math.bitShiftLeft(int, int)`: 0 from 64 bits on."""
    if bits < 0:
        raise ValueError("a negative number of bits")
    return 0 if bits >= _INT_BITS else _wrapped(value << bits)


def shift_right(value: int, bits: int) -> int:
    """`math.bitShiftRight(int, int)`: zeros come in, whatever the sign."""
    if bits < 0:
        raise ValueError("a negative number of bits")
    unsigned: int = value & (2**_INT_BITS - 1)
    return 0 if bits >= _INT_BITS else _wrapped(unsigned >> bits)


STRING_METHODS: Final[dict[str, Callable[..., Any]]] = {
    "charAt": char_at,
    "indexOf": index_of,
    "join": join,
    "lastIndexOf": last_index_of,
    "lowerAscii": lower_ascii,
    "replace": replace,
    "reverse": reverse,
    "split": split,
    "substring": substring,
    "trim": trim,
    "upperAscii": upper_ascii,
}
"""Called on their first argument."""

NAMESPACED: Final[dict[str, Callable[..., Any]]] = {
    "strings.quote": quote,
    "math.abs": absolute,
    "math.bitAnd": lambda left, right: left & right,
    "math.bitNot": lambda value: ~value,
    "math.bitOr": lambda left, right: left | right,
    "math.bitShiftLeft": shift_left,
    "math.bitShiftRight": shift_right,
    "math.bitXor": lambda left, right: left ^ right,
    "math.ceil": _finite(math.ceil),
    "math.floor": _finite(math.floor),
    "math.greatest": greatest,
    "math.isFinite": math.isfinite,
    "math.isInf": math.isinf,
    "math.isNaN": math.isnan,
    "math.least": least,
    "math.round": _finite(_round),
    "math.sign": sign,
    "math.sqrt": sqrt,
    "math.trunc": _finite(math.trunc),
}
"""Called with their namespace before the dot."""
