"""The table "Tokens and roles" of docs/http-api.md is what the routes do."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "http-api.md").read_text(encoding="utf-8")
COLUMNS = {
    "relying-party": "jira",
    "author": "author",
    "auditor": "auditor",
    "privacy": "privacy",
    "operator": "operator",
}
BODIES = {"/v1/decisions": {"client": "jira"}, "/v1/explanations": {"request": {"client": "jira"}}}


def calls() -> list[tuple[str, str, dict[str, str]]]:
    """(method, path, what the table says by column) for each call."""
    table = PAGE[PAGE.index("| call |") :].split("\n\n", 1)[0].splitlines()
    columns = [cell.strip() for cell in table[0].strip("|").split("|")][1:]
    found = []
    for line in table[2:]:
        cells = [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]
        method = ""
        for call in re.findall(r"`([^`]*/[^`]*)`", cells[0]):
            method = call.split()[0] if " " in call else method
            found.append((method, call.split()[-1], dict(zip(columns, cells[1:], strict=True))))
    return found


def test_the_table_is_read():
    """Every call of the table, in every column."""
    assert len(calls()) == 17
    assert {*calls()[0][2]} == {*COLUMNS, "no token"}


@pytest.mark.parametrize(("method", "path", "said"), calls(), ids=lambda value: value if isinstance(value, str) else "")
async def test_a_row_is_true(bed, method, path, said):
    """An empty cell is a 401 or a 403; any other is neither."""
    url = path.format(id="01a220d7-5a8a-70f1-aa28-433352f4124d", name="jira", revision="sha256:" + "0" * 64)
    for column, cell in said.items():
        async with bed.client(COLUMNS.get(column)) as client:
            response = await client.request(method, url, json=BODIES.get(path, {}) if method == "POST" else None)
        assert (response.status_code not in {401, 403}) is bool(cell), (column, response.text)
        if path == "/readyz":
            assert ("policy" in response.json()) is (cell == "with details")
