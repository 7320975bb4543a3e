"""docs/providers/ and docs/doctor.md say what profiles, doctor and guard say, and their policy files are good."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

import acrux.cli.doctor
from acrux.cli.group import command
from acrux.domain.profile_notes import NOTES
from acrux.domain.profiles import PROFILES
from acrux.oidc.fetching import Fetcher
from acrux.oidc.guard_limits import CANNOT, NEEDS_AT_APPLICATION, NEEDS_AT_PROVIDER
from acrux.policy.check_providers import PROVIDER
from acrux.policy.drawing import draw_text
from acrux.policy.load import Checked, check_files

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted((DOCS / "providers").glob("*.md"))
OVERVIEW = (DOCS / "providers" / "README.md").read_text(encoding="utf-8")
DOCTOR = (DOCS / "doctor.md").read_text(encoding="utf-8")
SERVICE = Path(acrux.cli.doctor.__file__).parents[1]
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> Iterator[Any]:
    for page in PAGES:
        for number, match in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8")), 1):
            yield pytest.param(match[1], id=f"{page.stem}-{number}")


def flat(text: str) -> str:
    """A text without line breaks and without bold: what is said, however it is set."""
    return " ".join(text.replace("**", "").split())


def checked(text: str) -> Checked:
    return check_files({"set.yaml": text.encode()}, now=datetime(2026, 11, 24, tzinfo=UTC))


@pytest.mark.parametrize("text", list(blocks()))
def test_every_policy_file_is_good(text: str) -> None:
    """`acrux check --strict` finds nothing, neither an error nor a warning."""
    found = checked(text)
    assert found.policy is not None, draw_text(found.diagnostics, found.sources)
    assert not found.diagnostics, draw_text(found.diagnostics, found.sources)


def test_every_profile_has_a_policy_file() -> None:
    """Each supported profile is shown at work on the page that its notes name."""
    shown: dict[str, set[str]] = {}
    for page in PAGES:
        for match in BLOCK.finditer(page.read_text(encoding="utf-8")):
            policy = checked(match[1]).policy
            assert policy is not None
            for provider in policy.providers.values():
                shown.setdefault(provider.profile.name, set()).add(page.name)
    assert set(shown) == set(PROFILES) == set(NOTES)
    assert all(NOTES[profile].page in shown[profile] for profile in PROFILES)


def test_the_overview_s_table_is_the_profiles() -> None:
    """How each is asked, judged, and whether it says when the user logged in."""
    rows = re.findall(r"^\| .+? \| `([\w-]+)` \| `(\w+)` \| `(\w+)` \| (\w+) \| .+? \|$", OVERVIEW, re.MULTILINE)
    assert rows == [
        (name, profile.ask.value, profile.accept_claim, profile.auth_time.value) for name, profile in PROFILES.items()
    ]


def test_the_overview_has_every_weak_word_and_error_code() -> None:
    """No trap is left out, and none is made up."""
    weak = re.findall(r"^\| (?:`([\w-]+)`|every) \| `([^`]+)` \| (.+?) \|$", OVERVIEW, re.MULTILINE)
    everywhere = {word: why for name, word, why in weak if not name}
    assert all(everywhere.items() <= profile.weak.items() for profile in PROFILES.values())
    assert [(name, word, why) for name, word, why in weak if name] == [
        (name, word, why)
        for name, profile in PROFILES.items()
        for word, why in profile.weak.items()
        if word not in everywhere
    ]
    table = OVERVIEW.split("## Where the level can't be reached")[1]
    rows = re.findall(r"^\| `([\w-]+)` \| (.+?) \|$", table, re.MULTILINE)
    codes = {name: re.findall(r"`(\w+)`", said) for name, said in rows}
    assert codes == {name: list(profile.errors) for name, profile in PROFILES.items()}


@pytest.mark.parametrize("profile", sorted(name for name in PROFILES if name != "generic"))
def test_each_page_says_what_the_doctor_says(profile: str) -> None:
    """What to set at the provider, its floor and the guard's needs: the same sentences, from one place."""
    notes = NOTES[profile]
    page = flat((DOCS / "providers" / notes.page).read_text(encoding="utf-8"))
    for sentence in (*notes.needs, notes.floor, *notes.guard):
        assert sentence in page, sentence
    assert "From its documentation" in page or "From their documentation" in page
    assert "Source" in page


def test_the_guard_s_page_says_what_the_doctor_prints() -> None:
    """One place has the sentences on what the guard needs and can't do; the page has each of them."""
    page = flat((DOCS / "redirect-adapter.md").read_text(encoding="utf-8"))
    for sentence in (*NEEDS_AT_APPLICATION, *NEEDS_AT_PROVIDER, *CANNOT):
        assert sentence in page, sentence


def test_every_check_is_documented() -> None:
    """A check without a row, or a row without a check, is a failure."""
    source = "".join(path.read_text(encoding="utf-8") for path in (SERVICE / "oidc" / "doctor").glob("*.py"))
    made = set(re.findall(r'Finding\(\s*"([a-z-]+)"', source))
    rows = re.findall(r"^\| `([a-z-]+)` \| .+ \| [a-z, ]* ?\|$", DOCTOR, re.MULTILINE)
    assert len(rows) == len(set(rows))
    assert set(rows) == made


def test_the_doctor_s_report_reads_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example is what is printed; `...` stands for any number of lines."""
    issuer = "https://login.example.com"
    key = json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key()))
    document = {
        "issuer": issuer,
        "authorization_endpoint": issuer + "/authorize",
        "token_endpoint": issuer + "/token",
        "jwks_uri": issuer + "/keys",
        "id_token_signing_alg_values_supported": ["ES256"],
        "code_challenge_methods_supported": ["S256"],
        "acr_values_supported": ["urn:example:loa:1", "urn:example:loa:02"],
        "claims_supported": ["acr", "auth_time"],
    }

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"keys": [key]} if request.url.path == "/keys" else document)

    (tmp_path / "set.yaml").write_text(
        "version: acrux/v1\n"
        "ladder: [basic, {level: mfa, max_age: 12h}]\n"
        f"providers: {{corp: {{issuer: '{issuer}', acr: {{mfa: 'urn:example:loa:2'}}}}}}\n"
        "clients: {jira: {client_id: jira-sso, redirect_uris: ['https://jira.example.com/callback']}}\n"
        "defaults: {unregistered_client: mfa}\n"
    )
    # The network alone is replaced: a test has no login.example.com.
    monkeypatch.setattr(acrux.cli.doctor, "Fetcher", lambda: Fetcher(httpx.MockTransport(answer)))
    monkeypatch.setenv("ACRUX_POLICIES", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")
    shown = re.search(r"^```console\n\$ acrux doctor (.*?)\n(.*?)^```$", DOCTOR, re.MULTILINE | re.DOTALL)
    assert shown is not None
    result = CliRunner().invoke(command, ["doctor", *shown[1].split()])
    assert result.exit_code == 0, result.output
    parts = [re.escape(part) for part in re.split(r"^\.\.\.\n", shown[2], flags=re.MULTILINE)]
    printed = result.stdout + result.stderr
    assert re.fullmatch(r"(?:.*\n)*?".join(parts), printed), printed


def test_the_page_of_the_verb_names_its_options() -> None:
    """Every option of the verb stands in its synopsis."""
    synopsis = DOCTOR.split("```")[1]
    for option in acrux.cli.doctor.command.params:
        assert any(name in synopsis for name in (*option.opts, option.human_readable_name.upper())), option.opts


def test_the_overview_has_every_key_of_a_provider() -> None:
    """The table of keys is the language's, in any order; none is missing, none is made up."""
    table = OVERVIEW.split("| key | means |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE)
    keys = [key for row in rows for key in re.findall(r"`(\w+)`", row)]
    assert sorted(keys) == sorted(PROVIDER.keys)
