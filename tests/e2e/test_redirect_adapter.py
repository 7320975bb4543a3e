"""Relying parties that nobody can change, through the redirect adapter: a real provider, Authlib, two nodes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import jwt
import pytest
from bed.agent import Agent
from bed.guarded import ALICE, LOWERED, Site, Unchanged, edited, now_us, sign_in
from bed.provider import CODE_ACR, PASSWORD_ACR

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.external

ARGV = (sys.executable, str(Path(__file__).resolve().parent / "relying_parties" / "unchanged.py"))
PARTIES = (
    Unchanged("jira", ARGV, tags=("atlassian",), environment={"RP_PKCE": "S256"}),
    Unchanged("confluence", ARGV, auth_method="client_secret_post", tags=("atlassian",)),
    Unchanged("intranet", ARGV, environment={"RP_PKCE": "S256"}),
)


@pytest.fixture(scope="module")
def site(node_modules: Path, tmp_path_factory: pytest.TempPathFactory, postgresql_server: Any) -> Iterator[Site]:
    postgresql_server.psql("CREATE DATABASE acrux_adapter")
    url = postgresql_server.get_uri(database="acrux_adapter")
    started = Site.start(tmp_path_factory.mktemp("adapter"), url, PARTIES)
    yield started
    started.stop()


@pytest.mark.parametrize(("name", "acr"), [("jira", CODE_ACR), ("confluence", CODE_ACR), ("intranet", PASSWORD_ACR)])
def test_an_unchanged_application(site: Site, agent: Agent, name: str, acr: str) -> None:
    """Where the policy wants it the login takes the second factor, elsewhere it does not; the log says so."""
    since_us = now_us()
    page = sign_in(agent, agent.open(f"{site.urls[name]}/login"))
    assert page.response.status_code == 200, page.response.text
    assert page.response.json()["acr"] == acr
    outcome = site.logged("outcome", since_us)
    assert (outcome["client"], outcome["verdict"], outcome["returned"]["acr"]) == (name, "satisfied", acr)


def test_transparent(site: Site, agent: Agent) -> None:
    """State, nonce, PKCE and all else reach the provider as the application sent them."""
    asked = agent.open_until(f"{site.urls['jira']}/login", site.first.url)
    assert asked.redirect is not None
    redirected = agent.client.get(asked.redirect)
    assert redirected.headers["location"] == (
        f"{site.provider.metadata['authorization_endpoint']}?{asked.redirect.query.decode()}"
        "&acr_values=urn%3Aexample%3Aloa%3A2&max_age=43200"
    )


EVERYTHING = (("acr_values", "max_age", "code_challenge", "code_challenge_method"), "")
ATTACKS = {**LOWERED, "everything": EVERYTHING}


@pytest.mark.parametrize(("without", "more"), ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("name", ["jira", "confluence"])
def test_the_attack(site: Site, agent: Agent, name: str, without: tuple[str, ...], more: str) -> None:
    """Who edits the request on its way to the provider logs in there with a password alone, and gets no tokens."""
    since_us = now_us()
    redirected = agent.open_until(f"{site.urls[name]}/login", site.provider.issuer)
    assert redirected.redirect is not None
    page = sign_in(agent, agent.open(edited(redirected.redirect, *without, more=more)))
    assert page.response.status_code == 403
    if name == "jira" and "code_challenge" in without:
        # The provider itself sees a verifier without a challenge.
        assert page.response.text.startswith("invalid_grant")
        return
    assert page.response.text.startswith("invalid_grant: the sign-in is not what was decided (downgraded)")
    assert agent.client.get(f"{site.urls[name]}/me").status_code == 401
    outcome = site.logged("outcome", since_us)
    assert (outcome["verdict"], outcome["admit"], outcome["returned"]["acr"]) == ("downgraded", False, PASSWORD_ACR)


@pytest.mark.parametrize("name", ["jira", "confluence"])
def test_a_bypass(site: Site, agent: Agent, name: str) -> None:
    """Who goes straight to the provider, past the adapter, gets no tokens: no decision is bound to the login."""
    since_us = now_us()
    asked = agent.open_until(f"{site.urls[name]}/login", site.first.url)
    assert asked.redirect is not None
    straight = f"{site.provider.metadata['authorization_endpoint']}?{asked.redirect.query.decode()}"
    page = sign_in(agent, agent.open(straight))
    assert page.response.status_code == 403
    assert "unbound" in page.response.text
    record = site.logged("unbound", since_us)
    assert (record["client"], record["grant_type"]) == (name, "authorization_code")


def as_request_object(site: Site, name: str, parameters: dict[str, str]) -> dict[str, str]:
    """The same authorization request in a signed object, beside the little that must stand in the address.

    By somebody who has the client's secret: no user has, but an application may do so by itself.
    """
    content = {**parameters, "iss": parameters["client_id"], "aud": site.provider.issuer}
    signed = jwt.encode(content, site.registered[name]["client_secret"], "HS256")
    return {
        **{key: parameters[key] for key in ("client_id", "response_type", "scope", "redirect_uri")},
        "request": signed,
    }


def as_pushed(site: Site, name: str, parameters: dict[str, str]) -> dict[str, str]:
    """The same, pushed beforehand."""
    registration = site.registered[name]
    form = {**parameters, "client_secret": registration["client_secret"]}
    auth = None
    if registration["token_endpoint_auth_method"] == "client_secret_basic":
        auth = (registration["client_id"], form.pop("client_secret"))
    answer = httpx.post(site.provider.metadata["pushed_authorization_request_endpoint"], data=form, auth=auth)
    assert answer.status_code == 201, answer.text
    return {"client_id": parameters["client_id"], "request_uri": answer.json()["request_uri"]}


@pytest.mark.parametrize("moved", [as_request_object, as_pushed])
@pytest.mark.parametrize("name", ["jira", "confluence"])
def test_past_the_adapter_in_another_form(site: Site, agent: Agent, name: str, moved: Any) -> None:
    """Request objects and pushed requests at the provider itself are a bypass like any other: unbound."""
    since_us = now_us()
    asked = agent.open_until(f"{site.urls[name]}/login", site.first.url)
    page = sign_in(agent, agent.open(_at_provider(site, moved(site, name, asked.query))))
    assert page.response.status_code == 403
    assert "unbound" in page.response.text
    assert site.logged("unbound", since_us)["client"] == name


@pytest.mark.parametrize("moved", [as_request_object, as_pushed])
@pytest.mark.parametrize("name", ["jira", "confluence"])
def test_lowered_in_another_form(site: Site, agent: Agent, name: str, moved: Any) -> None:
    """A decided request, moved into another form with a lower level in it, is `downgraded`."""
    since_us = now_us()
    redirected = agent.open_until(f"{site.urls[name]}/login", site.provider.issuer)
    lowered = {key: value for key, value in redirected.query.items() if key not in {"acr_values", "max_age"}}
    page = sign_in(agent, agent.open(_at_provider(site, moved(site, name, lowered))))
    assert page.response.status_code == 403
    assert "downgraded" in page.response.text
    assert site.logged("outcome", since_us)["verdict"] == "downgraded"


def _at_provider(site: Site, parameters: dict[str, str]) -> str:
    return f"{site.provider.metadata['authorization_endpoint']}?{urlencode(parameters)}"


def test_opened_again(site: Site, agent: Agent) -> None:
    """The back button: the same address opened twice, before the login and half-way through it, is one honest login."""
    since_us = now_us()
    asked = agent.open_until(f"{site.urls['jira']}/login", site.first.url)
    agent.open(str(asked.redirect))
    page = agent.submit(agent.open(str(asked.redirect)), username=ALICE.username, password=ALICE.password)
    page = agent.open(str(asked.redirect))
    page = agent.submit(page, code=ALICE.code()) if page.title == "Second factor" else sign_in(agent, page)
    assert page.response.status_code == 200, page.response.text
    assert page.response.json()["acr"] == CODE_ACR
    assert site.logged("outcome", since_us)["verdict"] == "satisfied"


def test_two_windows(site: Site, agent: Agent) -> None:
    """Two logins of one person side by side: each is its own, whichever ends first."""
    first = agent.open_until(f"{site.urls['intranet']}/login", site.provider.issuer)
    sign_in(agent, agent.open(f"{site.urls['jira']}/login"))
    page = agent.open(str(first.redirect))
    assert page.response.status_code == 200, page.response.text
    assert agent.client.get(f"{site.urls['jira']}/me").json()["acr"] == CODE_ACR


def test_without_asking_the_user(site: Site, agent: Agent) -> None:
    """`prompt=none`: a session that is not enough ends in the provider's error at the application, which shows it."""
    sign_in(agent, agent.open(f"{site.urls['intranet']}/login"))
    asked = agent.open_until(f"{site.urls['jira']}/login", site.first.url)
    page = agent.open(f"{asked.redirect}&prompt=none")
    assert page.response.status_code == 403
    assert page.response.text.startswith("unmet_authentication_requirements")
    page = agent.submit(agent.open(f"{site.urls['jira']}/login"), code=ALICE.code())
    asked = agent.open_until(f"{site.urls['jira']}/login", site.first.url)
    page = agent.open(f"{asked.redirect}&prompt=none")
    assert page.response.json()["acr"] == CODE_ACR


def test_duplicated_at_the_provider(site: Site, agent: Agent) -> None:
    """A second `acr_values` is the provider's to refuse, and ends without tokens as well."""
    redirected = agent.open_until(f"{site.urls['jira']}/login", site.provider.issuer)
    assert redirected.redirect is not None
    page = agent.open(edited(redirected.redirect, more=f"&acr_values={PASSWORD_ACR}"))
    assert (page.response.status_code, page.response.text[:15]) == (403, "invalid_request")


@pytest.mark.parametrize(
    "more", [f"&acr_values={PASSWORD_ACR}", f"&acr_values={PASSWORD_ACR}&acr_values={CODE_ACR}", "&acr_values="]
)
def test_lowered_at_the_adapter(site: Site, agent: Agent, more: str) -> None:
    """Who edits the request on its way to the adapter is refused, or asked for the second factor all the same."""
    asked = agent.open_until(f"{site.urls['jira']}/login", site.first.url)
    page = agent.open(str(asked.redirect) + more)
    if page.response.status_code == 400:
        assert "unmapped_requested_acr" in page.response.text
        return
    page = agent.submit(page, username=ALICE.username, password=ALICE.password)
    assert page.title == "Second factor"


def test_refresh(site: Site, agent: Agent) -> None:
    """A refresh token that came through the guard goes on working through it, rotation included."""
    sign_in(agent, agent.open(f"{site.urls['jira']}/login"))
    for _ in range(3):
        answer = agent.client.get(f"{site.urls['jira']}/refresh")
        assert answer.status_code == 200, answer.text
        assert "access_token" in answer.json()
        assert "id_token" in answer.json()


def test_a_password_that_was_never_asked_again(site: Site, agent: Agent) -> None:
    """Single sign-on: a session at the password's level does not do for Jira, and steps up there."""
    sign_in(agent, agent.open(f"{site.urls['intranet']}/login"))
    page = agent.open(f"{site.urls['jira']}/login")
    assert page.title == "Second factor"
    assert agent.submit(page, code=ALICE.code()).response.json()["acr"] == CODE_ACR


def test_the_page_on_a_phone(site: Site, agent: Agent) -> None:
    """A broken link ends on a page that says what to show to the help desk, not at the provider."""
    page = agent.open(f"{site.first.url}/rp/jira/authorize?client_id=jira-sso&redirect_uri=https://evil.example.com/")
    assert page.response.status_code == 400
    assert page.response.headers["x-request-id"] in page.response.text
    assert "help desk" in page.response.text
