"""Evaluating single expressions over sent facts."""

from datetime import UTC, datetime, timedelta

import pytest

from acrux.analysis.evaluation import Asked, Evaluator, read_lines, sent_facts, value_to_json
from acrux.cel import load_engine
from acrux.domain.facts import FactType
from acrux.policy.request import RequestInvalid

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


@pytest.fixture(params=["google", "celpy"])
def evaluator(request):
    return Evaluator(load_engine(request.param), NOW)


def test_facts_have_the_defaults_of_the_table():
    """LAW: a request that says little has the defaults of the facts table; the rest is absent."""
    facts = sent_facts({"client": "jira"}, NOW).values
    assert facts == {
        "client.id": "jira",
        "client.tags": (),
        "client.registered": False,
        "app.id": "",
        "network.ip": "",
        "network.zones": ("unknown",),
        "network.trusted": False,
        "request.time": NOW,
        "request.acr_values": (),
        "request.scopes": (),
        "request.prompt": "",
        "known": (
            "app.id", "client.id", "client.registered", "client.tags", "network.ip", "network.trusted", "network.zones",
            "request.acr_values", "request.prompt", "request.scopes", "request.time",
        ),
    }  # fmt: skip


def test_facts_are_those_that_were_sent():
    """LAW: every field of a decide request becomes its fact; attributes are declared by their JSON type."""
    facts = sent_facts(
        {
            "client": {"id": "jira"},
            "app": {"id": "app"},
            "network": {"ip": "::ffff:203.0.113.9"},
            "user": {"id": "u", "domain": "d", "groups": ["g"]},
            "device": {"managed": True, "platform": "p", "user_agent": "a"},
            "browser": {"id": "b"},
            "session": {"level": "mfa", "age_seconds": 300},
            "request": {"acr_values": ["x"], "scopes": ["openid"], "prompt": "login", "max_age": 60},
            "attributes": {"n": 1, "r": 1.5, "t": "x", "b": True, "l": ["x"], "e": [], "not-a-name": 1},
        },
        NOW,
    )
    assert {name: value for name, value in facts.values.items() if name not in {"known", "request.time"}} == {
        "client.id": "jira", "client.tags": (), "client.registered": False, "app.id": "app",
        "network.ip": "203.0.113.9",
        "network.zones": (), "network.trusted": False, "user.id": "u", "user.domain": "d", "user.groups": ("g",),
        "device.managed": True, "device.platform": "p", "device.user_agent": "a", "browser.id": "b",
        "session.level": "mfa",
        "session.age": timedelta(minutes=5), "request.acr_values": ("x",), "request.scopes": ("openid",),
        "request.prompt": "login", "request.max_age": 60, "attr.n": 1, "attr.r": 1.5, "attr.t": "x", "attr.b": True,
        "attr.l": ("x",), "attr.e": (),
    }  # fmt: skip
    declared = {name: kind for name, kind in facts.declarations.items() if name.startswith("attr.")}
    assert declared == {
        "attr.n": FactType.INT, "attr.r": FactType.DOUBLE, "attr.t": FactType.STRING, "attr.b": FactType.BOOL,
        "attr.l": FactType.STRING_LIST, "attr.e": FactType.STRING_LIST,
    }  # fmt: skip


@pytest.mark.parametrize("sent", [None, {}, {"network": {"ip": "x"}}])
def test_without_client_its_facts_are_absent(sent):
    """LAW: an expression can be tried out without any client."""
    facts = sent_facts(sent, NOW).values
    assert not any(name.startswith("client.") for name in facts)
    assert not any(name.startswith("client.") for name in facts["known"])


@pytest.mark.parametrize("sent", [[], 1, {"client": 1}, {"nosuch": 1}])
def test_wrong_facts_are_refused(sent):
    """LAW: what Decide would not take is not evaluated over."""
    with pytest.raises(RequestInvalid):
        sent_facts(sent, NOW)


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("1 + 1", 2, "int"),
        ("1u", 1, "uint"),
        ("true", True, "bool"),
        ("1.5", 1.5, "double"),
        ("0.0 / 0.0", "NaN", "double"),
        ("1.0 / 0.0", "Infinity", "double"),
        ("-1.0 / 0.0", "-Infinity", "double"),
        ("'é'", "é", "string"),
        ("b'\\xff'", "/w==", "bytes"),
        ("null", None, "null"),
        ("request.time", "2026-11-24T09:00:00.000000Z", "timestamp"),
        ("duration('-90.5s')", "-90.5s", "duration"),
        ("duration('2h')", "7200s", "duration"),
        ("['a']", ["a"], "list(string)"),
        ("[1, 'a']", [1, "a"], "list(dyn)"),
        ("{1: 'a', 2: 'b'}", {"1": "a", "2": "b"}, "map(int, string)"),
        ("{'a': [1.5]}", {"a": [1.5]}, "map(string, list(double))"),
        ("dyn(true)", True, "bool"),
        ("dyn(1.5)", 1.5, "double"),
        ("dyn(b'a')", "YQ==", "bytes"),
        ("dyn(null)", None, "null"),
        ("dyn(request.time)", "2026-11-24T09:00:00.000000Z", "timestamp"),
        ("dyn(duration('1s'))", "1s", "duration"),
        ("dyn({'a': 1})", {"a": 1}, "map(string, int)"),
    ],
)
def test_values_are_json_with_their_type(evaluator, text, value, kind):
    """LAW: each CEL value has one form in JSON, and its type beside it."""
    evaluated = evaluator.evaluate(Asked(text))
    assert (evaluated.value, evaluated.type, evaluated.error) == (value, kind, None)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Asked("1 / 0"), "zero"),
        (Asked("nosuch + f(1)"), "unknown name `nosuch` (at character 1)"),
        (Asked("client.tag"), "did you mean `client.tags`?"),
        (Asked("1", {"nosuch": 1}), "/nosuch: "),
        (Asked("1", fault="because"), "because"),
    ],
)
def test_what_has_no_value_says_why(evaluator, asked, words):
    """LAW: mistakes, failures and wrong facts are errors of that expression, not exceptions."""
    evaluated = evaluator.evaluate(asked)
    assert words in evaluated.error
    assert evaluated.type is None


def test_an_absent_fact_is_called_absent():
    """LAW: the most usual error is in plain words."""
    assert Evaluator(load_engine("google"), NOW).evaluate(Asked("user.id == 'x'")).error == "`user.id` is absent"


def test_what_an_engine_cannot_parse_is_an_error():
    """LAW: an expression that the chosen engine can't take says so."""
    assert "celpy" in Evaluator(load_engine("celpy"), NOW).evaluate(Asked("client.`id`")).error


def test_facts_of_the_line_replace_those_of_the_file(evaluator):
    """LAW: an expression's own facts stand alone."""
    other = Evaluator(load_engine("google"), NOW, {"client": "jira", "app": {"id": "a"}})
    assert other.evaluate(Asked("client.id + app.id")).value == "jiraa"
    assert other.evaluate(Asked("client.id + app.id", {"client": "x"})).value == "x"


def test_lines_are_text_or_objects():
    """LAW: an object with `expression` is ours; any other line is CEL, braces or not; blank lines are none."""
    lines = [
        "1 + 1\n", "\n", '{"expression": "a", "facts": {"client": "x"}}', '{"a": 1}', "{1: 2}", '{"expression": 1}',
        '{"expression": "a", "fact": {}}',
    ]  # fmt: skip
    assert list(read_lines(lines)) == [
        Asked("1 + 1"),
        Asked("a", {"client": "x"}),
        Asked('{"a": 1}'),
        Asked("{1: 2}"),
        Asked('{"expression": 1}', fault="`expression` is no string"),
        Asked("a", fault="unknown field `fact`"),
    ]


def test_an_empty_list_has_elements_of_any_type():
    """LAW: the type of nothing is dyn."""
    assert Evaluator(load_engine("google"), NOW).evaluate(Asked("dyn([])")).type == "list(dyn)"
    assert value_to_json([]) == []
