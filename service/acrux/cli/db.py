"""`acrux db`: migrates the database. The migrations are the storage room's."""

import json
import sys
from pathlib import Path
from typing import Final

import click

from acrux.cli.node_options import database_options, format_options, open_database
from acrux.storage import migrate

FINDINGS: Final = 1


@click.group("db", short_help="Migrate the database.")
def command() -> None:
    """Migrate the database. `acrux serve` does `upgrade` by itself unless it is told `--no-migrate`."""


@command.command("upgrade")
@click.argument("revision", default="head")
@format_options
@database_options
def upgrade(revision: str, database: str | None, state: Path, *, as_json: bool) -> None:
    """Bring the schema up to REVISION (default: the latest)."""
    with open_database(database, state, needs_schema=False) as opened:
        before = migrate.current(opened)
        migrate.upgrade(opened, revision)
        _show_change(opened.shown, before, migrate.current(opened), as_json=as_json)


@command.command("downgrade")
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Don't ask.")
@format_options
@database_options
def downgrade(revision: str, database: str | None, state: Path, *, yes: bool, as_json: bool) -> None:
    """Take the schema back to REVISION. `base` drops every table, with the decision log in it."""
    with open_database(database, state) as opened:
        if not yes:
            click.confirm(f"{opened.shown}: take the schema back to {revision}? Records may be lost", abort=True)
        before = migrate.current(opened)
        migrate.downgrade(opened, revision)
        _show_change(opened.shown, before, migrate.current(opened), as_json=as_json)


@command.command("check", short_help="Say whether the tables are those of this version.")
@format_options
@database_options
def check(database: str | None, state: Path, *, as_json: bool) -> None:
    """Say whether the tables are those that this version expects; exits with 1 if they are not."""
    with open_database(database, state) as opened:
        differences = migrate.differences(opened)
    if as_json:
        click.echo(json.dumps({"differences": differences}, indent=2))
    else:
        click.echo("\n".join(differences) or "the schema is up to date")
    if differences:
        sys.exit(FINDINGS)


@command.command("current")
@format_options
@database_options
def current(database: str | None, state: Path, *, as_json: bool) -> None:
    """Print the revision of the schema."""
    with open_database(database, state, needs_schema=False) as opened:
        revision = migrate.current(opened)
    click.echo(json.dumps({"revision": revision}) if as_json else revision or "empty")


def _show_change(database: str, before: str | None, after: str | None, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"database": database, "before": before, "after": after}))
    else:
        click.echo(f"{database}: {before or 'empty'} -> {after or 'empty'}")
