"""Apache with Debian's mod_auth_openidc, configured as its page says: mirror, endpoints by hand, rewrite map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from bed.agent import Agent, Page
from bed.apache import stepped_up, told
from bed.apache_site import ALICE, SIGNED_OUT, Site, now_us, started
from bed.provider import CODE_ACR, PASSWORD_ACR

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.external

SESSION = "mod_auth_openidc_session"


@pytest.fixture(scope="module")
def site(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with started(tmp_path_factory.mktemp("apache")) as site:
        yield site


@pytest.fixture
def agent(site: Site) -> Iterator[Agent]:
    with Agent(verify=site.certificate.trusted()) as agent:
        yield agent


def sign_in(agent: Agent, page: Page) -> Page:
    """Passes the pages that come, up to the application's own."""
    assert page.title == "Sign in", f"{page.response.status_code} {page.response.url}: {page.response.text[:500]}"
    page = agent.submit(page, username=ALICE.username, password=ALICE.password)
    return agent.submit(page, code=ALICE.code()) if page.title == "Second factor" else page


HONEST = {
    "mirror jira": ("/browse/X-1", CODE_ACR),
    "mirror intranet": ("/", PASSWORD_ACR),
    "endpoints confluence": ("/", CODE_ACR),
    "endpoints intranet": ("/", PASSWORD_ACR),
    "map portal": ("/admin/users", CODE_ACR),
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_login(site: Site, agent: Agent, name: str) -> None:
    """Where the policy wants it the login takes the second factor, elsewhere it does not; the log says so."""
    path, acr = HONEST[name]
    since_us = now_us()
    page = sign_in(agent, agent.open(site.hosts[name].url + path))
    assert page.response.status_code == 200, page.response.text + site.apache.log()
    assert told(page.response) == {"path": path, "user": f"{ALICE.sub}@{site.provider.issuer}", "acr": acr}
    outcome = site.logged("outcome", since_us)
    assert (outcome["client"], outcome["verdict"]) == (site.hosts[name].client, "satisfied")
    assert outcome["returned"]["acr"] == acr


def edited(url: httpx.URL | None, *without: str, more: str = "") -> str:
    """An address without some parameters, and with more of them."""
    assert url is not None
    kept = [pair for pair in url.query.decode().split("&") if pair.partition("=")[0] not in without]
    return f"{str(url).partition('?')[0]}?{'&'.join(kept)}{more}"


def assert_nobody_is_in(site: Site, agent: Agent, name: str, page: Page) -> None:
    """The login ended on a page of mod_auth_openidc, there is no session, and the application was asked nothing."""
    path = HONEST[name][0]
    assert "<title>" in page.response.text
    assert "Error" in page.response.text
    before = len(site.backend.seen)
    answer = agent.client.get(site.hosts[name].url + path)
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].startswith(f"{site.fronts['acrux'].url}/rp/")
    assert site.backend.seen[before:] == []


PROTECTED = ["mirror jira", "endpoints confluence", "map portal"]


MOVED = '&claims={"id_token":{"acr":{"value":"' + PASSWORD_ACR + '"}}}'


@pytest.mark.parametrize(
    "more", ["", f"&acr_values={PASSWORD_ACR}", MOVED], ids=["stripped", "lowered", "moved to claims"]
)
@pytest.mark.parametrize("name", PROTECTED)
def test_the_attack(site: Site, agent: Agent, name: str, more: str) -> None:
    """Who edits the request on its way to the provider logs in there with a password alone, and not at Apache."""
    since_us = now_us()
    redirected = agent.open_until(site.hosts[name].url + HONEST[name][0], site.provider.issuer)
    page = sign_in(agent, agent.open(edited(redirected.redirect, "acr_values", more=more)))
    print(page.response.status_code, page.response.url, page.response.text)
    assert_nobody_is_in(site, agent, name, page)
    outcome = site.logged("outcome", since_us)
    assert (outcome["client"], outcome["verdict"]) == (site.hosts[name].client, "downgraded")
    assert (outcome["admit"], outcome["returned"]["acr"]) == (False, PASSWORD_ACR)


@pytest.mark.parametrize("name", PROTECTED)
def test_a_bypass(site: Site, agent: Agent, name: str) -> None:
    """Who goes straight to the provider, past the adapter, is not logged in: no decision is bound to the login."""
    since_us = now_us()
    asked = agent.open_until(site.hosts[name].url + HONEST[name][0], site.fronts["acrux"].url)
    straight = edited(asked.redirect, "acr_values").partition("?")[2]
    page = sign_in(agent, agent.open(f"{site.provider.metadata['authorization_endpoint']}?{straight}"))
    assert_nobody_is_in(site, agent, name, page)
    record = site.logged("unbound", since_us)
    assert (record["client"], record["grant_type"]) == (site.hosts[name].client, "authorization_code")


def test_what_the_help_desk_finds(site: Site, agent: Agent) -> None:
    """The page of a refused login says nothing, so Apache's error log has the verdict and the decision's id."""
    redirected = agent.open_until(site.hosts["mirror jira"].url, site.provider.issuer)
    sign_in(agent, agent.open(edited(redirected.redirect, "acr_values")))
    decision = site.service.newest("jira", verdict="downgraded")
    said = f"the sign-in is not what was decided (downgraded); decision {decision['decision_id']}"
    assert said in site.apache.log()


@pytest.mark.parametrize("name", ["mirror jira", "endpoints confluence"])
@pytest.mark.parametrize("without", ["code_challenge", "nonce"])
def test_a_login_that_is_half_stripped(site: Site, agent: Agent, name: str, without: str) -> None:
    """Who takes the nonce or PKCE out on the way to the adapter, to be bound by less, is not logged in."""
    asked = agent.open_until(site.hosts[name].url, site.fronts["acrux"].url)
    page = sign_in(agent, agent.open(edited(asked.redirect, without, f"{without}_method")))
    assert_nobody_is_in(site, agent, name, page)


@pytest.mark.parametrize("name", ["mirror jira", "endpoints confluence"])
def test_lowered_on_the_way_to_the_adapter(site: Site, agent: Agent, name: str) -> None:
    """What the policy wants of the facts that Acrux sees is not the browser's to change."""
    asked = agent.open_until(site.hosts[name].url, site.fronts["acrux"].url)
    page = agent.open(edited(asked.redirect, "acr_values", more="&max_age=99999999"))
    page = agent.submit(page, username=ALICE.username, password=ALICE.password)
    assert page.title == "Second factor"


def test_a_session_of_another_host(site: Site, agent: Agent) -> None:
    """A session at the intranet is worth nothing at Jira, though one Apache keeps both."""
    intranet, jira = site.hosts["mirror intranet"], site.hosts["mirror jira"]
    sign_in(agent, agent.open(intranet.url))
    (session,) = (
        each.value for each in agent.client.cookies.jar if each.name == SESSION and each.domain == intranet.address
    )
    with Agent(verify=site.certificate.trusted()) as other:
        other.client.headers["cookie"] = f"{SESSION}={session}"
        assert other.client.get(intranet.url).status_code == 200
        answer = other.client.get(jira.url)
        assert answer.status_code != 200, answer.text


SMUGGLED = {"OIDC_CLAIM_acr": CODE_ACR, "OIDC_CLAIM_sub": "admin", "X-Remote-User": "admin"}


@pytest.mark.parametrize("name", ["mirror intranet", "endpoints intranet", "map portal"])
def test_smuggled_headers(site: Site, agent: Agent, name: str) -> None:
    """What a user writes into the headers that tell the application of its user does not reach it."""
    sign_in(agent, agent.open(site.hosts[name].url))
    answer = agent.client.get(f"{site.hosts[name].url}/me", headers=SMUGGLED)
    assert told(answer) == {"path": "/me", "user": f"{ALICE.sub}@{site.provider.issuer}", "acr": PASSWORD_ACR}


def test_refresh(site: Site, agent: Agent) -> None:
    """Where mod_auth_openidc refreshes the access token, it does so through the guard, again and again."""
    jira = site.hosts["mirror jira"]
    sign_in(agent, agent.open(jira.url))
    tokens = set()
    for _ in range(3):
        assert agent.client.get(jira.url).status_code == 200
        tokens.add(agent.client.get(f"{jira.callback}?info=json").json()["access_token"])
    assert len(tokens) == 3


def test_refresh_by_the_hook(site: Site, agent: Agent) -> None:
    """So does its refresh hook, and it hands the user back to the application."""
    jira = site.hosts["mirror jira"]
    sign_in(agent, agent.open(jira.url))
    before = agent.client.get(f"{jira.callback}?info=json").json()["access_token"]
    answer = agent.client.get(jira.callback, params={"refresh": f"{jira.url}/done", "access_token": before})
    assert (answer.status_code, answer.headers["location"]) == (302, f"{jira.url}/done")
    assert agent.client.get(f"{jira.callback}?info=json").json()["access_token"] != before


def test_logout(site: Site, agent: Agent) -> None:
    """Logging out ends the session at Apache and leads to the provider's own logout, past Acrux."""
    jira = site.hosts["mirror jira"]
    sign_in(agent, agent.open(jira.url))
    answer = agent.client.get(jira.callback, params={"logout": f"{jira.url}/bye"})
    assert answer.status_code == 302
    assert answer.headers["location"].startswith(f"{site.provider.metadata['end_session_endpoint']}?id_token_hint=")
    assert agent.client.get(jira.url).status_code == 302


def test_a_denial(site: Site, agent: Agent) -> None:
    """Where the policy denies, the page of mod_auth_openidc has the decision's id, and there is no session."""
    page = agent.open(f"{site.hosts['map vault'].url}/")
    decision = site.service.newest("vault", verdict=None)
    assert "access_denied" in page.response.text
    assert f"refused by policy, decision {decision['decision_id']}" in page.response.text
    assert agent.client.get(site.hosts["map vault"].url).status_code == 302


def test_one_level_for_one_path(site: Site, agent: Agent) -> None:
    """Where one level always applies `Require` demands it at each request, and asks for it where it is missing."""
    intranet = site.hosts["mirror intranet"]
    assert told(sign_in(agent, agent.open(intranet.url)).response)["acr"] == PASSWORD_ACR
    page = agent.open(stepped_up(agent.open(f"{intranet.url}/finance/pay")))
    assert page.title == "Second factor"
    page = agent.submit(page, code=ALICE.code())
    assert (told(page.response)["path"], told(page.response)["acr"]) == ("/finance/pay", CODE_ACR)


def test_one_level_for_one_path_attacked(site: Site, agent: Agent) -> None:
    """Taken out on the way to Acrux it is asked for again, taken out behind Acrux there is no session."""
    intranet = site.hosts["mirror intranet"]
    before = len(site.backend.seen)
    asked = agent.open_until(f"{intranet.url}/finance", site.fronts["acrux"].url)
    page = sign_in(agent, agent.open(edited(asked.redirect, "acr_values")))
    asked_again = agent.open_until(stepped_up(page), site.provider.issuer)
    page = agent.open(edited(asked_again.redirect, "acr_values", more=f"&acr_values={PASSWORD_ACR}"))
    assert "Error" in page.response.text
    assert site.service.newest("intranet", verdict="downgraded")["level"] == "mfa"
    assert site.backend.seen[before:] == []


def test_acrux_is_away(site: Site, agent: Agent) -> None:
    """Without Acrux nobody logs in; who has a session keeps it, unless a refresh that fails is to end it."""
    confluence, jira = site.hosts["endpoints confluence"], site.hosts["mirror jira"]
    sign_in(agent, agent.open(confluence.url))
    assert agent.open(jira.url).response.status_code == 200
    site.service.kill()
    try:
        assert agent.client.get(confluence.url).status_code == 200
        assert "oidc_refresh_access_token" in site.apache.log()
        # This host refreshes at each request, and logs out who can't be refreshed.
        before = len(site.backend.seen)
        answer = agent.client.get(jira.url)
        assert (answer.status_code, answer.headers["location"]) == (302, SIGNED_OUT)
        assert agent.client.get(jira.url).status_code == 302
        assert site.backend.seen[before:] == []
        with Agent(verify=site.certificate.trusted()) as other:
            for host in (confluence, jira):
                assert other.open(host.url).response.status_code == 503
    finally:
        site.service.start_again()
    assert agent.open(jira.url).response.status_code == 200


def test_acrux_goes_away_within_a_login(site: Site, agent: Agent) -> None:
    """What can't be judged is no login: a code that comes back while Acrux is away is of no use."""
    host = site.hosts["endpoints confluence"]
    page = agent.open(host.url)
    site.service.kill()
    try:
        assert "Error" in sign_in(agent, page).response.text
        assert agent.client.get(host.url).status_code == 302
    finally:
        site.service.start_again()
