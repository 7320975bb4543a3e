"""A provider that ignores acr: what asks for nothing logs in, and what asks for a level is refused as `missing`."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bed.agent import Agent
from bed.company import Application, Company
from bed.guarded import ALICE, Site, Unchanged, now_us
from bed.mock_provider import start_mock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bed.agent import Page
    from bed.company import RelyingParty

pytestmark = pytest.mark.external

ADAPTERS = {
    "starlette": ("app.py", "/callback"),
    "flask": ("flask_app.py", "/callback"),
    "django": ("django_app.py", "/callback"),
    "social-core": ("social_app.py", "/social/complete/oidc/"),
    "allauth": ("allauth_app.py", "/accounts/oidc/corp/login/callback/"),
}
# This library refuses ID tokens that name no key, by itself. The tokens of the provider name none before its version
# 0.4, which is for Python 3.12 and later; from then on it is an adapter like the others.
NEEDS_KID = {"mozilla-django-oidc": ("mozilla_app.py", "/oidc/callback/")}
if tuple(map(int, version("oidc-provider-mock").split(".")[:2])) >= (0, 4):
    ADAPTERS, NEEDS_KID = {**ADAPTERS, **NEEDS_KID}, {}
DEMANDING = tuple(Application(name, *made) for name, made in {**ADAPTERS, **NEEDS_KID}.items())
# The others once more, as applications that the policy asks nothing of.
CONTENT = tuple(Application(f"content-{name}", *made) for name, made in ADAPTERS.items())
POLICY = "version: acrux/v1\n\nclients:\n" + "".join(
    f"  {made.name}: {{provider: corp, client_id: {made.client_id}{tags}}}\n"
    for applications, tags in ((DEMANDING, ", tags: [atlassian]"), (CONTENT, ""))
    for made in applications
)

UNCHANGED = (sys.executable, str(Path(__file__).resolve().parent / "relying_parties" / "unchanged.py"))
PKCE = {"RP_PKCE": "S256"}
GUARDED = (
    Unchanged("jira", UNCHANGED, tags=("atlassian",), environment=PKCE),
    Unchanged("confluence", UNCHANGED, auth_method="client_secret_post", tags=("atlassian",)),
    Unchanged("intranet", UNCHANGED, environment=PKCE),
)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """Applications with adapters, at the provider that ignores acr."""
    started = Company.start(
        tmp_path_factory.mktemp("ignores-acr"),
        policy_files={"adapters.yaml": POLICY},
        applications=(*DEMANDING, *CONTENT),
        start_provider=start_mock,
    )
    yield started
    started.stop()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, postgresql_server: Any) -> Iterator[Site]:
    """Unchanged applications behind the guard, at the provider that ignores acr."""
    postgresql_server.psql("CREATE DATABASE acrux_ignores_acr")
    url = postgresql_server.get_uri(database="acrux_ignores_acr")
    started = Site.start(tmp_path_factory.mktemp("ignores-acr-guarded"), url, GUARDED, start_provider=start_mock)
    yield started
    started.stop()


def authorize(agent: Agent, page: Page) -> Page:
    """Passes the mock's only page."""
    assert "Authorize Client" in page.response.text, page.response.text
    return agent.submit(page, sub=ALICE.sub)


def log_in(agent: Agent, party: RelyingParty) -> Page:
    page = agent.open(f"{party.url}/login")
    # One library begins logins by POST only.
    page = agent.submit(page) if page.title == "Sign in with the company" else page
    return authorize(agent, page)


@pytest.mark.parametrize("name", ADAPTERS)
def test_refused_by_the_adapter(company: Company, agent: Agent, name: str) -> None:
    """A level was needed and no acr came back: `missing`, a page with the decision's id, nobody signed in, no loop."""
    party = company.parties[name]
    page = log_in(agent, party)
    assert page.response.status_code == 403
    record = company.service.newest(name, verdict="missing")
    assert (record["level"], record["returned_acr"]) == ("mfa", None)
    assert record["decision_id"] in page.response.text
    assert party.signed_in(agent) is None


@pytest.mark.parametrize("name", ADAPTERS)
def test_admitted_by_the_adapter(company: Company, agent: Agent, name: str) -> None:
    """Where the policy asks for nothing, a provider without acr does."""
    party = company.parties[f"content-{name}"]
    page = log_in(agent, party)
    assert page.response.status_code == 200, page.response.text
    assert party.signed_in(agent) is not None
    record = company.service.newest(party.name, verdict="satisfied")
    assert (record["level"], record["returned_acr"]) == ("basic", None)


@pytest.mark.parametrize("name", NEEDS_KID)
def test_refused_by_the_library(company: Company, agent: Agent, name: str) -> None:
    """A library that refuses the provider's tokens signs nobody in; Acrux judges them all the same: `missing`."""
    party = company.parties[name]
    page = log_in(agent, party)
    assert page.response.status_code == 403
    assert company.service.newest(name, verdict="missing")["decision_id"] in page.response.text
    assert party.signed_in(agent) is None


@pytest.mark.parametrize("name", ["jira", "confluence"])
def test_refused_by_the_guard(site: Site, agent: Agent, name: str) -> None:
    """An unchanged application gets no tokens: `missing`, logged so, nobody signed in."""
    since_us = now_us()
    page = authorize(agent, agent.open(f"{site.urls[name]}/login"))
    assert page.response.status_code == 403
    assert page.response.text.startswith("invalid_grant: the sign-in is not what was decided (missing)")
    assert agent.client.get(f"{site.urls[name]}/me").status_code == 401
    outcome = site.logged("outcome", since_us)
    assert (outcome["client"], outcome["verdict"], outcome["admit"]) == (name, "missing", False)
    assert outcome["returned"]["acr"] is None


def test_admitted_by_the_guard(site: Site, agent: Agent) -> None:
    """Where the policy asks for nothing, a provider without acr does, refreshes included."""
    since_us = now_us()
    page = authorize(agent, agent.open(f"{site.urls['intranet']}/login"))
    assert page.response.status_code == 200, page.response.text
    assert page.response.json()["sub"] == ALICE.sub
    assert site.logged("outcome", since_us)["verdict"] == "satisfied"
    answer = agent.client.get(f"{site.urls['intranet']}/refresh")
    assert answer.status_code == 200, answer.text
    assert "access_token" in answer.json()
