"""Diagnostics as people read them: the line, and carets under what is wrong. No check, no file access.

The drawn form is fixed by golden files. Whatever the policy file holds, what is drawn is safe for a terminal: only
printable characters leave here.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from acrux.policy.diagnostics import Diagnostic, Severity, Span
from acrux.policy.reports import sorted_by_place, to_github, to_json, to_sarif
from acrux.policy.source import SourceFile

__all__ = ["SourceFile", "draw_text", "to_github", "to_json", "to_sarif"]

_TAB: Final = "    "
# A policy may be one line of JSON: a window of it is drawn.
_MAX_COLUMNS: Final = 160
_CONTEXT_COLUMNS: Final = 60
_CUT: Final = "…"

_BOLD: Final = "1"
_GUTTER: Final = "1;34"
_TINTS: Final = {"error": "1;31", "warning": "1;33", "note": "1;36"}


def draw_text(
    diagnostics: Iterable[Diagnostic], sources: Mapping[str, SourceFile], *, color: bool, prefix: str = ""
) -> str:
    """Draws all diagnostics, sorted by place, an empty line between them.

    Args:
        diagnostics: in any order.
        sources: the files by path; of a file that is missing here only the name is shown.
        color: whether to use ANSI colours.
        prefix: put before each path, for example `policies/`.

    Returns:
        The text, ending in a line feed; empty if there is no diagnostic.
    """
    pen = _Pen(sources, prefix, color=color)
    return "\n".join(pen.diagnostic(diagnostic) for diagnostic in sorted_by_place(diagnostics))


class _Pen:
    """Draws with one setting of colour and paths."""

    def __init__(self, sources: Mapping[str, SourceFile], prefix: str, *, color: bool) -> None:
        self._sources = sources
        self._prefix = prefix
        self._color = color

    def diagnostic(self, diagnostic: Diagnostic) -> str:
        """The diagnostic, then its related places as notes, drawn alike."""
        label = f"{diagnostic.severity}[{diagnostic.code}]"
        drawn = self._block(diagnostic.span, label, diagnostic.severity, diagnostic.message, diagnostic.help)
        for related in diagnostic.related:
            drawn += self._block(related.span, "note", "note", related.message, None)
        return drawn

    def _block(self, span: Span, label: str, kind: Severity | str, message: str, helped: str | None) -> str:
        source = self._sources.get(span.file)
        line, column = source.position(span.start) if source else (1, 1)
        tint = _TINTS[str(kind)]
        place = self._tint(_BOLD, printable(f"{self._prefix}{span.file}:{line}:{column}:"))
        head = f"{place} {self._tint(tint, f'{label}:')} {self._tint(_BOLD, printable(message))}\n"
        margin = " " * len(str(line))
        bar = self._tint(_GUTTER, "|")
        body = ""
        if source is not None:
            text, before, carets = _excerpt(source.line_text(line), column, _columns_marked(source, span, line))
            number = self._tint(_GUTTER, str(line))
            body = f"{margin} {bar}\n"
            body += f"{number} {bar} {text}".rstrip(" ") + "\n"
            body += f"{margin} {bar} {' ' * before}{self._tint(tint, '^' * carets)}\n"
        if helped is not None:
            body += f"{margin} {self._tint(_GUTTER, '=')} {self._tint(_BOLD, 'help')}: {printable(helped)}\n"
        return head + body

    def _tint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color else text


def printable(text: str) -> str:
    """The text with every control character as a visible one, so that no file name or value can steer a terminal."""
    return text if text.isprintable() else "".join(map(_drawn, text))


def _drawn(char: str) -> str:
    if char == "\t":
        return _TAB
    if ord(char) < 0x20:  # noqa: PLR2004 - C0 has pictures of its own, in order
        return chr(0x2400 + ord(char))
    if char.isprintable() or unicodedata.category(char) == "Zs":
        return char
    # C1, DEL, marks that turn the direction of writing, unassigned: drawn as one replacement character.
    return "\ufffd"


def _width(text: str) -> int:
    """The columns that a drawn text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(map(_char_width, text))


def _char_width(char: str) -> int:
    if unicodedata.category(char) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def _columns_marked(source: SourceFile, span: Span, line: int) -> int:
    """How many characters of the line are marked: all of the span, but no further than the end of its first line."""
    start = source.line_starts[line - 1]
    column = span.start - start
    return max(0, min(span.end - start, len(source.line_text(line))) - column)


def _excerpt(line: str, column: int, length: int) -> tuple[str, int, int]:
    """The drawn line (a window of it, if it is long), the columns before the carets, and how many carets there are."""
    start, end = column - 1, column - 1 + length
    # What is drawn of a line of 10 MiB does not depend on what is far away from the span.
    before = "".join(map(_drawn, line[max(0, start - _MAX_COLUMNS) : start]))
    marked = "".join(map(_drawn, line[start : min(end, start + _MAX_COLUMNS)]))
    after = "".join(map(_drawn, line[end : end + _MAX_COLUMNS]))
    if _width(before) + _width(marked) + _width(after) > _MAX_COLUMNS:
        if len(before) > _CONTEXT_COLUMNS:
            before = _CUT + before[len(before) - _CONTEXT_COLUMNS :]
        room = _MAX_COLUMNS - _CONTEXT_COLUMNS
        if len(marked) + len(after) > room:
            after = after[: max(0, room - len(marked))] + _CUT
            marked = marked[:room]
    # At least one caret: a mere place, such as the end of a line, has no character.
    return before + marked + after, _width(before), max(1, _width(marked))
