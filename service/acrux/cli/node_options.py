"""The options that find a node's database and keys, for verbs that work beside a running service. No logic of verbs."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar, cast

import click

from acrux.decisionlog.errors import DecisionLogError
from acrux.decisionlog.tokens import TokenInvalid, TokenUnknown
from acrux.storage import migrate
from acrux.storage.database import Database, DatabaseUnavailable, StorageError, parse_url

USAGE: Final = 2
CANNOT_RUN: Final = 3
_MAKES_TABLES: Final = "`acrux serve` or `acrux db upgrade` makes them"
F = TypeVar("F", bound=Callable[..., Any])

_STATE: Final = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="ACRUX_STATE",
    default=".acrux",
    show_default=True,
    help="The state directory of a node.",
)
_DATABASE: Final = click.option(
    "--database",
    envvar="ACRUX_DATABASE",
    default=None,
    show_default="acrux.db in the state directory",
    help="`sqlite:///path` or `postgresql://user@host/name`.",
)


def database_options(verb: F) -> F:
    """Give a verb `--database` and `--state`, with the settings of `acrux serve` behind them."""
    return _DATABASE(_STATE(verb))


def format_options(verb: F) -> F:
    """Give a verb `--format text|json`, and `--json` for short; the verb takes them as `as_json`."""

    @wraps(verb)
    def with_format(*arguments: Any, form: str, as_json: bool, **more: Any) -> Any:
        return verb(*arguments, as_json=as_json or form == "json", **more)

    short = click.option("--json", "as_json", is_flag=True, help="Short for `--format json`.")
    full = click.option(
        "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Output."
    )
    return cast("F", full(short(with_format)))


def fail(message: str) -> NoReturn:
    """Say why the verb can't run, and exit with 3."""
    click.echo(f"acrux: {message}", err=True)
    sys.exit(CANNOT_RUN)


@contextmanager
def open_database(url: str | None, state: Path, *, needs_schema: bool = True) -> Iterator[Database]:
    """The database of a node; what goes wrong with it ends the verb with a sentence and exit code 3."""
    url = url or f"sqlite:///{state / 'acrux.db'}"
    try:
        if needs_schema:
            _require_file(url)
        database = Database(url)  # connects to nothing yet
        try:
            if needs_schema:
                _require_schema(database)
            yield database
        finally:
            database.close()
    except (TokenInvalid, TokenUnknown) as reason:
        click.echo(f"acrux: {reason}", err=True)
        sys.exit(USAGE)
    except DatabaseUnavailable as away:
        fail(f"the database {database.shown} can't be used: {away}")
    except (StorageError, DecisionLogError, OSError) as reason:
        fail(str(reason))


def _require_file(url: str) -> None:
    """Asking for a SQLite file that is not there would make it, with its directory: looking must not."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(str(parsed.database)).exists():
        fail(f"there is no `{parsed.database}`: --state or --database names a node's; {_MAKES_TABLES}")


def _require_schema(database: Database) -> None:
    found = migrate.current(database)
    if found is None:
        fail(f"{database.shown} has no tables: {_MAKES_TABLES}")
    if found != migrate.head():
        fail(f"{database.shown} has the schema {found}, this version needs {migrate.head()}: `acrux db upgrade`")
