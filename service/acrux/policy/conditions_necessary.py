"""What any match of a condition needs of one fact: the ground of the candidate index. Pure; evaluates nothing.

INVARIANT (over-approximation): for a request whose fact is outside the set that is returned, the condition is FALSE,
which is neither true nor an error. An error requires what a match requires (policy-language.md, "What a decision is"),
so the index must keep whatever could do either. It rests on CEL's absorption: `false && error` is false, on both sides.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from acrux.cel import Call, Comprehension, Constant, ListNode, Name, Node, macro_of
from acrux.cel.budget import exceeds_budget
from acrux.cel.tree import EQUALS

Values = frozenset[str]
"""A set of texts; where a function may also give None, None stands for all texts."""

_NOTHING: Final[Values] = frozenset()
_MOST_ELEMENTS: Final = 1000


def necessary(tree: Node, fact: Literal["client.id", "app.id"]) -> Values | None:
    """The values of a text fact outside which the condition is false.

    Args:
        tree: a condition.
        fact: a fact of type string that is never absent: an absent one is an error, which no set of values rules out.

    Returns:
        the values, or None if any value could match or err.
    """
    return _Narrowing(_scalar_leaf(fact)).false_outside(tree)


def necessary_members(tree: Node, fact: Literal["client.tags", "network.zones"]) -> Values | None:
    """Members such that the condition is false for a list that has none of them.

    Args:
        tree: a condition.
        fact: a fact of type list(string) that is never absent.

    Returns:
        the members, or None if any list could match or err.
    """
    return _Narrowing(_list_leaf(fact), _smaller).false_outside(tree)


def necessary_clients(
    tree: Node, clients_by_tag: Mapping[str, Values], registered: Values | None = None
) -> Values | None:
    """The values of `client.id` outside which the condition is false, with tags resolved to the clients that have them.

    Narrower than `necessary` and `necessary_members` together: `"a" in client.tags || client.id == "b"` narrows too.

    Args:
        tree: a condition.
        clients_by_tag: the names of the clients that have each tag; a client that is not in the set has none.
        registered: the names of all clients of the set, to narrow by `client.registered`.
    """
    scalar, listed = _scalar_leaf("client.id"), _list_leaf("client.tags")

    def resolved(tags: Values | None) -> Values | None:
        return None if tags is None else _NOTHING.union(*(clients_by_tag.get(tag, _NOTHING) for tag in tags))

    def leaf(node: Node, local: "_Locals") -> "_Outside":
        if isinstance(node, Name) and node.name == "client.registered" and not node.local:
            return _Outside(false=registered, true=None)
        by_id = scalar(node, local)
        by_tag = listed(node, local)
        return _Outside(_both(by_id.false, resolved(by_tag.false)), _both(by_id.true, resolved(by_tag.true)))

    return _Narrowing(leaf).false_outside(tree)


@dataclass(frozen=True, slots=True)
class _Outside:
    """For a value outside `false` the node is false; outside `true` it is true. None: nothing is known."""

    false: Values | None
    true: Values | None


_UNKNOWN: Final = _Outside(None, None)
_Locals = Mapping[str, "Constant | None"]
"""The variables of macros: the literal each stands for, or None for the member of the fact that is asked about."""
_Leaf = Callable[[Node, _Locals], _Outside]


def _both(left: Values | None, right: Values | None) -> Values | None:
    """Where either is enough: the intersection, with None as everything."""
    if left is None:
        return right
    return left if right is None else left & right


def _smaller(left: Values | None, right: Values | None) -> Values | None:
    """Where either is enough, for lists: one of the two, never the intersection.

    A list may share a member with each of two sets and none with what they have in common.
    """
    if left is None or right is None:
        return _both(left, right)
    return min(left, right, key=lambda values: (len(values), sorted(values)))


def _either(left: Values | None, right: Values | None) -> Values | None:
    """Where both are needed: the union, with None as everything."""
    return None if left is None or right is None else left | right


class _Narrowing:
    """The walk over the logic; what a comparison means for the fact is the leaf's."""

    def __init__(self, leaf: _Leaf, both: Callable[[Values | None, Values | None], Values | None] = _both) -> None:
        self._leaf = leaf
        self._both = both

    def false_outside(self, tree: Node) -> Values | None:
        return None if exceeds_budget(tree) else self.outside(tree, {}).false

    def outside(self, node: Node, local: _Locals) -> _Outside:  # noqa: PLR0911 - one return a sort of node
        match node:
            case Constant(value=True):
                return _Outside(None, _NOTHING)
            case Constant(value=False):
                return _Outside(_NOTHING, None)
            case Call(function="_&&_", args=(left, right)):
                return self._and(self.outside(left, local), self.outside(right, local))
            case Call(function="_||_", args=(left, right)):
                return self._or(self.outside(left, local), self.outside(right, local))
            case Call(function="!_", args=(operand,)):
                inner = self.outside(operand, local)
                return _Outside(inner.true, inner.false)
            case Call(function="_?_:_", args=(condition, yes, no)):
                return self._conditional(*(self.outside(part, local) for part in (condition, yes, no)))
            case Comprehension():
                return self._macro(node, local)
            case _:
                return self._leaf(node, local)

    def _and(self, left: _Outside, right: _Outside) -> _Outside:
        return _Outside(self._both(left.false, right.false), _either(left.true, right.true))

    def _or(self, left: _Outside, right: _Outside) -> _Outside:
        return _Outside(_either(left.false, right.false), self._both(left.true, right.true))

    def _conditional(self, condition: _Outside, yes: _Outside, no: _Outside) -> _Outside:
        # False for certain: the condition is true and `yes` false, or the condition is false and `no` false.
        return _Outside(
            self._both(_either(condition.true, yes.false), _either(condition.false, no.false)),
            self._both(_either(condition.true, yes.true), _either(condition.false, no.true)),
        )

    def _macro(self, node: Comprehension, local: _Locals) -> _Outside:
        macro = macro_of(node)
        if macro is None:
            return _UNKNOWN
        literals = _literal_elements(macro.source)
        if literals is not None and len(literals) <= _MOST_ELEMENTS:
            fold, outside = (
                (self._or, _Outside(_NOTHING, None))
                if macro.kind == "exists"
                else (self._and, _Outside(None, _NOTHING))
            )
            for element in literals:
                outside = fold(outside, self.outside(macro.body, {**local, macro.variable: element}))
            return outside
        return self._leaf(node, local)


def _literal_elements(node: Node) -> tuple[Constant, ...] | None:
    if not isinstance(node, ListNode):
        return None
    found = tuple(element for element in node.elements if isinstance(element, Constant))
    return found if len(found) == len(node.elements) else None


def _texts(elements: Iterable[Constant] | None) -> Values | None:
    if elements is None:
        return None
    found = tuple(elements)
    texts = frozenset(element.value for element in found if isinstance(element.value, str))
    return texts if all(isinstance(element.value, str) for element in found) else None


def _text(node: Node, local: _Locals) -> str | None:
    """The text that a node surely is: a literal, or a macro's variable that stands for one."""
    if isinstance(node, Name) and node.local:
        constant = local.get(node.name)
        return constant.value if constant is not None and isinstance(constant.value, str) else None
    return node.value if isinstance(node, Constant) and isinstance(node.value, str) else None


def _scalar_leaf(fact: str) -> _Leaf:
    return _comparisons(lambda node, _: isinstance(node, Name) and not node.local and node.name == fact)


def _comparisons(is_fact: Callable[[Node, _Locals], bool]) -> _Leaf:
    """`==`, `!=` and `in` between what `is_fact` recognises and literals."""

    def leaf(node: Node, local: _Locals) -> _Outside:
        match node:
            case Call(function="_==_" | "_!=_" as function, args=(left, right)):
                other = right if is_fact(left, local) else left if is_fact(right, local) else None
                text = None if other is None else _text(other, local)
                if text is None:
                    return _UNKNOWN
                values = frozenset({text})
                return _Outside(values, None) if function == EQUALS else _Outside(None, values)
            case Call(function="@in", args=(item, container)) if is_fact(item, local):
                return _Outside(_texts(_literal_elements(container)), None)
            case _:
                return _UNKNOWN

    return leaf


def _list_leaf(fact: str) -> _Leaf:
    def is_fact(node: Node) -> bool:
        return isinstance(node, Name) and not node.local and node.name == fact

    def leaf(node: Node, local: _Locals) -> _Outside:
        match node:
            case Call(function="@in", args=(item, container)) if is_fact(container):
                text = _text(item, local)
                return _UNKNOWN if text is None else _Outside(frozenset({text}), None)
            case Call(function="_==_" | "_!=_" as function, args=(left, right)):
                other = right if is_fact(left) else left if is_fact(right) else None
                members = None if other is None else _texts(_literal_elements(other))
                if not members:
                    return _UNKNOWN  # `== []` is true of a list that shares no member with anything
                return _Outside(members, None) if function == EQUALS else _Outside(None, members)
            case Comprehension():
                return _exists(node, local)
            case _:
                return _UNKNOWN

    def _exists(node: Comprehension, local: _Locals) -> _Outside:
        """`fact.exists(t, ...)` is false where the body is false for each member."""
        macro = macro_of(node)
        if macro is None or macro.kind != "exists" or not is_fact(macro.source):
            return _UNKNOWN
        variable = macro.variable

        def is_member(part: Node, _: _Locals) -> bool:
            return isinstance(part, Name) and part.local and part.name == variable

        inner = {name: value for name, value in local.items() if name != variable}
        return _Outside(_Narrowing(_comparisons(is_member)).outside(macro.body, inner).false, None)

    return leaf
