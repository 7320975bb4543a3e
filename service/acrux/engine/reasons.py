"""Why a condition is true, false or neither, in plain words: its deciding parts, the facts they saw. No decisions."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from acrux.cel import (
    Activation,
    Call,
    Constant,
    Declarations,
    Engine,
    EvaluationError,
    ExpressionError,
    Name,
    Node,
    walk,
)
from acrux.cel.tree import AND, OR
from acrux.domain.facts import FactValue, fact_to_json
from acrux.policy.model import Condition

_KNOWN: Final = "known"
_MOST_CHARACTERS: Final = 200
"""A fact's value is cut after these: a user may be in a thousand groups."""


class Reasons:
    """Explains conditions by evaluating their parts with the facts of one request.

    Args:
        engine: the engine that decides.
        declarations: the names that conditions may read.
        values: the facts.
        activation: the same, for the engine.
    """

    __slots__ = ("_activation", "_declarations", "_engine", "_values")

    def __init__(
        self,
        engine: Engine,
        declarations: Declarations,
        values: Mapping[str, FactValue],
        activation: Activation,
    ) -> None:
        self._engine = engine
        self._declarations = declarations
        self._values = values
        self._activation = activation

    def why(self, condition: Condition, outcome: bool | EvaluationError) -> str:  # noqa: FBT001 - an outcome
        """The deciding parts of a condition that came to `outcome`, each with the facts that it saw."""
        if isinstance(outcome, EvaluationError):
            return self._why_errored(condition, outcome)
        text, tree = condition.text, condition.expression.tree
        parts = list(dict.fromkeys(self._deciding(text, tree, wanted=outcome)))
        return "; ".join(self._sentence(text, part, outcome=outcome) for part in parts)

    def _why_errored(self, condition: Condition, error: EvaluationError) -> str:
        absent = [f"`{name}` is absent" for name in sorted(condition.reads) if name not in self._values]
        return "; ".join([f"`{_one_line(condition.text)}` can't be evaluated: {_one_line(error.message)}", *absent])

    def _deciding(self, text: str, node: Node, *, wanted: bool) -> Iterator[Node]:
        """The parts that made `node` come to `wanted`: all sides where all are needed, else the first that suffices."""
        match node:
            case Call(function=function, args=(left, right)) if function in (AND, OR):
                if (function == AND) is wanted:
                    sides: tuple[Node, ...] = (left, right)
                else:
                    # Where neither can be told apart the whole is named.
                    sides = (next((side for side in (left, right) if self._value(text, side) is wanted), node),)
                for side in sides:
                    if side is node:
                        yield node
                    else:
                        yield from self._deciding(text, side, wanted=wanted)
            case _:
                yield node

    def _value(self, text: str, node: Node) -> object:
        try:
            program = self._engine.compile(text[node.start : node.end], self._declarations)
        except ExpressionError:
            return None
        return program.matches(self._activation)

    def _sentence(self, text: str, node: Node, *, outcome: bool) -> str:
        written = f"`{_one_line(text[node.start : node.end])}` is {'true' if outcome else 'false'}"
        seen = ", ".join(self._seen(node))
        return f"{written}: {seen}" if seen else written

    def _seen(self, node: Node) -> Iterator[str]:
        below = list(walk(node))
        names = dict.fromkeys(part.name for part in below if isinstance(part, Name) and not part.local)
        for name in names:
            if name == _KNOWN:
                yield from self._seen_known(below)
            elif name in self._declarations:
                yield f"{name} is {shown(self._values[name])}" if name in self._values else f"{name} is absent"

    def _seen_known(self, nodes: Iterable[Node]) -> Iterator[str]:
        for node in nodes:
            if isinstance(node, Constant) and isinstance(node.value, str) and node.value in self._declarations:
                yield f"{node.value} is {'present' if node.value in self._values else 'absent'}"


def shown(value: FactValue) -> str:
    """A fact's value as it stands in a sentence: JSON, cut where it is long."""
    text = json.dumps(fact_to_json(value), ensure_ascii=False)
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + "..."


def _one_line(text: str) -> str:
    return " ".join(text.split())
