"""The base install: a wheel and httpx are all that a relying party needs, and whatever else is missing says so."""

import importlib.metadata
import importlib.util
import re
import shutil
import socket
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADAPTERS = sorted(
    path.parent.name if path.stem == "__init__" else path.stem
    for path in (ROOT / "service" / "acrux" / "adapters").rglob("*.py")
    if "missing_extra(" in path.read_text() and path.stem != "extras"
)
# The extra bears the adapter's name, but where the distribution has a better known one.
EXTRAS = {"mozilla_django_oidc": "mozilla-django-oidc", "social_core": "social"}


def closure(name: str, found: dict[str, importlib.metadata.Distribution] | None = None):
    """A distribution and what it requires here, extras aside."""
    found = {} if found is None else found
    if name in found:
        return found
    found[name] = importlib.metadata.distribution(name)
    for requirement in found[name].requires or ():
        needed = re.match(r"[A-Za-z0-9._-]+", requirement)
        if needed and "extra ==" not in requirement:
            try:
                closure(needed[0].lower(), found)
            except importlib.metadata.PackageNotFoundError:
                continue  # for another version of Python
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from this checkout."""
    directory = tmp_path_factory.mktemp("wheel")
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *isolation, "--wheel-dir", directory, ROOT]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    (built,) = directory.glob("acrux-*.whl")
    return built


@pytest.fixture(scope="module")
def clean(wheel, tmp_path_factory) -> Path:
    """The `bin` of an environment that has the wheel, httpx and what that requires, and nothing else."""
    directory = tmp_path_factory.mktemp("clean")
    venv.create(directory)
    site = next(directory.glob("lib/python*/site-packages"))
    for distribution in closure("httpx").values():
        for file in distribution.files or ():
            source = Path(str(distribution.locate_file(file)))
            if ".." not in file.parts and source.is_file():
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, site / file)
    python = directory / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    return directory / "bin"


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, check=False)


def test_client_alone(clean) -> None:
    """The client works with httpx alone, and nothing of the service is imported by it."""
    script = (
        "import sys, acrux.client\n"
        "acrux.client.AcruxClient('https://acrux.example.com', 'acrux_t', client='jira').close()\n"
        "print(sorted(name for name in sys.modules if name.count('.') == 1 and name.startswith('acrux.')))"
    )
    done = run(clean / "python", "-I", "-W", "error", "-c", script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['acrux.client']"


def test_there_are_adapters() -> None:
    """Every adapter is found by what it says when its framework is missing."""
    assert ADAPTERS == ["allauth", "django", "flask", "mozilla_django_oidc", "social_core", "starlette"]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_adapter_names_its_extra(clean, adapter) -> None:
    """An adapter without its framework says which extra to install."""
    done = run(clean / "python", "-I", "-c", f"import acrux.adapters.{adapter}")
    assert done.returncode == 1
    assert f"pip install 'acrux[{EXTRAS.get(adapter, adapter)}]'" in done.stderr.splitlines()[-1]


def test_command_names_its_extra(clean) -> None:
    """The `acrux` command without the service says which extra to install, and that it could not run."""
    done = run(clean / "acrux", "--help")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.strip().endswith("pip install 'acrux[service]'")


def test_the_rewrite_map_needs_no_extra(clean, tmp_path) -> None:
    """What Apache starts on a relying party's host runs on the base install, and answers there."""
    done = run(clean / "acrux", "rewrite-map", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "RewriteMap acrux" in done.stdout
    token = tmp_path / "token"
    token.write_text("acrux_t")
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    asked = subprocess.run(
        [
            clean / "acrux",
            "rewrite-map",
            "--url",
            f"http://127.0.0.1:{port}",
            "--client",
            "jira",
            "--token-file",
            token,
        ],
        input="network.ip=198.51.100.9\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (asked.returncode, asked.stdout) == (0, "FAIL unavailable\n")


def test_extras_exist(wheel) -> None:
    """What is told to install can be installed: each of these extras is in the wheel's metadata."""
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(next(name for name in archive.namelist() if name.endswith("METADATA"))).decode()
    extras = set(re.findall(r"^Provides-Extra: (.+)$", metadata, re.MULTILINE))
    assert extras >= {"service", *(EXTRAS.get(adapter, adapter) for adapter in ADAPTERS)}
    required = re.findall(r"^Requires-Dist: (.+)$", metadata, re.MULTILINE)
    assert [line for line in required if "extra ==" not in line] == ["httpx>=0.28"]


def test_type_information_and_migrations(wheel) -> None:
    """The wheel says that it is typed, and carries the migrations."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "acrux/py.typed" in names
    assert any(name.startswith("acrux/_migrations/") for name in names)
