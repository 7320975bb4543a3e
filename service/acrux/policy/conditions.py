"""What a condition says, read off its checked tree: facts, literals, constants, sameness. Pure; evaluates no facts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeGuard
from typing import Literal as LiteralType

from acrux.cel import (
    Call,
    Comprehension,
    Constant,
    ListNode,
    Name,
    Node,
    Select,
    StructNode,
    children,
    macro_of,
    walk,
)
from acrux.cel.render import constant_value
from acrux.policy.conditions_errors import Place, may_error, unguarded
from acrux.policy.conditions_necessary import necessary, necessary_clients, necessary_members

__all__ = [
    "Literal",
    "Place",
    "constant",
    "literals",
    "may_error",
    "necessary",
    "necessary_clients",
    "necessary_members",
    "negations",
    "normal_form",
    "reads",
    "unguarded",
]


def reads(tree: Node) -> frozenset[str]:
    """The names of the facts that a condition reads, `known` among them if it asks that."""
    return frozenset(node.name for node in walk(tree) if _is_fact(node))


def _is_fact(node: Node) -> TypeGuard[Name]:
    """A name that is no macro's variable and no type, such as `int` in `type(x) == int`."""
    return isinstance(node, Name) and not node.local and not node.type.startswith("type(")


@dataclass(frozen=True, slots=True)
class Literal:
    """A literal that a fact is compared with.

    Attributes:
        fact: the dotted name of the fact.
        value: the literal.
        start: offset of the literal's first character, in code points.
        end: offset after its last character.
        how: `equals` where the fact's value is compared, `member` where a member of the fact's list is.
    """

    fact: str
    value: str
    start: int
    end: int
    how: LiteralType["equals", "member"]


def literals(tree: Node) -> tuple[Literal, ...]:
    """Every text that a fact is compared with by `==`, `!=` or `in`, also through macros; in the order of the text."""
    found = {literal for literal in _literals(tree, {}) if literal.start >= 0}
    return tuple(sorted(found, key=lambda literal: (literal.start, literal.end, literal.fact)))


_Sources = dict[str, Node]
"""What the variables of macros run over."""


def _literals(node: Node, sources: _Sources) -> Iterator[Literal]:
    inner = sources
    match node:
        case Call(function="_==_" | "_!=_", args=(left, right)):
            yield from _compared(left, right, sources)
            yield from _compared(right, left, sources)
        case Call(function="@in", args=(item, container)):
            yield from _compared(container, item, sources)
            for element in _elements(container):
                yield from _compared(item, element, sources)
        case Comprehension(variable=variable, source=source):
            inner = {**sources, variable: source}
    for child in children(node):
        yield from _literals(child, inner)


def _elements(node: Node) -> tuple[Node, ...]:
    return node.elements if isinstance(node, ListNode) else ()


def _compared(fact: Node, other: Node, sources: _Sources) -> Iterator[Literal]:
    """The literals of `other`, if `fact` is a fact or a macro's variable that runs over one."""
    if not isinstance(fact, Name):
        return
    name, how = fact.name, _how(fact)
    if fact.local:
        source = sources.get(fact.name)
        if source is None or not _is_fact(source):
            return
        name, how = source.name, "member"
    elif not _is_fact(fact):
        return
    if isinstance(other, Name) and other.local:
        candidates: tuple[Node, ...] = _elements(sources.get(other.name, other))
    else:
        candidates = (other, *_elements(other))
    for candidate in candidates:
        if isinstance(candidate, Constant) and isinstance(candidate.value, str):
            yield Literal(name, candidate.value, candidate.start, candidate.end, how)


def _how(fact: Name) -> LiteralType["equals", "member"]:
    return "member" if fact.type.startswith("list(") else "equals"


def constant(tree: Node) -> bool | None:
    """The outcome of a condition that has the same one for all facts; None if it depends on them, or always errs.

    Sees through `&&`, `||`, `!` and parts that read no fact; it is no proof search.
    """
    match tree:
        case Constant(value=bool() as value):
            return value
        case Call(function="_&&_" | "_||_" as function, args=(left, right)):
            decisive = function == "_||_"
            first, second = constant(left), constant(right)
            if decisive in (first, second):
                return decisive
            return None if first is None or second is None else not decisive
        case Call(function="!_", args=(operand,)):
            inner = constant(operand)
            return None if inner is None else not inner
        case _:
            outcome = None if reads(tree) else constant_value(tree)
            return outcome if isinstance(outcome, bool) else None


_BETTER_AS_EXCEPTION: Final = ("app.", "user.", "network.")


def negations(tree: Node) -> tuple[Place, ...]:
    """The conjuncts that negate a condition on the app, the user or the network, each with the first such fact."""
    match tree:
        case Call(function="_&&_", args=(left, right)):
            return (*negations(left), *negations(right))
        case Call(function="!_" | "_!=_"):
            names = (node.name for node in walk(tree) if _is_fact(node))
            fact = next((name for name in names if name.startswith(_BETTER_AS_EXCEPTION)), None)
            return () if fact is None else (Place(fact, tree.start, tree.end),)
        case _:
            return ()


_UNORDERED: Final = frozenset({"_&&_", "_||_"})
_SYMMETRIC: Final = frozenset({"_==_", "_!=_"})


def normal_form(tree: Node) -> str:
    """A text that is the same for conditions that differ only in what can't change their outcome.

    That is spacing, brackets, the order of operands of `&&`, `||`, `==` and `!=`, the order in a list after `in`, and
    the names of macro variables.
    """
    return _form(tree, {})


def _form(node: Node, local: dict[str, str]) -> str:  # noqa: PLR0911 - one return a sort of node
    match node:
        case Constant(kind=kind, value=value):
            return f"{kind}:{value!r}"
        case Name(name=name, local=True):
            return local.get(name, name)
        case Name(name=name):
            return name
        case Select(operand=operand, field=field, test_only=test_only):
            return f"select({_form(operand, local)},{field},{test_only})"
        case Call():
            return _call_form(node, local)
        case ListNode(elements=elements):
            return f"[{','.join(_form(element, local) for element in elements)}]"
        case StructNode(message=message, entries=entries):
            parts = (
                f"{entry.key if isinstance(entry.key, str) else _form(entry.key, local)}:{_form(entry.value, local)}"
                for entry in entries
            )
            return f"{message}{{{','.join(sorted(parts))}}}"
        case Comprehension():
            return _comprehension_form(node, local)


def _call_form(node: Call, local: dict[str, str]) -> str:
    if node.function in _UNORDERED:
        # `&&` and `||` absorb errors on both sides, so they are associative and commutative in all three outcomes.
        return f"{node.function}({','.join(sorted(set(_flattened(node, node.function, local))))})"
    parts = [_form(arg, local) for arg in node.args]
    if node.function in _SYMMETRIC:
        parts.sort()
    elif node.function == "@in" and isinstance(node.args[1], ListNode):
        parts[1] = f"[{','.join(sorted({_form(element, local) for element in node.args[1].elements}))}]"
    target = "" if node.target is None else f"{_form(node.target, local)}."
    return f"{target}{node.function}({','.join(parts)})"


def _flattened(node: Node, function: str, local: dict[str, str]) -> Iterator[str]:
    if isinstance(node, Call) and node.function == function:
        for arg in node.args:
            yield from _flattened(arg, function, local)
    else:
        yield _form(node, local)


def _comprehension_form(node: Comprehension, local: dict[str, str]) -> str:
    depth = len(local)
    inner = {**local, node.variable: f"${depth}", node.accumulator: f"@{depth}"}
    if node.second_variable:
        inner[node.second_variable] = f"${depth}b"
    macro = macro_of(node)
    kind = macro.kind if macro is not None else "fold"
    parts = [_form(part, inner) for part in (node.initial, node.condition, node.step, node.result)]
    return f"{kind}({_form(node.source, local)},{','.join(parts)})"
