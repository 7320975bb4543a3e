"""Where the two engines may judge an expression differently; docs/cel.md has the list. Evaluates nothing."""

from acrux.cel.checking import CheckedExpression
from acrux.cel.problems import Problem


def portability_problems(expression: CheckedExpression) -> tuple[Problem, ...]:
    """The places of an expression that the second engine can't do or does otherwise, sorted."""
    return ()
