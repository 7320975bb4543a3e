"""What every `--help` has, whatever the verb."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from acrux.cli import BASE_VERBS
from acrux.cli.group import VERBS, command


def every_verb() -> Iterator[tuple[str, ...]]:
    """The words of every verb and of every verb below it."""
    for name in VERBS:
        if name not in BASE_VERBS:
            yield (name,)
            found = command.get_command(click.Context(command), name)
            if isinstance(found, click.Group):
                yield from ((name, each) for each in found.commands)


@pytest.mark.parametrize("words", list(every_verb()), ids=" ".join)
def test_help_is_whole(words: tuple[str, ...]) -> None:
    """No summary is cut short, no mark of the formatter is left in the text, every option says what it is for."""
    shown = CliRunner().invoke(command, [*words, "--help"])
    assert shown.exit_code == 0
    assert "\\b" not in shown.stdout
    assert not [line for line in shown.stdout.splitlines()[1:] if line.endswith("...")]
    found: click.Command = command
    for word in words:
        assert isinstance(found, click.Group)
        entry = found.get_command(click.Context(found), word)
        assert entry is not None
        found = entry
    silent = [option.name for option in found.params if isinstance(option, click.Option) and not option.help]
    assert silent == []
