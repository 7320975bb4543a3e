"""`acrux doctor` at a real OpenID Provider: what it says of itself, and what an operator reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bed.provider import CODE_ACR, Provider

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.external

ACRUX = Path(sys.executable).parent / "acrux"
CALLBACK = "https://jira.example.com/callback"


@pytest.fixture(scope="module")
def provider(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    client = {"client_id": "jira-sso", "client_secret": "not a secret", "redirect_uris": [CALLBACK]}
    started = Provider.start(tmp_path_factory.mktemp("provider"), {"clients": [client], "users": []})
    yield started
    started.program.stop()


def doctor(directory: Path, issuer: str, *arguments: str, word: str = CODE_ACR) -> subprocess.CompletedProcess[str]:
    """The verb, as an operator runs it, over a set in which `word` stands for the second factor."""
    (directory / "set.yaml").write_text(
        "version: acrux/v1\n"
        "ladder: [basic, {level: mfa, max_age: 12h}]\n"
        f"providers: {{corp: {{issuer: '{issuer}', profile: keycloak, acr: {{mfa: '{word}'}}}}}}\n"
        f"clients: {{jira: {{client_id: jira-sso, redirect_uris: ['{CALLBACK}']}}}}\n"
        "defaults: {unregistered_client: mfa}\n"
    )
    return subprocess.run(
        [str(ACRUX), "doctor", "--policies", str(directory), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_real_provider_and_a_client(provider: Provider, tmp_path: Path) -> None:
    """Nothing speaks against it, the client's level is enforced both ways, and what is offered besides is named."""
    done = doctor(tmp_path, provider.issuer, "corp", "--client", "jira")
    assert (done.returncode, done.stderr) == (0, "nothing speaks against it\n"), done.stdout
    flat = " ".join(done.stdout.split())
    for words in (
        "ok it names exactly the issuer of the policy set",
        "ok it has keys for `RS256`",
        "ok it takes the `claims` parameter",
        f"ok it lists every word that is asked for: `{CODE_ACR}`",
        "Set the client's `Minimum ACR Value`",
        "adapters enforced guard enforced",
        "The provider offers the grants `implicit`: they must be off for this client.",
    ):
        assert words in flat, words


def test_a_word_that_the_provider_does_not_know(provider: Provider, tmp_path: Path) -> None:
    """A misspelled word is a warning, with the words that the provider lists."""
    done = doctor(tmp_path, provider.issuer, "--json", "--strict", word="urn:example:loa:22")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    (warning,) = [one for one in told["providers"][0]["findings"] if one["grade"] == "warning"]
    assert warning["check"] == "acr-values"
    assert CODE_ACR in warning["mend"]


def test_another_issuer_at_the_same_place(provider: Provider, tmp_path: Path) -> None:
    """A name of the same machine is another issuer: the commonest mistake, and said as such."""
    done = doctor(tmp_path, provider.issuer.replace("127.0.0.1", "localhost"), "--json")
    assert done.returncode == 1
    findings = json.loads(done.stdout)["providers"][0]["findings"]
    assert {one["check"] for one in findings if one["grade"] == "error"} == {"issuer"}
