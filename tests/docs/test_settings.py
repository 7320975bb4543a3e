"""docs/settings.md tells of every setting, and of none that is not there."""

import re
from pathlib import Path

import click

from acrux.cli.serve import command

DOCUMENT = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()


def test_every_setting_is_documented() -> None:
    """Each flag stands in the table with its variable; each flag of the table exists."""
    table = dict(re.findall(r"^\| `(--[a-z-]+)`[^|]*\| `(ACRUX_[A-Z_]+)` \|", DOCUMENT, re.MULTILINE))
    flags = {
        option.opts[0]: option.envvar
        for option in command.params
        if isinstance(option, click.Option) and option.name != "help"
    }
    assert table == flags
