"""The decoded text of one policy file, and where its lines are. No YAML, no drawing."""

import re
from bisect import bisect_right
from dataclasses import dataclass, field

from acrux.policy.scalar_map import ScalarMap

# YAML 1.1 knows three more (NEL, LS, PS); they are refused, because YAML 1.2 and editors don't count them.
LINE_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One policy file as text.

    Attributes:
        path: relative to the set's directory, POSIX form.
        text: decoded, without a byte order mark; line breaks as they are.
    """

    path: str
    text: str
    _line_starts: list[int] = field(default_factory=list, init=False, repr=False, compare=False)
    # By the start of the scalar. Filled only for scalars that a diagnostic points into (acrux.policy.nodes).
    scalar_maps: dict[int, ScalarMap] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def line_starts(self) -> list[int]:
        """The offset of the first character of each line."""
        if not self._line_starts:
            # Built as a whole before it is published, so that two threads at worst do the work twice.
            starts = [0, *(match.end() for match in LINE_BREAK.finditer(self.text))]
            self._line_starts[:] = starts
        return self._line_starts

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a code-point offset, both from 1, columns in characters; beyond the end is the end."""
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line_text(self, line: int) -> str:
        """The text of a line (from 1), without its line break; empty where there is no such line."""
        if not 1 <= line <= len(self.line_starts):
            return ""
        start = self.line_starts[line - 1]
        end = self.line_starts[line] if line < len(self.line_starts) else len(self.text)
        return self.text[start:end].rstrip("\r\n")
