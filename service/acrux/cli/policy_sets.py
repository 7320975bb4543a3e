"""Reading a set for the verbs that decide: from a directory to a decider, or to what is wrong and an exit code."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import click
import orjson

from acrux.cel import EngineUnavailable, load_engine
from acrux.engine import Decider, prepare
from acrux.policy.compiled import compile_policy
from acrux.policy.diagnostics import Diagnostic, Severity
from acrux.policy.drawing import draw_text, to_json
from acrux.policy.facts import Geography
from acrux.policy.load import check_files, read_directory
from acrux.policy.model import CheckedPolicy
from acrux.policy.source import SourceFile

FINDINGS: Final = 1
USAGE: Final = 2
CANNOT_RUN: Final = 3


class BrokenSet(Exception):  # noqa: N818 - it says what the set is
    """A set with errors; `diagnostics` are all of them, to be drawn with `sources`."""

    def __init__(self, diagnostics: Sequence[Diagnostic], sources: Mapping[str, SourceFile]) -> None:
        super().__init__(f"{len(diagnostics)} diagnostics")
        self.diagnostics = diagnostics
        self.sources = sources


def read_decider(directory: Path, engine_name: str, geography: Geography | None = None) -> Decider:
    """The set in a directory, ready to decide, as the service would load it: without its tests run.

    Where addresses are is only for a what-if: a test says its own country and AS.

    Ends the program with exit code 3 where the directory can't be read or the engine is not there.

    Raises:
        BrokenSet: it has errors.
    """
    try:
        files = read_directory(directory)
        engine = load_engine(engine_name)
        checked = check_files(files, now=None)
    except OSError as error:
        cannot_run(f"can't read `{directory}`: {error.strerror or error}")
    except EngineUnavailable as missing:
        cannot_run(str(missing))
    if checked.policy is None:
        raise BrokenSet(checked.diagnostics, checked.sources)
    return prepare(compile_policy(checked.policy, engine, geography))


def read_policy(directory: Path) -> CheckedPolicy:
    """The set in a directory, checked and not compiled: for verbs that decide nothing.

    Ends the program with exit code 3 where the directory can't be read.

    Raises:
        BrokenSet: it has errors.
    """
    try:
        checked = check_files(read_directory(directory), now=None)
    except OSError as error:
        cannot_run(f"can't read `{directory}`: {error.strerror or error}")
    if checked.policy is None:
        raise BrokenSet(checked.diagnostics, checked.sources)
    return checked.policy


def show_broken(broken: BrokenSet, directory: Path, *, as_json: bool) -> NoReturn:
    """Say what is wrong with a set, and end with exit code 1. Warnings are `check`'s to show."""
    errors = [found for found in broken.diagnostics if found.severity is Severity.ERROR]
    prefix = set_prefix(directory)
    if as_json:
        print_json({"diagnostics": to_json(errors, broken.sources, prefix=prefix)})
    else:
        click.echo(draw_text(errors, broken.sources, color=colours(), prefix=prefix), nl=False, err=True)
    sys.exit(FINDINGS)


def cannot_run(message: str) -> NoReturn:
    """Say why nothing could be done, and end with exit code 3."""
    click.echo(f"acrux: {message}", err=True)
    sys.exit(CANNOT_RUN)


def set_prefix(directory: Path) -> str:
    """What stands before a file's path in the set, so that editors and terminals find it."""
    text = directory.as_posix()
    return "" if text == "." else text.rstrip("/") + "/"


def colours() -> bool:
    """Whether to use colours: on a terminal, unless `NO_COLOR` is set (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def print_json(value: Mapping[str, Any]) -> None:
    """One indented JSON document on standard output."""
    click.echo(orjson.dumps(dict(value), option=orjson.OPT_INDENT_2).decode())
