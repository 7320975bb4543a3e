"""Expressions that would make very long texts are refused before anybody evaluates them."""

import time

import pytest

from acrux.cel import CheckedExpression, check, load_engine
from acrux.cel.growth import largest_text
from acrux.cel.problems import ProblemKind
from acrux.domain.facts import BUILT_IN_FACTS

DECLARATIONS = {name: fact.type for name, fact in BUILT_IN_FACTS.items()}
LONG = "a" * 25

TOO_LARGE = [
    f'"{LONG}"' + f'.replace("a", "{LONG}")' * 20 + ' == ""',
    "user.groups.map(g, user.groups.map(h, g + h)) == []",
    'user.groups.join("x").replace("a", user.groups.join("y")) == ""',
    '["a"]' + ".map(x, x + x + x + x + x + x)" * 20 + " == []",
    'app.id.split("|").map(x, x.replace("a", x).replace("a", x).replace("a", x)) == []',
    '"%s%s".format([app.id, "x"]).replace("a", app.id).replace("a", app.id) == ""',
    'user.groups.map(g, g.split("").map(c, c.replace("a", app.id))) == []',
]
FINE = [
    'user.groups.map(g, g.lowerAscii().replace("ou=", "")).exists(g, g == "a")',
    'device.user_agent.split(" ").map(w, w.split("/")).exists(w, w[0] == "Chrome")',
    'user.id.split("@")[1].replace(".", "-") in ["example-com"]',
    'client.tags.join(",").replace("a", "bb").split(",").map(t, t.trim() + "@x").join(" ") == ""',
    'user.groups.filter(g, g.startsWith("x")).map(g, g.replace("x", "")).exists(g, g in client.tags)',
    '"%s at %.2f".format([app.id, 1.5]) == ""',
    '[[1], [2]].map(x, x + [3]).size() == 2 && (app.id == "" ? ["a"] : client.tags).map(t, t + t) != []',
    'strings.quote(app.id) == ""',
    '{"a": app.id}.map(k, k).join() == ""',
]


@pytest.mark.parametrize("text", TOO_LARGE)
def test_what_outgrows_the_budget_is_one_problem(text):
    """An expression that may make too long a text is refused as a whole, at once: nothing is evaluated for it."""
    began = time.monotonic()
    found = check(text, DECLARATIONS)
    assert time.monotonic() - began < 5
    assert [(one.kind, one.start, one.end) for one in found] == [(ProblemKind.LIMIT, 0, len(text))]


@pytest.mark.parametrize("text", FINE)
def test_what_policies_say_is_let_through(text):
    """Ordinary work on the longest facts stays within the budget."""
    assert isinstance(check(text, DECLARATIONS), CheckedExpression)


@pytest.mark.parametrize(
    "text",
    [
        '"ab".replace("a", "xyz")',
        '["ab", "c"].map(x, x + x).join("--")',
        '"a b".split(" ").join()',
        '["a|b", "c"].map(x, x.split("|").map(y, y.replace("b", x))).map(x, x.join(",")).join(";")',
        '"%s and %.3f".format([["a", "b"], 1.5])',
        'strings.quote("a\\n\\t")',
        '(true ? ["abc"] : [""])[0] + {"k": "def"}.k',
    ],
)
def test_the_bound_holds(text):
    """What an evaluation makes is never longer than was said before it."""
    engine = load_engine("google")
    checked = check(text, {})
    made = engine.load(checked, {}).evaluate(engine.activation({}, {}))
    assert 0 < len(made) <= largest_text(checked.tree) < 10_000
