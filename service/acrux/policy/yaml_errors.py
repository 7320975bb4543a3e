"""What a YAML syntax error means, in plain words and at the right place. No tree is built here.

The two parsers word and place some errors differently, and neither knows what an author meant. So an error is explained
from what the file says at the place where reading stopped, and from the last thing that was read, in this order:
brackets and quotes that are never closed, tags, text after a value, colons, indentation, single characters.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import yaml

from acrux.policy import codes
from acrux.policy.diagnostics import Diagnostic, Related, Span
from acrux.policy.nodes import Scalar
from acrux.policy.source import SourceFile

EXPRESSION_KEYS: Final = frozenset({"when", "for"})
QUOTE_HELP: Final = "put single quotes around the whole"

_TAG_OF_EXPRESSION = re.compile(r"""!+(?:[("'\[]|[A-Za-z_][\w.]*\()""")
_TAG = re.compile(r"![^\s,\]}]*")
_HEAD = re.compile(r"[ \t]*:?(?:[ \t]*-)*[ \t]*")
_KEY_COLUMN = re.compile(r" *(?:- +)*")
_REST_OF_LINE = re.compile(r"(?:(?!\s#)[^\r\n])*")
_REST_IN_BRACKETS = re.compile(r"[^\r\n,\]}]*")
_WORD_IN_BRACKETS = re.compile(r"[^\s,\]}]*")
_KEY_LIKE = re.compile(r"[\w.\-]+\s*$")
_ESCAPE = re.compile(
    r"""\\(?:[0abtnvfre "/\\N_LP\t\r\n]|x[0-9A-Fa-f]{2}|u(?![dD][89a-fA-F])[0-9A-Fa-f]{4}|"""
    r"""U00(?:0[0-9A-Fa-f]|10)[0-9A-Fa-f]{4})"""
)
_WRONG_ESCAPE = re.compile(r"\\(?:[xuU][0-9A-Fa-f]*|.?)")
_DIRECTIVE = re.compile(r"^%[^\r\n]*", re.MULTILINE)
_LONGEST_QUOTED: Final = 120
_CLOSING = {"[": "]", "{": "}"}


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
class _Stop:
    """The error: `at` is where the parser stopped, `context_at` where the thing began that it was in."""

    source: SourceFile
    trail: Trail
    problem: str
    context: str
    at: int
    context_at: int | None

    @property
    def text(self) -> str:
        return self.source.text

    @property
    def char(self) -> str:
        return self.text[self.at : self.at + 1]

    def span(self, start: int, end: int) -> Span:
        return Span(self.source.path, start, max(start, end))

    def rest(self, start: int) -> Span:
        """What is written from an offset to the end of the line, or of the item where brackets are open."""
        in_brackets = self.trail.bracket is not None
        match = (_REST_IN_BRACKETS if in_brackets else _REST_OF_LINE).match(self.text, start)
        end = match.end() if match else start
        return self.span(start, start + max(1, len(self.text[start:end].rstrip())))

    def words(self, span: Span) -> str:
        return self.text[span.start : span.end]


def quoting_help(text: str) -> str:
    """The advice to quote a text, with the text quoted if it is short."""
    if "\n" in text or len(text) > _LONGEST_QUOTED:
        return QUOTE_HELP
    if "'" not in text:
        return f"{QUOTE_HELP}: `'{text}'`"
    if '"' not in text and "\\" not in text:
        return f'put double quotes around the whole: `"{text}"`'
    return f"{QUOTE_HELP}, and write each single quote in it twice: `''`"


def syntax_diagnostic(source: SourceFile, error: yaml.YAMLError, trail: Trail) -> Diagnostic:
    """The one diagnostic for the error that ended the reading of a file."""
    stop = _stop(source, error, trail)
    for explain in _EXPLANATIONS:
        diagnostic = explain(stop)
        if diagnostic is not None:
            return diagnostic
    return codes.SYNTAX.at(stop.rest(stop.at), f"this is no YAML: {stop.problem.lower().rstrip('.')}")


def tag_diagnostic(source: SourceFile, at: int, key: str | None, *, flow: bool) -> Diagnostic:
    """The diagnostic for a tag: a `!` before a value. Mostly it was meant as a negation."""
    text = source.text
    if key in EXPRESSION_KEYS or _TAG_OF_EXPRESSION.match(text, at):
        match = (_TAG if flow else _REST_OF_LINE).match(text, at)
        words = text[at : match.end() if match else at + 1].rstrip()
        return codes.TAG_EXPRESSION.at(
            Span(source.path, at, at + len(words)),
            "YAML reads an unquoted `!` at the beginning as a tag, not as a negation",
            help=QUOTE_HELP if flow else quoting_help(words),
        )
    match = _TAG.match(text, at)
    words = match[0] if match else "!"
    return codes.TAG.at(
        Span(source.path, at, at + len(words)),
        f"tags are not allowed: `{words}`",
        help="leave it out: the place of a value says its type; quote a text that begins with `!`",
    )


def directive_diagnostic(source: SourceFile) -> Diagnostic:
    """The diagnostic for the first line that begins with `%`."""
    match = _DIRECTIVE.search(source.text)
    start, end = match.span() if match else (0, 0)
    return codes.SYNTAX.at(
        Span(source.path, start, end),
        "YAML directives are not allowed",
        help="leave the line out: a policy is YAML 1.1",
    )


def _stop(source: SourceFile, error: yaml.YAMLError, trail: Trail) -> _Stop:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return _Stop(source, trail, str(error).split("\n", maxsplit=1)[0], "", trail.last_end, None)
    context_at = error.context_mark.index if error.context_mark is not None else None
    return _Stop(source, trail, error.problem or "", error.context or "", error.problem_mark.index, context_at)


def _block_indent(text: str, offset: int) -> int:
    """The column (from 0) of the key or item in whose line an offset is; what belongs to it is indented more."""
    line = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
    match = _KEY_COLUMN.match(text, line)
    return (match.end() if match else line) - line


def _outdented(text: str, start: int, end: int, allowed: str = "") -> int | None:
    """The first line after `start` that is not indented more than the line of `start`, so that it is something new.

    A line that begins with one of the `allowed` characters still belongs.
    """
    indent = _block_indent(text, start)
    for match in re.compile(r"[\r\n]( *)(?=[^ \r\n])").finditer(text, start, end):
        if len(match[1]) <= indent and text[match.end()] not in allowed:
            return match.end()
    return None


def _unclosed_bracket(stop: _Stop) -> Diagnostic | None:
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
        if stop.at < closed_by:
            return None
        related = (Related(stop.span(closed_by, closed_by + 1), f"this `{stop.text[closed_by]}` does not close it"),)
    elif closed_by is not None:
        return None
    else:
        outdented = _outdented(stop.text, opening, len(stop.text), "]}")
        if stop.at < (len(stop.text.rstrip()) if outdented is None else outdented):
            return None
    return codes.UNCLOSED_BRACKET.at(
        stop.span(opening, opening + 1),
        f"this `{bracket}` is never closed",
        help=f"a `{_CLOSING[bracket]}` is missing",
        related=related,
    )


def _closer(text: str, opening: int) -> int | None:
    """The bracket that ends what the one at `opening` begins; None if something new begins before it.

    Quotes count only where a value can begin, so that an apostrophe in a plain text is no quote.
    """
    end = _outdented(text, opening, len(text), "]}")
    depth = 0
    pieces = re.compile(r"""(?<=[\[{,:\s])(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')|(?<=\s)\#[^\r\n]*|[\[\]{}]""", re.DOTALL)
    for match in pieces.finditer(text, opening, len(text) if end is None else end):
        if match[0] in _CLOSING:
            depth += 1
        elif match[0] in {"]", "}"}:
            depth -= 1
            if depth == 0:
                return match.start()
    return None


def _unclosed_quote(stop: _Stop) -> Diagnostic | None:
    opening: int | None = None
    if "quoted scalar" in stop.context:
        # The end of the file, a document mark, or an escape that is none in a text that was never meant to be quoted.
        ends = "end of stream" in stop.problem or "document" in stop.problem
        if stop.context_at is not None and (ends or _outdented(stop.text, stop.context_at, stop.at) is not None):
            opening = stop.context_at
    elif (
        (last := stop.trail.last) is not None
        and last.style in {"single", "double"}
        and stop.at <= _end_of_line(stop.text, last.end)
        and _outdented(stop.text, last.start, last.end) is not None
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
    match = re.compile(r"[^\r\n]*").match(text, offset)
    return match.end() if match else offset


def _tag(stop: _Stop) -> Diagnostic | None:
    head = _HEAD.match(stop.text, stop.trail.last_end)
    at = head.end() if head else stop.trail.last_end
    if stop.text[at : at + 1] != "!" or stop.trail.last_end == 0:
        return None
    return tag_diagnostic(stop.source, at, stop.trail.key, flow=stop.trail.bracket is not None)


def _text_after(stop: _Stop) -> Diagnostic | None:
    last = stop.trail.last
    end = stop.trail.last_end
    if stop.text[end : stop.at].strip(" \t\r\n") or stop.at < end or stop.char in {"", "]", "}"}:
        return None
    span = stop.rest(stop.at)
    if last is not None and last.style in {"single", "double"}:
        if stop.trail.bracket is not None and stop.char in {'"', "'", "[", "{"}:
            return None
        helped = quoting_help(stop.text[last.start : span.end])
        if last.style == "single" and stop.at == last.end:
            helped = "inside single quotes a single quote is written twice: `''`"
        return codes.TEXT_AFTER_QUOTE.at(span, f"text after a quoted value: `{stop.words(span)}`", help=helped)
    if last is None and stop.text[end - 1 : end] in {"]", "}"}:
        if stop.trail.bracket is not None and stop.char in {'"', "'", "[", "{"}:
            return None
        return codes.TEXT_AFTER_BRACKET.at(
            span,
            f"text after a closing bracket: `{stop.words(span)}`",
            help=f"an expression that begins with a bracket is quoted: {QUOTE_HELP}",
        )
    return None


def _colon_in_brackets(stop: _Stop) -> Diagnostic | None:
    """`{ip: ::1}`, `[fe80::]`: in brackets a colon ends a key, also without a space after it."""
    start: int | None = None
    if stop.context == "while scanning a plain scalar" and "':'" in stop.problem:
        start = stop.context_at
    elif stop.char == ":" and stop.trail.bracket is not None:
        last = stop.trail.last
        if stop.context == "while parsing a flow node" and stop.text[stop.at + 1 : stop.at + 2] not in {" ", "\n"}:
            start = stop.at
        elif last is not None and last.end == stop.at and stop.text[stop.at + 1 : stop.at + 2] in {",", "]", "}"}:
            start = last.start
    if start is None:
        return None
    word = _WORD_IN_BRACKETS.match(stop.text, start)
    span = stop.span(start, word.end() if word else start + 1)
    return codes.COLON_IN_BRACKETS.at(
        span,
        f"inside brackets YAML reads a colon of `{stop.words(span)}` as the end of a key",
        help=f"quote it: `'{stop.words(span)}'`",
    )


def _colon_in_text(stop: _Stop) -> Diagnostic | None:
    last = stop.trail.last
    if stop.char != ":" or last is None or last.style != "plain" or last.end > stop.at:
        return None
    written = stop.text[last.start : stop.at]
    line = max(written.rfind("\n"), written.rfind("\r")) + 1
    if line and _KEY_LIKE.fullmatch(written[line:].strip()):
        key = last.start + line + len(written[line:]) - len(written[line:].lstrip())
        return codes.INDENTATION.at(
            stop.span(key, stop.at),
            f"`{written[line:].strip()}` is indented as if the text above went on",
            help="keys of one mapping begin in the same column",
        )
    return codes.COLON_IN_TEXT.at(
        stop.span(stop.at, stop.at + 1),
        "a colon and a space inside unquoted text end a key",
        help=quoting_help(stop.text[last.start : stop.rest(stop.at).end]),
    )


def _tab(stop: _Stop) -> Diagnostic | None:
    if stop.char != "\t":
        return None
    end = stop.at
    while stop.text[end : end + 1] == "\t":
        end += 1
    return codes.TAB.at(
        stop.span(stop.at, end),
        "a tab where YAML wants spaces",
        help="indent with spaces; YAML knows no other indentation",
    )


def _escape(stop: _Stop) -> Diagnostic | None:
    if "quoted scalar" not in stop.context or stop.context_at is None:
        return None
    return _wrong_escape(stop.source, stop.context_at)


def surrogate_diagnostic(scalar: Scalar) -> Diagnostic:
    """The diagnostic for an escape that is half a character: JSON writes some characters as two, YAML does not."""
    return _wrong_escape(scalar.source, scalar.start) or codes.BAD_ESCAPE.at(scalar.span, "half a character")


def _wrong_escape(source: SourceFile, opening: int) -> Diagnostic | None:
    """The first escape after an opening quote that is none."""
    text = source.text
    at = text.find("\\", opening)
    while at >= 0 and (good := _ESCAPE.match(text, at)):
        at = text.find("\\", good.end())
    wrong = _WRONG_ESCAPE.match(text, at) if at >= 0 else None
    if wrong is None:
        return None
    return codes.BAD_ESCAPE.at(
        Span(source.path, at, wrong.end()),
        f"`{wrong[0]}` is no escape in double quotes",
        help="write `\\\\` for a backslash, or use single quotes, in which a backslash is only a backslash",
    )


def _missing_colon(stop: _Stop) -> Diagnostic | None:
    if "simple key" not in stop.context or stop.context_at is None:
        return None
    span = stop.rest(stop.context_at)
    words = stop.words(span)
    helped = "put a space after the colon: `key: value`" if ":" in words else "a line of a mapping is `key: value`"
    return codes.MISSING_COLON.at(span, f"no key and colon in `{words}`", help=helped)


def _indentation(stop: _Stop) -> Diagnostic | None:
    if stop.char in {"", ":", "]", "}", ","} or stop.trail.bracket is not None:
        return None
    if "'-' indicator" in stop.problem or "expected <block end>" in stop.problem or "expected key" in stop.problem:
        span = stop.rest(stop.at)
        return codes.INDENTATION.at(
            span,
            f"the indentation of `{stop.words(span)}` fits nothing above it",
            help="keys of one mapping, and dashes of one list, begin in the same column",
        )
    if "sequence entries" in stop.problem:
        return codes.INDENTATION.at(
            stop.span(stop.at, stop.at + 1), "a list begins on a line of its own", help="put the `-` on the next line"
        )
    return None


def _reserved(stop: _Stop) -> Diagnostic | None:
    if "cannot start any token" in stop.problem:
        char = "a backtick" if stop.char == "`" else f"`{stop.char}`"
        return codes.RESERVED_CHARACTER.at(
            stop.span(stop.at, stop.at + 1),
            f"an unquoted text can't begin with {char}",
            help=quoting_help(stop.words(stop.rest(stop.at))),
        )
    for context, code, words in (("anchor", codes.ANCHOR, "anchors"), ("alias", codes.ALIAS, "aliases")):
        if context in stop.context and stop.context_at is not None:
            span = stop.rest(stop.context_at)
            return code.at(span, f"{words} are not allowed: `{stop.words(span)}`", help=quoting_help(stop.words(span)))
    return None


def _other(stop: _Stop) -> Diagnostic | None:
    """What is left, in words of our own."""
    message: str | None = None
    helped: str | None = None
    if "document start" in stop.problem and stop.trail.documents:
        return codes.SEVERAL_DOCUMENTS.at(
            stop.rest(stop.at), "a second document begins here", help="a policy file holds one document"
        )
    if "block scalar" in stop.context:
        message, helped = f"`{stop.char}` does not belong after `|` or `>`", "the text begins on the next line"
    elif "directive" in stop.context or not stop.trail.documents:
        return directive_diagnostic(stop.source)
    elif stop.char == ":":
        message, helped = "a value has no key", "a line of a mapping is `key: value`"
    elif stop.char in {"]", "}"} and stop.char:
        message = f"this `{stop.char}` closes nothing"
    elif stop.char == "," and "flow node" in stop.context:
        message = "nothing stands before this comma"
    elif stop.trail.bracket is not None:
        message, helped = "a comma is missing before this", "items inside brackets are separated by commas"
    return None if message is None else codes.SYNTAX.at(stop.span(stop.at, stop.at + 1), message, help=helped)


_EXPLANATIONS: Final[tuple[Callable[[_Stop], Diagnostic | None], ...]] = (
    _unclosed_bracket,
    _unclosed_quote,
    _tab,
    _escape,
    _tag,
    _text_after,
    _colon_in_brackets,
    _colon_in_text,
    _missing_colon,
    _indentation,
    _reserved,
    _other,
)
