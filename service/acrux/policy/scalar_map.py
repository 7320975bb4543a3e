"""From a character of a YAML scalar's value to its place in the file, for every style. No parsing, the value is known.

YAML parsers mark only where a scalar begins and ends (the header, for `|` and `>`). Here the scanner's rules for line
folding, escapes, indentation and chomping (YAML 1.1 chapter 9, as libyaml does them) are walked a second time, yielding
places instead of characters. It is done only for scalars that a diagnostic points into.
"""

import re
from dataclasses import dataclass, field
from typing import Literal

Style = Literal["plain", "single", "double", "literal", "folded"]

_BREAK = re.compile(r"\r\n|\r|\n")
_BLANKS = re.compile(r"[ \t]*")
_SPACES = re.compile(r" *")
_VISIBLE = re.compile(r"[^ \n]")
_LINE = re.compile(r"[^\r\n]*")
_EMPTY_LINES = re.compile(r"(?: *(?:\r\n|\r|\n))*( *)")
# How many characters follow the letter of an escape; other letters take none.
_ESCAPE_DIGITS = {"x": 2, "u": 4, "U": 8}


@dataclass(frozen=True, slots=True)
class ScalarMap:
    """For each code point of a value, where it is written: offsets in the file's text, `ends` exclusive.

    A folded space is the line break it stands for; an escape is the whole escape.
    """

    starts: tuple[int, ...]
    ends: tuple[int, ...]


@dataclass(slots=True)
class _Walk:
    """Collects the places in order. `at` is the offset in the file that is looked at next."""

    text: str
    at: int
    end: int
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def emit(self, start: int, end: int) -> None:
        self.starts.append(start)
        self.ends.append(end)

    def skip(self, pattern: re.Pattern[str]) -> int:
        """Moves over what the pattern matches here; the offset before."""
        before = self.at
        match = pattern.match(self.text, before, self.end)
        self.at = match.end() if match else before
        return before


def map_scalar(text: str, start: int, end: int, style: Style, value: str) -> ScalarMap | None:
    """Where each character of a scalar's value is written.

    Args:
        text: the file's text.
        start: offset of the scalar's first character: its opening quote, or the `|` or `>` of its header.
        end: offset after its last character; not needed for block scalars, whose value says how far they go.
        style: how it is written.
        value: what the YAML parser made of it.

    Returns:
        The map, or None if the text does not lead to a value of this length, which no known input does.
    """
    match style:
        case "plain":
            walk = _Walk(text, start, end)
            _walk_flow(walk, style)
        case "single" | "double":
            walk = _Walk(text, start + 1, end - 1)
            _walk_flow(walk, style)
        case _:
            walk = _Walk(text, start, len(text))
            _walk_block(walk, value, folded=style == "folded")
    if len(walk.starts) != len(value):
        return None
    return ScalarMap(tuple(walk.starts), tuple(walk.ends))


def _walk_flow(walk: _Walk, style: Style) -> None:
    """Plain and quoted scalars: blanks around a line break go, the break folds (YAML 1.1, 9.1)."""
    text = walk.text
    while walk.at < walk.end:
        char = text[walk.at]
        if char in " \t":
            before = walk.skip(_BLANKS)
            if walk.at == walk.end or text[walk.at] not in "\r\n":
                for blank in range(before, walk.at):
                    walk.emit(blank, blank + 1)
        elif char in "\r\n":
            _fold(walk)
        elif char == "\\" and style == "double":
            _escape(walk)
        else:
            # In single quotes the only escape is the doubled quote.
            width = 2 if char == "'" and style == "single" else 1
            walk.emit(walk.at, walk.at + width)
            walk.at += width


def _fold(walk: _Walk) -> None:
    """One line break is a space; of several, each but the first is a line feed."""
    first = walk.skip(_BREAK), walk.at
    if not _empty_lines(walk):
        walk.emit(*first)


def _empty_lines(walk: _Walk) -> int:
    """Emits a line feed for each empty line from here, and moves to the text of the next; how many there were."""
    count = 0
    walk.skip(_BLANKS)
    while walk.at < walk.end and walk.text[walk.at] in "\r\n":
        walk.emit(walk.skip(_BREAK), walk.at)
        walk.skip(_BLANKS)
        count += 1
    return count


def _escape(walk: _Walk) -> None:
    """An escape of a double-quoted scalar; before a line break it joins the lines (YAML 1.1, 5.5 and 9.1.1)."""
    letter = walk.text[walk.at + 1]
    if letter in "\r\n":
        walk.at += 1
        walk.skip(_BREAK)
        _empty_lines(walk)
        return
    width = 2 + _ESCAPE_DIGITS.get(letter, 0)
    walk.emit(walk.at, walk.at + width)
    walk.at += width


def _walk_block(walk: _Walk, value: str, *, folded: bool) -> None:
    """Literal and folded scalars (YAML 1.1, 9.2 and 9.3), from the header until the value's length is reached."""
    header_end = _BREAK.search(walk.text, walk.at)
    if header_end is None:
        return
    walk.at = header_end.end()
    indent = _indentation(walk, value)
    length = len(value)
    goes_on = _empty_block_lines(walk, indent, length)
    while goes_on and len(walk.starts) < length:
        blank_before = walk.text[walk.at] in " \t"
        for visible in range(walk.skip(_LINE), walk.at):
            walk.emit(visible, visible + 1)
        if walk.at == walk.end:
            return
        line_break = walk.skip(_BREAK), walk.at
        # Whether this break is in the value is known only when the next line of text, if any, is reached.
        empty = _Walk(walk.text, walk.at, walk.end)
        goes_on = _empty_block_lines(empty, indent, length)
        folds = folded and goes_on and not blank_before and walk.text[empty.at] not in " \t"
        if not (folds and empty.starts):
            walk.emit(*line_break)
        walk.starts += empty.starts
        walk.ends += empty.ends
        walk.at = empty.at
    # Chomping: what the value does not have any more.
    del walk.starts[length:], walk.ends[length:]


def _empty_block_lines(walk: _Walk, indent: int, limit: int) -> bool:
    """Emits a line feed for each line without text from here, and moves into the next that has some.

    Returns:
        Whether that line is the scalar's: it is indented enough.
    """
    while len(walk.starts) < limit:
        line = walk.skip(_SPACES)
        walk.at = min(walk.at, line + indent)
        if walk.at == walk.end:
            return False
        if walk.text[walk.at] not in "\r\n":
            return walk.at == line + indent
        walk.emit(walk.skip(_BREAK), walk.at)
    return False


def _indentation(walk: _Walk, value: str) -> int:
    """How many spaces at the start of each line are not the value's: read off the first line with something visible."""
    visible = _VISIBLE.search(value)
    if visible is not None:
        spaces_in_value = visible.start() - (value.rfind("\n", 0, visible.start()) + 1)
        first_line = _EMPTY_LINES.match(walk.text, walk.at)
        return len(first_line[1]) - spaces_in_value if first_line else 0
    # Spaces and line feeds only: without spaces every line is empty, else the lines of value and file correspond.
    lines_in_file = _BREAK.split(walk.text[walk.at :], maxsplit=value.count("\n") + 1)
    for in_file, in_value in zip(lines_in_file, value.split("\n"), strict=False):
        if in_value:
            return len(in_file) - len(in_value)
    return walk.end
