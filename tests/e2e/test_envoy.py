"""A relying party that is configuration alone, Envoy's OAuth2 filter, through the adapter: PKCE and no nonce."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import httpx
import pytest
from bed.agent import Agent
from bed.guarded import LOWERED, Site, Unchanged, edited, now_us, sign_in
from bed.provider import CODE_ACR, PASSWORD_ACR

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.external

ARGV = (sys.executable, str(Path(__file__).resolve().parent / "relying_parties" / "envoy_party.py"))
PAGE = Path(__file__).resolve().parents[2] / "docs" / "relying-parties" / "envoy.md"
TAGS = {"jira": ("atlassian",), "confluence": ("atlassian",), "intranet": (), "vault": ()}
POLICY = """\

rules:
  - id: nobody-opens-the-vault
    description: The vault takes no logins.
    owner: iam@example.com
    when: client.id == "vault"
    require: deny
"""


@pytest.fixture(scope="module")
def site(
    node_modules: Path, envoy_program: Path, tmp_path_factory: pytest.TempPathFactory, postgresql_server: Any
) -> Iterator[Site]:
    postgresql_server.psql("CREATE DATABASE acrux_envoy")
    url = postgresql_server.get_uri(database="acrux_envoy")
    environment = {"ENVOY": str(envoy_program)}
    parties = [
        Unchanged(name, ARGV, tags=tags, environment=environment, takes_socket=False) for name, tags in TAGS.items()
    ]
    started = Site.start(tmp_path_factory.mktemp("envoy"), url, parties, policy=POLICY)
    yield started
    started.stop()


@pytest.fixture
def agent() -> Iterator[Agent]:
    """A browser that takes loopback for safe, as real ones do: Envoy's cookies are `Secure`."""
    with Agent() as agent:

        def on_loopback(_response: httpx.Response) -> None:
            for cookie in agent.client.cookies.jar:
                cookie.secure = False

        agent.client.event_hooks = {"request": [], "response": [on_loopback]}
        yield agent


def signed_in(site: Site, agent: Agent, name: str) -> bool:
    """Whether the application behind Envoy answers this agent."""
    answer = agent.client.get(f"{site.urls[name]}/")
    assert answer.status_code in {200, 302, 401}
    return answer.text == "welcome"


@pytest.mark.parametrize(("name", "acr"), [("jira", CODE_ACR), ("confluence", CODE_ACR), ("intranet", PASSWORD_ACR)])
def test_an_honest_login(site: Site, agent: Agent, name: str, acr: str) -> None:
    """Where the policy wants it the login takes the second factor, elsewhere it does not; the log says so."""
    since_us = now_us()
    page = sign_in(agent, agent.open(f"{site.urls[name]}/"))
    assert (page.response.status_code, page.response.text) == (200, "welcome")
    assert signed_in(site, agent, name)
    outcome = site.logged("outcome", since_us)
    assert (outcome["client"], outcome["verdict"], outcome["returned"]["acr"]) == (name, "satisfied", acr)


def test_transparent(site: Site, agent: Agent) -> None:
    """The state and the PKCE challenge reach the provider as Envoy wrote them; it sends no nonce."""
    asked = agent.open_until(f"{site.urls['jira']}/", site.first.url)
    assert asked.redirect is not None
    assert {"state", "code_challenge"} <= asked.query.keys()
    assert "nonce" not in asked.query
    assert agent.client.get(asked.redirect).headers["location"] == (
        f"{site.provider.metadata['authorization_endpoint']}?{asked.redirect.query.decode()}"
        "&acr_values=urn%3Aexample%3Aloa%3A2&max_age=43200"
    )


@pytest.mark.parametrize(("without", "more"), LOWERED.values(), ids=LOWERED)
@pytest.mark.parametrize("name", ["jira", "confluence"])
def test_the_attack(site: Site, agent: Agent, name: str, without: tuple[str, ...], more: str) -> None:
    """Who edits the request on its way to the provider logs in there with a password alone, and is not let in."""
    since_us = now_us()
    redirected = agent.open_until(f"{site.urls[name]}/", site.provider.issuer)
    assert redirected.redirect is not None
    page = sign_in(agent, agent.open(edited(redirected.redirect, *without, more=more)))
    assert page.response.status_code == 401
    assert not signed_in(site, agent, name)
    outcome = site.logged("outcome", since_us)
    assert (outcome["client"], outcome["verdict"], outcome["admit"]) == (name, "downgraded", False)
    assert outcome["returned"]["acr"] == PASSWORD_ACR


def test_a_bypass(site: Site, agent: Agent) -> None:
    """Who goes straight to the provider, past the adapter, is not let in: no decision is bound to the login."""
    since_us = now_us()
    asked = agent.open_until(f"{site.urls['jira']}/", site.first.url)
    assert asked.redirect is not None
    straight = f"{site.provider.metadata['authorization_endpoint']}?{asked.redirect.query.decode()}"
    page = sign_in(agent, agent.open(straight))
    assert page.response.status_code == 401
    assert not signed_in(site, agent, "jira")
    assert site.logged("unbound", since_us)["client"] == "jira"


def test_a_denial(site: Site, agent: Agent) -> None:
    """What the policy denies comes back to Envoy as `access_denied`, and ends there."""
    answer = agent.open_until(f"{site.urls['vault']}/", f"{site.urls['vault']}/callback")
    assert answer.query["error"] == "access_denied"
    assert answer.redirect is not None
    assert agent.open(answer.redirect).response.status_code == 401
    assert not signed_in(site, agent, "vault")


def test_refresh(site: Site, agent: Agent) -> None:
    """A browser whose access token is gone is let in by its refresh token, which Envoy sends through the guard."""
    sign_in(agent, agent.open(f"{site.urls['jira']}/"))
    for _ in range(2):
        before = redeemed(site)
        del agent.client.cookies["BearerToken"]
        assert signed_in(site, agent, "jira")
        assert "BearerToken" in agent.client.cookies
        assert redeemed(site) == before + 1


def redeemed(site: Site) -> float:
    """How many token requests the second node answered with tokens."""
    headers = {"Authorization": f"Bearer {site.first.operator_token}"}
    text = httpx.get(f"{site.second.url}/metrics", headers=headers, timeout=10).raise_for_status().text
    name = 'acrux_requests_total{operation="rp_token",status="200"} '
    return next((float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name)), 0.0)


def test_the_page(envoy_program: Path, tmp_path: Path) -> None:
    """Envoy takes the configuration that its page shows."""
    (shown,) = re.findall(r"^```yaml envoy\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    for path in ("/etc/envoy/client-secret", "/etc/envoy/cookie-secret"):
        assert path in shown
        shown = shown.replace(path, str(secret))
    shown = shown.replace("/etc/ssl/certs/ca-certificates.crt", certifi.where())
    (tmp_path / "envoy.yaml").write_text(shown)
    done = subprocess.run(
        [envoy_program, "--mode", "validate", "-c", tmp_path / "envoy.yaml"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
