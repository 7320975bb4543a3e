"""The error text of `cel_expr_python` as problems with whole spans and plain words. Only here is its form known."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from acrux.cel.engine import Declarations
from acrux.cel.function_names import FUNCTION_NAMES, function_meant
from acrux.cel.lexer import Tokens
from acrux.cel.problems import Problem, ProblemKind

_HEAD: Final = re.compile(r"^(?:[A-Z_]+: )?ERROR: <input>:(-?\d+):(-?\d+): ", re.MULTILINE)
_UNDECLARED: Final = re.compile(r"^undeclared reference to '(.*)' \(in container ''\)$")
_OVERLOAD: Final = re.compile(r"^found no matching overload for '(.*)' applied to '(.*)'$")
_SELECT: Final = re.compile(r"^expression of type '(.*)' cannot be the operand of a select operation$")
_SYNTAX: Final = re.compile(r"^Syntax error: (.*)$", re.DOTALL)
_UNEXPECTED: Final = re.compile(
    r"^(?:mismatched input|extraneous input|no viable alternative at input) '(.*?)'(?: expecting|$)", re.DOTALL
)
_MISSING: Final = re.compile(r"^missing (.*) at '(.*)'$", re.DOTALL)
_RESERVED: Final = re.compile(r"^reserved identifier: (\w+)$")
_PARSER_WORDS: Final = re.compile(r"argument must be|must be a simple identifier|unsupported syntax|literal")
_DEPTH: Final = re.compile(r"recursion (?:limit|depth)|Exceeded max recursion", re.IGNORECASE)
_TOO_MANY: Final = "maximum number of ERROR issues exceeded"
_MACROS: Final = frozenset(
    {"all", "exists", "exists_one", "map", "filter", "bind", "transformList", "transformMap", "transformMapEntry"}
)
_LIKENESS: Final = 0.65
_TWO_NUMBERS: Final = frozenset({"int", "double"})


@dataclass(frozen=True, slots=True)
class _Reported:
    """One error as the library prints it: where, and its words."""

    at: int
    message: str


def depth_problem(text: str) -> Problem:
    """An expression that is nested deeper than the parser goes (32 levels; a chain such as `1 + 1 + 1` nests too)."""
    return Problem(
        ProblemKind.LIMIT,
        0,
        len(text),
        "the expression is nested deeper than 32 levels",
        help="a chain of operators or calls counts a level each; `&&`, `||` and lists do not",
    )


def problems_of(error_text: str, text: str, declarations: Declarations) -> tuple[Problem, ...]:
    """The problems that a failed compilation reported, sorted by place, one per mistake."""
    if _DEPTH.search(error_text) and not _SYNTAX.search(error_text):
        return (depth_problem(text),)
    tokens = Tokens(text)
    reported = _reported(error_text, text)
    syntax = [item for item in reported if item.message.startswith("Syntax error: ")]
    found = _syntax_problems(syntax, tokens) if syntax else _meaning_problems(reported, tokens, declarations)
    if not found:
        # Never half-report: words of the library that we don't know still stand somewhere.
        found = [
            Problem(ProblemKind.SYNTAX, 0, len(text), _plain(error_text.splitlines()[0] if error_text else "unknown"))
        ]
    return tuple(sorted(set(found), key=lambda problem: (problem.start, problem.end, problem.message)))


def _plain(message: str) -> str:
    message = message.strip().replace("'", "`").rstrip(".")
    return message[:1].lower() + message[1:]


def _reported(error_text: str, text: str) -> list[_Reported]:
    line_starts = [0]
    line_starts.extend(match.end() for match in re.finditer("\n", text))
    heads = list(_HEAD.finditer(error_text))
    found: list[_Reported] = []
    for number, head in enumerate(heads):
        end = heads[number + 1].start() if number + 1 < len(heads) else len(error_text)
        message = error_text[head.end() : end].split("\n | ", 1)[0]
        message = re.sub(r" \[[A-Z_]+\]\s*$", "", message).strip()
        line, column = int(head.group(1)), int(head.group(2))
        if message.startswith(_TOO_MANY):
            continue
        at = line_starts[min(line, len(line_starts)) - 1] + column - 1 if line > 0 else 0
        found.append(_Reported(min(max(at, 0), len(text)), message))
    return found


def _syntax_problems(reported: Iterable[_Reported], tokens: Tokens) -> list[Problem]:
    """The first only: what the parser says after it is a guess about what was meant."""
    text = tokens.text
    if tokens.open_quote is not None:
        at = tokens.open_quote
        return [Problem(ProblemKind.SYNTAX, at, at + 1, "unclosed text: the closing quote is missing")]
    if not text.strip():
        return [Problem(ProblemKind.SYNTAX, 0, len(text), "the expression is empty")]
    item = min(reported, key=lambda one: one.at)
    if item.at >= len(text.rstrip()) and tokens.unclosed:
        at = tokens.unclosed[-1]
        return [Problem(ProblemKind.SYNTAX, at, at + 1, f"unclosed `{text[at]}`")]
    return [_syntax_problem(item, tokens)]


def _syntax_problem(item: _Reported, tokens: Tokens) -> Problem:
    matched = _SYNTAX.match(item.message)
    words = matched.group(1) if matched else item.message
    place = tokens.index.get(item.at)
    end = item.at + 1 if place is None else tokens.ends[place]
    end = min(end, max(len(tokens.text), item.at))
    if unexpected := _UNEXPECTED.match(words):
        if "<EOF>" in unexpected.group(1):
            last = len(tokens.text.rstrip())
            return Problem(ProblemKind.SYNTAX, max(last - 1, 0), last, "the expression ends too early")
        word = tokens.word(place) if place is not None else unexpected.group(1)
        return Problem(ProblemKind.SYNTAX, item.at, end, f"unexpected `{word}`", help=_syntax_help(word))
    if missing := _MISSING.match(words):
        return Problem(ProblemKind.SYNTAX, item.at, end, f"missing {missing.group(1).replace(chr(39), '`')}")
    if words.startswith("token recognition error"):
        character = tokens.text[item.at : item.at + 1]
        return Problem(
            ProblemKind.SYNTAX,
            item.at,
            item.at + 1,
            f"unexpected character `{character}`",
            help=_syntax_help(character),
        )
    return Problem(ProblemKind.SYNTAX, item.at, end, _plain(words))


def _syntax_help(word: str) -> str | None:
    return {
        "=": "write `==` to compare",
        "&": "write `&&` for and",
        "|": "write `||` for or",
        "and": "write `&&`",
        "or": "write `||`",
        "not": "write `!`",
        "is": "write `==`",
    }.get(word)


def _meaning_problems(reported: Iterable[_Reported], tokens: Tokens, declarations: Declarations) -> list[Problem]:
    found = [_meaning_problem(item, tokens, declarations) for item in reported]
    functions = [problem for problem in found if problem.kind is ProblemKind.FUNCTION]
    return [problem for problem in found if not any(_follows(problem, function, tokens) for function in functions)]


def _follows(problem: Problem, function: Problem, tokens: Tokens) -> bool:
    """Whether an unknown name is only there because the call around it is unknown: `a` in `cel.bind(a, 1, a)`."""
    if problem is function or problem.kind is not ProblemKind.UNKNOWN_NAME or problem.name is None:
        return False
    if function.start <= problem.start and problem.end <= function.end:
        return True
    opening = tokens.index.get(function.end)
    last_word = (function.name or "").rpartition(".")[2]
    if opening is None or last_word not in _MACROS or "." in problem.name:
        return False
    closing = tokens.partner.get(opening, opening)
    return tokens.starts[opening] < problem.start < tokens.starts[closing]


def _meaning_problem(  # noqa: PLR0911 - one return a sort of message
    item: _Reported, tokens: Tokens, declarations: Declarations
) -> Problem:
    place = tokens.index.get(item.at)
    if _DEPTH.search(item.message):
        return depth_problem(tokens.text)
    if place is None:
        return Problem(ProblemKind.TYPE, item.at, min(item.at + 1, len(tokens.text)), _plain(item.message))
    if undeclared := _UNDECLARED.match(item.message):
        if tokens.word(place) == "(":
            return _unknown_function(undeclared.group(1), place, tokens)
        return _unknown_name(undeclared.group(1), place, tokens, declarations)
    if overload := _OVERLOAD.match(item.message):
        return _no_overload(overload.group(1), overload.group(2), place, tokens)
    if selected := _SELECT.match(item.message):
        last = place + 1 if tokens.is_name(place + 1) else place
        if tokens.word(place) == "." and tokens.is_name(place - 1):
            problem = _unknown_name(tokens.dotted(tokens.chain_start(last), last), place, tokens, declarations)
            if problem.help is None:
                return Problem(
                    problem.kind,
                    problem.start,
                    problem.end,
                    problem.message,
                    problem.name,
                    f"a value of type {selected.group(1)} has no fields",
                )
            return problem
        return Problem(
            ProblemKind.TYPE,
            tokens.starts[place],
            tokens.ends[last],
            f"a value of type {selected.group(1)} has no fields",
        )
    if reserved := _RESERVED.match(item.message):
        message = f"`{reserved.group(1)}` is a reserved word"
        return Problem(ProblemKind.SYNTAX, item.at, tokens.ends[place], message, reserved.group(1))
    kind = ProblemKind.SYNTAX if _PARSER_WORDS.search(item.message) else ProblemKind.TYPE
    return Problem(kind, item.at, tokens.ends[place], _plain(item.message))


def _unknown_function(name: str, opening: int, tokens: Tokens) -> Problem:
    """At the name before the bracket; `cel.bind` whole where `cel` is no variable either."""
    last = opening - 1
    first = last
    if tokens.word(last - 1) == "." and tokens.is_name(last - 2) and tokens.chain_start(last) == last - 2:
        before = tokens.word(last - 2)
        if before in {"cel", "optional", "base64", "sets", "lists", "regex", "proto", "math", "strings", "ip"}:
            first = last - 2
            name = f"{before}.{name}"
    message, helped = f"unknown function `{name}`", None
    if name in FUNCTION_NAMES:
        # CEL's checker says the same of both mistakes: so many arguments, or so called, there is none.
        message = f"`{name}` can't be called like this"
        helped = "with so many arguments, or in this place, there is no such function"
    elif meant := function_meant(name):
        helped = f"did you mean `{meant}`?"
    return Problem(ProblemKind.FUNCTION, tokens.starts[first], tokens.ends[last], message, name, helped)


def _unknown_name(name: str, place: int, tokens: Tokens, declarations: Declarations) -> Problem:
    last = place + 1 if tokens.word(place) == "." and tokens.is_name(place + 1) else place
    first = tokens.chain_start(last) if tokens.is_name(last) else last
    if "." not in name and first == last:
        # CEL stops at the first unknown part of `user.name.first`; the reader wrote the whole.
        while tokens.word(last + 1) == "." and tokens.is_name(last + 2) and tokens.word(last + 3) != "(":
            last += 2
    name = tokens.dotted(first, last) or name
    return Problem(
        ProblemKind.UNKNOWN_NAME,
        tokens.starts[first],
        tokens.ends[last],
        f"unknown name `{name}`",
        name,
        _name_help(name, declarations),
    )


def _name_help(name: str, declarations: Declarations) -> str | None:
    below = sorted(known for known in declarations if known.startswith(f"{name}."))
    if below:
        return "there are " + ", ".join(f"`{known}`" for known in below)
    folded = {known.casefold(): known for known in sorted(declarations)}
    close = get_close_matches(name.casefold(), folded, n=1, cutoff=_LIKENESS)
    if close:
        return f"did you mean `{folded[close[0]]}`?"
    if name.casefold() in {"true", "false", "null"}:
        return f"did you mean `{name.casefold()}`?"
    if "." not in name:
        return f'text needs quotes: `"{name}"`'
    return None


_OPERATORS: Final = {
    "_&&_": "&&", "_||_": "||", "!_": "!", "-_": "-", "_==_": "==", "_!=_": "!=", "_<_": "<", "_<=_": "<=", "_>_": ">",
    "_>=_": ">=", "_+_": "+", "_-_": "-", "_*_": "*", "_/_": "/", "_%_": "%", "@in": "in", "_[_]": "[]", "_?_:_": "? :",
}  # fmt: skip


def _no_overload(function: str, applied: str, place: int, tokens: Tokens) -> Problem:
    types = _split_types(applied)
    word = _OPERATORS.get(function)
    start, end = tokens.starts[place], tokens.ends[place]
    if word is None:
        name = function.replace("@", "")
        return Problem(ProblemKind.TYPE, start, end, f"`{name}` does not take {_listed(types)}", name)
    match word, types:
        case "&&" | "||", _:
            message = f"`{word}` needs bool on both sides, not {_listed(types)}"
        case "!", _:
            message = f"`!` needs bool, not {_listed(types)}"
        case "? :", _:
            message = f"`? :` needs bool and two values of one type, not {_listed(types)}"
        case "in", _:
            message = f"`in` needs a value and a list of its type, not {_listed(types)}"
        case (("==" | "!=" | "<" | "<=" | ">" | ">="), (left, right)):
            message = f"`{word}` can't compare {left} with {right}"
        case _:
            message = f"`{word}` does not take {_listed(types)}"
    return Problem(ProblemKind.TYPE, start, end, message, word, _overload_help(word, types, place, tokens))


def _overload_help(word: str, types: list[str], place: int, tokens: Tokens) -> str | None:
    if set(types) == _TWO_NUMBERS:
        neighbours = ((1, place + 1), (0, place - 1))
        number = next(
            (tokens.word(at) for side, at in neighbours if types[side] == "int" and _is_int(at, tokens)), None
        )
        return (
            f"write `{number}.0`: int and double are different types"
            if number
            else "int and double are different types: convert with `double(...)`"
        )
    if word in {"==", "!="} and any(kind.startswith("list(") for kind in types) and "string" in types:
        return 'to ask for a member write `"x" in list`'
    if set(types) in ({"duration", "int"}, {"duration", "string"}):
        return 'write a duration as `duration("15m")`'
    if set(types) in ({"timestamp", "string"}, {"timestamp", "int"}):
        return 'write a time as `timestamp("2026-01-01T00:00:00Z")`'
    return None


def _is_int(place: int, tokens: Tokens) -> bool:
    return 0 <= place < len(tokens.kinds) and tokens.kinds[place] == "number" and tokens.word(place).isdigit()


def _split_types(applied: str) -> list[str]:
    """`(map(string, int), string)` to its parts, in the words of the policy language."""
    inner = applied.strip()[1:-1] if applied.startswith("(") else applied
    parts, depth, last = [], 0, 0
    for at, character in enumerate(inner):
        depth += character in "(<"
        depth -= character in ")>"
        if character == "," and depth == 0:
            parts.append(inner[last:at])
            last = at + 1
    parts.append(inner[last:])
    return [_type_word(part.strip()) for part in parts if part.strip()]


def _type_word(name: str) -> str:
    name = name.replace("google.protobuf.Timestamp", "timestamp").replace("google.protobuf.Duration", "duration")
    return re.sub(r"^wrapper\((.*)\)$", r"\1", name)


def _listed(types: list[str]) -> str:
    if not types:
        return "no arguments"
    return " and ".join(types) if len(types) <= 2 else ", ".join(types[:-1]) + f" and {types[-1]}"  # noqa: PLR2004
