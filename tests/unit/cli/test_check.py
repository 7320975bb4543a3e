"""`acrux check`: what it prints, and with what it exits."""

import json

import pytest
from click.testing import CliRunner

from acrux.cli.check import command

GOOD = """version: acrux/v1
ladder: [basic, mfa]
providers: {corp: {issuer: https://login.example.com, acr: {mfa: gold}}}
rules:
  - id: sso
    owner: iam@example.com
    description: Jira holds design data.
    when: client.id == "jira"
    require: mfa
    except: [{id: e, when: app.id == "x", owner: a@example.com, ticket: T-1, expires: 2026-12-31}]
"""
NOW = ["--now", "2026-11-23"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the verb in a directory that holds `policies/set.yaml` with a text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policies").mkdir()

    def _run(text, *options, where="policies"):
        (tmp_path / "policies" / "set.yaml").write_text(text)
        return CliRunner().invoke(command, [where, *options])

    return _run


def test_a_good_set_says_so(run):
    """No mistakes: nothing on standard output, a summary beside it, exit code 0."""
    result = run(GOOD, *NOW)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "1 rule, 0 clients: no mistakes\n")


def test_errors_are_drawn_and_counted(run):
    """Each mistake is drawn with the path as the user wrote it; the exit code is 1."""
    result = run(GOOD.replace("require: mfa", "require: mfaa").replace("client.id ==", "client.idd =="), *NOW)
    assert result.exit_code == 1
    assert "policies/set.yaml:8:11: error[ACX0203]: unknown fact `client.idd`" in result.stdout
    assert result.stderr == "2 errors\n"
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--strict",), 1)])
def test_warnings_fail_only_strictly(run, options, code):
    """A warning is shown and counted; with --strict it fails."""
    result = run(GOOD.replace("    owner: iam@example.com\n", ""), *NOW, *options)
    assert result.exit_code == code
    assert result.stderr == "1 rule, 0 clients: 1 warning\n"
    assert "ACX0613" in result.stdout


def test_now_decides_what_has_expired(run):
    """--now is a day or a moment; an exception lasts to the end of its last day in UTC."""
    assert run(GOOD, "--now", "2026-12-31T23:59:59Z").exit_code == 0
    assert run(GOOD, "--now", "2027-01-01T00:00:00Z").exit_code == 1
    assert run(GOOD, "--now", "2027-01-01T00:30:00+01:00").exit_code == 0
    assert run(GOOD, "--now", "tomorrow").exit_code == 2


def test_json_is_the_language_s_shape(run):
    """--json has the members that the language's page fixes; places count from 1."""
    result = run(GOOD.replace("require: mfa", "require: mfaa"), "--json", *NOW)
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "diagnostics": [
            {
                "code": "ACX0401",
                "severity": "error",
                "file": "policies/set.yaml",
                "line": 9,
                "column": 14,
                "end_line": 9,
                "end_column": 18,
                "message": "unknown level `mfaa`",
                "help": "did you mean `mfa`?",
                "related": [],
            }
        ]
    }
    assert json.loads(run(GOOD, "--format", "json", *NOW).stdout) == {"diagnostics": []}


def test_reports_for_other_programs(run):
    """GitHub's commands and SARIF name the same place."""
    wrong = GOOD.replace("require: mfa", "require: mfaa")
    assert "::error file=policies/set.yaml,line=9" in run(wrong, "--format", "github", *NOW).stdout
    sarif = json.loads(run(wrong, "--format", "sarif", *NOW).stdout)
    assert sarif["runs"][0]["results"][0]["ruleId"] == "ACX0401"


def test_the_path_is_as_it_was_written(run, tmp_path):
    """A trailing slash is not doubled, and `.` is left out."""
    wrong = GOOD.replace("require: mfa", "require: mfaa")
    assert run(wrong, *NOW, where="policies/").stdout.startswith("policies/set.yaml:9:14: ")
    assert run(wrong, *NOW, where=str(tmp_path / "policies")).stdout.startswith(f"{tmp_path}/policies/set.yaml:9:14: ")
    assert run(wrong, *NOW, where=".").stdout.startswith("policies/set.yaml:9:14: ")


def test_a_directory_that_is_not_there(run):
    """What can't be read is exit code 3; wrong usage is 2."""
    result = run(GOOD, where="missing")
    assert result.exit_code == 3
    assert result.stderr == "acrux check: can't read `missing`: No such file or directory\n"
    assert run(GOOD, "--format", "xml").exit_code == 2
