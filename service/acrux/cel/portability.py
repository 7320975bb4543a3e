"""Where the two engines may judge an expression differently: see docs/cel.md. Evaluates literals only."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from acrux.cel.budget import exceeds_budget
from acrux.cel.checking import CheckedExpression, check
from acrux.cel.engine import CelValue, load_engine
from acrux.cel.lexer import Tokens
from acrux.cel.problems import EngineUnavailable, EvaluationError, Problem, ProblemKind
from acrux.cel.render import render
from acrux.cel.tree import (
    CONDITIONAL,
    Call,
    Comprehension,
    Constant,
    ListNode,
    Name,
    Node,
    StructNode,
    macro_of,
    walk,
)
from acrux.domain.facts import BUILT_IN_FACTS

_MANY_OPERATORS: Final = 250
_COUNTED: Final = ("&&", "||", "!", "-")
_CONVERSIONS: Final = frozenset({"timestamp", "duration", "int", "uint", "double", "bool"})
_TEXT_DIFFERS: Final = {
    "double_to_string": "double",
    "timestamp_to_string": "timestamp",
    "duration_to_string": "duration",
    "bytes_to_string": "bytes",
}
_TYPED_OPERATORS: Final = frozenset({"_<_", "_<=_", "_>_", "_>=_", "_+_", "_-_", "_*_", "_/_", "_%_", "_[_]"})
_FIRST_PARTS: Final = frozenset({name.partition(".")[0] for name in BUILT_IN_FACTS if "." in name} | {"attr"})
_REMEMBERED: Final = 4096


def portability_problems(expression: CheckedExpression) -> tuple[Problem, ...]:
    """The places of an expression that the second engine can't do, or does otherwise; sorted by place."""
    tree = expression.tree
    found = {problem for node in walk(tree) for problem in _differences(node)}
    found.update(_of_text(expression.text))
    if exceeds_budget(tree):
        message = "nested macros may take more rounds than the engine allows, and celpy has no such limit"
        found.add(_problem(tree, message))
    return tuple(sorted(found, key=lambda problem: (problem.start, problem.end, problem.message)))


def _problem(node: Node, message: str, name: str | None = None) -> Problem:
    return Problem(ProblemKind.PORTABILITY, node.start, node.end, message, name)


def _of_text(text: str) -> Iterator[Problem]:
    if "`" not in text and sum(map(text.count, _COUNTED)) <= _MANY_OPERATORS:
        return
    tokens = Tokens(text)
    words = [tokens.word(place) for place in range(len(tokens.starts))]
    for place, word in enumerate(words):
        if word.startswith("`"):
            start, end = tokens.starts[place], tokens.ends[place]
            yield Problem(ProblemKind.PORTABILITY, start, end, "celpy has no names in back quotes", word.strip("`"))
    operators = sum(word in _COUNTED for word in words)
    if operators > _MANY_OPERATORS:
        message = f"celpy may not reach the end of {operators} operators"
        yield Problem(ProblemKind.PORTABILITY, 0, len(text), message)


def _differences(node: Node) -> Iterator[Problem]:
    match node:
        case Call():
            yield from _of_call(node)
        case StructNode(message=message) if message:
            yield _problem(node, f"celpy can't make a `{message}`", message)
        case Comprehension(variable=variable):
            if variable in _FIRST_PARTS:
                yield _problem(
                    node, f"celpy takes the macro's variable `{variable}` for the facts of that name", variable
                )
            if _filters_while_mapping(node):
                yield _problem(node, "celpy has no `map` with a condition", "map")


def _of_call(node: Call) -> Iterator[Problem]:
    operands = node.args if node.target is None else (node.target, *node.args)
    if node.function == "type":
        yield _problem(node, "celpy compares types otherwise", "type")
    elif node.function == "format":
        yield _problem(node, "celpy has no `format`", "format")
    for overload in node.overloads:
        if overload in _TEXT_DIFFERS:
            yield _problem(node, f"celpy writes a {_TEXT_DIFFERS[overload]} otherwise", "string")
    if node.function in _TYPED_OPERATORS and any(operand.type == "dyn" for operand in operands):
        yield _problem(node, "celpy does not compare or combine numbers of different types", "dyn")
    if node.function in _CONVERSIONS and operands and all(isinstance(arg, Constant) for arg in operands):
        text = render(node)
        if text is not None and _judged_differently(text):
            yield _problem(node, f"the engines read `{text}` differently", node.function)


def _filters_while_mapping(node: Comprehension) -> bool:
    """`map(x, condition, value)`: expanded as `filter` is, but what it adds is not the variable alone."""
    step = node.step
    if macro_of(node) is not None or not isinstance(step, Call) or step.function != CONDITIONAL:
        return False
    taken = step.args[1]
    added = taken.args[-1] if isinstance(taken, Call) else None
    if not isinstance(added, ListNode):
        return False
    element = added.elements[0]
    return not (isinstance(element, Name) and element.name == node.variable)


@lru_cache(maxsize=_REMEMBERED)
def _judged_differently(text: str) -> bool:
    values: list[CelValue | EvaluationError] = []
    checked = check(text, {})
    if not isinstance(checked, CheckedExpression):
        return False
    for name in ("google", "celpy"):
        try:
            engine = load_engine(name)
        except EngineUnavailable:
            return False
        values.append(engine.load(checked, {}).evaluate(engine.activation({}, {})))
    first, second = values[0], values[1]
    if isinstance(first, EvaluationError) or isinstance(second, EvaluationError):
        return type(first) is not type(second)
    return repr(first) != repr(second)
