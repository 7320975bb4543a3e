"""Brackets and quotes that are never closed, shown where they open. Other mistakes are explained in `yaml_errors`.

The parser stops far behind such an opening, or not because of it: a quote that opens the next value closes the one
before. What tells is indentation: what belongs to a value stands further right than the value's key.
"""

import re
from typing import Final

from acrux.policy import codes
from acrux.policy.diagnostics import Diagnostic, Related
from acrux.policy.yaml_stop import Stop

_KEY_COLUMN = re.compile(r" *(?:- +)*")
_LINE_START = re.compile(r"[\r\n]( *)(?=[^ \r\n])")
_REST = re.compile(r"[^\r\n]*")
# Quotes count only where a value can begin, so that an apostrophe in a plain text is no quote.
_PIECES = re.compile(
    r"""(?<=[\[{,:\s])(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')|(?<=[\[{,\s])\#[^\r\n]*|[\[\]{}]""", re.DOTALL
)
_CLOSING: Final = {"[": "]", "{": "}"}


def _block_indent(text: str, offset: int) -> int:
    """The column (from 0) of the key or item in whose line an offset is; what belongs to it is indented more."""
    line = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    match = _KEY_COLUMN.match(text, line)
    return (match.end() if match else line) - line


def outdented(text: str, start: int, end: int, allowed: str = "") -> int | None:
    """The first line after `start` that is not indented more than the line of `start`, so that it is something new.

    A line that begins with one of the `allowed` characters still belongs.
    """
    indent = _block_indent(text, start)
    for match in _LINE_START.finditer(text, start, end):
        if len(match[1]) <= indent and text[match.end()] not in allowed:
            return match.end()
    return None


def unclosed_bracket(stop: Stop) -> Diagnostic | None:
    """The diagnostic for the bracket that the parser was in, if nothing closes it before something new begins."""
    opening = stop.trail.bracket
    if (
        stop.context in {"while parsing a flow sequence", "while parsing a flow mapping"}
        and stop.context_at is not None
    ):
        opening = stop.context_at
    if opening is None or stop.text[opening] not in _CLOSING:
        return None
    bracket = stop.text[opening]
    related: tuple[Related, ...] = ()
    closed_by = _closer(stop.text, opening)
    if closed_by is not None and stop.text[closed_by] != _CLOSING[bracket]:
        if stop.at < closed_by or _is_surplus(stop, opening, closed_by):
            return None
        related = (Related(stop.span(closed_by, closed_by + 1), f"this `{stop.text[closed_by]}` does not close it"),)
    elif closed_by is not None:
        return None
    else:
        new = outdented(stop.text, opening, len(stop.text), "]}")
        if stop.at < (len(stop.text.rstrip()) if new is None else new):
            return None
    return codes.UNCLOSED_BRACKET.at(
        stop.span(opening, opening + 1),
        f"this `{bracket}` is never closed",
        help=f"a `{_CLOSING[bracket]}` is missing",
        related=related,
    )


def _closer(text: str, opening: int) -> int | None:
    """The bracket that ends what the one at `opening` begins; None if something new begins before it."""
    end = outdented(text, opening, len(text), "]}")
    depth = 0
    for match in _PIECES.finditer(text, opening, len(text) if end is None else end):
        if match[0] in _CLOSING:
            depth += 1
        elif match[0] in {"]", "}"}:
            depth -= 1
            if depth == 0:
                return match.start()
    return None


def _is_surplus(stop: Stop, opening: int, closed_by: int) -> bool:
    """Whether the bracket that does not fit is one too many, as in `{cidrs: [a]]}`: without it all are closed."""
    end = outdented(stop.text, opening, len(stop.text), "]}")
    pieces = [match[0] for match in _PIECES.finditer(stop.text, stop.line_start(opening), end or len(stop.text))]
    pieces.remove(stop.text[closed_by])
    return all(pieces.count(opened) == pieces.count(closing) for opened, closing in _CLOSING.items())


def unclosed_quote(stop: Stop) -> Diagnostic | None:
    """The diagnostic for the quote that the parser was in, or had just left, if it goes on into something new."""
    opening: int | None = None
    if "quoted scalar" in stop.context:
        # The end of the file, a document mark, or an escape that is none in a text that was never meant to be quoted.
        ends = "end of stream" in stop.problem or "document" in stop.problem
        if stop.context_at is not None and (ends or outdented(stop.text, stop.context_at, stop.at) is not None):
            opening = stop.context_at
    elif (
        (last := stop.trail.last) is not None
        and last.style in {"single", "double"}
        and stop.at <= _end_of_line(stop.text, last.end)
        and outdented(stop.text, last.start, last.end) is not None
    ):
        # The quote that closed it was the opening one of the next value.
        opening = last.start
    if opening is None:
        return None
    quote = stop.text[opening]
    return codes.UNCLOSED_QUOTE.at(
        stop.span(opening, opening + 1), f"this `{quote}` is never closed", help=f"another `{quote}` is missing"
    )


def _end_of_line(text: str, offset: int) -> int:
    match = _REST.match(text, offset)
    return match.end() if match else offset
