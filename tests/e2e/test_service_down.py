"""The bad day: Acrux can't be reached. The ceiling is demanded, and logins are judged at the relying party."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from bed.company import Company
from bed.provider import CODE_ACR, PASSWORD_ACR

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.external


@pytest.fixture
def company(node_modules: Path, tmp_path: Path) -> Iterator[Company]:
    """A company of its own, so that stopping the service harms no other test."""
    started = Company.start(tmp_path)
    yield started
    started.stop()


def test_outage(company: Company) -> None:
    """While the service is away Jira takes the second factor, the intranet takes none, and the attack fails."""
    jira, intranet = company.parties["jira"], company.parties["intranet"]
    company.service.kill()

    with company.agent() as agent:
        page = agent.open_until(f"{jira.url}/login", company.provider.issuer)
        assert page.query["acr_values"] == CODE_ACR
        company.pass_code(agent, company.pass_password(agent, agent.open(page.redirect)))
        user = jira.signed_in(agent)
        assert user is not None
        assert user["acr"] == CODE_ACR

    with company.agent() as agent:
        page = agent.open_until(f"{intranet.url}/login", company.provider.issuer)
        assert "acr_values" not in page.query
        company.pass_password(agent, agent.open(page.redirect))
        user = intranet.signed_in(agent)
        assert user is not None
        assert user["acr"] == PASSWORD_ACR

    with company.agent() as agent:
        agent.stops = (f"{company.provider.metadata['authorization_endpoint']}?",)
        page = agent.open(f"{jira.url}/login")
        page = company.pass_password(agent, agent.open(page.redirect.copy_remove_param("acr_values")))
        page = agent.open(page.redirect.copy_remove_param("acr_values"))
        assert page.response.status_code == 403
        assert jira.signed_in(agent) is None

    # Each decision is reported when it is made, and again with its verdict.
    company.service.start_again()
    reports = [(report["client"], report["verdict"]) for report in company.service.fallbacks(8)]
    assert sorted(reports, key=str) == sorted(
        [
            *[("jira", None), ("jira", "satisfied")],
            *[("intranet", None), ("intranet", "satisfied")],
            *[("jira", None), ("jira", "downgraded")] * 2,
        ],
        key=str,
    )

    # And an auditor finds them beside what Acrux decided; a help desk by the id on the page.
    shown = re.search(r"decision ([0-9a-f-]{36})", page.response.text)
    assert shown is not None
    newest = company.service.newest("jira", verdict="downgraded")
    assert (newest["decision_id"], newest["kind"], newest["outcome"]) == (shown[1], "fallback", "step_up")
    (outcome,) = company.service.decision(shown[1])["outcomes"]
    assert (outcome["verdict"], outcome["judged_by"], outcome["returned_acr"]) == ("downgraded", "caller", PASSWORD_ACR)


def test_outage_between_redirect_and_callback(company: Company) -> None:
    """A decision made before the outage is judged by what it accepts, and reported when the service is back."""
    jira = company.parties["jira"]
    with company.agent() as agent:
        page = company.pass_password(agent, agent.open(f"{jira.url}/login"))
        company.service.stop()
        assert company.pass_code(agent, page).response.status_code == 200
        user = jira.signed_in(agent)
        assert user is not None
        assert user["acr"] == CODE_ACR
    company.service.start_again()
    decided = company.service.newest("jira", verdict="satisfied")
    (outcome,) = company.service.decision(decided["decision_id"])["outcomes"]
    assert (outcome["verdict"], outcome["judged_by"]) == ("satisfied", "caller")
    assert decided["returned_acr"] == CODE_ACR
