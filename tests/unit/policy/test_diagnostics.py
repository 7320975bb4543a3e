"""Diagnostics and their codes as values."""

from dataclasses import FrozenInstanceError

import pytest

from acrux.policy.codes import TAB, Code, all_codes
from acrux.policy.diagnostics import Diagnostic, Related, Severity, Span


def test_spans_sort_by_place():
    """Spans sort by file, then by beginning, then by end."""
    spans = [Span("b", 0, 1), Span("a", 5, 6), Span("a", 5, 5), Span("a", 1, 9)]
    assert sorted(spans) == [Span("a", 1, 9), Span("a", 5, 5), Span("a", 5, 6), Span("b", 0, 1)]


def test_diagnostics_are_values():
    """A diagnostic can't be changed, and equals another with the same content."""
    one = Diagnostic("ACX0117", Severity.ERROR, Span("a", 0, 1), "m")
    assert one == Diagnostic("ACX0117", Severity.ERROR, Span("a", 0, 1), "m", None, ())
    with pytest.raises(FrozenInstanceError):
        one.message = "x"


def test_code_makes_diagnostics_of_its_kind():
    """A code gives its number and severity to the diagnostics that are made of it."""
    related = (Related(Span("a", 0, 1), "here"),)
    assert TAB.at(Span("a", 2, 3), "m", help="h", related=related) == Diagnostic(
        "ACX0117", Severity.ERROR, Span("a", 2, 3), "m", "h", related
    )


def test_messages_stay_short():
    """Of very long words of the author the beginning is quoted, and no message is longer than a screen."""
    word = "x" * 5000
    made = TAB.at(Span("a", 0, 1), f"not `{word}` but `y`", help=f"like `{word}`")
    assert made.message == f"not `{'x' * 80}…` but `y`"
    assert made.help == f"like `{'x' * 80}…`"
    assert len(TAB.at(Span("a", 0, 1), word).message) == 1001
    exact = "not `" + "x" * 119 + "`"
    assert TAB.at(Span("a", 0, 1), exact).message == exact


def test_all_codes_are_in_order():
    """The register lists each constant once, by number, in the form ACX and four digits."""
    ids = [code.id for code in all_codes()]
    assert ids == sorted(set(ids))
    assert all(isinstance(code, Code) and code.id[:3] == "ACX" and code.id[3:].isdigit() for code in all_codes())
    assert all(len(code.id) == 7 for code in all_codes())
