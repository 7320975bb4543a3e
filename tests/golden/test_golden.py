"""Whole diagnostics, caret and all: each folder here is a policy set, and `expected.txt` is what `check` draws of it.

`ACRUX_UPDATE_GOLDEN=1` writes the files anew; read the difference before you commit it.
"""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from acrux.policy.drawing import draw_text
from acrux.policy.load import check_files, read_directory

HERE = Path(__file__).parent
SETS = sorted(path.parent for path in HERE.glob("*/expected.txt"))
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize("folder", SETS, ids=lambda path: path.name)
def test_check_draws_what_is_expected(folder):
    """What `check` says of a set is, to the character, what its author is meant to read."""
    checked = check_files(read_directory(folder), now=NOW)
    drawn = draw_text(checked.diagnostics, checked.sources, color=False, prefix="policies/")
    expected = folder / "expected.txt"
    if os.environ.get("ACRUX_UPDATE_GOLDEN"):
        expected.write_text(drawn, encoding="utf-8")
    assert drawn == expected.read_text(encoding="utf-8")


def test_every_folder_is_expected():
    """No folder is left out because its expected.txt was forgotten."""
    folders = {path for path in HERE.iterdir() if path.is_dir() and not path.name.startswith(("_", "."))}
    assert folders == set(SETS)
