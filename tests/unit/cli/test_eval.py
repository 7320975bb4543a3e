"""`acrux eval`, as it is called."""

import json

import pytest
from click.testing import CliRunner

from acrux.cel import EngineUnavailable
from acrux.cli import eval as verb


def run(*args, stdin=""):
    return CliRunner().invoke(verb.command, list(args), input=stdin)


def test_values_are_printed_a_line_each():
    """LAW: every expression has its line; exit 0."""
    outcome = run("1 + 1", "'é'", "[true]")
    assert (outcome.exit_code, outcome.stdout) == (0, '2\n"é"\n[true]\n')


def test_json_is_an_object_a_line():
    """LAW: `{"expression", "value", "type"}` or `{"expression", "error"}`; exit 1 if one erred."""
    for form in (["--json"], ["--format", "json"]):
        outcome = run("1 + 1", "1 / 0", *form)
        first, second = map(json.loads, outcome.stdout.splitlines())
        assert first == {"expression": "1 + 1", "value": 2, "type": "int"}
        assert set(second) == {"expression", "error"}
        assert outcome.exit_code == 1


def test_mistakes_are_drawn():
    """LAW: in text, carets stand under what is wrong, with help."""
    outcome = run("true &&\n client.tag == 'x'")
    assert outcome.exit_code == 1
    assert outcome.stdout == (
        "error: unknown name `client.tag`\n  |  client.tag == 'x'\n  |  ^^^^^^^^^^\n"
        "  = help: did you mean `client.tags`?\n"
    )
    assert run("1 / 0").stdout.startswith("error: ")
    assert run("f(1)").stdout == "error: unknown function `f`\n  | f(1)\n  | ^\n"


def test_standard_input_is_read_where_no_expression_is_given():
    """LAW: lines of text and objects with facts of their own, answered in their order."""
    lines = '1 + 1\n{"expression": "client.id", "facts": {"client": "jira"}}\n'
    assert run(stdin=lines).stdout == '2\n"jira"\n'


def test_facts_come_from_a_file(tmp_path):
    """LAW: `--facts` has the shape of a decide request; `--now` is request.time."""
    path = tmp_path / "facts.json"
    path.write_text('{"client": "jira", "attributes": {"n": 3}}', encoding="utf-8")
    outcome = run("client.id", "attr.n", "request.time", "--facts", str(path), "--now", "2026-01-01T00:00:00Z")
    assert outcome.stdout == '"jira"\n3\n"2026-01-01T00:00:00.000000Z"\n'


@pytest.mark.parametrize("engine", ["google", "celpy"])
def test_engines_are_chosen(engine):
    """LAW: each engine can be asked for."""
    assert run("1 + 1", "--engine", engine).stdout == "2\n"


@pytest.mark.parametrize("content", ["{", '{"nosuch": 1}', "[" * 100_000, '"\\ud800"', "\xff"])
def test_wrong_facts_are_wrong_usage(tmp_path, content):
    """LAW: a file that Decide would not take exits with 2."""
    path = tmp_path / "facts.json"
    path.write_bytes(content.encode("latin-1"))
    assert run("1", "--facts", str(path)).exit_code == 2


@pytest.mark.parametrize(
    "args", [["--engine", "rust"], ["--facts", "nowhere.json"], ["--now", "tomorrow"], ["--nosuch"]]
)
def test_wrong_usage_exits_with_2(args):
    """LAW: what can't be understood exits with 2, before anything is evaluated."""
    outcome = run("1", *args)
    assert (outcome.exit_code, outcome.stdout) == (2, "")


def test_a_missing_engine_exits_with_3(monkeypatch):
    """LAW: what could not run exits with 3, and says what to install."""

    def missing(name):
        raise EngineUnavailable(f"install {name}")

    monkeypatch.setattr(verb, "load_engine", missing)
    outcome = run("1")
    assert outcome.exit_code == 3
    assert "install google" in outcome.stderr


def test_what_is_not_unicode_is_answered():
    """LAW: bytes that are no UTF-8, on the command line or on standard input, don't break the output."""
    assert run("'\udcff'").stdout.startswith("error: not a Unicode character\n")
    assert run("'\udcff'", "--json").exit_code == 1
    assert CliRunner().invoke(verb.command, [], input=b'"\xff"\n').stdout == '"\ufffd"\n'
