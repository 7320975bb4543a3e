"""`acrux init`: a starter set that passes its own tests, and never touches what is there."""

from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from acrux.analysis.loading import load_policy
from acrux.cli.init import TEMPLATES, command
from acrux.policy.load import check_files, read_directory

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize("template", TEMPLATES)
def test_each_template_is_a_good_set(template, tmp_path):
    """What is written has no mistake, no warning, and passes its own tests."""
    directory = tmp_path / "deep" / "policies"
    result = CliRunner().invoke(command, [str(directory), "--template", template])
    assert result.exit_code == 0, result.output
    assert f"acrux check {directory}" in result.stdout
    files = read_directory(directory)
    assert check_files(files, now=NOW).diagnostics == ()
    cases = load_policy(files).cases
    assert cases
    assert all(case.passed for case in cases)


@pytest.mark.parametrize("name", ["policy.yaml", "other.yaml", "team/other.yml"])
def test_what_is_there_stays(name, tmp_path):
    """Beside other policy files nothing is written at all: they would be joined with it."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    result = CliRunner().invoke(command, [str(tmp_path)])
    assert result.exit_code == 3
    assert "is there already; nothing was written" in result.stderr
    assert [path.read_text() for path in tmp_path.rglob("*") if path.is_file()] == ["mine"]


def test_a_place_that_can_t_be_written(tmp_path):
    """A machine's refusal is exit code 3, said in one line."""
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(command, [str(tmp_path / "file" / "policies")])
    assert result.exit_code == 3
    assert result.stderr.startswith("acrux init: can't write to ")


def test_unknown_templates_are_usage_errors(tmp_path):
    """A template that there is not is exit code 2."""
    assert CliRunner().invoke(command, [str(tmp_path), "--template", "huge"]).exit_code == 2
