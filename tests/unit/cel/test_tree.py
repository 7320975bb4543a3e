"""The tree: names resolved, macros recognised, every node at its text."""

import pytest

from acrux.cel import (
    Call,
    Comprehension,
    Constant,
    ListNode,
    Name,
    Select,
    StructNode,
    check,
    children,
    macro_of,
    walk,
)
from acrux.cel.decode import decode
from acrux.cel.wire import entry, fields, signed, varint


def nodes(text, declarations):
    return list(walk(check(text, declarations).tree))


def spans(text, declarations):
    """Each node's text, macro internals aside."""
    return [
        text[node.start : node.end]
        for node in nodes(text, declarations)
        if not (
            isinstance(node, Name | Call) and ("@" in getattr(node, "name", "") or "@" in getattr(node, "function", ""))
        )
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('client.id == "x"', ['client.id == "x"', "client.id", '"x"']),
        ("(client . id) == 'x'", ["(client . id) == 'x'", "client . id", "'x'"]),
        ("!( 'a' == client.`id` )", ["!( 'a' == client.`id` )", "'a' == client.`id`", "'a'", "client.`id`"]),
        ("-1 < - 2", ["-1 < - 2", "-1", "- 2"]),
        ("[1, (2)][0] == 1", ["[1, (2)][0] == 1", "[1, (2)][0]", "[1, (2)]", "1", "2", "0", "1"]),
        ("{'a': 1}.a", ["{'a': 1}.a", "{'a': 1}", "'a'", "1"]),
        ("has({'a': 1}.a)", ["({'a': 1}.a)", "{'a': 1}", "'a'", "1"]),
        ("math.ceil(1.5)", ["math.ceil(1.5)", "1.5"]),
        ("'é😀'.size()", ["'é😀'.size()", "'é😀'"]),
        ("attr.ok ? 1 : (2)", ["attr.ok ? 1 : (2)", "attr.ok", "1", "2"]),
        (".client.id", [".client.id"[1:]]),
        ("true // why\n && false", ["true // why\n && false", "true", "false"]),
    ],
)
def test_each_node_spans_its_text(text, expected, declarations):
    """LAW: start and end enclose the node's own text, brackets balanced, in code points."""
    assert spans(text, declarations) == expected


def test_a_chain_of_operators_spans_its_operands(declarations):
    """LAW: the parser may balance `&&`; each node still spans from its first operand to its last."""
    text = " && ".join(f"client.id != '{letter}'" for letter in "abcde")
    tree = check(text, declarations).tree
    assert (tree.start, tree.end) == (0, len(text))
    assert all(text[n.start : n.end].startswith("client.id") for n in walk(tree) if isinstance(n, Call))


def test_names_are_resolved(declarations):
    """LAW: a name is the declared one however it is written; a macro's variable is local and hides a declared name."""
    names = [
        (node.name, node.local)
        for node in nodes(
            "[known].exists(known, .known == known && .client.id == client.id && type(1) == int)", declarations
        )
        if isinstance(node, Name) and not node.name.startswith("@")
    ]
    assert names == [
        ("known", False), ("known", False), ("known", True), ("client.id", False), ("client.id", False), ("int", False)
    ]  # fmt: skip


def test_constants_have_their_values(declarations):
    """LAW: every kind of literal keeps its value and kind."""
    found = [
        (node.kind, node.value)
        for node in nodes(
            '[dyn(null), true, -9223372036854775808, 18446744073709551615u, -1.5e3, "a\\u00e9", b"\\xff"]', declarations
        )
        if isinstance(node, Constant)
    ]
    assert found == [
        ("null", None), ("bool", True), ("int", -(2**63)), ("uint", 2**64 - 1), ("double", -1500.0), ("string", "aé"),
        ("bytes", b"\xff"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("client.tags.exists(t, t == 'a')", "exists"),
        ("client.tags.all(t, t == 'a')", "all"),
        ("client.tags.exists_one(t, t == 'a')", None),
        ("client.tags.map(t, t + 'a') == []", None),
        ("client.tags.filter(t, t == 'a') == []", None),
    ],
)
def test_macros_are_recognised(text, kind, declarations):
    """LAW: `exists` and `all` are given back as they were written; the others are folds."""
    node = next(node for node in nodes(text, declarations) if isinstance(node, Comprehension))
    macro = macro_of(node)
    assert (macro.kind if macro else None) == kind
    if macro:
        assert macro.variable == "t"
        assert macro.source == node.source
        assert text[macro.body.start : macro.body.end] == "t == 'a'"


def test_children_are_all_parts(declarations):
    """LAW: walking meets every node once, parents first."""
    text = "{'a': [client.id.size()]}.a[0] == 1 ? google.protobuf.Duration{seconds: 1} > session.age : has({'b': 1}.b)"
    kinds = {type(node) for node in nodes(text, declarations)}
    assert kinds == {Call, Select, StructNode, ListNode, Constant, Name}
    message = next(node for node in nodes(text, declarations) if isinstance(node, StructNode) and node.message)
    assert [type(child) for child in children(message)] == [Constant]
    assert message.message == "google.protobuf.Duration"


@pytest.mark.parametrize(
    "spoiled", [b"", b"\x0a\x00", b"\x0a\x00\x12\x00", b"\x0a\x0bCheckedExpr\x12\x04\x22\x02\x52\x00"]
)
def test_what_is_no_expression_is_refused(spoiled):
    """LAW: bytes that are not a serialized expression raise, whatever they are."""
    with pytest.raises((ValueError, StopIteration)):
        decode(spoiled, "")


def test_the_wire_format():
    """LAW: numbers of several bytes, fixed widths and signs are read as protobuf has them."""
    assert varint(b"\xac\x02", 0) == (300, 2)
    assert signed(2**64 - 1) == -1
    assert signed(5) == 5
    data = b"\x08\xac\x02" + b"\x12\x01a" + b"\x19" + b"\0" * 8 + b"\x25" + b"\0" * 4 + b"\xa2\x06\x00"
    assert fields(data, 0, len(data)) == [(1, 300, -1), (2, 5, 6), (3, 7, 15), (4, 16, 20), (100, 23, 23)]
    assert entry(b"\x08\xac\x02\x10\x01", 0) == (300, 3)
    assert entry(b"\x10\x01", 0) == (0, 0)
    with pytest.raises(ValueError, match="wire type"):
        fields(b"\x0b", 0, 1)
    with pytest.raises(ValueError, match="runs over"):
        fields(b"\x12\x05a", 0, 3)
    long = b"\x12\x80\x01" + b"a" * 128
    assert fields(long, 0, len(long)) == [(2, 3, 131)]
