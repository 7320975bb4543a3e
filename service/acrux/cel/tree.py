"""The checked syntax tree that other rooms analyse: macros expanded, names resolved, types known. No evaluation."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias

ConstantValue: TypeAlias = bool | int | float | str | bytes | datetime | timedelta | None


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal.

    Attributes:
        start: offset of its first character, in code points.
        end: offset after its last character (for every node: best effort, brackets balanced).
        type: its CEL type, such as `string` or `list(string)`.
        value: its value.
        kind: `null`, `bool`, `int`, `uint`, `double`, `string` or `bytes`.
    """

    start: int
    end: int
    type: str
    value: ConstantValue
    kind: str


@dataclass(frozen=True, slots=True)
class Name:
    """A variable, or a type used as a value.

    Attributes:
        name: the declared name it resolved to, such as `client.id`; or a macro's variable.
        local: whether it is a variable of a macro around it.
    """

    start: int
    end: int
    type: str
    name: str
    local: bool


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`, or `has(operand.field)` if `test_only`."""

    start: int
    end: int
    type: str
    operand: "Node"
    field: str
    test_only: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A function or an operator.

    Attributes:
        function: its name in CEL's tree: `_&&_`, `_==_`, `@in`, `startsWith`, ...
        target: what a member function is called on.
        args: the arguments, without the target.
        overloads: the candidates that the types leave.
    """

    start: int
    end: int
    type: str
    function: str
    target: "Node | None"
    args: "tuple[Node, ...]"
    overloads: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListNode:
    """`[a, b]`."""

    start: int
    end: int
    type: str
    elements: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a map (`key` is a node) or one field of a message (`key` is its name)."""

    key: "Node | str"
    value: "Node"


@dataclass(frozen=True, slots=True)
class StructNode:
    """`{key: value}`, or a message if `message` is not empty."""

    start: int
    end: int
    type: str
    message: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Comprehension:
    """A macro, expanded into a fold; `macro_of` gives the written form back.

    Attributes:
        variable: stands for each element (or key) of `source`.
        second_variable: for macros of two variables, else empty.
        accumulator: the name of the fold's state.
        initial: its first value.
        condition: the fold goes on while this is true.
        step: the next state.
        result: what the macro gives.
    """

    start: int
    end: int
    type: str
    variable: str
    second_variable: str
    source: "Node"
    accumulator: str
    initial: "Node"
    condition: "Node"
    step: "Node"
    result: "Node"


Node: TypeAlias = Constant | Name | Select | Call | ListNode | StructNode | Comprehension

AND: Final = "_&&_"
OR: Final = "_||_"
NOT: Final = "!_"
CONDITIONAL: Final = "_?_:_"
EQUALS: Final = "_==_"
NOT_EQUALS: Final = "_!=_"
IN: Final = "@in"
INDEX: Final = "_[_]"


@dataclass(frozen=True, slots=True)
class Macro:
    """A macro as it was written: `source.kind(variable, body)`."""

    kind: Literal["exists", "all"]
    variable: str
    source: Node
    body: Node


def macro_of(node: Comprehension) -> Macro | None:
    """The `exists` or `all` that was written; None for the other macros.

    Both skip errors that a decisive element absorbs, which is why they can be analysed as `||` and `&&`.
    """
    step, initial = node.step, node.initial
    if node.second_variable or not isinstance(step, Call) or not isinstance(initial, Constant):
        return None
    match step.function, initial.value, step.args:
        case ("_||_", False, (Name(name=state), body)) if state == node.accumulator:
            return Macro("exists", node.variable, node.source, body)
        case ("_&&_", True, (Name(name=state), body)) if state == node.accumulator:
            return Macro("all", node.variable, node.source, body)
        case _:
            return None


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below, in the order of the text."""
    match node:
        case Constant() | Name():
            return ()
        case Select(operand=operand):
            return (operand,)
        case Call(target=target, args=args):
            return args if target is None else (target, *args)
        case ListNode(elements=elements):
            return elements
        case StructNode(entries=entries):
            return tuple(part for entry in entries for part in (entry.key, entry.value) if not isinstance(part, str))
        case Comprehension():
            return (node.source, node.initial, node.condition, node.step, node.result)


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, each before what is below it, in the order of the text."""
    stack = [node]
    while stack:
        node = stack.pop()
        yield node
        if type(node) is not Name and type(node) is not Constant:
            stack.extend(reversed(children(node)))
