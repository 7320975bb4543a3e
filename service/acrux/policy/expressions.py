"""What each expression of a set says, worked out once a text, in a large set once a shape. Notes no mistake."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from acrux.cel import CheckedExpression, Problem, check, portability_problems
from acrux.domain.facts import ATTRIBUTE_PREFIX, BUILT_IN_FACTS, FactType
from acrux.policy import conditions
from acrux.policy.conditions import Literal, Place
from acrux.policy.model import Attribute, Condition

# A text without escapes. Whatever else is between quotes keeps its expression out of the short cut.
_TEXT: Final = re.compile(r"\"[^\"\\\n]*\"|'[^'\\\n]*'")
_NO_SHAPE: Final = ('"""', "'''", "\\", "//")
_ANALYSED_IN_FULL: Final = 2_000


def declarations_of(attributes: Mapping[str, Attribute]) -> Mapping[str, FactType]:
    """The facts that conditions may read, with their types."""
    declared = {name: fact.type for name, fact in BUILT_IN_FACTS.items()}
    declared.update({ATTRIBUTE_PREFIX + name: attribute.type for name, attribute in attributes.items()})
    return MappingProxyType(declared)


def facts_that_may_be_absent(attributes: Mapping[str, Attribute]) -> frozenset[str]:
    """The facts that a request can lack: the built-in ones that may, and attributes without a default."""
    absent = {name for name, fact in BUILT_IN_FACTS.items() if fact.may_be_absent}
    absent.update(ATTRIBUTE_PREFIX + name for name, attribute in attributes.items() if attribute.default is None)
    return frozenset(absent)


@dataclass(frozen=True, slots=True)
class Analysis:
    """What one expression says.

    Attributes:
        condition: the expression and what it reads.
        literals: the texts that facts are compared with.
        unguarded: the facts that may be absent where nothing asks first.
        constant: the outcome that it always has, or None.
        negations: where it says what a rule does not apply to.
        portability: where the two engines may differ.
        form: a text that is the same for expressions that mean the same.
    """

    condition: Condition
    literals: tuple[Literal, ...]
    unguarded: tuple[Place, ...]
    constant: bool | None
    negations: tuple[Place, ...]
    portability: tuple[Problem, ...]
    form: str


@dataclass(frozen=True, slots=True)
class _Shape:
    """What all expressions say that differ only in the texts that facts are compared with.

    Attributes:
        reads: the facts.
        compared: for each text in the order of the expression, the facts that it is compared with, and how.
    """

    reads: frozenset[str]
    compared: tuple[tuple[Literal, ...], ...]


class Analyst:
    """Analyses the expressions of one set; remembers every text, and in a large set every shape."""

    def __init__(self, attributes: Mapping[str, Attribute]) -> None:
        self.declarations = declarations_of(attributes)
        self.may_be_absent = facts_that_may_be_absent(attributes)
        self._seen: dict[str, Analysis | tuple[Problem, ...]] = {}
        self._shapes: dict[tuple[str, ...], _Shape] = {}

    def analyse(self, text: str) -> Analysis | tuple[Problem, ...]:
        """The analysis, or what is wrong."""
        found = self._seen.get(text)
        if found is None:
            found = self._seen[text] = self._analyse(text)
        return found

    def forms(self) -> dict[str, str]:
        """From the text of each good expression to its form."""
        return {text: found.form for text, found in self._seen.items() if not isinstance(found, tuple)}

    def _analyse(self, text: str) -> Analysis | tuple[Problem, ...]:
        checked = check(text, self.declarations)
        if not isinstance(checked, CheckedExpression):
            return checked
        if len(self._seen) < _ANALYSED_IN_FULL:
            return self._in_full(checked)
        key = _shape_key(text)
        shape = None if key is None else self._shapes.get(key)
        if shape is not None:
            return _by_shape(checked, shape)
        found = self._in_full(checked)
        made = _shape_of(found)
        if key is not None and made is not None:
            self._shapes[key] = made
        return found

    def _in_full(self, checked: CheckedExpression) -> Analysis:
        tree = checked.tree
        return Analysis(
            condition=Condition(checked, conditions.reads(tree)),
            literals=conditions.literals(tree),
            unguarded=conditions.unguarded(tree, self.may_be_absent),
            constant=conditions.constant(tree),
            negations=conditions.negations(tree),
            portability=portability_problems(checked),
            form=conditions.normal_form(tree),
        )


def _shape_key(text: str) -> tuple[str, ...] | None:
    """The expression without its texts; those that name facts stay, because a guard depends on them."""
    if any(mark in text for mark in _NO_SHAPE):
        return None
    return tuple(part if index % 2 == 0 else _kept(part) for index, part in enumerate(_split(text)))


def _split(text: str) -> list[str]:
    """The expression cut before and after each text."""
    parts, end = [], 0
    for match in _TEXT.finditer(text):
        parts += [text[end : match.start()], match[0]]
        end = match.end()
    return [*parts, text[end:]]


def _kept(quoted: str) -> str:
    name = quoted[1:-1]
    return name if name in BUILT_IN_FACTS or name.startswith(ATTRIBUTE_PREFIX) else ""


def _shape_of(found: Analysis) -> _Shape | None:
    """The shape of an expression, if all that was found holds for every other text in the place of each of its own.

    That is so where each text is only compared with facts: it then can't make a constant, a pattern or an argument.
    """
    if found.unguarded or found.constant is not None or found.negations or found.portability:
        return None
    at: dict[tuple[int, int], list[Literal]] = {}
    for literal in found.literals:
        at.setdefault((literal.start, literal.end), []).append(literal)
    spans = [match.span() for match in _TEXT.finditer(found.condition.text)]
    if sorted(at) != spans:
        return None
    return _Shape(found.condition.reads, tuple(tuple(at[span]) for span in spans))


def _by_shape(checked: CheckedExpression, shape: _Shape) -> Analysis:
    literals = [
        Literal(literal.fact, match[0][1:-1], match.start(), match.end(), literal.how)
        for match, compared in zip(_TEXT.finditer(checked.text), shape.compared, strict=True)
        for literal in compared
    ]
    form = " ".join(part if index % 2 else part.strip() for index, part in enumerate(_split(checked.text)))
    return Analysis(Condition(checked, shape.reads), tuple(literals), (), None, (), (), form)
