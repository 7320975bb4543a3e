"""What expressions say, text by text, and in a large set shape by shape."""

from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrux.domain.facts import FactType
from acrux.policy import expressions
from acrux.policy.expressions import Analyst, declarations_of, facts_that_may_be_absent
from acrux.policy.model import Attribute

ATTRIBUTES = {"score": Attribute("score", FactType.DOUBLE), "vip": Attribute("vip", FactType.BOOL, default=False)}
ATOMS = st.sampled_from(
    [
        'client.id == "{}"',
        "app.id in ['{}', \"{}\"]",
        '"{}" in client.tags',
        '"{}" != request.prompt',
        'network.zones.exists(z, z == "{}")',
        'client.id.startsWith("{}")',
        '"a" == "{}"',
        '"user.id" in known && user.id == "{}"',
        '"{}" in known && user.id == "x"',
        'attr.vip || app.id == "{}"',
        'string(request.time) == "{}"',
        '!("{}" in network.zones)',
        'client.id == "it\\\'s{}"',
        'client.id == """{}"""',
        'client.id == "{}" // "{}"\n',
    ]
)
WORDS = st.sampled_from(["a", "b", "user.id", "device.managed", "attr.score", "office", "", "//", "'"])
EXPRESSIONS = st.lists(
    st.builds(lambda atom, word, other: atom.replace("{}", word, 1).replace("{}", other), ATOMS, WORDS, WORDS),
    min_size=1,
    max_size=3,
).map(" && ".join)


def test_every_fact_is_declared():
    """Attributes are facts of their own, and may be absent unless they have a default."""
    assert declarations_of(ATTRIBUTES)["attr.score"] is FactType.DOUBLE
    absent = facts_that_may_be_absent(ATTRIBUTES)
    assert "attr.score" in absent
    assert "attr.vip" not in absent
    assert "user.id" in absent
    assert "client.id" not in absent


def test_equal_texts_are_analysed_once():
    """The same text gives the same analysis, not an equal one."""
    analyst = Analyst({})
    assert analyst.analyse('client.id == "a"') is analyst.analyse('client.id == "a"')
    assert analyst.forms() == {'client.id == "a"': mock.ANY}


def test_what_is_wrong_has_no_form():
    """An expression with a mistake gives the problems, and counts for no comparison of rules."""
    analyst = Analyst({})
    assert isinstance(analyst.analyse("client.idd"), tuple)
    assert analyst.forms() == {}


@settings(max_examples=200, deadline=None)
@given(st.lists(EXPRESSIONS, min_size=1, max_size=6))
def test_shapes_change_nothing(texts):
    """With the short cut for large sets every expression is analysed as without it, its form aside."""
    plain, short = Analyst(ATTRIBUTES), Analyst(ATTRIBUTES)
    with mock.patch.object(expressions, "_ANALYSED_IN_FULL", 0):
        found = [short.analyse(text) for text in texts]
    for text, got in zip(texts, found, strict=True):
        expected = plain.analyse(text)
        if isinstance(expected, tuple) or isinstance(got, tuple):
            assert got == expected
            continue
        # The serialized form of equal trees differs from time to time: its maps have no order.
        assert got.condition.reads == expected.condition.reads
        assert got.condition.expression.result_type == expected.condition.expression.result_type
        for name in ("literals", "unguarded", "constant", "negations", "portability"):
            assert getattr(got, name) == getattr(expected, name), name


@pytest.mark.parametrize(("other", "same"), [('client.id == "b"', True), ('client.id=="b"', False)])
def test_a_shape_is_the_text_around_the_texts(other, same):
    """Only what is written alike but for its texts shares a shape: its tree is then never decoded."""
    analyst = Analyst({})
    with (
        mock.patch.object(expressions, "_ANALYSED_IN_FULL", 0),
        mock.patch.object(Analyst, "_in_full", autospec=True, side_effect=Analyst._in_full) as in_full,
    ):
        analyst.analyse('client.id == "a"')
        analyst.analyse(other)
    assert in_full.call_count == (1 if same else 2)
