"""The tokens of a CEL text."""

import pytest

from acrux.cel.lexer import Tokens


def words(text):
    tokens = Tokens(text)
    return [tokens.word(place) for place in range(len(tokens.starts))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('client.id == "x"', ["client", ".", "id", "==", '"x"']),
        ("a&&b||!c", ["a", "&&", "b", "||", "!", "c"]),
        ('r"a\\" + "b"', ['r"a\\"', "+", '"b"']),
        (r"'it\'s' in x", [r"'it\'s'", "in", "x"]),
        ('"""a\n"b"""+1', ['"""a\n"b"""', "+", "1"]),
        ("'''a'b'''", ["'''a'b'''"]),
        ('b"x" rb"y" br"z"', ['b"x"', 'rb"y"', 'br"z"']),
        ("1.5e-3+0xFFu-.5", ["1.5e-3", "+", "0xFFu", "-", ".5"]),
        ("a // the rest\n<= b", ["a", "<=", "b"]),
        ("a.`b c`", ["a", ".", "`b c`"]),
        ("é", ["é"]),
        ("", []),
    ],
)
def test_tokens_are_those_of_the_cel_grammar(text, expected):
    """LAW: strings of every form are one token; comments and blanks are none; operators of two characters are one."""
    assert words(text) == expected


def test_brackets_know_their_partner():
    """LAW: a bracket's partner is the one of its kind on its level; brackets in strings count for nothing."""
    tokens = Tokens('f([")"], {1: (2)})')
    pairs = {(tokens.starts[a], tokens.starts[b]) for a, b in tokens.partner.items() if a < b}
    assert pairs == {(1, 17), (2, 6), (9, 16), (13, 15)}


@pytest.mark.parametrize(
    ("text", "unclosed", "quote"), [("((a)", (0,), None), ("[(", (0, 1), None), ('a == "b', (), 5), ("(a]", (0,), None)]
)
def test_what_is_never_closed_is_known(text, unclosed, quote):
    """LAW: unclosed brackets are listed outermost first, and an unclosed quote is found where it opens."""
    tokens = Tokens(text)
    assert tokens.unclosed == unclosed
    assert tokens.open_quote == quote


def test_a_chain_starts_at_its_first_name():
    """LAW: `a . b.c` is one chain across blanks; anything else before the dot ends it."""
    tokens = Tokens("f(x).a + b . c.d")
    assert tokens.word(tokens.chain_start(len(tokens.starts) - 1)) == "b"
    last = len(tokens.starts) - 1
    assert tokens.dotted(tokens.chain_start(last), last) == "b.c.d"
    assert tokens.word(tokens.chain_start(5)) == "a"


def test_a_span_takes_in_the_partners_of_its_brackets():
    """LAW: a widened span holds, for each bracket in it, the other one too."""
    text = "((a) == b) && (c)"
    tokens = Tokens(text)
    assert tokens.balanced(0, 5) == (0, 10)
    assert tokens.balanced(2, 4) == (1, 4)
    assert tokens.balanced(2, 3) == (2, 3)


def test_a_place_without_token_has_no_word():
    """LAW: looking beyond either end gives nothing instead of failing."""
    tokens = Tokens("a")
    assert tokens.word(-1) == "" == tokens.word(1)
    assert not tokens.is_name(-1)
    assert not tokens.is_name(1)
