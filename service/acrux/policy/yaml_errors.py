"""What a YAML syntax error means, in plain words and at the right place. No tree is built here.

The two parsers word and place some errors differently, and neither knows what an author meant. So an error is explained
from what the file says at the place where reading stopped, and from the last thing that was read, in this order:
brackets and quotes that are never closed, tags, text after a value, colons, indentation, single characters.
"""

import re
from collections.abc import Callable
from typing import Final

import yaml

from acrux.policy import codes
from acrux.policy.diagnostics import Diagnostic, Span
from acrux.policy.nodes import Scalar
from acrux.policy.source import SourceFile
from acrux.policy.yaml_flow import bracket_in_text
from acrux.policy.yaml_stop import QUOTE_HELP, REST_OF_LINE, Stop, Trail, quoting_help, stopped
from acrux.policy.yaml_unclosed import unclosed_bracket, unclosed_quote

EXPRESSION_KEYS: Final = frozenset({"when", "for"})

_TAG_OF_EXPRESSION = re.compile(r"""!+(?:[("'\[]|[A-Za-z_][\w.]*\()""")
_TAG = re.compile(r"![^\s,\]}]*")
_KEY_BEFORE = re.compile(r"(\w+)\s*:\s*$")
_HEAD = re.compile(r"[ \t]*:?(?:[ \t]*-)*[ \t]*")
_WORD_IN_BRACKETS = re.compile(r"[^\s,\]}]*")
_KEY_LIKE = re.compile(r"[\w.\-]+\s*$")
_ESCAPE = re.compile(
    r"""\\(?:[0abtnvfre "/\\N_LP\t\r\n]|x[0-9A-Fa-f]{2}|u(?![dD][89a-fA-F])[0-9A-Fa-f]{4}|"""
    r"""U00(?:0[0-9A-Fa-f]|10)[0-9A-Fa-f]{4})"""
)
_WRONG_ESCAPE = re.compile(r"\\(?:[xuU][0-9A-Fa-f]*|.?)")
_DIRECTIVE = re.compile(r"^%[^\r\n]*", re.MULTILINE)


def syntax_diagnostic(source: SourceFile, error: yaml.YAMLError, trail: Trail) -> Diagnostic:
    """The one diagnostic for the error that ended the reading of a file."""
    stop = stopped(source, error, trail)
    for explain in _EXPLANATIONS:
        diagnostic = explain(stop)
        if diagnostic is not None:
            return diagnostic
    return codes.SYNTAX.at(stop.rest(stop.at), f"this is no YAML: {stop.problem.lower().rstrip('.')}")


def tag_diagnostic(source: SourceFile, at: int, key: str | None, *, flow: bool) -> Diagnostic:
    """The diagnostic for a tag: a `!` before a value. Mostly it was meant as a negation."""
    text = source.text
    if key in EXPRESSION_KEYS or _TAG_OF_EXPRESSION.match(text, at):
        match = (_TAG if flow else REST_OF_LINE).match(text, at)
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


def _tag(stop: Stop) -> Diagnostic | None:
    if stop.context == "while scanning a tag" and stop.context_at is not None:
        before = _KEY_BEFORE.search(stop.text[stop.line_start(stop.context_at) : stop.context_at])
        key = before[1] if before else stop.trail.key
        return tag_diagnostic(stop.source, stop.context_at, key, flow=stop.in_brackets)
    head = _HEAD.match(stop.text, stop.trail.last_end)
    at = head.end() if head else stop.trail.last_end
    if stop.text[at : at + 1] != "!" or stop.trail.last_end == 0:
        return None
    return tag_diagnostic(stop.source, at, stop.trail.key, flow=stop.in_brackets)


def _text_after(stop: Stop) -> Diagnostic | None:
    last = stop.trail.last
    end = stop.trail.last_end
    if stop.text[end : stop.at].strip(" \t\r\n") or stop.at < end or stop.char in {"", "]", "}"}:
        return None
    span = stop.rest(stop.at)
    if last is not None and last.style in {"single", "double"}:
        if stop.trail.bracket is not None and stop.char in {'"', "'", "[", "{"}:
            return None
        helped = quoting_help(stop.text[last.start : span.end])
        if stop.at == last.end:
            helped = (
                "inside single quotes a single quote is written twice: `''`"
                if last.style == "single"
                else 'inside double quotes a double quote is written `\\"`: put single quotes around the whole instead'
            )
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


def _colon_in_brackets(stop: Stop) -> Diagnostic | None:
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


def _colon_in_text(stop: Stop) -> Diagnostic | None:
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


def _tab(stop: Stop) -> Diagnostic | None:
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


def _escape(stop: Stop) -> Diagnostic | None:
    if "quoted scalar" not in stop.context or stop.context_at is None:
        return None
    return _wrong_escape(stop.source, stop.context_at)


def surrogate_diagnostic(scalar: Scalar) -> Diagnostic:
    """The diagnostic for an escape that is half a character: JSON writes some characters as two, YAML does not."""
    return _wrong_escape(scalar.source, scalar.start)


def _wrong_escape(source: SourceFile, opening: int) -> Diagnostic:
    """The first escape after an opening quote that is none; there is one."""
    text = source.text
    at = text.find("\\", opening)
    while at >= 0 and (good := _ESCAPE.match(text, at)):
        at = text.find("\\", good.end())
    at = at if at >= 0 else opening
    wrong = _WRONG_ESCAPE.match(text, at)
    end = wrong.end() if wrong else at + 1
    return codes.BAD_ESCAPE.at(
        Span(source.path, at, end),
        f"`{text[at:end]}` is no escape in double quotes",
        help="write `\\\\` for a backslash, or use single quotes, in which a backslash is only a backslash",
    )


def _missing_colon(stop: Stop) -> Diagnostic | None:
    if "simple key" not in stop.context or stop.context_at is None:
        return None
    span = stop.rest(stop.context_at)
    words = stop.words(span)
    helped = "put a space after the colon: `key: value`" if ":" in words else "a line of a mapping is `key: value`"
    return codes.MISSING_COLON.at(span, f"no key and colon in `{words}`", help=helped)


def _indentation(stop: Stop) -> Diagnostic | None:
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


def _reserved(stop: Stop) -> Diagnostic | None:
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


def _other(stop: Stop) -> Diagnostic | None:
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


_EXPLANATIONS: Final[tuple[Callable[[Stop], Diagnostic | None], ...]] = (
    bracket_in_text,
    unclosed_bracket,
    unclosed_quote,
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
