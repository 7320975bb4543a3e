"""Relying parties on Node.js that nobody changed: npm `openid-client` and `passport-openidconnect` with the adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from bed.agent import Agent
from bed.guarded import LOWERED, Site, Unchanged, edited, now_us, sign_in
from bed.programs import Program, listening_socket
from bed.provider import CODE_ACR, PASSWORD_ACR

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.external

ATLASSIAN = ("atlassian",)
MIRROR, OVERRIDE = {"RP_POINTED": "mirror"}, {"RP_POINTED": "override"}
NONCE = {"RP_NONCE": "on"}
# The parties by their library and by how they are pointed at the adapter.
OPENID_CLIENT = {
    "jira": ("client_secret_post", ATLASSIAN, MIRROR),
    "confluence": ("client_secret_basic", ATLASSIAN, OVERRIDE),
    "intranet": ("client_secret_post", (), MIRROR),
    "vault": ("client_secret_basic", (), MIRROR),
}
# This library knows `client_secret_post` only.
PASSPORT = {
    "passport-jira": ("client_secret_post", ATLASSIAN, {**MIRROR, **NONCE}),
    "passport-confluence": ("client_secret_post", ATLASSIAN, {**OVERRIDE, **NONCE}),
    "passport-intranet": ("client_secret_post", (), {**OVERRIDE, **NONCE}),
    "passport-vault": ("client_secret_post", (), {**OVERRIDE, **NONCE}),
    "passport-by-default": ("client_secret_post", ATLASSIAN, OVERRIDE),
}
SECOND_FACTOR = ["jira", "confluence", "passport-jira", "passport-confluence"]
POLICY = """\

rules:
  - id: nobody-opens-the-vault
    description: The vault takes no logins.
    owner: iam@example.com
    when: client.id.endsWith("vault")
    require: deny
"""


@pytest.fixture(scope="module")
def parties(party_modules: Path) -> list[Unchanged]:
    programs = {"openid_client_app.mjs": OPENID_CLIENT, "passport_app.mjs": PASSPORT}
    return [
        Unchanged(name, ("node", str(party_modules.parent / program)), method, tags, environment)
        for program, made in programs.items()
        for name, (method, tags, environment) in made.items()
    ]


@pytest.fixture(scope="module")
def site(
    node_modules: Path, parties: list[Unchanged], tmp_path_factory: pytest.TempPathFactory, postgresql_server: Any
) -> Iterator[Site]:
    postgresql_server.psql("CREATE DATABASE acrux_node_parties")
    url = postgresql_server.get_uri(database="acrux_node_parties")
    started = Site.start(tmp_path_factory.mktemp("node-parties"), url, parties, policy=POLICY)
    yield started
    started.stop()


def redirected(site: Site, agent: Agent, name: str) -> httpx.URL:
    """Where the adapter sends the browser for a login at the provider."""
    page = agent.open_until(f"{site.urls[name]}/login", site.provider.issuer)
    assert page.redirect is not None, page.response.text
    return page.redirect


@pytest.mark.parametrize(
    ("name", "acr"),
    [*((name, CODE_ACR) for name in SECOND_FACTOR), ("intranet", PASSWORD_ACR), ("passport-intranet", PASSWORD_ACR)],
)
def test_an_honest_login(site: Site, agent: Agent, name: str, acr: str) -> None:
    """The libraries, unmodified, log in with the second factor where the policy wants it, and without it elsewhere."""
    since_us = now_us()
    page = sign_in(agent, agent.open(f"{site.urls[name]}/login"))
    assert page.response.status_code == 200, page.response.text
    assert (page.response.json()["sub"], page.response.json()["acr"]) == ("u-1029", acr)
    outcome = site.logged("outcome", since_us)
    assert (outcome["client"], outcome["verdict"], outcome["returned"]["acr"]) == (name, "satisfied", acr)


@pytest.mark.parametrize("name", SECOND_FACTOR)
def test_transparent(site: Site, agent: Agent, name: str) -> None:
    """State, nonce, PKCE and all else reach the provider byte for byte as the library wrote them."""
    asked = agent.open_until(f"{site.urls[name]}/login", site.first.url)
    assert asked.redirect is not None
    assert ("code_challenge" in asked.query) == (name in OPENID_CLIENT)
    assert {"state", "nonce"} <= asked.query.keys()
    to_provider = agent.client.get(asked.redirect).headers["location"]
    assert to_provider == (
        f"{site.provider.metadata['authorization_endpoint']}?{asked.redirect.query.decode()}"
        "&acr_values=urn%3Aexample%3Aloa%3A2&max_age=43200"
    )


@pytest.mark.parametrize(("without", "more"), LOWERED.values(), ids=LOWERED)
@pytest.mark.parametrize("name", SECOND_FACTOR)
def test_the_attack(site: Site, agent: Agent, name: str, without: tuple[str, ...], more: str) -> None:
    """Who edits the request on its way to the provider logs in there with a password alone, and is not signed in."""
    since_us = now_us()
    page = sign_in(agent, agent.open(edited(redirected(site, agent, name), *without, more=more)))
    assert page.response.status_code == 403
    assert page.response.text.startswith("invalid_grant: the sign-in is not what was decided (downgraded)")
    assert agent.client.get(f"{site.urls[name]}/me").status_code == 401
    outcome = site.logged("outcome", since_us)
    assert (outcome["client"], outcome["verdict"], outcome["admit"]) == (name, "downgraded", False)
    assert outcome["returned"]["acr"] == PASSWORD_ACR


@pytest.mark.parametrize("name", SECOND_FACTOR)
def test_a_bypass(site: Site, agent: Agent, name: str) -> None:
    """Who goes straight to the provider, past the adapter, is not signed in: no decision is bound to the login."""
    since_us = now_us()
    asked = agent.open_until(f"{site.urls[name]}/login", site.first.url)
    assert asked.redirect is not None
    straight = f"{site.provider.metadata['authorization_endpoint']}?{asked.redirect.query.decode()}"
    page = sign_in(agent, agent.open(straight))
    assert page.response.status_code == 403
    assert page.response.text.startswith("invalid_grant")
    assert "(unbound)" in page.response.text
    assert agent.client.get(f"{site.urls[name]}/me").status_code == 401
    assert site.logged("unbound", since_us)["client"] == name


def test_what_an_auditor_sees(site: Site, agent: Agent) -> None:
    """Both tries are found by the API and the metrics, by the words that the pages for relying parties name."""
    before = unbound_count(site)
    asked = agent.open_until(f"{site.urls['confluence']}/login", site.first.url)
    assert asked.redirect is not None
    sign_in(agent, agent.open(f"{site.provider.metadata['authorization_endpoint']}?{asked.redirect.query.decode()}"))
    assert unbound_count(site) == before + 1
    since_us = now_us()
    # The provider has a session for the password by now, and asks for nothing more.
    agent.open(edited(redirected(site, agent, "confluence"), "acr_values", "max_age"))
    site.logged("outcome", since_us)
    for verdict in ("downgraded", "!satisfied"):
        (seen,) = site.first.decisions(client="confluence", verdict=verdict, limit="1")
        assert (seen["level"], seen["rules"], seen["verdict"]) == ("mfa", ["atlassian-sso"], "downgraded")
        assert seen["returned_acr"] == PASSWORD_ACR


def unbound_count(site: Site) -> float:
    """How many token requests the second node refused as unbound."""
    headers = {"Authorization": f"Bearer {site.first.operator_token}"}
    answer = httpx.get(f"{site.second.url}/metrics", headers=headers, timeout=10).raise_for_status()
    samples = [line.split() for line in answer.text.splitlines() if line.startswith("acrux_verdicts_total{")]
    return next((float(value) for name, value in samples if name == 'acrux_verdicts_total{verdict="unbound"}'), 0.0)


@pytest.mark.parametrize(("name", "verdict"), [("jira", "mismatched"), ("passport-jira", "unbound")])
def test_without_the_nonce(site: Site, agent: Agent, name: str, verdict: str) -> None:
    """Taking the nonce out as well does not help: PKCE still finds the decision, or nothing does."""
    page = sign_in(agent, agent.open(edited(redirected(site, agent, name), "nonce", "acr_values")))
    assert page.response.status_code == 403
    assert f"({verdict})" in page.response.text
    assert agent.client.get(f"{site.urls[name]}/me").status_code == 401


@pytest.mark.parametrize("name", ["vault", "passport-vault"])
def test_a_denial(site: Site, agent: Agent, name: str) -> None:
    """What the policy denies comes back to the library as `access_denied`, which it takes for the provider's answer."""
    answer = agent.open_until(f"{site.urls[name]}/login", f"{site.urls[name]}/callback")
    assert (answer.query["error"], answer.query["iss"]) == ("access_denied", site.provider.issuer)
    assert answer.redirect is not None
    page = agent.open(answer.redirect)
    assert page.response.status_code == 403
    assert page.response.text.startswith("access_denied: " if name in OPENID_CLIENT else "refused: ")
    assert agent.client.get(f"{site.urls[name]}/me").status_code == 401


def test_refresh(site: Site, agent: Agent) -> None:
    """`refreshTokenGrant` of openid-client goes on working through the guard, rotation included."""
    sign_in(agent, agent.open(f"{site.urls['confluence']}/login"))
    for _ in range(3):
        answer = agent.client.get(f"{site.urls['confluence']}/refresh")
        assert answer.status_code == 200, answer.text
        assert {"access_token", "id_token", "refresh_token"} <= set(answer.json())


def test_passport_as_it_comes(site: Site, agent: Agent) -> None:
    """Without its option `nonce` passport-openidconnect sends nothing to bind by: its users see a page that says so."""
    page = agent.open(f"{site.urls['passport-by-default']}/login")
    assert page.response.status_code == 400
    assert "the request needs a `nonce` or an S256 `code_challenge`" in page.response.text
    assert "help desk" in page.response.text


@pytest.mark.parametrize(
    "issuer", ["adapter", "provider"], ids=["the adapter as the issuer", "the provider as the issuer"]
)
def test_an_issuer_alone(site: Site, party_modules: Path, tmp_path: Path, issuer: str) -> None:
    """openid-client with an issuer alone either finds that the mirror names another, or passes the adapter by."""
    with listening_socket() as bound:
        environment = {
            "RP_POINTED": "bare",
            "RP_ISSUER": f"{site.first.url}/rp/jira" if issuer == "adapter" else site.provider.issuer,
            "RP_CLIENT_ID": "jira-sso",
            "RP_CLIENT_SECRET": "not needed to ask",
            "RP_AUTH_METHOD": "client_secret_basic",
            "RP_FD": str(bound.fileno()),
        }
        argv = ["node", str(party_modules.parent / "openid_client_app.mjs")]
        program = Program.start("bare", argv, tmp_path, env=environment, pass_fds=[bound.fileno()])
        try:
            if issuer == "adapter":
                assert program.process.wait(60) != 0
                said = program.words(20_000)
                assert "discovered metadata issuer does not match the expected issuer" in said
                assert f"expected: '{site.first.url}/rp/jira'" in said
                return
            with Agent() as agent:
                url = f"http://127.0.0.1:{bound.getsockname()[1]}"
                page = agent.open_until(f"{url}/login", site.first.url, site.provider.issuer)
            assert str(page.redirect).startswith(site.provider.metadata["authorization_endpoint"])
        finally:
            program.stop()
