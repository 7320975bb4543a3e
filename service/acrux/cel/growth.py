"""How long a text an evaluation can make, from the tree alone: an upper bound. Evaluates nothing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from acrux.cel.budget import LIST_BOUND
from acrux.cel.tree import Call, Comprehension, Constant, ListNode, Name, Node, Select, StructNode, children

TEXT_BUDGET: Final = 16 * 1024 * 1024
"""So many characters, lists added up, no expression may make: longer ones cost seconds, and then the memory."""
TEXT_BOUND: Final = 1024
"""The longest text that a fact may be (a request's `device.user_agent`)."""
MAY_GROW: Final = re.compile(r"\b(?:replace|join|split|map|format|quote|transform\w*)\b")
"""Without such a word no expression of 4 KiB comes near the budget: `+` only adds."""

_LARGEST_CLAUSE: Final = 700
"""What each character of `%.1000f` can make of the largest double, and more."""
_LONGEST_ESCAPE: Final = 12


@dataclass(frozen=True, slots=True)
class _Size:
    """Upper bounds of a value's size; a text is one element of itself.

    Attributes:
        count: how many elements.
        each: how many characters the longest element has.
        total: how many characters all elements have.
    """

    count: int
    each: int
    total: int


def _text(length: int) -> _Size:
    return _Size(1, length, length)


_SCALAR: Final = _text(32)
_LIST_FACT: Final = _Size(LIST_BOUND, TEXT_BOUND, LIST_BOUND * TEXT_BOUND)
_Locals = Mapping[str, _Size]


def largest_text(tree: Node) -> int:
    """How many characters the largest text or list that an evaluation makes can have, at the most."""
    sizer = _Sizer()
    sizer.size(tree, {})
    return sizer.largest


class _Sizer:
    """Bounds the sizes of the parts of one tree, and remembers the largest."""

    def __init__(self) -> None:
        self.largest = 0

    def size(self, node: Node, local: _Locals) -> _Size:
        """The bound of what a part makes."""
        match node:
            case Comprehension():
                found = self._comprehension(node, local)
            case Name():
                found = _of_name(node, local)
            case Constant(value=str() | bytes() as value):
                found = _text(len(value))
            case Constant():
                found = _SCALAR
            case Call() | ListNode() | StructNode() | Select():
                parts = [self.size(child, local) for child in children(node)]
                found = _of_call(node, parts) if isinstance(node, Call) else _of_parts(node, parts)
        self.largest = max(self.largest, found.total)
        return found

    def _comprehension(self, node: Comprehension, local: _Locals) -> _Size:
        source, initial = self.size(node.source, local), self.size(node.initial, local)

        def round_of(sizer: _Sizer, element: int) -> _Size:
            names = (node.variable, *filter(None, [node.second_variable]))
            inner = {**local, **dict.fromkeys(names, _text(element)), node.accumulator: initial}
            sizer.size(node.condition, inner)
            return sizer.size(node.step, inner)

        step = round_of(self, source.each)
        total = source.count * step.total
        if _may_be_long(node.step.type) and step.total:
            # Every bound is a polynomial without minus signs, so of many short elements the sum is no more than for
            # one element of all their characters, and for as many empty ones.
            aside = _Sizer()
            total = min(total, round_of(aside, source.total).total + source.count * round_of(aside, 0).total)
        made = _Size(source.count * max(1, step.count), step.each, total)
        return self.size(node.result, {**local, node.accumulator: made})


def _may_be_long(kind: str) -> bool:
    return kind in {"string", "bytes", "dyn"} or kind.startswith(("list(", "map("))


def _of_name(node: Name, local: _Locals) -> _Size:
    known = local.get(node.name)
    is_list = node.type.startswith(("list(", "map("))
    if known is None:
        return _LIST_FACT if is_list else _text(TEXT_BOUND) if _may_be_long(node.type) else _SCALAR
    if is_list and not node.name.startswith("@"):
        return _Size(known.total + 1, known.total, known.total)  # an element that is a list itself
    return known


def _of_parts(node: Node, parts: list[_Size]) -> _Size:
    if isinstance(node, Select):
        return _text(parts[0].each)
    totals = [part.total for part in parts]
    return _Size(len(parts), max(totals, default=0), sum(totals))


def _of_call(node: Call, parts: list[_Size]) -> _Size:  # noqa: PLR0911 - one return a sort of call
    total = sum(part.total for part in parts)
    match node.function:
        case "_+_" if node.type.startswith("list("):
            return _Size(sum(part.count for part in parts), max(part.each for part in parts), total)
        case "_?_:_":
            yes, no = parts[1:]
            return _Size(max(yes.count, no.count), max(yes.each, no.each), max(yes.total, no.total))
        case "_[_]":
            return _text(parts[0].each)
        case "replace":
            return _text((parts[0].total + 1) * (parts[2].total + 1))
        case "join":
            between = parts[1].total if len(parts) > 1 else 0
            return _text(parts[0].total + parts[0].count * between)
        case "split":
            return _Size(parts[0].total + 1, parts[0].total, parts[0].total)
        case "format":
            return _text(total * 4 + parts[0].total * _LARGEST_CLAUSE)
        case "strings.quote":
            return _text(total * _LONGEST_ESCAPE)
        case _:
            return _text(total) if _may_be_long(node.type) else _SCALAR
