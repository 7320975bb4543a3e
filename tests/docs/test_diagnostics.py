"""docs/diagnostics.md is the table of codes: what it says of each is what the checks do."""

import codecs
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from acrux.policy.codes import Code, all_codes
from acrux.policy.diagnostics import Severity
from acrux.policy.drawing import draw_text
from acrux.policy.load import check_files

PAGE = (Path(__file__).parents[2] / "docs" / "diagnostics.md").read_text(encoding="utf-8")
CHECKED_ON = "2026-06-01"
ROW = re.compile(r"^\| (ACX\d{4}) \| (\w+) \| (.+?) \| (.+?) \|$", re.MULTILINE)
BLOCK = re.compile(r"^```yaml([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Example(NamedTuple):
    """The files of one example, and the time of the check."""

    files: dict[str, bytes]
    now: datetime


def example(section: str) -> Example:
    """The set that the blocks of one example stand for, by the rules at the top of the page."""
    files: dict[str, bytes] = {}
    day = CHECKED_ON
    for number, match in enumerate(BLOCK.finditer(section)):
        words = match[1].split()
        settings = dict(word.split(":", maxsplit=1) for word in words if ":" in word)
        text = match[2] if "bare" in words else f"version: acrux/v1\n{match[2]}"
        content = codecs.escape_decode(text)[0] if "escaped" in words else text.encode()
        if "bytes" in settings:
            content += b"#" * (int(settings["bytes"]) - len(content))
        files[settings.get("file", f"example-{number}.yaml")] = content
        day = settings.get("date", day)
    assert files, "an example has a block"
    if not any(re.search(rb"^ladder:", content, re.MULTILINE) for content in files.values()):
        base = re.search(r"^```yaml base\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
        files["base.yaml"] = base[1].encode()
    return Example(files, datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC))


def section(code: Code) -> str:
    """What the page says below the heading of a code."""
    match = re.search(rf"^### {code.id}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert match, f"docs/diagnostics.md has no section for {code.id}"
    return match[1]


def found_in(files: Example) -> tuple[set[str], set[str], str]:
    """The codes of the errors and of the warnings of a set, and all diagnostics drawn."""
    checked = check_files(files.files, now=files.now)
    errors = {each.code for each in checked.diagnostics if each.severity is Severity.ERROR}
    warnings = {each.code for each in checked.diagnostics if each.severity is Severity.WARNING}
    return errors, warnings, draw_text(checked.diagnostics, checked.sources, color=False)


def test_every_code_has_its_row():
    """The rows are the codes, in order, with severity and title as in the code."""
    rows = [(match[1], match[2], match[3]) for match in ROW.finditer(PAGE)]
    assert rows == [(code.id, str(code.severity), code.title) for code in all_codes()]


def test_codes_are_unique_and_grouped():
    """No number stands for two mistakes, and all warnings are ACX06xx."""
    ids = [code.id for code in all_codes()]
    assert len(ids) == len(set(ids))
    for code in all_codes():
        assert (code.severity is Severity.WARNING) == code.id.startswith("ACX06"), code


@pytest.mark.parametrize("code", all_codes(), ids=lambda code: code.id)
def test_wrong_example_gives_exactly_its_code(code):
    """The wrong example of an error gives no other error; that of a warning gives it, and no error."""
    wrong = section(code).partition("\nRight:\n")[0].partition("\nWrong:\n")[2]
    errors, warnings, drawn = found_in(example(wrong))
    if code.severity is Severity.ERROR:
        assert errors == {code.id}, drawn
    else:
        assert not errors, drawn
        assert code.id in warnings, drawn


@pytest.mark.parametrize("code", all_codes(), ids=lambda code: code.id)
def test_right_example_is_right(code):
    """The right example gives no error, and not this code."""
    errors, warnings, drawn = found_in(example(section(code).partition("\nRight:\n")[2]))
    assert not errors, drawn
    assert code.id not in warnings, drawn
