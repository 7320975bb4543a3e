"""Every adapter at the real provider with the real service: the second factor, the attack, and Acrux away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from bed.company import Application, Company
from bed.provider import CODE_ACR, PASSWORD_ACR

from acrux.adapters.step_up import read_challenge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bed.agent import Agent, Page
    from bed.company import RelyingParty

    Attack = Callable[[httpx.URL], httpx.URL]

pytestmark = pytest.mark.external
APPLICATIONS = (
    Application("starlette"),
    Application("flask", "flask_app.py"),
    Application("django", "django_app.py"),
    Application("mozilla-django-oidc", "mozilla_app.py", "/oidc/callback/"),
    Application("allauth", "allauth_app.py", "/accounts/oidc/corp/login/callback/"),
    Application("social-core", "social_app.py", "/social/complete/oidc/"),
)
# Asks for nothing at the door, and for more inside.
PORTAL = Application("portal", "flask_app.py")
NAMES = [application.name for application in APPLICATIONS]
POLICY = "version: acrux/v1\n\nclients:\n" + "".join(
    f"  {made.name}: {{provider: corp, client_id: {made.client_id}, tags: [atlassian]}}\n" for made in APPLICATIONS
)
POLICY += f"""\
  portal: {{provider: corp, client_id: {PORTAL.client_id}}}

attributes:
  sensitive: {{type: bool, description: whether the page is a sensitive one}}

rules:
  - id: sensitive-pages
    description: Sensitive pages take a second factor.
    owner: iam@example.com
    when: '"attr.sensitive" in known && attr.sensitive && client.id == "portal"'
    require: mfa
"""


def strip(url: httpx.URL) -> httpx.URL:
    return url.copy_remove_param("acr_values")


def lower(url: httpx.URL) -> httpx.URL:
    return url.copy_set_param("acr_values", PASSWORD_ACR)


@pytest.fixture(scope="module")
def company(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """A company whose applications have one adapter each."""
    directory = tmp_path_factory.mktemp("adapters")
    started = Company.start(directory, policy_files={"adapters.yaml": POLICY}, applications=(*APPLICATIONS, PORTAL))
    yield started
    started.stop()


@pytest.fixture(scope="module")
def outage(company: Company) -> Iterator[None]:
    """From here on Acrux is away; afterwards it is back."""
    company.service.kill()
    yield
    company.service.start_again()


@pytest.fixture
def attacker(company: Company) -> Iterator[Agent]:
    """Alice at her own browser, who sees each authorization request before it is followed."""
    with company.agent() as agent:
        agent.stops = (f"{company.provider.metadata['authorization_endpoint']}?",)
        yield agent


def begin(agent: Agent, party: RelyingParty, query: str = "") -> Page:
    """Starts a login; where the browser gets by itself."""
    page = agent.open(f"{party.url}/login{query}")
    # One library begins logins by POST only.
    return agent.submit(page) if page.title == "Sign in with the company" else page


def honest_login(company: Company, party: RelyingParty) -> None:
    with company.agent() as agent:
        page = company.pass_code(agent, company.pass_password(agent, begin(agent, party)))
        assert page.response.status_code == 200
        assert party.signed_in(agent) is not None


def attacked_login(company: Company, attacker: Agent, party: RelyingParty, attack: Attack) -> None:
    """The level leaves both requests of a login: one more trip, then a page, and nobody is signed in."""
    page = begin(attacker, party)
    for _ in range(2):
        assert page.redirect is not None, "the adapter starts again once"
        assert page.query["acr_values"] == CODE_ACR
        page = attacker.open(attack(page.redirect))
        if page.title == "Sign in":
            page = company.pass_password(attacker, page)
        assert party.signed_in(attacker) is None
    assert page.redirect is None, "and not for ever"
    assert page.response.status_code == 403
    assert "4242" in page.response.text


@pytest.mark.parametrize("name", NAMES)
def test_second_factor(company: Company, name: str) -> None:
    """The policy's second factor is asked for, had, judged and logged."""
    honest_login(company, company.parties[name])
    record = company.service.newest(name, verdict="satisfied")
    assert (record["level"], record["rules"], record["returned_acr"]) == ("mfa", ["atlassian-sso"], CODE_ACR)
    assert record["facts"]["network.ip"] == "127.0.0.1"


@pytest.mark.parametrize("attack", [strip, lower])
@pytest.mark.parametrize("name", NAMES)
def test_attack(company: Company, attacker: Agent, name: str, attack: Attack) -> None:
    """Who edits the request is not signed in, and both tries are in the log."""
    attacked_login(company, attacker, company.parties[name], attack)
    for position in (0, 1):
        record = company.service.newest(name, verdict="downgraded", position=position)
        assert (record["level"], record["returned_acr"]) == ("mfa", PASSWORD_ACR)


@pytest.mark.parametrize("name", NAMES)
def test_users_own_parameters(company: Company, attacker: Agent, name: str) -> None:
    """What the user puts behind the address of the login, for allauth above all, lowers nothing."""
    own = f"acr_values%3D{PASSWORD_ACR}"
    page = begin(attacker, company.parties[name], f"?acr_values={PASSWORD_ACR}&auth_params={own}")
    assert page.query["acr_values"] == CODE_ACR
    assert page.redirect is not None
    assert len(page.redirect.params.get_list("acr_values")) == 1


@pytest.mark.parametrize("name", NAMES)
def test_forged_addresses(company: Company, attacker: Agent, name: str) -> None:
    """No header of a browser's makes another address, whatever runs the application."""
    forged = dict.fromkeys(
        ("x-forwarded-for", "x-real-ip", "true-client-ip", "x_forwarded_for", "remote-addr"), "10.0.0.1"
    )
    attacker.client.headers.update({**forged, "forwarded": "for=10.0.0.1", "user-agent": f"Forging/{name}"})
    begin(attacker, company.parties[name])
    record = company.service.logged_with(name, "device.user_agent", f"Forging/{name}")
    assert record["facts"]["network.ip"] == "127.0.0.1"


@pytest.mark.parametrize("name", NAMES)
def test_honest_second_trip(company: Company, attacker: Agent, name: str) -> None:
    """Who edits the request once and then does as the policy wants is signed in, with the second factor."""
    party = company.parties[name]
    page = begin(attacker, party)
    assert page.redirect is not None
    page = company.pass_password(attacker, attacker.open(strip(page.redirect)))
    assert page.redirect is not None
    company.pass_code(attacker, attacker.open(page.redirect))
    assert party.signed_in(attacker) is not None
    assert company.service.newest(name, verdict="satisfied")["returned_acr"] == CODE_ACR


def test_more_inside_a_session(company: Company) -> None:
    """A session at the lower level is sent for the second factor alone, and an API says what is lacking (RFC 9470)."""
    portal = company.parties["portal"]
    with company.agent() as agent:
        company.pass_password(agent, begin(agent, portal))
        assert portal.signed_in(agent) is not None
        answer = agent.client.get(f"{portal.url}/api/secret")
        assert answer.status_code == 401
        assert read_challenge(answer.headers["WWW-Authenticate"]) == {"acr_values": CODE_ACR, "max_age": "43200"}
        company.pass_code(agent, agent.open(f"{portal.url}/secret"))
        assert agent.open(f"{portal.url}/secret").response.text == "The secret is 42."
        assert agent.client.get(f"{portal.url}/api/secret").json() == {"secret": 42}


def test_more_inside_a_session_attacked(company: Company, attacker: Agent) -> None:
    """Who takes the level out of that request has nothing more, and is not sent round for ever."""
    portal = company.parties["portal"]
    page = begin(attacker, portal)
    assert page.redirect is not None
    attacker.stops = ()
    company.pass_password(attacker, attacker.open(page.redirect))
    attacker.stops = (f"{company.provider.metadata['authorization_endpoint']}?",)
    page = attacker.open(f"{portal.url}/secret")
    for _ in range(2):
        assert page.redirect is not None
        assert page.query["acr_values"] == CODE_ACR
        page = attacker.open(strip(page.redirect))
    assert page.redirect is None
    assert page.response.status_code == 403
    assert attacker.client.get(f"{portal.url}/api/secret").status_code == 401


@pytest.mark.usefixtures("outage")
@pytest.mark.parametrize("name", NAMES)
def test_outage(company: Company, attacker: Agent, name: str) -> None:
    """While Acrux is away the ceiling is demanded, the login is judged all the same, and the attack fails."""
    honest_login(company, company.parties[name])
    attacked_login(company, attacker, company.parties[name], strip)
