"""How many rounds of macros an evaluation can take, from the tree alone. Evaluates nothing."""

from typing import Final

from acrux.cel.tree import Comprehension, ListNode, Node, children, walk

LIST_BOUND: Final = 1000
"""The longest list that a fact may be (a request's `user.groups`)."""
ITERATION_BUDGET: Final = 10_000
"""At so many rounds the C++ runtime gives up, with an error that nothing absorbs."""


def exceeds_budget(tree: Node) -> bool:
    """Whether some facts could make the runtime give up.

    That error is absorbed by nothing: where it is possible, `false && ...` may err too.
    """
    # Most conditions have no macro, and this runs for every rule of a set.
    if not any(type(node) is Comprehension for node in walk(tree)):
        return False
    return _rounds(tree) >= ITERATION_BUDGET


def _rounds(node: Node) -> int:
    """An upper bound."""
    if not isinstance(node, Comprehension):
        return sum(_rounds(child) for child in children(node))
    length = len(node.source.elements) if isinstance(node.source, ListNode) else LIST_BOUND
    return _rounds(node.source) + length * (1 + _rounds(node.step))
