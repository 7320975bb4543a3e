"""From bytes to nodes that know their place, or diagnostics."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from acrux.policy.diagnostics import Span
from acrux.policy.document import (
    MAX_FILE_BYTES,
    Entry,
    MappingNode,
    Scalar,
    SequenceNode,
    SourceFile,
    read_document,
)
from acrux.policy.drawing import draw_text, to_github, to_json, to_sarif
from acrux.policy.yaml_reader import event_parser, read_nodes

SET = """\
version: acrux/v1
ladder: [basic, {level: mfa, max_age: 12h}]   # lowest first
rules:
- id: a
  when: '"x" in client.tags'
  description: >-
    Jira and
    Confluence

  except:
    - {id: b, instead: basic}
clients:
  jira:
  payroll: {provider: }
"""


def text_of(node) -> str:
    return node.source.text[node.span.start : node.span.end]


def plain(node):
    """A tree without places."""
    match node:
        case Scalar():
            return node.value
        case MappingNode():
            return {entry.key.value: plain(entry.value) for entry in node.entries}
        case SequenceNode():
            return [plain(item) for item in node.items]


@pytest.fixture(params=[event_parser, yaml.SafeLoader], ids=["libyaml", "python"])
def root(request):
    node, found = read_nodes(SourceFile("a.yaml", SET), request.param)
    assert found == []
    return node


def test_values_are_text(root):
    """The tree has what is written; no value is anything but text, and nothing written is an empty text."""
    assert plain(root) == {
        "version": "acrux/v1",
        "ladder": ["basic", {"level": "mfa", "max_age": "12h"}],
        "rules": [
            {
                "id": "a",
                "when": '"x" in client.tags',
                "description": "Jira and Confluence",
                "except": [{"id": "b", "instead": "basic"}],
            }
        ],
        "clients": {"jira": "", "payroll": {"provider": ""}},
    }


def test_every_node_knows_its_place(root):
    """A node's span is what is written of it, quotes, brackets and headers included, comments and blanks not."""
    assert text_of(root) == SET.rstrip()
    assert text_of(root.get("ladder").value) == "[basic, {level: mfa, max_age: 12h}]"
    [rule] = root.get("rules").value.items
    assert text_of(rule) == SET[SET.index("id: a") : SET.index("\nclients")]
    assert text_of(rule.get("when").key) == "when"
    assert text_of(rule.get("when").value) == "'\"x\" in client.tags'"
    assert text_of(rule.get("description").value) == ">-\n    Jira and\n    Confluence"
    assert text_of(rule.get("except").value) == "- {id: b, instead: basic}"
    assert text_of(root.get("rules").value) == SET[SET.index("- id: a") : SET.index("\nclients")]


def test_an_empty_value_stands_after_its_colon(root):
    """A value that is not written has an empty span just after the colon, in blocks and in brackets."""
    jira = root.get("clients").value.get("jira").value
    assert jira.style == "plain"
    assert jira.span == Span("a.yaml", SET.index("jira:") + 5, SET.index("jira:") + 5)
    provider = root.get("clients").value.get("payroll").value.get("provider").value
    assert provider.span.start == SET.index("provider: }") + len("provider:")


def test_get_is_by_name(root):
    """`get` gives the entry with that key, or None."""
    assert isinstance(root.get("version"), Entry)
    assert root.get("nothing") is None


def test_key_without_colon_in_brackets():
    """`{a}` is the key `a` with an empty value just after it."""
    node, _source, found = read_document("a.yaml", b"x: {a, b: c}")
    assert found == []
    value = node.get("x").value.get("a").value
    assert (value.value, value.span) == ("", Span("a.yaml", 5, 5))


def test_first_of_duplicate_keys_counts():
    """After a duplicate key the tree is there, with the first value, so that the rest is checked too."""
    node, _source, [found] = read_document("a.yaml", b"a: 1\nb: 2\na: 3\n")
    assert plain(node) == {"a": "1", "b": "2"}
    assert found.related[0].span == Span("a.yaml", 0, 1)


def test_anchored_values_are_read():
    """After an anchor the tree is there, without it."""
    node, _source, found = read_document("a.yaml", b"a: &x 1\nb: &y [c]\nd: &z {e: f}\n")
    assert plain(node) == {"a": "1", "b": ["c"], "d": {"e": "f"}}
    assert [text_of(entry.value) for entry in node.entries] == ["1", "[c]", "{e: f}"]
    assert [each.code for each in found] == ["ACX0108"] * 3


@pytest.mark.parametrize(
    ("content", "code", "place"),
    [
        (b"", "ACX0105", (1, 1)),
        (b"\xef\xbb\xbf", "ACX0105", (1, 1)),
        (b"# only a comment\n", "ACX0105", (1, 1)),
        (b"---\n", "ACX0105", (1, 1)),
        (b"- a\n", "ACX0106", (1, 1)),
        (b"# c\n\nversion:acrux/v1\n", "ACX0106", (3, 1)),
        (b"'a'\n", "ACX0106", (1, 1)),
        (b"a: \xc3\xa9\xff\n", "ACX0101", (1, 5)),
        (b"a: \xc3", "ACX0101", (1, 4)),
        ("a: b\n".encode("utf-16"), "ACX0101", (1, 1)),
        ("a: b\n".encode("utf-32-be"), "ACX0102", (1, 1)),
        (b"a: b\x00\n", "ACX0102", (1, 5)),
        ("a: b\n\u2028".encode(), "ACX0102", (2, 1)),
        ("a: b\ufeff\n".encode(), "ACX0102", (1, 5)),
        ("a: \u202e\n".encode(), "ACX0102", (1, 4)),
        ("a: \ufffe\n".encode(), "ACX0102", (1, 4)),
        (b"a: b\n" + b"#" * MAX_FILE_BYTES, "ACX0103", (1, 1)),
    ],
)
def test_files_that_are_refused(content, code, place):
    """What is no policy file has one diagnostic with its code and place, and no tree."""
    root, source, [found] = read_document("a.yaml", content)
    assert root is None
    assert (found.code, source.position(found.span.start)) == (code, place)


def test_yml_files_are_refused():
    """A `*.yml` file is an error at its first character, not a silence."""
    root, source, [found] = read_document("d/a.yml", b"\xef\xbb\xbfa: b\n")
    assert root is None
    assert (found.code, found.span, source.text) == ("ACX0104", Span("d/a.yml", 0, 0), "a: b\n")


def test_byte_order_mark_is_no_character():
    """A byte order mark at the beginning is accepted, and counts for no column."""
    root, source, found = read_document("a.yaml", b"\xef\xbb\xbfa: b\n")
    assert found == []
    assert (source.text, root.get("a").key.span) == ("a: b\n", Span("a.yaml", 0, 1))


def test_file_of_the_largest_size_is_read():
    """A file of exactly 10 MiB is read."""
    content = b"a: b\n"
    root, _source, found = read_document("a.yaml", content + b"#" * (MAX_FILE_BYTES - len(content)))
    assert found == []
    assert plain(root) == {"a": "b"}


def test_one_mistake_does_not_hide_another():
    """What YAML allows and policy files don't is collected to the end of the file."""
    _root, _source, found = read_document("a.yaml", b"a: &x 1\nb: *x\nc: !t 2\na: 3\nd: [e: f]\n? g\n: h\n")
    assert [each.code for each in found] == ["ACX0108", "ACX0109", "ACX0110", "ACX0112", "ACX0115", "ACX0121"]


def holds(content: bytes) -> None:
    root, source, found = read_document("a.yaml", content)
    assert root is not None or found
    for each in found:
        for span in (each.span, *(related.span for related in each.related)):
            assert 0 <= span.start <= span.end <= len(source.text)
        assert each.message == each.message.strip()
        assert not each.message.endswith(".")
    sources = {"a.yaml": source}
    assert draw_text(found, sources, color=True) or not found
    assert len(to_json(found, sources)) == len(found)
    assert to_github(found, sources).count("\n") == len(found)
    assert len(to_sarif(found, sources)["runs"][0]["results"]) == len(found)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text(st.sampled_from("a:-[]{}'\"\n \t!&*?|>#,%@\\<"), max_size=40)))
def test_whatever_is_read_ends_in_a_tree_or_a_diagnostic(content):
    """No bytes make the reader raise; without a tree there is a diagnostic, and each lies within the file."""
    holds(content if isinstance(content, bytes) else content.encode())


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, len(SET)), st.integers(0, 3), st.text(st.sampled_from("a:-[]{}'\"\n \t!&*?|>#,%@\\<"), max_size=2)
)
def test_damaged_files_end_in_a_tree_or_a_diagnostic(place, cut, put):
    """A good file with a slip of the fingers anywhere is read or explained, never a failure."""
    holds((SET[:place] + put + SET[place + cut :]).encode())
