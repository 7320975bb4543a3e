"""Apache's rewrite map: more is asked for where only Apache knows why, and held to at each request."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from bed.agent import Agent, Page
from bed.apache import Apache, Host, stepped_up, told
from bed.apache_site import ALICE, OLD_BROWSER, Site, now_us, started
from bed.provider import CODE_ACR, PASSWORD_ACR

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.external

ADMIN = "/admin/users"


@pytest.fixture(scope="module")
def site(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with started(tmp_path_factory.mktemp("apache-map")) as site:
        yield site


@pytest.fixture
def agent(site: Site) -> Iterator[Agent]:
    with Agent(verify=site.certificate.trusted()) as agent:
        yield agent


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory for one more Apache."""
    made = Apache.make_directory()
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def portal(site: Site) -> Host:
    return site.hosts["map portal"]


def sign_in(agent: Agent, page: Page) -> Page:
    """Passes the password page."""
    assert page.title == "Sign in", f"{page.response.status_code} {page.response.url}: {page.response.text[:500]}"
    return agent.submit(page, username=ALICE.username, password=ALICE.password)


def test_more_is_asked_where_the_path_wants_it(site: Site, portal: Host, agent: Agent) -> None:
    """The same client: a password for the portal, and the second factor when its administration is opened."""
    page = sign_in(agent, agent.open(f"{portal.url}/"))
    assert told(page.response)["acr"] == PASSWORD_ACR
    page = agent.open(stepped_up(agent.open(portal.url + ADMIN)))
    assert page.title == "Second factor"
    page = agent.submit(page, code=ALICE.code())
    assert told(page.response) == {"path": ADMIN, "user": f"{ALICE.sub}@{site.provider.issuer}", "acr": CODE_ACR}


def test_the_facts_of_a_line(site: Site, portal: Host, agent: Agent) -> None:
    """What Apache was told to say is what Acrux decided on: no header of a browser becomes another fact."""
    agent.client.headers["user-agent"] = OLD_BROWSER
    agent.client.get(portal.url + ADMIN)
    wait_until(lambda: decided_of(site, OLD_BROWSER, "portal"))
    (decision,) = decided_of(site, OLD_BROWSER, "portal")
    assert (decision["app"], decision["facts"]["network.ip"]) == ("portal-admin", "127.0.0.1")


@pytest.mark.parametrize(("client", "address"), [("portal", "127.0.0.1"), ("vault", "198.51.100.9")])
def test_the_address(site: Site, agent: Agent, client: str, address: str) -> None:
    """The address is the connection's, whatever a header says, except where the proxies before Apache are named."""
    agent.client.headers["user-agent"] = f"Proxied/{client}"
    agent.client.headers["x-forwarded-for"] = "203.0.113.7, 198.51.100.9, 127.0.0.1"
    assert agent.client.get(site.hosts[f"map {client}"].url + ADMIN).status_code == 302
    wait_until(lambda: decided_of(site, f"Proxied/{client}", client))
    (decision,) = decided_of(site, f"Proxied/{client}", client)
    assert decision["facts"]["network.ip"] == address


def decided_of(site: Site, user_agent: str, client: str) -> list[dict[str, Any]]:
    """A client's logged decisions that the map was asked for by this browser."""
    decided = site.service.decisions(client=client)
    return [each for each in decided if each["facts"].get("device.user_agent") == user_agent]


def test_taken_out_before_acrux(site: Site, portal: Host, agent: Agent) -> None:
    """Who takes what the map asks for out on the way to Acrux is logged in at the policy's level, and stays outside."""
    before = len(site.backend.seen)
    asked = agent.open_until(portal.url + ADMIN, site.fronts["acrux"].url)
    assert asked.query["acr_values"] == CODE_ACR
    page = sign_in(agent, agent.open(str(asked.redirect.copy_remove_param("acr_values").copy_remove_param("max_age"))))
    # The guard is satisfied: without the map's word this is a login to the portal. `Require` is not.
    assert site.service.newest("portal", verdict="satisfied")["level"] == "basic"
    assert agent.open(stepped_up(page)).title == "Second factor"
    assert site.backend.seen[before:] == []


@pytest.mark.parametrize(
    "path", ["/admin", "/admin/", "//admin/x", "/%61dmin/x", "/x/../admin/x", "/admin/%0aASK%20sub~.%20"]
)
def test_other_ways_to_write_the_path(site: Site, portal: Host, agent: Agent, path: str) -> None:
    """However the protected path is written, the password is not enough for it."""
    sign_in(agent, agent.open(f"{portal.url}/"))
    before = len(site.backend.seen)
    url = httpx.URL(portal.url).copy_with(raw_path=path.encode())
    answer = agent.client.get(url)
    assert "Stepup Authentication" in answer.text or answer.status_code in {401, 403, 404}, answer.text
    assert site.backend.seen[before:] == []


def test_started_by_a_third_party(site: Site, portal: Host, agent: Agent) -> None:
    """A login that begins at the redirect URI never meets the map; `Require` holds all the same."""
    before = len(site.backend.seen)
    begun = {"iss": site.provider.issuer, "target_link_uri": portal.url + ADMIN}
    page = agent.open(portal.callback, begun)
    assert stepped_up(sign_in(agent, page)).startswith(f"{site.fronts['acrux'].url}/rp/portal/authorize")
    assert site.backend.seen[before:] == []


def test_a_denial_of_the_map(site: Site, agent: Agent) -> None:
    """What the policy denies by facts that only Apache sees is refused there, with the decision's id."""
    vault = site.hosts["map vault"]
    agent.client.headers["user-agent"] = OLD_BROWSER
    answer = agent.client.get(vault.url + ADMIN)
    wait_until(lambda: decided_of(site, OLD_BROWSER, "vault"))
    (decision,) = decided_of(site, OLD_BROWSER, "vault")
    assert (decision["level"], decision["rules"]) == ("deny", ["vault-and-old-browsers"])
    assert answer.status_code == 403
    assert answer.text == (f"The policy does not allow this sign-in. For the help desk: DENY {decision['decision_id']}")


def test_a_map_that_is_gone(site: Site, agent: Agent, place: Path) -> None:
    """When the program has ended nobody gets in, until Apache is told to start it again."""
    host = Host.at("portal", 3, 41)
    apache = Apache.start(place, site.certificate, [site.config(host)], host)
    try:
        assert agent.client.get(host.url + ADMIN).status_code == 302
        (program,) = maps_of(apache)
        os.kill(program, signal.SIGTERM)
        wait_until(lambda: not Path(f"/proc/{program}").exists() or maps_of(apache) == [])
        assert agent.client.get(host.url + ADMIN).status_code == 503
        assert agent.client.get(host.url).status_code == 302
        apache.program.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: maps_of(apache) != [])
        wait_until(lambda: agent.client.get(host.url + ADMIN).status_code == 302)
    finally:
        apache.stop()


def maps_of(apache: Apache) -> list[int]:
    """The process ids of its rewrite maps."""
    pid = apache.program.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"rewrite-map" in Path(f"/proc/{child}/cmdline").read_bytes()]


def wait_until(look) -> None:
    """Waits for something that comes to pass."""
    deadline = time.monotonic() + 30
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_acrux_is_away(site: Site, portal: Host, agent: Agent, place: Path) -> None:
    """Without Acrux the map demands the client's ceiling: of new logins, and of who is logged in."""
    sign_in(agent, agent.open(f"{portal.url}/"))
    known, unknown = Host.at("portal", 3, 42), Host.at("portal", 3, 43)
    wait_until(site.cache(portal).exists)
    shutil.copy(site.cache(portal), site.cache(known))
    since_us = now_us()
    site.service.kill()
    apache = None
    try:
        # Facts that were not asked about yet.
        agent.client.headers["user-agent"] = "Outage/1"
        with Agent(verify=site.certificate.trusted()) as other:
            asked = other.open_until(portal.url + ADMIN, site.fronts["acrux"].url)
            assert asked.query["acr_values"] == CODE_ACR
            assert other.open(str(asked.redirect)).response.status_code == 503
        assert agent.client.get(f"{portal.url}/").status_code == 200
        assert f"acr_values={CODE_ACR.replace(':', '%3A')}" in stepped_up(agent.open(portal.url + ADMIN))
        # The vault's ceiling is to deny.
        assert agent.client.get(site.hosts["map vault"].url + ADMIN).status_code == 403
        # A map that starts now has the ceiling from its cache, or nothing.
        apache = Apache.start(place, site.certificate, [site.config(known), site.config(unknown)], known)
        # The first goes on, up to mod_auth_openidc: that has no metadata of the provider before it has it from Acrux.
        assert agent.client.get(known.url + ADMIN).status_code == 500
        assert agent.client.get(unknown.url + ADMIN).status_code == 503
    finally:
        if apache is not None:
            apache.stop()
        site.service.start_again()
    assert site.logged("fallback", since_us)["client"] in {"portal", "vault"}


def test_a_provider_that_knows_no_acr(node_modules: Path, tmp_path: Path) -> None:
    """Where the level never comes the step-up ends on a page, after one trip, instead of beginning again for ever."""
    with started(tmp_path, levels=[]) as site, Agent(verify=site.certificate.trusted()) as agent:
        portal, intranet = site.hosts["map portal"], site.hosts["mirror intranet"]
        assert told(sign_in(agent, agent.open(f"{portal.url}/")).response)["acr"] is None
        assert told(agent.open(intranet.url).response)["acr"] is None
        before = len(site.backend.seen)
        for url, client in ((portal.url + ADMIN, "portal"), (f"{intranet.url}/finance", "intranet")):
            page = agent.open(stepped_up(agent.open(url)))
            assert page.title == "Error"
            assert site.service.newest(client, verdict="missing")["level"] == "mfa"
        assert site.backend.seen[before:] == []
