"""Journey 1: a second factor for two applications only, on a real provider, with real relying parties and a browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from bed.provider import CODE_ACR, PASSWORD_ACR

if TYPE_CHECKING:
    from pathlib import Path

    from bed.company import Company
    from playwright.sync_api import Browser

pytestmark = pytest.mark.external


@pytest.mark.parametrize("name", ["jira", "confluence"])
def test_second_factor_where_the_policy_wants_it(company: Company, name: str) -> None:
    """Jira and Confluence ask for the second factor, get it, and the log says so."""
    party = company.parties[name]
    with company.agent() as agent:
        page = company.pass_code(agent, company.pass_password(agent, agent.open(f"{party.url}/login")))
        assert page.response.status_code == 200
        user = party.signed_in(agent)
    assert user is not None
    assert (user["sub"], user["acr"], user["amr"]) == ("u-1029", CODE_ACR, ["pwd", "otp", "mfa"])
    record = company.service.newest(name, verdict="satisfied")
    assert (record["outcome"], record["level"], record["rules"]) == ("step_up", "mfa", ["atlassian-sso"])
    assert record["returned_acr"] == CODE_ACR
    assert record["authorization_params"]["acr_values"] == CODE_ACR


def test_nobody_else_is_bothered(company: Company) -> None:
    """The intranet asks for nothing: its request bears no acr_values, a password is enough, and that is logged too."""
    party = company.parties["intranet"]
    with company.agent() as agent:
        before = agent.open_until(f"{party.url}/login", company.provider.issuer)
        assert "acr_values" not in before.query
        assert "claims" not in before.query
        assert "max_age" not in before.query
        page = company.pass_password(agent, agent.open(before.redirect))
        assert page.response.status_code == 200
        user = party.signed_in(agent)
    assert user is not None
    assert (user["sub"], user["acr"]) == ("u-1029", PASSWORD_ACR)
    record = company.service.newest("intranet", verdict="satisfied")
    assert (record["outcome"], record["level"], record["rules"]) == ("baseline", "basic", [])


def test_single_sign_on(company: Company) -> None:
    """One browser: the intranet takes the password, Jira the code alone, Confluence nothing more."""
    with company.agent() as agent:
        company.pass_password(agent, agent.open(f"{company.parties['intranet'].url}/login"))
        page = agent.open(f"{company.parties['jira'].url}/login")
        assert page.title == "Second factor"
        company.pass_code(agent, page)
        page = agent.open(f"{company.parties['confluence'].url}/login")
        assert str(page.response.url).startswith(company.parties["confluence"].url)
        users = {name: party.signed_in(agent) for name, party in company.parties.items()}
    assert {name: user and user["acr"] for name, user in users.items()} == {
        "intranet": PASSWORD_ACR,
        "jira": CODE_ACR,
        "confluence": CODE_ACR,
    }
    company.service.newest("confluence", verdict="satisfied")


def test_login_that_never_comes_back(company: Company) -> None:
    """Who fails the second factor for good is not signed in, and the decision stays without a verdict."""
    party = company.parties["jira"]
    with company.agent() as agent:
        page = company.pass_password(agent, agent.open(f"{party.url}/login"))
        for _ in range(3):
            page = agent.submit(page, code=company.alice.wrong_code())
        assert page.response.status_code == 403
        assert "unmet_authentication_requirements" in page.response.text
        assert party.signed_in(agent) is None
    record = company.service.newest("jira", verdict=None)
    assert record["level"] == "mfa"


def test_login_in_chromium(company: Company, chromium: Browser, tmp_path: Path) -> None:
    """A real browser, from Jira's front page through both pages of the provider and back."""
    party = company.parties["jira"]
    context = chromium.new_context()
    page = context.new_page()
    page.goto(party.url)
    page.get_by_role("link", name="Sign in").click()
    page.get_by_label("User name").fill(company.alice.username)
    page.get_by_label("Password").fill(company.alice.password)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("heading", name="Second factor").wait_for()
    page.screenshot(path=tmp_path / "second-factor.png")
    page.get_by_label("6-digit code").fill(company.alice.code())
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(re.compile(re.escape(party.url)))
    page.get_by_text("Signed in as u-1029").wait_for()
    page.get_by_text(CODE_ACR).wait_for()
    page.screenshot(path=tmp_path / "signed-in.png")
    context.close()
    company.service.newest("jira", verdict="satisfied")
