"""`acrux init`: writes a commented starter policy set. It never touches a file that is there."""

import sys
from importlib.resources import files
from pathlib import Path
from typing import Final

import click

CANNOT_RUN: Final = 3
TEMPLATES: Final = ("basic", "atlassian")


@click.command("init", short_help="Write a starter policy set.")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--template",
    type=click.Choice(TEMPLATES),
    default="basic",
    show_default=True,
    help="basic: two levels and one rule; atlassian: clients, networks, exceptions, report mode.",
)
def command(directory: Path, template: str) -> None:
    """Write a commented starter policy set into DIR. It passes its own tests; files that are there stay as they are."""
    contents = {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in files("acrux.cli").joinpath("templates", template).iterdir()
        if entry.name.endswith(".yaml")
    }
    taken = sorted(path for suffix in ("yaml", "yml") for path in directory.glob(f"**/*.{suffix}"))
    if taken:
        # Beside other policy files the starter set would be joined with them.
        click.echo(f"acrux init: `{taken[0]}` is there already; nothing was written", err=True)
        sys.exit(CANNOT_RUN)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in sorted(contents.items()):
            # "x": a file that appeared meanwhile is not overwritten either.
            with (directory / name).open("x", encoding="utf-8") as file:
                file.write(content)
            click.echo(f"wrote {directory / name}")
    except OSError as error:
        click.echo(f"acrux init: can't write to `{directory}`: {error.strerror or error}", err=True)
        sys.exit(CANNOT_RUN)
    click.echo(f"\nNext:\n  acrux check {directory}\n  acrux test {directory}\n  acrux serve --policies {directory}")
