"""Relying parties that nobody can change, through the redirect adapter: a real provider, Authlib, two nodes."""

from __future__ import annotations

import json
import secrets
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from bed.agent import Agent, Page
from bed.programs import Program, listening_socket
from bed.provider import CODE_ACR, PASSWORD_ACR, Person, Provider
from bed.service import Service, policies_for

from acrux.storage.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.external

UNCHANGED = Path(__file__).resolve().parent / "relying_parties" / "unchanged.py"
ALICE = Person("alice", "correct horse", "u-1029", groups=("design",))
# How each application is set up: what it authenticates by, and whether it uses PKCE.
PARTIES = {
    "jira": ("client_secret_basic", "S256"),
    "confluence": ("client_secret_post", ""),
    "intranet": ("client_secret_basic", "S256"),
}


@dataclass(slots=True)
class Site:
    """The provider, two nodes over one database, and the applications: the first node redirects, the second guards."""

    provider: Provider
    first: Service
    second: Service
    urls: dict[str, str]
    database: Database

    def logged(self, kind: str, since_us: int) -> dict[str, Any]:
        """The first record of a kind that was made since a time, once it is shipped."""
        query = (
            f"SELECT body FROM records WHERE kind = '{kind}' AND recorded_at_us > {since_us} ORDER BY recorded_at_us"  # noqa: S608
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with self.database.connection() as connection:
                found = [json.loads(bytes(body))["content"] for (body,) in connection.exec_driver_sql(query)]
            if found:
                return found[0]
            time.sleep(0.05)
        pytest.fail(f"no record of kind {kind}")


def now_us() -> int:
    """The time in microseconds."""
    return time.time_ns() // 1000


@pytest.fixture(scope="module")
def site(node_modules: Path, tmp_path_factory: pytest.TempPathFactory, postgresql_server: Any) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("adapter")
    postgresql_server.psql("CREATE DATABASE acrux_adapter")
    url = postgresql_server.get_uri(database="acrux_adapter")
    with ExitStack() as stack:
        sockets = {name: stack.enter_context(listening_socket()) for name in PARTIES}
        urls = {name: f"http://127.0.0.1:{bound.getsockname()[1]}" for name, bound in sockets.items()}
        registered = [_registration(name, urls[name]) for name in PARTIES]
        provider = Provider.start(directory, {"clients": registered, "users": [ALICE.as_json()]})
        stack.callback(provider.program.stop)
        policies = policies_for(provider.issuer, directory, {"company.yaml": _company(provider.issuer, urls)})
        nodes = []
        for number in (1, 2):
            place = directory / f"node-{number}"
            place.mkdir()
            shared = ("--database", url, "--service-key", str(directory / "service-key"))
            nodes.append(Service.start(place, policies, *shared))
            stack.callback(nodes[-1].stop)
        for name, bound in sockets.items():
            party = next(one for one in registered if one["client_id"] == f"{name}-sso")
            environment = {
                "RP_CLIENT_ID": party["client_id"],
                "RP_CLIENT_SECRET": party["client_secret"],
                "RP_DISCOVERY_URL": f"{nodes[0].url}/rp/{name}/.well-known/openid-configuration",
                "RP_TOKEN_URL": f"{nodes[1].url}/rp/{name}/token",
                "RP_AUTH_METHOD": PARTIES[name][0],
                "RP_PKCE": PARTIES[name][1],
                "RP_FD": str(bound.fileno()),
            }
            program = Program.start(
                name, [sys.executable, str(UNCHANGED)], directory, env=environment, pass_fds=[bound.fileno()]
            )
            stack.callback(program.stop)
            program.wait_for(lambda name=name: httpx.get(f"{urls[name]}/healthz", timeout=30).is_success or None)
        database = Database(url)
        stack.callback(database.close)
        yield Site(provider, *nodes, urls, database)


def _registration(name: str, url: str) -> dict[str, Any]:
    return {
        "client_id": f"{name}-sso",
        "client_secret": secrets.token_urlsafe(32),
        "redirect_uris": [f"{url}/callback"],
        "token_endpoint_auth_method": PARTIES[name][0],
        "grant_types": ["authorization_code", "refresh_token"],
    }


def _company(issuer: str, urls: dict[str, str]) -> str:
    tags = {"jira": ", tags: [atlassian]", "confluence": ", tags: [atlassian]", "intranet": ""}
    clients = "".join(
        f'  {name}: {{provider: corp, client_id: {name}-sso, redirect_uris: ["{url}/callback"]{tags[name]}}}\n'
        for name, url in urls.items()
    )
    return (
        "version: acrux/v1\n"
        "ladder: [basic, {level: mfa, max_age: 12h}]\n"
        f"providers: {{corp: {{issuer: {issuer}, acr: {{mfa: urn:example:loa:2}}}}}}\n"
        f"clients:\n{clients}"
        "defaults: {require: basic, unregistered_client: mfa}\n"
    )


@pytest.fixture
def agent() -> Iterator[Agent]:
    with Agent() as agent:
        yield agent


def sign_in(agent: Agent, page: Page) -> Page:
    """Passes the pages that come, up to the application's own."""
    page = agent.submit(page, username=ALICE.username, password=ALICE.password)
    return agent.submit(page, code=ALICE.code()) if page.title == "Second factor" else page


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


def edited(url: httpx.URL, *without: str, more: str = "") -> str:
    """An address without some parameters, and with more of them."""
    kept = [pair for pair in url.query.decode().split("&") if pair.partition("=")[0] not in without]
    return f"{str(url).partition('?')[0]}?{'&'.join(kept)}{more}"


LOWERED = {
    "stripped": (("acr_values",), ""),
    "lowered": (("acr_values",), f"&acr_values={PASSWORD_ACR}"),
    "unknown": (("acr_values",), "&acr_values=urn:example:unknown"),
    "moved to claims": (("acr_values",), '&claims={"id_token":{"acr":{"value":"' + PASSWORD_ACR + '"}}}'),
    "everything": (("acr_values", "max_age", "code_challenge", "code_challenge_method"), ""),
}


@pytest.mark.parametrize(("without", "more"), LOWERED.values(), ids=LOWERED)
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
