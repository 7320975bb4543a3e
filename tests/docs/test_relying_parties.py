"""The pages of docs/relying-parties: the policy sets that they show are right, and their links lead somewhere."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "relying-parties"
ACRUX = Path(sys.executable).parent / "acrux"
BLOCK = re.compile(r"^( *)```(\S*)([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block of a page.

    `program` is whose configuration a YAML block is; '' for a policy set, `part` for what stands beside others in one.
    """

    page: str
    number: int
    language: str
    program: str
    text: str


def blocks() -> list[Block]:
    """Every fenced block of every page."""
    return [
        Block(page.name, number, match[2], match[3].strip(), match[4])
        for page in sorted(PAGES.glob("*.md"))
        for number, match in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8")), start=1)
    ]


POLICIES = [block for block in blocks() if block.language == "yaml" and not block.program]


PARTS = [block for block in blocks() if block.program == "part"]
ELSEWHERE = """version: acrux/v1
ladder: [basic, mfa]
providers: {corp: {issuer: https://login.example.com, acr: {mfa: urn:example:loa:2}}}
defaults: {unregistered_client: mfa}
"""


def test_the_pages_show_policies() -> None:
    """Blocks are found, and the pages for programs that are only configured have one each."""
    pages = {block.page for block in POLICIES}
    assert {"atlassian-data-center.md", "envoy.md", "openid-client.md", "passport.md", "recipes.md"} <= pages


@pytest.mark.parametrize("verb", [("check", "--strict"), ("test",)], ids=["check", "test"])
@pytest.mark.parametrize("block", POLICIES, ids=lambda block: f"{block.page}-{block.number}")
def test_a_policy_is_right(block: Block, verb: tuple[str, ...], tmp_path: Path) -> None:
    """A whole set: no mistake, no warning, and its own tests pass."""
    (tmp_path / "policy.yaml").write_text(block.text, encoding="utf-8")
    done = subprocess.run([ACRUX, *verb, tmp_path], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", sorted({block.page for block in PARTS}))
def test_parts_are_right(page: str, tmp_path: Path) -> None:
    """The parts of a page make a set without a mistake together with what every set has."""
    (tmp_path / "elsewhere.yaml").write_text(ELSEWHERE, encoding="utf-8")
    for block in (each for each in PARTS if each.page == page):
        text = "version: acrux/v1\n" + textwrap.dedent(block.text)
        (tmp_path / f"part-{block.number}.yaml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [ACRUX, "check", "--strict", tmp_path], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_links_lead_somewhere() -> None:
    """Every relative link of a page leads to a file, and to a heading that is in it."""
    broken = []
    for page in sorted(PAGES.glob("*.md")):
        for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
            name, _, heading = target.partition("#")
            path = page.parent / name if name else page
            if not path.exists() or (heading and heading not in headings(path)):
                broken.append((page.name, target))
    assert broken == []


def headings(path: Path) -> set[str]:
    """The anchors of a page, as code hosts make them of its headings."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
