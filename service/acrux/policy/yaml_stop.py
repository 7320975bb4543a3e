"""The place where the reading of a YAML file stopped, and what stands around it. No explanation is made here."""

import re
from dataclasses import dataclass
from typing import Final

import yaml

from acrux.policy.diagnostics import Span
from acrux.policy.nodes import Scalar
from acrux.policy.source import SourceFile

QUOTE_HELP: Final = "put single quotes around the whole"
REST_OF_LINE: Final = re.compile(r"(?:(?!\s#)[^\r\n])*")

_REST_IN_BRACKETS = re.compile(r"[^\r\n,\]}]*")
_OPENING = re.compile(r" *(?:- +)*(?:[\w.\-]+: +)?[\[{]")
_LONGEST_QUOTED: Final = 120


@dataclass(frozen=True, slots=True)
class Trail:
    """How far a reading came before a syntax error.

    Attributes:
        last: the scalar that was read last, or None if that was a bracket or the beginning of a block.
        last_end: offset after the last thing that was read.
        key: the key whose value is awaited, if one is.
        bracket: offset of the innermost bracket that is open.
        documents: how many documents have begun.
    """

    last: Scalar | None
    last_end: int
    key: str | None
    bracket: int | None
    documents: int


@dataclass(frozen=True, slots=True)
class Stop:
    """The error: `at` is where the parser stopped, `context_at` where the thing began that it was in."""

    source: SourceFile
    trail: Trail
    problem: str
    context: str
    at: int
    context_at: int | None

    @property
    def text(self) -> str:
        """The text of the file."""
        return self.source.text

    @property
    def char(self) -> str:
        """The character that the parser stopped at; empty at the end."""
        return self.text[self.at : self.at + 1]

    @property
    def opening(self) -> int | None:
        """The bracket that was open, if one was.

        In `- {owner: @team}` the parser has not told of it yet: to its end, the line may still be a key.
        """
        if self.trail.bracket is not None:
            return self.trail.bracket
        at = self.at if self.context_at is None else min(self.at, self.context_at)
        found = _OPENING.match(self.text, self.line_start(at), at)
        return found.end() - 1 if found is not None and found.end() > self.trail.last_end else None

    @property
    def in_brackets(self) -> bool:
        """Whether a bracket was open."""
        return self.opening is not None

    def line_start(self, offset: int) -> int:
        """Offset of the first character of a line."""
        return max(self.text.rfind("\n", 0, offset), self.text.rfind("\r", 0, offset)) + 1

    def span(self, start: int, end: int) -> Span:
        """A stretch of the file, kept within it."""
        end = min(max(start, end), len(self.text))
        return Span(self.source.path, min(start, end), end)

    def rest(self, start: int) -> Span:
        """What is written from an offset to the end of the line, or of the item where brackets are open."""
        match = (_REST_IN_BRACKETS if self.in_brackets else REST_OF_LINE).match(self.text, start)
        end = match.end() if match else start
        return self.span(start, start + max(1, len(self.text[start:end].rstrip())))

    def words(self, span: Span) -> str:
        """What is written there."""
        return self.text[span.start : span.end]


def stopped(source: SourceFile, error: yaml.YAMLError, trail: Trail) -> Stop:
    """Where an error of the parser ended the reading."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return Stop(source, trail, str(error).split("\n", maxsplit=1)[0], "", trail.last_end, None)
    context_at = error.context_mark.index if error.context_mark is not None else None
    return Stop(source, trail, error.problem or "", error.context or "", error.problem_mark.index, context_at)


def quoting_help(text: str) -> str:
    """The advice to quote a text, with the text quoted if it is short."""
    if "\n" in text or len(text) > _LONGEST_QUOTED:
        return QUOTE_HELP
    if "'" not in text:
        return f"{QUOTE_HELP}: `'{text}'`"
    if '"' not in text and "\\" not in text:
        return f'put double quotes around the whole: `"{text}"`'
    return f"{QUOTE_HELP}, and write each single quote in it twice: `''`"
