"""The names of the functions that expressions may call, for suggestions. What they take, the libraries know."""

from difflib import get_close_matches
from typing import Final

_MACROS: Final = ("all", "exists", "exists_one", "map", "filter", "has")
_STANDARD: Final = (
    "size", "contains", "startsWith", "endsWith", "matches", "type", "dyn", "bool", "int", "uint", "double", "string",
    "bytes", "timestamp", "duration", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getFullYear",
    "getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds",
)  # fmt: skip
_STRINGS: Final = (
    "charAt", "format", "indexOf", "join", "lastIndexOf", "lowerAscii", "upperAscii", "replace", "split",
    "strings.quote", "substring", "trim", "reverse",
)  # fmt: skip
_MATH: Final = tuple(
    f"math.{name}"
    for name in (
        "abs", "bitAnd", "bitNot", "bitOr", "bitShiftLeft", "bitShiftRight", "bitXor", "ceil", "floor", "greatest",
        "isFinite", "isInf", "isNaN", "least", "round", "sign", "sqrt", "trunc",
    )
)  # fmt: skip
_NETWORK: Final = (
    "ip", "cidr", "isIP", "isCIDR", "containsIP", "containsCIDR", "family", "ip.isCanonical", "isGlobalUnicast",
    "isLinkLocalMulticast", "isLinkLocalUnicast", "isLoopback", "isUnspecified", "masked", "prefixLength",
)  # fmt: skip
FUNCTION_NAMES: Final = (*_MACROS, *_STANDARD, *_STRINGS, *_MATH, *_NETWORK)
"""Macros among them: to who writes an expression, `exists` is a function too."""

_LIKENESS: Final = 0.65
# What other languages call it.
_KNOWN_ELSEWHERE: Final = {
    "beginsWith": "startsWith", "hasPrefix": "startsWith", "hasSuffix": "endsWith", "len": "size", "length": "size",
    "lower": "lowerAscii", "toLowerCase": "lowerAscii", "upper": "upperAscii", "toUpperCase": "upperAscii",
    "includes": "contains", "any": "exists", "strip": "trim", "now": "request.time",
}  # fmt: skip


def function_meant(name: str) -> str | None:
    """The function that an unknown name probably means, or None."""
    if name in _KNOWN_ELSEWHERE:
        return _KNOWN_ELSEWHERE[name]
    prefix, _, last = name.rpartition(".")
    by_last = {known.rpartition(".")[2]: known for known in FUNCTION_NAMES}
    if last in by_last:
        return by_last[last]
    by_folded = {tail.casefold(): known for tail, known in by_last.items() if known.rpartition(".")[0] == prefix}
    close = get_close_matches(last.casefold(), by_folded, n=1, cutoff=_LIKENESS)
    return by_folded[close[0]] if close else None
