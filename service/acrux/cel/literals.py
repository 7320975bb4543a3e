"""Literals that a function can never take, such as `duration("1d")`: known at check, as each evaluation would err."""

import re
from functools import lru_cache
from typing import Any, Final

from acrux.cel import network
from acrux.cel.google_library import ERROR_TYPE, environment
from acrux.cel.problems import Problem, ProblemKind
from acrux.cel.tree import Call, Constant, Node, walk
from acrux.domain.facts import FactType

MAY_CONVERT: Final = re.compile(r"\b(?:timestamp|duration|matches|ip|cidr|containsIP|containsCIDR)\b")
"""A text without such a word has nothing for `literal_problems` to find."""

_REMEMBERED: Final = 4096
_HELP: Final = {
    "timestamp": "RFC 3339 with its zone: `2026-01-01T00:00:00Z`",
    "duration": "the units are h, m, s and ms; a day is `24h`",
    "ip": "no zone id, no port, no leading zeros, and IPv4 not mapped into IPv6",
    "cidr": "an address, `/` and the number of bits: `203.0.113.0/24`",
}
_NOUNS: Final = {"timestamp": "timestamp", "duration": "duration", "ip": "IP address", "cidr": "CIDR"}
_NETWORK_WORDS: Final = {"containsIP": "ip", "containsCIDR": "cidr"}


def literal_problems(tree: Node) -> tuple[Problem, ...]:
    """Each literal that its function refuses, at the literal; in the order of the text."""
    found = [problem for node in walk(tree) if isinstance(node, Call) for problem in _of_call(node)]
    return tuple(sorted(found, key=lambda problem: problem.start))


def _of_call(node: Call) -> list[Problem]:
    function = _NETWORK_WORDS.get(node.function, node.function)
    last = node.args[-1] if node.args else None
    found = []
    if isinstance(last, Constant) and isinstance(last.value, str):
        if function == "matches":
            fault = _refusal("matches", last.value)
            if fault is not None:
                found.append(_problem(last, "the pattern is no RE2 regular expression", fault))
        elif function in _NOUNS and _refused(function, last.value):
            found.append(_problem(last, f"`{last.value}` is no {_NOUNS[function]}", _HELP[function]))
    target = node.target
    if node.function in _NETWORK_WORDS and isinstance(target, Constant):
        block = str(target.value)
        if _refused("cidr", block):
            found.append(_problem(target, f"`{block}` is no CIDR", _HELP["cidr"]))
    return found


def _problem(node: Constant, message: str, mend: str) -> Problem:
    return Problem(ProblemKind.TYPE, node.start, node.end, message, None, mend)


def _refused(function: str, value: str) -> bool:
    if function == "ip":
        return not network.is_ip(value)
    if function == "cidr":
        return not network.is_cidr(value)
    return _refusal(function, value) is not None


@lru_cache(maxsize=1)
def _programs() -> dict[str, tuple[Any, Any]]:
    library = environment({"value": FactType.STRING})
    texts = {"timestamp": "timestamp(value)", "duration": "duration(value)", "matches": '"".matches(value)'}
    return {function: (library, library.compile(text)) for function, text in texts.items()}


@lru_cache(maxsize=_REMEMBERED)
def _refusal(function: str, value: str) -> str | None:
    """Why the engine refuses the value; None if it takes it."""
    library, program = _programs()[function]
    outcome = program.eval(library.Activation({"value": value}))
    if outcome.type() != ERROR_TYPE:
        return None
    return str(outcome.value()).partition(": ")[2].removeprefix("invalid regular expression: ")
