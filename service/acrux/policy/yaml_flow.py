"""A bracket inside unquoted text that stands in brackets: `{when: a in ["b"]}`. Nothing else is explained."""

import re
from typing import Final

from acrux.policy import codes
from acrux.policy.diagnostics import Diagnostic
from acrux.policy.yaml_stop import QUOTE_HELP, Stop
from acrux.policy.yaml_unclosed import outdented

_PIECES: Final = re.compile(
    r"""
    (?P<blank>(?:\s|(?<=\s)\#[^\r\n]*)+)
    |(?P<open>[\[{])
    |(?P<close>[\]}])
    |(?P<next>,|:(?=\s)|(?<=["']):)
    |(?P<text>[^\s\[\]{},:"']+|.)
    """,
    re.DOTALL | re.VERBOSE,
)
_QUOTED: Final = re.compile(r"""(?P<quote>"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')""", re.DOTALL)
# What begins with one of these is no plain text to YAML, and is explained for itself.
_INDICATORS: Final = tuple("!&*|>@`%\"'")


def bracket_in_text(stop: Stop) -> Diagnostic | None:
    """The diagnostic for the first bracket that ends an unquoted text, or None.

    Wherever behind it the parser stops, and whatever it takes the rest for: that bracket is the mistake.
    """
    opening = stop.opening
    if opening is None:
        return None
    new = outdented(stop.text, opening, stop.at)
    at, end = opening, stop.at + 1 if new is None else new
    before, depth = "next", 0
    while at < end:
        # An unquoted text may hold quotes: brackets in them are brackets all the same.
        quoted = _QUOTED.match(stop.text, at, end) if before in {"next", "open"} else None
        piece = quoted or _PIECES.match(stop.text, at, end)
        if piece is None:
            return None
        kind, at = str(piece.lastgroup), piece.end()
        if kind == "open" and before == "text":
            return _found(stop, piece.start())
        if kind == "text" and before != "text" and piece[0].startswith(_INDICATORS):
            return None
        depth += (kind == "open") - (kind == "close")
        if depth == 0:
            return None
        before = before if kind == "blank" else kind
    return None


def _found(stop: Stop, at: int) -> Diagnostic:
    message = f"`{stop.text[at]}` inside unquoted text that stands in brackets"
    return codes.SYNTAX.at(stop.span(at, at + 1), message, help=QUOTE_HELP)
