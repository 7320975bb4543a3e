"""docs/errors.md lists every code of the HTTP API, with its status, and nothing else."""

import re
from pathlib import Path

from acrux.http.problems import KINDS, Code

PAGE = Path(__file__).resolve().parents[2] / "docs" / "errors.md"


def test_every_code_is_documented():
    """A code without a row, a row without a code, or another status: each is a failure."""
    rows = re.findall(r"^\| `([a-z_]+)` \| (\d{3}) \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert rows == [(str(code), str(int(KINDS[code].status))) for code in Code]
