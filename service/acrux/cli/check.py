"""`acrux check`: every mistake of a policy set at once, each with its place. The checks are the policy room's."""

import json
import os
import sys
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Final

import click

from acrux.policy.diagnostics import Severity
from acrux.policy.drawing import draw_text, to_github, to_json, to_sarif
from acrux.policy.load import Checked, check_files, read_directory
from acrux.policy.times import parse_date, parse_timestamp

FINDINGS: Final = 1
CANNOT_RUN: Final = 3


class Moment(click.ParamType[datetime]):
    """A day or an RFC 3339 timestamp."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment in UTC; a day is its noon."""
        if isinstance(value, datetime):
            return value
        text = str(value)
        moment = parse_timestamp(text)
        day = parse_date(text)
        if moment is None and day is None:
            self.fail(f"`{text}` is no time: write 2026-12-31 or 2026-12-31T09:00:00Z", param, ctx)
        return moment or _noon(day or date.min)


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


@click.command("check", short_help="Check a policy set.")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github", "sarif"]),
    default="text",
    show_default=True,
    help="How to report: for people, for programs, as GitHub annotations, for code scanning.",
)
@click.option("--json", "as_json", is_flag=True, help="Short for `--format json`.")
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@click.option("--now", type=Moment(), help="Check as of this time (exceptions expire, reviews fall due); default: now.")
def command(directory: Path, form: str, now: datetime | None, *, as_json: bool, strict: bool) -> None:
    """Check the policy set in DIR: syntax, types, names, and what the rules mean together.

    Exits with 0 if the set is good, 1 if it has errors (with --strict also for warnings), 2 for wrong usage, 3 if DIR
    can't be read.
    """
    try:
        files = read_directory(directory)
    except OSError as error:
        click.echo(f"acrux check: can't read `{directory}`: {error.strerror or error}", err=True)
        sys.exit(CANNOT_RUN)
    checked = check_files(files, now=now or datetime.now(UTC))
    _report(checked, "json" if as_json else form, _prefix(directory))
    click.echo(summary(checked), err=True)
    if checked.error_count or (strict and checked.diagnostics):
        sys.exit(FINDINGS)


def _report(checked: Checked, form: str, prefix: str) -> None:
    found, sources = checked.diagnostics, checked.sources
    match form:
        case "json":
            click.echo(
                json.dumps({"diagnostics": to_json(found, sources, prefix=prefix)}, indent=2, ensure_ascii=False)
            )
        case "github":
            click.echo(to_github(found, sources, prefix=prefix), nl=False)
        case "sarif":
            click.echo(json.dumps(to_sarif(found, sources, prefix=prefix), indent=2))
        case _:
            color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
            click.echo(draw_text(found, sources, color=color, prefix=prefix), nl=False, color=color)


def _prefix(directory: Path) -> str:
    """What stands before each file's path: the directory as it was written."""
    written = directory.as_posix()
    return "" if written == "." else written.rstrip("/") + "/"


def summary(checked: Checked) -> str:
    """One line: what is wrong, or how much was checked."""
    errors = checked.error_count
    warnings = sum(found.severity is Severity.WARNING for found in checked.diagnostics)
    wrong = [_count(number, noun) for number, noun in ((errors, "error"), (warnings, "warning")) if number]
    if checked.policy is None:
        return ", ".join(wrong)
    held = f"{_count(len(checked.policy.rules), 'rule')}, {_count(len(checked.policy.clients), 'client')}"
    return f"{held}: {', '.join(wrong) or 'no mistakes'}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
