"""The drawn form of diagnostics, and the forms for programs."""

import json
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrux.policy import codes
from acrux.policy.diagnostics import Diagnostic, Related, Severity, Span
from acrux.policy.drawing import SourceFile, draw_text, to_github, to_json, to_sarif

TEXT = "version: acrux/v1\nrules:\n  - id: a\n    when: client.tag\n"
SOURCES = {"a.yaml": SourceFile("a.yaml", TEXT)}


def found(start, end, message="unknown fact `client.tag`", helped=None, related=(), severity=Severity.ERROR):
    return Diagnostic("ACX0203", severity, Span("a.yaml", start, end), message, helped, related)


def drawn(text, start, end, **more):
    return draw_text([found(start, end, **more)], {"a.yaml": SourceFile("a.yaml", text)}, color=False)


def marked(text, start, end):
    """The drawn line and the line of carets, without the margin."""
    lines = drawn(text, start, end).splitlines()
    return lines[2].partition("| ")[2], lines[3].partition("| ")[2]


def test_the_drawn_form():
    """Place, severity and code, message; the line; carets under the span; the help."""
    start = TEXT.index("client.tag")
    text = draw_text(
        [found(start, start + 10, helped="did you mean `client.tags`?")], SOURCES, color=False, prefix="policies/"
    )
    assert text == (
        "policies/a.yaml:4:11: error[ACX0203]: unknown fact `client.tag`\n"
        "  |\n"
        "4 |     when: client.tag\n"
        "  |           ^^^^^^^^^^\n"
        "  = help: did you mean `client.tags`?\n"
    )


def test_margin_is_as_wide_as_the_line_number():
    """The bars stand below one another, however long the line number is."""
    assert drawn("\n" * 13 + "x\n", 13, 14) == (
        "a.yaml:14:1: error[ACX0203]: unknown fact `client.tag`\n   |\n14 | x\n   | ^\n"
    )


def test_all_are_drawn_sorted_by_place():
    """Diagnostics are drawn by file and place, an empty line between them, whatever their order."""
    late, early = found(30, 31, "late"), found(0, 1, "early", severity=Severity.WARNING)
    text = draw_text([late, early], SOURCES, color=False)
    assert text == draw_text([early], SOURCES, color=False) + "\n" + draw_text([late], SOURCES, color=False)
    assert text.startswith("a.yaml:1:1: warning[ACX0203]: early\n")
    assert draw_text([], SOURCES, color=False) == ""


def test_related_places_are_notes():
    """A related place is drawn like the diagnostic, below it, as a note."""
    text = drawn("a: 1\na: 2\n", 5, 6, related=(Related(Span("a.yaml", 0, 1), "the first is here"),), helped="h")
    assert text.splitlines()[4:] == [
        "  = help: h",
        "a.yaml:1:1: note: the first is here",
        "  |",
        "1 | a: 1",
        "  | ^",
    ]


@pytest.mark.parametrize(
    ("text", "start", "end", "line", "carets"),
    [
        ("ab cd", 3, 5, "ab cd", "   ^^"),
        ("ab\ncd\n", 1, 5, "ab", " ^"),
        ("ab\r\ncd\r\n", 1, 6, "ab", " ^"),
        ("ab", 1, 1, "ab", " ^"),
        ("ab\n", 2, 2, "ab", "  ^"),
        ("ab\n", 2, 3, "ab", "  ^"),
        ("ab\n", 3, 3, "", "^"),
        ("", 0, 0, "", "^"),
        ("\tab", 1, 2, "    ab", "    ^"),
        ("\tab", 0, 1, "    ab", "^^^^"),
        ("終わり x", 4, 5, "終わり x", "       ^"),
        ("終わり x", 0, 3, "終わり x", "^^^^^^"),
        ("e\u0301x", 2, 3, "e\u0301x", " ^"),
        ("\U0001f600x", 1, 2, "\U0001f600x", "  ^"),
        ("\x1b[31mx", 5, 6, "\u241b[31mx", "     ^"),
        ("\x9b\x7f\u202ex", 3, 4, "\ufffd\ufffd\ufffdx", "   ^"),
        ("a\u3000b", 2, 3, "a\u3000b", "   ^"),
    ],
)
def test_carets_stand_under_the_span(text, start, end, line, carets):
    """Tabs, wide, combining and control characters, empty spans and spans over lines: the carets are under the span."""
    assert marked(text, start, end) == (line, carets)


def test_a_long_line_is_drawn_as_a_window():
    """Of a line that is longer than a screen, what surrounds the span is drawn."""
    line, carets = marked("a" * 500 + "XYZ" + "b" * 500, 500, 503)
    assert line == "…" + "a" * 60 + "XYZ" + "b" * 97 + "…"
    assert carets == " " * 61 + "^^^"
    line, carets = marked("a" + "X" * 500, 1, 501)
    assert line == "a" + "X" * 100 + "…"
    assert carets == " " + "^" * 100
    line, carets = marked("a" * 500 + "X", 500, 501)
    assert line == "…" + "a" * 60 + "X"


def test_colour_changes_nothing_but_colour():
    """Without its escape sequences the coloured form is the plain one."""
    diagnostics = [found(3, 9, helped="h", related=(Related(Span("a.yaml", 0, 1), "r"),))]
    coloured = draw_text(diagnostics, SOURCES, color=True)
    assert "\x1b[1;31merror[ACX0203]:\x1b[0m" in coloured
    plain = coloured
    for code in ("0", "1", "1;31", "1;33", "1;34", "1;36"):
        plain = plain.replace(f"\x1b[{code}m", "")
    assert plain == draw_text(diagnostics, SOURCES, color=False)


def test_a_file_that_is_not_there():
    """A diagnostic of a file whose text nobody has is drawn without a line."""
    assert draw_text([found(5, 6, helped="h")], {}, color=False) == (
        "a.yaml:1:1: error[ACX0203]: unknown fact `client.tag`\n  = help: h\n"
    )


def test_messages_can_not_steer_a_terminal():
    """The author's words are drawn with every control character visible."""
    assert "`a\u240ab\u241b`" in drawn("x", 0, 1, message="unknown fact `a\nb\x1b`")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.integers(0, 45), st.integers(0, 45))
def test_whatever_is_drawn_is_printable(text, start, length):
    """No text and no span breaks the drawing, and no control character leaves it."""
    result = drawn(text, min(start, len(text)), min(start + length, len(text)), message=text, helped=text)
    assert all(char == "\n" or unicodedata.category(char) not in {"Cc", "Cf", "Cs"} for char in result)
    assert len([line for line in result.split("\n") if line]) == 5


@pytest.mark.parametrize(
    ("text", "offset", "expected"),
    [
        ("", 0, (1, 1)),
        ("a\nb", 0, (1, 1)),
        ("a\nb", 1, (1, 2)),
        ("a\nb", 2, (2, 1)),
        ("a\nb", 99, (2, 2)),
        ("a\nb", -1, (1, 1)),
        ("a\r\nb\rc", 3, (2, 1)),
        ("a\r\nb\rc", 5, (3, 1)),
        ("a\n", 2, (2, 1)),
        ("\U0001f600é\n", 2, (1, 3)),
    ],
)
def test_position(text, offset, expected):
    """Lines and columns count from 1, columns in characters; line breaks are LF, CR LF and CR."""
    assert SourceFile("a", text).position(offset) == expected


def test_line_text():
    """A line is its text without its break; a line that is not there is empty."""
    source = SourceFile("a", "a\r\nb\n")
    assert [source.line_text(line) for line in range(5)] == ["", "a", "b", "", ""]


RELATED = found(6, 8, "two", "mend it", (Related(Span("a.yaml", 0, 1), "one"),))


def test_json():
    """The JSON form has the members of the design, lines and columns from 1, and an exclusive end."""
    assert json.loads(json.dumps(to_json([RELATED], {"a.yaml": SourceFile("a.yaml", "a: 1\nbcd\n")}))) == [
        {
            "code": "ACX0203",
            "severity": "error",
            "file": "a.yaml",
            "line": 2,
            "column": 2,
            "end_line": 2,
            "end_column": 4,
            "message": "two",
            "help": "mend it",
            "related": [{"file": "a.yaml", "line": 1, "column": 1, "message": "one"}],
        }
    ]
    [alone] = to_json([found(0, 0)], {}, prefix="policies/")
    assert (alone["file"], alone["line"], alone["help"], alone["related"]) == ("policies/a.yaml", 1, None, [])


def test_github():
    """GitHub's form is one command a diagnostic, with its separators written as GitHub wants them."""
    sources = {"a.yaml": SourceFile("a.yaml", "a: 1\nbcd\n")}
    assert to_github([RELATED], sources, prefix="p,q/") == (
        "::error file=p%2Cq/a.yaml,line=2,endLine=2,col=2,endColumn=3,title=ACX0203::two%0Ahelp: mend it\n"
    )
    assert to_github([found(0, 7, "100%", severity=Severity.WARNING)], sources) == (
        "::warning file=a.yaml,line=1,endLine=2,title=ACX0203::100%25\n"
    )
    assert to_github([], sources) == ""


def test_sarif():
    """The SARIF form is one run of 2.1.0, with a rule for each code, and places in code points with exclusive ends."""
    tab = codes.TAB.at(Span("ä b.yaml", 0, 1), "a tab")
    sources = {"a.yaml": SourceFile("a.yaml", "a: 1\nbcd\n"), "ä b.yaml": SourceFile("ä b.yaml", "\t")}
    log = to_sarif([RELATED, tab], sources, prefix="policies/")
    [run] = log["runs"]
    assert log["version"] == "2.1.0"
    assert run["columnKind"] == "unicodeCodePoints"
    ids = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert "ACX0117" in ids
    assert ids == sorted(set(ids))
    first, second = run["results"]
    assert first["level"] == "error"
    assert first["message"] == {"text": "two. Help: mend it"}
    assert first["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "policies/a.yaml"},
                "region": {"startLine": 2, "startColumn": 2, "endLine": 2, "endColumn": 4},
            }
        }
    ]
    assert first["relatedLocations"][0]["message"] == {"text": "one"}
    assert second["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "policies/%C3%A4%20b.yaml"
    assert "relatedLocations" not in second
    assert to_sarif([found(0, 1, severity=Severity.WARNING)], sources)["runs"][0]["results"][0]["level"] == "warning"
