"""`acrux db`: migrates the database. The migrations are the storage room's."""

import sys
from pathlib import Path
from typing import Final

import click

from acrux.cli.node_options import database_options, open_database
from acrux.storage import migrate

FINDINGS: Final = 1


@click.group("db", short_help="Migrate the database.")
def command() -> None:
    """Migrate the database. `acrux serve` does `upgrade` by itself unless it is told `--no-migrate`."""


@command.command("upgrade")
@click.argument("revision", default="head")
@database_options
def upgrade(revision: str, database: str | None, state: Path) -> None:
    """Bring the schema up to REVISION (default: the latest)."""
    with open_database(database, state, needs_schema=False) as opened:
        before = migrate.current(opened)
        migrate.upgrade(opened, revision)
        click.echo(f"{opened.shown}: {before or 'empty'} -> {migrate.current(opened)}")


@command.command("downgrade")
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Don't ask.")
@database_options
def downgrade(revision: str, database: str | None, state: Path, *, yes: bool) -> None:
    """Take the schema back to REVISION. `base` drops every table, with the decision log in it."""
    with open_database(database, state) as opened:
        if not yes:
            click.confirm(f"{opened.shown}: take the schema back to {revision}? Records may be lost", abort=True)
        before = migrate.current(opened)
        migrate.downgrade(opened, revision)
        click.echo(f"{opened.shown}: {before} -> {migrate.current(opened) or 'empty'}")


@command.command("check")
@database_options
def check(database: str | None, state: Path) -> None:
    """Say whether the tables are those that this version expects; exits with 1 if they are not."""
    with open_database(database, state) as opened:
        differences = migrate.differences(opened)
    for difference in differences:
        click.echo(difference)
    if differences:
        sys.exit(FINDINGS)
    click.echo("the schema is up to date")


@command.command("current")
@database_options
def current(database: str | None, state: Path) -> None:
    """Print the revision of the schema."""
    with open_database(database, state, needs_schema=False) as opened:
        click.echo(migrate.current(opened) or "empty")
