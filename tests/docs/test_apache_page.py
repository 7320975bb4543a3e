"""docs/relying-parties/apache-mod-auth-openidc.md says what the program and the service say.

Its virtual hosts are what `tests/e2e/bed/apache.py` starts Apache with, so they are held to the truth there.
"""

import re
from pathlib import Path

from acrux.adapters.rewrite_map import NAMES, PAUSE_SECONDS
from acrux.cli.rewrite_map import EPILOG

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "relying-parties" / "apache-mod-auth-openidc.md").read_text()


def directives(text: str) -> list[str]:
    """The lines of a configuration, continued ones joined, without indentation."""
    joined = re.sub(r" *\\\n *", " ", text)
    return [line.strip() for line in joined.splitlines() if line.strip()]


def test_the_help_shows_what_the_page_shows() -> None:
    """Each line of configuration in `acrux rewrite-map --help` stands in the page's virtual host."""
    (host,) = re.findall(r"```apache\n# 3: (.*?)```", PAGE, re.DOTALL)
    shown = EPILOG.partition("\n\n")[2].partition("Try it")[0]
    assert [line for line in directives(shown) if line not in directives(host)] == []


def test_every_fact_is_named() -> None:
    """The facts that a line may have are all on the page."""
    assert [name for name in NAMES if f"`{name}`" not in PAGE] == []


def test_figures() -> None:
    """The times on the page are the program's."""
    assert PAUSE_SECONDS == 2
    assert "waits 300 ms (`--timeout-ms`) once in two seconds" in PAGE


def test_texts_are_said() -> None:
    """What the page says one sees of Acrux is what Acrux says."""
    sources = "".join(path.read_text() for path in (ROOT / "service" / "acrux").rglob("*.py"))
    for text in (
        "the sign-in is not what was decided (",
        "this sign-in did not go through Acrux, or long ago (",
        "refused by policy, decision ",
        "`redirect_uri` is not one of those that this client has in the policy set",
        "a login is refused, there is no decision: ",
    ):
        assert text in PAGE
        assert text in sources
