"""The tokens of a CEL text, to give nodes and mistakes their whole span. Parsing stays with the engines."""

import re
from typing import Final

_RAW: Final = r"""(?:[bB]?[rR]|[rR][bB])(?:\"{3}[\s\S]*?\"{3}|'{3}[\s\S]*?'{3}|"[^"\r\n]*"|'[^'\r\n]*')"""
_COOKED: Final = (
    r"""[bB]?(?:\"{3}(?:\\[\s\S]|[^\\])*?\"{3}|'{3}(?:\\[\s\S]|[^\\])*?'{3}"""
    r"""|"(?:\\.|[^"\\\r\n])*"|'(?:\\.|[^'\\\r\n])*')"""
)
_TOKEN: Final = re.compile(
    rf"""(?P<skip>[\t\n\f\r ]+|//[^\n]*)
    |(?P<string>{_RAW}|{_COOKED})
    |(?P<number>0[xX][0-9a-fA-F]+[uU]?|(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[uU]?)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*|`[^`\r\n]*`)
    |(?P<operator>&&|\|\||[=!<>]=|.|\n)
    """,
    re.VERBOSE,
)
_OPENING: Final = {")": "(", "]": "[", "}": "{"}
_QUOTES: Final = "\"'"


class Tokens:
    """The tokens of a text by offset.

    Attributes:
        starts: offset of each token, ascending.
        ends: offset after each token.
        kinds: `string`, `number`, `name` or `operator`.
        index: from the offset at which a token starts to its place in the lists.
        partner: from the index of a bracket to that of the one it belongs to.
        unclosed: offsets of brackets that are never closed, outermost first.
        open_quote: offset of a quote that is never closed, or None.
    """

    __slots__ = ("ends", "index", "kinds", "open_quote", "partner", "starts", "text", "unclosed")

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.kinds: list[str] = []
        self.partner: dict[int, int] = {}
        self.open_quote: int | None = None
        stack: list[int] = []
        for match in _TOKEN.finditer(text):
            kind = match.lastgroup
            if kind is None or kind == "skip":
                continue
            start, end = match.span()
            place = len(self.starts)
            self.starts.append(start)
            self.ends.append(end)
            self.kinds.append(kind)
            if kind == "operator":
                self._bracket(text[start], place, stack)
                if text[start] in _QUOTES and self.open_quote is None:
                    self.open_quote = start
        self.index = {start: place for place, start in enumerate(self.starts)}
        self.unclosed = tuple(self.starts[place] for place in stack)

    def _bracket(self, character: str, place: int, stack: list[int]) -> None:
        if character in "([{":
            stack.append(place)
        elif character in ")]}" and stack and self.word(stack[-1]) == _OPENING[character]:
            opening = stack.pop()
            self.partner[opening] = place
            self.partner[place] = opening

    def word(self, place: int) -> str:
        """The text of the token at that index; empty where there is none."""
        if 0 <= place < len(self.starts):
            return self.text[self.starts[place] : self.ends[place]]
        return ""

    def is_name(self, place: int) -> bool:
        """Whether the token at that index is an identifier."""
        return 0 <= place < len(self.kinds) and self.kinds[place] == "name"

    def chain_start(self, place: int) -> int:
        """From the index of a name, the index of the first name of `a.b.c` that it ends."""
        while self.word(place - 1) == "." and self.is_name(place - 2):
            place -= 2
        return place

    def dotted(self, first: int, last: int) -> str:
        """The names between two indexes, joined by dots, without back quotes."""
        return ".".join(self.word(place).strip("`") for place in range(first, last + 1) if self.is_name(place))

    def balanced(self, start: int, end: int) -> tuple[int, int]:
        """The span widened until each bracket in it has its partner in it."""
        low, high = start, end
        for opening, closing in self.partner.items():
            if opening > closing:
                continue
            left, right = self.starts[opening], self.ends[closing]
            if start <= left < end < right:
                high = max(high, right)
            if left < start < right <= end:
                low = min(low, left)
        return low, high
