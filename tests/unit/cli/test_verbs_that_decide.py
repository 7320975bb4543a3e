"""`acrux test` and `acrux explain` as their callers see them: output and exit codes."""

import json

import pytest
from click.testing import CliRunner

import acrux.cli.policy_sets
from acrux.cel import EngineUnavailable, load_engine
from acrux.cli.group import command

load_engine("celpy").compile("true", {})

SET = """\
version: acrux/v1
ladder: [basic, {level: mfa, max_age: 12h}, {level: high, max_age: 12h}]
providers: {corp: {issuer: https://login.example.com, acr: {mfa: "urn:2", high: "urn:3"}}}
networks:
  office: {cidrs: [203.0.113.0/24], trusted: true, owner: netops@example.com}
rules:
  - id: sso
    description: Two factors.
    owner: iam@example.com
    when: client.id == "jira"
    require: mfa
    except:
      - id: desk
        when: network.trusted
        owner: iam@example.com
        ticket: SEC-1
        expires: 2099-12-31
  - {id: later, description: Soon., owner: iam@example.com, when: client.id == "jira", require: high, mode: report}
  - {id: gone, description: Past., owner: iam@example.com, when: client.id == "jira", require: deny, mode: "off"}
  - {id: who, description: Eve., owner: iam@example.com, when: client.id == "wiki" && device.managed, require: mfa}
break_glass:
  - id: outage
    when: client.id == "jira"
    instead: basic
    owner: iam@example.com
    ticket: INC-1
    active: {from: 2026-03-01T00:00:00Z, until: 2026-03-01T12:00:00Z}
tests:
  - {name: jira, given: {client: jira}, expect: {level: mfa, rules: [sso]}}
"""
INVARIANT = """\
invariants:
  - {id: always, for: 'client.id == "jira"', never_below: mfa}
"""


@pytest.fixture
def policies(tmp_path):
    (tmp_path / "set.yaml").write_text(SET)
    return tmp_path


def run(*arguments, stdin=None):
    return CliRunner().invoke(command, [str(argument) for argument in arguments], input=stdin)


def test_passing_tests_exit_with_zero(policies):
    """A summary, and nothing else."""
    found = run("test", policies)
    assert (found.exit_code, found.output) == (0, "1 passed, 0 failed\n")


def test_failing_tests_are_shown_with_place_and_difference(policies):
    """File and line, expected and actual, exit code 1."""
    (policies / "set.yaml").write_text(SET.replace("expect: {level: mfa", "expect: {level: high"))
    found = run("test", policies)
    assert found.exit_code == 1
    place = f"{policies}/set.yaml:{len(SET.splitlines())}"
    assert found.output == f'{place}: FAILED jira\n    level: expected "high", got "mfa"\n0 passed, 1 failed\n'
    assert json.loads(run("test", policies, "--json").output)["failed"] == 1
    assert "<failure" in run("test", policies, "--format", "junit").output


def test_violated_invariants_are_shown_with_an_example(policies):
    """A broken invariant fails the run and shows a request that breaks it."""
    (policies / "set.yaml").write_text(SET + INVARIANT)
    found = run("test", policies)
    assert found.exit_code == 1
    assert "BROKEN invariant `always` does not hold: `basic` is below `mfa`" in found.output
    assert '"client":"jira"' in found.output
    assert found.output.endswith("1 passed, 0 failed, 1 invariant broken\n")
    assert json.loads(run("test", policies, "--json").output)["invariants"][0]["invariant"] == "always"


def test_coverage_is_told_and_fails_nothing(policies):
    """Rules and exceptions that no test matches, each with its place."""
    found = run("test", policies, "--coverage")
    assert found.exit_code == 0
    assert "coverage: 2 of 4 rules and exceptions are matched by a test\n" in found.output
    assert f"{policies}/set.yaml:13: sso/desk is matched by none" in found.output
    written = json.loads(run("test", policies, "--coverage", "--format", "json").output)
    assert [one["rule"] for one in written["coverage"]["uncovered"]] == ["sso", "who"]


def test_cross_check(policies, monkeypatch):
    """Both engines; a difference fails the run."""
    found = run("test", policies, "--cross-check")
    assert (found.exit_code, found.output.splitlines()[-1]) == (
        0,
        "1 passed, 0 failed, 0 decided differently by the two engines",
    )
    celpy = load_engine("celpy")
    plain = type(celpy).load
    monkeypatch.setattr(
        type(celpy), "load", lambda self, checked, names: plain(self, self_checked("false", names), names)
    )
    found = run("test", policies, "--cross-check")
    assert found.exit_code == 1
    assert "DIFFERS jira: the engines decide it differently" in found.output
    written = json.loads(run("test", policies, "--cross-check", "--json").output)
    assert set(written["disagreements"][0]["decisions"]) == {"google", "celpy"}


def self_checked(text, names):
    from acrux.cel import check  # noqa: PLC0415 - only this stand-in needs it

    return check(text, names)


@pytest.mark.parametrize("verb", [["test"], ["explain", "--client", "jira"]])
def test_a_broken_set_is_drawn(policies, verb):
    """Errors of the set stop both verbs, drawn as `check` draws them, exit code 1."""
    (policies / "set.yaml").write_text(SET.replace("client.id ==", "client.idd =="))
    found = run(*verb, policies)
    assert found.exit_code == 1
    assert "client.idd" in found.stderr
    written = json.loads(run(*verb, policies, "--json").stdout)
    assert written["diagnostics"][0]["severity"] == "error"


@pytest.mark.parametrize("verb", [["test"], ["explain", "--client", "jira"]])
def test_what_can_not_run_says_why(policies, verb, monkeypatch):
    """An engine that is not installed, a directory that can't be read: exit code 3."""

    def missing(name):
        raise EngineUnavailable(f"the engine `{name}` is not here")

    monkeypatch.setattr(acrux.cli.policy_sets, "load_engine", missing)
    found = run(*verb, policies)
    assert (found.exit_code, found.stderr) == (3, "acrux: the engine `google` is not here\n")

    def unreadable(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(acrux.cli.policy_sets, "read_directory", unreadable)
    found = run(*verb, policies)
    assert (found.exit_code, found.stderr) == (3, f"acrux: can't read `{policies}`: Permission denied\n")


def test_a_directory_that_is_not_there(tmp_path):
    """Exit code 3, as for every verb that reads a set."""
    assert run("test", tmp_path / "nowhere").exit_code == 3


def test_cross_check_without_the_second_engine(policies, monkeypatch):
    """Asked for, and impossible: exit code 3, never a silent pass."""

    def missing(name):
        raise EngineUnavailable(f"the engine `{name}` is not here")

    monkeypatch.setattr("acrux.analysis.cross_check.load_engine", missing)
    assert run("test", policies, "--cross-check").exit_code == 3


def test_explain_tells_the_decision_and_each_rule(policies):
    """Level, reason, parameters, what to accept, and for each rule why or why not."""
    found = run("explain", policies, "--client", "jira", "--ip", "198.51.100.9", "--now", "2026-06-01T00:00:00Z")
    assert found.exit_code == 0
    lines = found.output.splitlines()
    assert lines[:8] == [
        "step_up: mfa, because: Two factors.",
        "  ask:     acr_values=urn:2 max_age=43200",
        "  accept:  acr urn:2, urn:3",
        "  max_age: 12h",
        "  with the rules in report mode: high",
        "  client:  jira at corp",
        "  time:    2026-06-01T00:00:00.000000Z",
        "",
    ]
    assert f"matched      sso: mfa  {policies}/set.yaml:7" in lines
    assert "             exception desk (basic): not matched: `network.trusted` is false: " in found.output
    assert "matched      later: high (report)" in found.output
    assert "out          gone: deny (off)" in found.output
    assert "not matched  who: mfa" in found.output
    assert "break-glass outage (basic): out: it was active until" in found.output


def test_explain_shows_what_lowered_a_rule(policies):
    """An exception that applied, and a break-glass that did."""
    office = run("explain", policies, "--client", "jira", "--ip", "203.0.113.5")
    assert "sso: basic instead of mfa" in office.output
    assert "exception desk (basic): matched, applied" in office.output
    night = run("explain", policies, "--client", "jira", "--now", "2026-03-01T01:00:00Z")
    assert "lowered by break-glass `outage`" in night.output


def test_explain_takes_facts_from_a_file_and_options_over_them(policies, tmp_path):
    """`--facts` has the shape of a decide request; options win."""
    facts = json.dumps({"client": {"id": "wiki"}, "user": {"domain": "example.com"}, "device": {"managed": True}})
    found = run("explain", policies, "--facts", "-", "--user", "eve", "--group", "a", "--json", stdin=facts)
    written = json.loads(found.output)
    assert written["decision"]["rules"] == ["who"]
    assert {trace["id"]: trace["outcome"] for trace in written["rules"]}["gone"] == "out"
    over = run("explain", policies, "--facts", "-", "--client", "jira", "--app", "m", "--json", stdin='{"client": "x"}')
    assert json.loads(over.output)["decision"]["rules"] == ["sso"]


def test_explain_shows_what_was_asked_for_and_refuses_what_the_service_would(policies):
    """A requested level is named; an unmapped value that would be replaced is refused, exit code 1."""
    asked = run("explain", policies, "--client", "x", "--acr-values", "urn:3")
    assert "asked for by the relying party: high" in asked.output
    refused = run("explain", policies, "--client", "jira", "--acr-values", "nobody")
    assert (refused.exit_code, refused.stderr) == (
        1,
        "acrux: the request is refused: unmapped requested acr: `nobody`\n",
    )
    calm = run("explain", policies, "--client", "x")
    assert calm.output.startswith("baseline: basic, because: default\n  client:  x at corp\n")


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        ([], None, "acrux: /client: required"),
        (["--client", "jira", "--now", "yesterday"], None, "no RFC 3339 time"),
        (["--facts", "-"], "{", "no JSON"),
        (["--facts", "-"], "[]", "a JSON object is wanted"),
        (["--facts", "-"], '{"client": "jira", "attributes": {"vip": "x"}}', "/attributes/vip"),
    ],
)
def test_explain_says_what_is_wrong_with_its_arguments(policies, arguments, stdin, words):
    """Usage errors: exit code 2, the field named."""
    (policies / "more.yaml").write_text("version: acrux/v1\nattributes: {vip: {type: bool}}\n")
    found = run("explain", policies, *arguments, stdin=stdin)
    assert found.exit_code == 2
    assert words in found.stderr


def test_explain_says_what_may_have_been_meant_otherwise(policies):
    """A client that the set does not have, and what is no address, are decided as the service does, and said."""
    more = "version: acrux/v1\nclients: {jira: {client_id: jira-sso}}\ndefaults: {unregistered_client: mfa}\n"
    (policies / "more.yaml").write_text(more)
    lines = run("explain", policies, "--client", "jria", "--ip", "10.0.0").output.splitlines()
    doubt = "  note:    the set has no client `jria`, so it is decided as an unregistered one; did you mean `jira`?"
    assert doubt in lines
    assert "  note:    `10.0.0` is no address, so it is decided as from an unknown one" in lines
    assert "did you mean" not in run("explain", policies, "--client", "payroll").output
    for client in ("jira", "jira-sso"):
        assert "note:" not in run("explain", policies, "--client", client, "--ip", "::ffff:203.0.113.5").output


def test_no_rules_no_empty_line(policies):
    """A set without rules is explained in a few lines."""
    (policies / "set.yaml").write_text("\n".join(SET.splitlines()[:3]) + "\n")
    assert run("explain", policies, "--client", "x").output.splitlines()[-1].startswith("  time:")


def test_places_are_shown_as_the_directory_was_given(policies, monkeypatch):
    """`acrux test .` shows `set.yaml:...`, which editors open."""
    monkeypatch.chdir(policies)
    assert "\n    set.yaml:13: sso/desk" in run("test", ".", "--coverage").output
