"""Checking: each mistake once, at its characters, in plain words."""

import pickle
import re

import pytest

from acrux.cel import CheckedExpression, ProblemKind, check
from acrux.cel.messages import problems_of

K = ProblemKind

OTHER_CALL = "with so many arguments, or in this place, there is no such function"
MISTAKES = [
    # expression with «marked» span, kind, message, help
    ('«client.tag» == "x"', K.UNKNOWN_NAME, "unknown name `client.tag`", "did you mean `client.tags`?"),
    ("«foo.bar.baz» == 1", K.UNKNOWN_NAME, "unknown name `foo.bar.baz`", None),
    ("true && // why\n «clint . id» == ''", K.UNKNOWN_NAME, "unknown name `clint.id`", "did you mean `client.id`?"),
    ('"é😀" == "" || «client.idx» == ""', K.UNKNOWN_NAME, "unknown name `client.idx`", "did you mean `client.id`?"),
    ("client.id == «jira»", K.UNKNOWN_NAME, "unknown name `jira`", 'text needs quotes: `"jira"`'),
    ("«Network.zones» == []", K.UNKNOWN_NAME, "unknown name `Network.zones`", "did you mean `network.zones`?"),
    ("«user.name.first» == ''", K.UNKNOWN_NAME, "unknown name `user.name.first`", None),
    ("«client.id.part» == ''", K.UNKNOWN_NAME, "unknown name `client.id.part`", "did you mean `client.id`?"),
    ("«client.id.aaaaaaaaaaaaaaaaaa» == ''", K.UNKNOWN_NAME, "unknown name `client.id.aaaaaaaaaaaaaaaaaa`",
     "a value of type string has no fields"),
    ("«session» == ''", K.UNKNOWN_NAME, "unknown name `session`", "there are `session.age`, `session.level`"),
    ("«network.zone».size() > 0", K.UNKNOWN_NAME, "unknown name `network.zone`", "did you mean `network.zones`?"),
    ("«f»(1)", K.FUNCTION, "unknown function `f`", None),
    ("client.id.«foo»()", K.FUNCTION, "unknown function `foo`", None),
    ("«cel.bind»(a, 1, a)", K.FUNCTION, "unknown function `cel.bind`", None),
    ("«optional.none»()", K.FUNCTION, "unknown function `optional.none`", None),
    ("[1].«exists»(i, v, v > i)", K.FUNCTION, "`exists` can't be called like this", OTHER_CALL),
    ("«size»(client.id, 2) == 1", K.FUNCTION, "`size` can't be called like this", OTHER_CALL),
    ("client.id.«startWith»('a')", K.FUNCTION, "unknown function `startWith`", "did you mean `startsWith`?"),
    ("«floor»(1.5) == 1.0", K.FUNCTION, "unknown function `floor`", "did you mean `math.floor`?"),
    ("client.id.«toLowerCase»()", K.FUNCTION, "unknown function `toLowerCase`", "did you mean `lowerAscii`?"),
    ("«math.flor»(1.5)", K.FUNCTION, "unknown function `math.flor`", "did you mean `math.floor`?"),
    ("client.registered == «True»", K.UNKNOWN_NAME, "unknown name `True`", "did you mean `true`?"),
    ("«math.cube»(2)", K.FUNCTION, "unknown function `math.cube`", None),
    ("attr.risk_score «>=» 80", K.TYPE, "`>=` can't compare double with int",
     "write `80.0`: int and double are different types"),
    ("3 «<» attr.risk_score", K.TYPE, "`<` can't compare int with double",
     "write `3.0`: int and double are different types"),
    ("attr.n «<» attr.risk_score", K.TYPE, "`<` can't compare int with double",
     "int and double are different types: convert with `double(...)`"),
    ('client.tags «==» "a"', K.TYPE, "`==` can't compare list(string) with string",
     'to ask for a member write `"x" in list`'),
    ("session.age «>» 900", K.TYPE, "`>` can't compare duration with int", 'write a duration as `duration("15m")`'),
    ('request.time «>» "2026"', K.TYPE, "`>` can't compare timestamp with string",
     'write a time as `timestamp("2026-01-01T00:00:00Z")`'),
    ('"a" «in» "abc"', K.TYPE, "`in` needs a value and a list of its type, not string and string", None),
    ("attr.ok «&&» client.id", K.TYPE, "`&&` needs bool on both sides, not bool and string", None),
    ("«!»client.id", K.TYPE, "`!` needs bool, not string", None),
    ("«-»attr.ok", K.TYPE, "`-` does not take bool", None),
    ("1 «?» 2 : 3", K.TYPE, "`? :` needs bool and two values of one type, not int, int and int", None),
    ("client.id.startsWith«(»1)", K.TYPE, "`startsWith` does not take string and int", None),
    ("size«(»1)", K.TYPE, "`size` does not take int", None),
    ('{"a": 1} «==» {1: 2}', K.TYPE, "`==` can't compare map(string, int) with map(int, int)", None),
    ("[1]«.x» == 1", K.TYPE, "a value of type list(int) has no fields", None),
    ("«has(client.id)»", K.HAS, "`has()` can't ask whether `client.id` is there", 'write `"client.id" in known`'),
    ("«has(client.id)» && true", K.HAS, "`has()` can't ask whether `client.id` is there",
     'write `"client.id" in known`'),
    ("true || «has( device . managed )»", K.HAS, "`has()` can't ask whether `device.managed` is there",
     'write `"device.managed" in known`'),
    ("[1].all(x, «has(attr.ok)»)", K.HAS, "`has()` can't ask whether `attr.ok` is there", 'write `"attr.ok" in known`'),
    ("has(«client»)", K.SYNTAX, "has() argument must be a field selection", None),
    ("«for» == 1", K.SYNTAX, "`for` is a reserved word", None),
    ("client.id =«=»", K.SYNTAX, "the expression ends too early", None),
    ("«(»client.id == 'a'", K.SYNTAX, "unclosed `(`", None),
    ("client.id in «[»'a', 'b'", K.SYNTAX, "unclosed `[`", None),
    ('client.id == «"»abc', K.SYNTAX, "unclosed text: the closing quote is missing", None),
    ("client.id «=» 'x'", K.SYNTAX, "unexpected character `=`", "write `==` to compare"),
    ("client.id == 'a' «and» true", K.SYNTAX, "unexpected `and`", "write `&&`"),
    ("client.id == 'a'«)»", K.SYNTAX, "unexpected `)`", None),
    ("client.id == «“»x”", K.SYNTAX, "unexpected character `“`", None),
    ("«»", K.SYNTAX, "the expression is empty", None),
    ("«  \n»", K.SYNTAX, "the expression is empty", None),
    ("'a«\0»'", K.SYNTAX, "unexpected character NUL", None),
    ("'«\ud800»'", K.SYNTAX, "not a Unicode character", None),
    ('session.age > duration(«"1d"»)', K.TYPE, "`1d` is no duration", "the units are h, m, s and ms; a day is `24h`"),
    ('request.time > timestamp(«"2026-01-01"»)', K.TYPE, "`2026-01-01` is no timestamp",
     "RFC 3339 with its zone: `2026-01-01T00:00:00Z`"),
    ("client.id.matches(«'('»)", K.TYPE, "the pattern is no RE2 regular expression", "missing ): ("),
    ("cidr(«'10.0.0.0'»).containsIP(network.ip)", K.TYPE, "`10.0.0.0` is no CIDR",
     "an address, `/` and the number of bits: `203.0.113.0/24`"),
    ("«'x'».containsIP(network.ip)", K.TYPE, "`x` is no CIDR",
     "an address, `/` and the number of bits: `203.0.113.0/24`"),
    ("ip(«'::ffff:192.0.2.1'») == network.ip", K.TYPE, "`::ffff:192.0.2.1` is no IP address",
     "no zone id, no port, no leading zeros, and IPv4 not mapped into IPv6"),
]  # fmt: skip


@pytest.mark.parametrize(("marked", "kind", "message", "mend"), MISTAKES, ids=[entry[0] for entry in MISTAKES])
def test_a_mistake_is_reported_once_at_its_characters(marked, kind, message, mend, declarations):
    """LAW: one problem per mistake, spanning what is wrong in code points, with help where it is known."""
    start, end = marked.index("«"), marked.index("»") - 1
    found = check(marked.replace("«", "").replace("»", ""), declarations)
    assert not isinstance(found, CheckedExpression)
    assert [(problem.kind, problem.start, problem.end, problem.message, problem.help) for problem in found] == [
        (kind, start, end, message, mend)
    ]


def test_all_mistakes_are_reported_at_once_in_order(declarations):
    """LAW: what is wrong in several places is reported together, sorted by place."""
    text = 'foo.bar == 1 && has(user.id) && client.idd == "x" && f(1) && nosuch'
    found = check(text, declarations)
    assert [text[problem.start : problem.end] for problem in found] == [
        "foo.bar",
        "has(user.id)",
        "client.idd",
        "f",
        "nosuch",
    ]


def test_a_long_list_of_mistakes_is_no_mistake_of_its_own(declarations):
    """LAW: where the library stops counting, what it did report stands, and nothing else."""
    found = check(" && ".join(f"x{number}" for number in range(40)), declarations)
    assert len(found) >= 20
    assert {problem.kind for problem in found} == {K.UNKNOWN_NAME}


NESTED = {
    "brackets": "(" * 4096,
    "closed brackets": "(" * 2000 + "1" + ")" * 2000,
    "lists": "[" * 2000 + "]" * 2000,
    "maps": "{1:" * 500 + "1" + "}" * 500,
    "sums": "+".join(["1"] * 2000),
    "selections": "client.id" + ".a" * 1500,
    "indexes": "[1]" + "[0]" * 1300,
    "conditionals": "true?1:" * 500 + "2",
    "calls": "size(" * 700,
    "methods": '"a"' + ".trim()" * 500,
    "macros": "[1].all(a, " * 300 + "true" + ")" * 300,
    "negated brackets": "!(" * 1000 + "true" + ")" * 1000,
}


@pytest.mark.parametrize("text", NESTED.values(), ids=NESTED)
def test_deep_nesting_is_a_limit(text, declarations):
    """LAW: nesting beyond the parser's limit is a problem that spans the expression; nothing crashes."""
    (problem,) = check(text, declarations)
    assert (problem.kind, problem.start, problem.end) == (K.LIMIT, 0, len(text))


@pytest.mark.parametrize(
    "text", ["!" * 4000 + "true", "-" * 4000 + "1", " && ".join(["true"] * 500), "1 in [" + "1," * 2000 + "1]"]
)
def test_long_is_not_deep(text, declarations):
    """LAW: 4 KiB of `!`, of `&&` or of a list are an expression as any other."""
    assert isinstance(check(text, declarations), CheckedExpression)


def test_4_kib_of_exclamation_marks_are_a_syntax_error(declarations):
    """LAW: an endless prefix ends in a problem, not in a crash."""
    (problem,) = check("!" * 4096, declarations)
    assert problem.kind is K.SYNTAX


def test_the_limit_is_4096_bytes(declarations):
    """LAW: 4 KiB in UTF-8 are allowed, one byte more is not."""
    assert isinstance(check('"' + "é" * 2047 + '"', declarations), CheckedExpression)
    (problem,) = check('"' + "é" * 2047 + 'x"', declarations)
    assert problem.kind is K.LIMIT
    assert problem.message == "the expression has 4097 bytes, at most 4096 are allowed"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("client.id == ''", "bool"),
        ("client.tags", "list(string)"),
        ("1u", "uint"),
        ("b''", "bytes"),
        ("null", "null"),
        ("{'a': [1.5]}", "map(string, list(double))"),
        ("request.time", "timestamp"),
        ("session.age", "duration"),
        ("[1, 'a']", "list(dyn)"),
        ("{}", "map(dyn, dyn)"),
        ("dyn(1)", "dyn"),
        ("type(1)", "type(int)"),
        ("google.protobuf.Int64Value{value: 1}", "int"),
    ],
)
def test_the_type_is_the_checkers(text, expected, declarations):
    """LAW: `result_type` is CEL's type in the words of the policy language."""
    checked = check(text, declarations)
    assert checked.result_type.replace("wrapper", "") == expected or text.startswith("google")
    assert checked.tree.type == checked.result_type


def test_a_checked_expression_pickles_without_its_tree(declarations):
    """LAW: what goes to the workers is text and bytes; the tree is the same on the other side."""
    checked = check("'a' in client.tags && client.id.startsWith('b')", declarations)
    tree = checked.tree
    again = pickle.loads(pickle.dumps(checked))  # noqa: S301 - our own bytes
    assert again == checked
    assert again.tree == tree
    assert len(pickle.dumps(checked)) < 1000


def test_a_mistake_in_a_literal_needs_its_function_by_name(declarations):
    """LAW: text that only mentions a function, or passes what is no literal, is no mistake."""
    for text in (
        "client.id == 'duration'",
        "client.id.matches(app.id)",
        "cidr(app.id).containsIP(network.ip)",
        "timestamp(5) > request.time",
    ):
        assert isinstance(check(text, declarations), CheckedExpression)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "INTERNAL: something new",
        "INVALID_ARGUMENT: ERROR: <input>:9:99: what is this?",
        "INVALID_ARGUMENT: ERROR: <input>:1:1: Syntax error: missing ')' at 'x'",
        "INVALID_ARGUMENT: ERROR: <input>:1:1: Syntax error: unheard of",
    ],
)
def test_unknown_words_of_the_library_still_stand_somewhere(text, declarations):
    """LAW: whatever the library says, there is at least one problem inside the expression."""
    found = problems_of(text, "x == 1", declarations)
    assert found
    assert all(0 <= problem.start <= problem.end <= 6 for problem in found)
    assert not any(re.search("<input>", problem.message) for problem in found)
