"""Trees back to text, and the values of parts without names."""

import pytest

from acrux.cel import EvaluationError, check, portability_problems, render
from acrux.cel.problems import ExpressionError, Problem, ProblemKind


@pytest.mark.parametrize(
    "text",
    [
        "1 + 2 * 3 - -4",
        "!(true && false) || 1.5 < 2.5",
        '"a\\"\\\\\\n\\t\\r" + "é"',
        'b"\\x00\\xff" == b"a"',
        "[1, 2][0] == 1 ? 5u : 6u",
        "{'a': 1} == {'a': 1}",
        "has({'a': 1}.a)",
        "dyn({'a': 1}).a == 1",
        "null == null",
        "'abc'.startsWith('a') && math.greatest(1, 2) == 2 && 'a' in ['a']",
        "type(1) == int",
        "timestamp('2026-01-01T00:00:00Z').getHours('Europe/Berlin')",
        "[1].exists(x, x == 1)",
        "[[1].exists(x, x == 1)]",
        "[1].exists(x, x == 1) ? 1 : 2",
        "[1].map(x, x).size()",
        "size([1].map(x, x))",
        "has(dyn([1].map(x, x)).a)",
    ],
)
def test_rendered_text_means_the_same(text):
    """LAW: what is rendered has the tree's value; what has no text of its own is an error, not a guess."""
    tree = check(text, {}).tree
    rendered = render.render(tree)
    if rendered is None:
        assert isinstance(render.constant_value(tree), EvaluationError)
        return
    again = check(rendered, {})
    assert again.result_type == tree.type
    assert render.constant_value(again.tree) == render.constant_value(tree)
    assert not isinstance(render.constant_value(tree), EvaluationError)


def test_a_part_that_reads_has_no_constant_value(declarations):
    """LAW: only parts without names are evaluated; one that fails is an error."""
    assert isinstance(render.constant_value(check("client.id + 'a'", declarations).tree), EvaluationError)
    assert isinstance(render.constant_value(check("1 / 0", declarations).tree), EvaluationError)


@pytest.mark.parametrize("text", ["double('0x10') == 16.0", "timestamp('2026-06-30T23:59:60Z') == request.time"])
def test_literals_that_the_engines_read_differently_are_named(text, declarations):
    """LAW: a conversion of a literal is tried on both engines."""
    (problem,) = portability_problems(check(text, declarations))
    assert problem.kind is ProblemKind.PORTABILITY
    assert text[problem.start : problem.end] == text.partition(" ==")[0]
    assert "differently" in problem.message


@pytest.mark.parametrize("text", ["int('5') == 5", "duration('90s') > duration('1m')", "int('x') == 1", "bool('true')"])
def test_literals_that_both_read_alike_are_fine(text, declarations):
    """LAW: equal values, and errors on both, are portable."""
    assert portability_problems(check(text, declarations)) == ()


def test_an_expression_error_says_all():
    """LAW: the exception's text has every problem's message."""
    problems = (Problem(ProblemKind.SYNTAX, 0, 1, "one"), Problem(ProblemKind.TYPE, 0, 1, "two"))
    assert str(ExpressionError(problems)) == "one; two"
