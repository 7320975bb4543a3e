"""The place of each character of a scalar, in every style, folded, escaped, indented and chomped at random."""

import re

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from acrux.policy.diagnostics import Span
from acrux.policy.document import read_document
from acrux.policy.nodes import MappingNode, Scalar, SequenceNode
from acrux.policy.scalar_map import map_scalar

BREAKS = {"\n", "\r\n", "\r"}
# What a scanner may pass over between two characters of a value: blanks at folds, indentation, joined lines.
NOTHING = re.compile(r"(?:[ \t\r\n]|\\(?=[\r\n]))*")


def scalars(node):
    """Every scalar below a node, keys aside."""
    match node:
        case Scalar():
            yield node
        case MappingNode():
            for entry in node.entries:
                yield from scalars(entry.value)
        case SequenceNode():
            for item in node.items:
                yield from scalars(item)


def only_scalar(text: str) -> Scalar | None:
    """The one scalar of a file, or None if the text is no such file."""
    root, _source, found = read_document("a.yaml", text.encode())
    if root is None or found:
        return None
    there = list(scalars(root))
    return there[0] if len(there) == 1 else None


def check(scalar: Scalar) -> None:
    """The law of `part`: places in order, each the source of its character, and nothing but folding between them."""
    text = scalar.source.text
    assert map_scalar(text, scalar.start, scalar.end, scalar.style, scalar.value) is not None
    before = scalar.start
    for index, char in enumerate(scalar.value):
        span = scalar.part(index, index + 1)
        written = text[span.start : span.end]
        assert before <= span.start < span.end
        if index > 0:
            assert NOTHING.fullmatch(text[before : span.start])
        before = span.end
        if char == "\n" and written != "\\n":
            assert written in BREAKS or "\\" in written
        elif char == " " and written in BREAKS:
            assert scalar.style != "literal"
        elif written != char:
            assert scalar.style in {"single", "double"}
            quote = "'" if scalar.style == "single" else '"'
            assert yaml.safe_load(f"{quote}{written}{quote}") == char
    if scalar.value:
        whole = scalar.part(0, len(scalar.value))
        assert whole == Span(
            "a.yaml", scalar.part(0, 1).start, scalar.part(len(scalar.value) - 1, len(scalar.value)).end
        )


WORDS = st.text(st.sampled_from("ab'\"\\ é\U0001f600#:-&!{}[],\t"), max_size=12)
VALUES = st.lists(
    st.one_of(WORDS, st.sampled_from(["", "\n", "\n\n", " ", "  x", "client.id", "&&", "#a"])), max_size=8
)


@settings(max_examples=200, deadline=None)
@given(
    VALUES,
    st.sampled_from(["\n", " ", "\n\n", ""]),
    st.sampled_from([None, "'", '"', "|", ">"]),
    st.integers(4, 40),
    st.integers(2, 7),
    st.booleans(),
    st.sampled_from([[], ["k"], ["k", "k"]]),
)
def test_emitted_scalars(words, joint, style, width, indent, unicode, path):
    """Whatever PyYAML's emitter makes of a value, each of its characters is found where it is written."""
    value = joint.join(words)
    tree: object = value
    for name in path:
        tree = [{name: tree}]
    text = yaml.dump({"when": tree}, default_style=style, width=width, indent=indent, allow_unicode=unicode)
    scalar = next(scalars(read_document("a.yaml", re.sub(r"!!\w+ ", "", text).encode())[0]), None)
    assume(scalar is not None)
    check(scalar)


LINE = st.text(st.sampled_from("ab '\"\\\t#é"), max_size=8)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["'{}'", '"{}"', "{}", "[{}]", "['{}']", "['{}', ]", '{{k: "{}"}}']),
    st.lists(LINE, min_size=1, max_size=5),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.integers(1, 4),
)
def test_flow_scalars_written_at_random(form, lines, line_break, indent):
    """Whatever is written over several lines, each character of its value is found where it is written."""
    body = (line_break + " " * indent).join(lines)
    scalar = only_scalar("a: " + form.format(body) + line_break)
    assume(scalar is not None)
    check(scalar)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from("|>"),
    st.sampled_from(["", "-", "+", "1", "2", "2-", "+3"]),
    st.sampled_from(["", " # why", "  "]),
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["", "a", "bc d", "# e", "\tf", "g  ", "é"])), max_size=7),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["", "\n", "\nz:\n", "\n\n# end\n", "   "]),
    st.integers(1, 3),
)
def test_block_scalars_written_at_random(style, header, comment, lines, line_break, after, indent):
    """Whatever stands in a block, with whatever header, each character of its value is found where it is written."""
    body = line_break.join(" " * (indent + more) + words if words else " " * more for more, words in lines)
    scalar = only_scalar(f"a:{' '}{style}{header}{comment}{line_break}{body}{after}")
    assume(scalar is not None and scalar.style in {"literal", "folded"})
    check(scalar)


@pytest.mark.parametrize(
    ("text", "part", "expected"),
    [
        ("when: client.tag", "client.tag", "client.tag"),
        ("when: '\"a\" in client.tag'", "client.tag", "client.tag"),
        ("when: 'it''s client.tag'", "client.tag", "client.tag"),
        ("when: 'it''s'", "'", "''"),
        ('when: "\\"a\\" in client.tag"', "client.tag", "client.tag"),
        ('when: "\\x61\\u0062\\U00000063 d"', "b", "\\u0062"),
        ('when: "\\x61\\u0062\\U00000063 d"', "d", "d"),
        ("when: >\n  a &&\n  client.tag\n", "client.tag", "client.tag"),
        ("when: >-\n\n\n   a &&\n\n   b\n     c\n   client.tag\n", "client.tag", "client.tag"),
        ("when: |\n  a &&\n  client.tag\n", "client.tag", "client.tag"),
        ("when: |2\n    a &&\n  client.tag\n", "client.tag", "client.tag"),
        ("when: |\r\n  a &&\r\n  client.tag\r\n", "client.tag", "client.tag"),
        ("when: a &&\n   b &&\n\n  client.tag", "client.tag", "client.tag"),
        ("when: 'a &&\n   b &&\n\n  client.tag'", "client.tag", "client.tag"),
        ('when: "a && \\\n   b &&\\\n\n  client.tag"', "client.tag", "client.tag"),
        ("when: '\U0001f600 client.tag'", "client.tag", "client.tag"),
        ("\ufeffwhen: client.tag", "client.tag", "client.tag"),
        ("when: a &&\n   b", "&& b", "&&\n   b"),
    ],
)
def test_part_is_where_it_is_written(text, part, expected):
    """The place of a word of a value is the word in the file, whatever the style."""
    scalar = only_scalar(text)
    start = scalar.value.index(part)
    span = scalar.part(start, start + len(part))
    assert scalar.source.text[span.start : span.end] == expected


@pytest.mark.parametrize(
    ("text", "offset", "expected"),
    [
        ("a: bcd", 3, 6),
        ("a: 'bcd'", 3, 7),
        ("a: 'bcd'", 0, 4),
        ("a: ''", 0, 4),
        ('a: ""', 5, 4),
        ("a: |\n  bc\n", 3, 9),
        ("a: |+\n  bc\n\n\n", 4, 10),
        ("a: >\n  b\n  c\n", 3, 12),
        ("a:", 0, 2),
        ("a: |\n", 0, 4),
    ],
)
def test_empty_part_is_a_place(text, offset, expected):
    """An empty part is an empty span: before its character, or after the last visible one."""
    scalar = only_scalar(text)
    assert scalar.part(offset, offset) == Span("a.yaml", expected, expected)


def test_part_keeps_within_the_value():
    """Offsets outside the value, as a library may report them, mean its ends."""
    scalar = only_scalar("a: 'bcd'")
    assert scalar.part(-5, 99) == Span("a.yaml", 4, 7)
    assert scalar.part(2, 1) == Span("a.yaml", 6, 6)


def test_text_that_is_not_the_value_falls_back_to_the_whole():
    """Where text and value do not fit together, the place of a part is the whole scalar, never a wrong place."""
    scalar = only_scalar("a: 'bcd'")
    wrong = Scalar("other", scalar.start, scalar.end, "single", scalar.source)
    assert wrong.part(1, 2) == scalar.span
    assert map_scalar("a: |", 3, 4, "literal", "x") is None
    assert map_scalar("a: |\n  ", 3, 4, "literal", "x") is None
    assert map_scalar("a: |\n  x", 3, 4, "literal", "xyz") is None


def test_map_is_computed_once_for_a_scalar():
    """Places are computed when they are first asked for, and kept with the file."""
    scalar = only_scalar("a: 'bcd'")
    assert scalar.source.scalar_maps == {}
    scalar.part(0, 1)
    first = scalar.source.scalar_maps[scalar.start]
    scalar.part(1, 2)
    assert scalar.source.scalar_maps[scalar.start] is first
