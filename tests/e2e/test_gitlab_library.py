"""The library that GitLab logs in with, gitlab-omniauth-openid-connect, through the adapter: a nonce and no PKCE."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bed.agent import Agent
from bed.guarded import LOWERED, Site, Unchanged, edited, now_us, sign_in
from bed.provider import CODE_ACR, PASSWORD_ACR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bed.agent import Page

pytestmark = pytest.mark.external

CONFIGURATION = Path(__file__).resolve().parent / "relying_parties_ruby" / "config.ru"
# How each authenticates, and its tags.
PARTIES = {
    "jira": ("client_secret_basic", ("atlassian",)),
    "confluence": ("client_secret_post", ("atlassian",)),
    "intranet": ("client_secret_basic", ()),
    "vault": ("client_secret_basic", ()),
}
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
    node_modules: Path, puma: Path, tmp_path_factory: pytest.TempPathFactory, postgresql_server: Any
) -> Iterator[Site]:
    postgresql_server.psql("CREATE DATABASE acrux_gitlab")
    url = postgresql_server.get_uri(database="acrux_gitlab")
    # The shell puts the port in: puma takes no socket from its environment.
    argv = ("sh", "-c", f'exec {puma} --environment production --bind "tcp://127.0.0.1:$RP_PORT" {CONFIGURATION}')
    parties = [
        Unchanged(name, argv, auth_method=method, tags=tags, takes_socket=False)
        for name, (method, tags) in PARTIES.items()
    ]
    started = Site.start(tmp_path_factory.mktemp("gitlab"), url, parties, policy=POLICY)
    yield started
    started.stop()


def begin(site: Site, agent: Agent, name: str, *stops: str) -> Page:
    """Begins a login, by POST as the library wants it."""
    agent.stops = stops
    page = agent.submit(agent.open(f"{site.urls[name]}/login"))
    agent.stops = ()
    return page


@pytest.mark.parametrize(("name", "acr"), [("jira", CODE_ACR), ("confluence", CODE_ACR), ("intranet", PASSWORD_ACR)])
def test_an_honest_login(site: Site, agent: Agent, name: str, acr: str) -> None:
    """Where the policy wants it the login takes the second factor, elsewhere it does not; the log says so."""
    since_us = now_us()
    page = sign_in(agent, begin(site, agent, name))
    assert page.response.status_code == 200, page.response.text
    assert page.response.json() == {"sub": "u-1029", "acr": acr}
    outcome = site.logged("outcome", since_us)
    assert (outcome["client"], outcome["verdict"], outcome["returned"]["acr"]) == (name, "satisfied", acr)


def test_transparent(site: Site, agent: Agent) -> None:
    """State and nonce reach the provider as the library wrote them; it sends no PKCE by itself."""
    asked = begin(site, agent, "jira", site.first.url)
    assert asked.redirect is not None
    assert {"state", "nonce"} <= asked.query.keys()
    assert "code_challenge" not in asked.query
    assert agent.client.get(asked.redirect).headers["location"] == (
        f"{site.provider.metadata['authorization_endpoint']}?{asked.redirect.query.decode()}"
        "&acr_values=urn%3Aexample%3Aloa%3A2&max_age=43200"
    )


@pytest.mark.parametrize(("without", "more"), LOWERED.values(), ids=LOWERED)
@pytest.mark.parametrize("name", ["jira", "confluence"])
def test_the_attack(site: Site, agent: Agent, name: str, without: tuple[str, ...], more: str) -> None:
    """Who edits the request on its way to the provider logs in there with a password alone, and is not signed in."""
    since_us = now_us()
    redirected = begin(site, agent, name, site.provider.issuer)
    assert redirected.redirect is not None
    page = sign_in(agent, agent.open(edited(redirected.redirect, *without, more=more)))
    assert page.response.status_code == 403
    assert "the sign-in is not what was decided (downgraded)" in page.response.text
    assert agent.client.get(f"{site.urls[name]}/me").status_code == 401
    outcome = site.logged("outcome", since_us)
    assert (outcome["client"], outcome["verdict"], outcome["admit"]) == (name, "downgraded", False)


def test_a_bypass(site: Site, agent: Agent) -> None:
    """Who goes straight to the provider, past the adapter, is not signed in: no decision is bound to the login."""
    since_us = now_us()
    asked = begin(site, agent, "jira", site.first.url)
    assert asked.redirect is not None
    straight = f"{site.provider.metadata['authorization_endpoint']}?{asked.redirect.query.decode()}"
    page = sign_in(agent, agent.open(straight))
    assert page.response.status_code == 403
    assert "(unbound)" in page.response.text
    assert agent.client.get(f"{site.urls['jira']}/me").status_code == 401
    assert site.logged("unbound", since_us)["client"] == "jira"


def test_a_denial(site: Site, agent: Agent) -> None:
    """What the policy denies comes back to the library as `access_denied`, and signs nobody in."""
    page = begin(site, agent, "vault")
    assert page.response.status_code == 403
    assert page.response.text.startswith("access_denied: ")
    assert agent.client.get(f"{site.urls['vault']}/me").status_code == 401
