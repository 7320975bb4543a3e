"""Journey 2: who edits the authorization request in the browser is not signed in, and the log says what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from bed.company import Company
from bed.provider import CODE_ACR, PASSWORD_ACR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bed.agent import Agent, Page
    from bed.company import RelyingParty

    Attack = Callable[[httpx.URL], httpx.URL]

pytestmark = pytest.mark.external


def remove(url: httpx.URL) -> httpx.URL:
    return url.copy_remove_param("acr_values")


def lower(url: httpx.URL) -> httpx.URL:
    return url.copy_set_param("acr_values", PASSWORD_ACR)


def make_unknown(url: httpx.URL) -> httpx.URL:
    return url.copy_set_param("acr_values", "urn:example:unknown")


def prefer_lower(url: httpx.URL) -> httpx.URL:
    return url.copy_set_param("acr_values", f"{PASSWORD_ACR} {CODE_ACR}")


def move_into_claims(url: httpx.URL) -> httpx.URL:
    weaker = f'{{"id_token": {{"acr": {{"essential": true, "value": "{PASSWORD_ACR}"}}}}}}'
    return remove(url).copy_set_param("claims", weaker)


def duplicate(url: httpx.URL) -> httpx.URL:
    return url.copy_add_param("acr_values", PASSWORD_ACR)


LOWERING = [remove, lower, make_unknown, prefer_lower, move_into_claims]


@pytest.fixture
def attacker(company: Company) -> Iterator[Agent]:
    """Alice at her own browser, who sees each authorization request before it is followed."""
    with company.agent() as agent:
        agent.stops = (f"{company.provider.metadata['authorization_endpoint']}?",)
        yield agent


def attacked_login(company: Company, attacker: Agent, party: RelyingParty, attack: Attack) -> Page:
    """Starts a login, edits its request, and passes the password page; what comes next."""
    page = attacker.open(f"{party.url}/login")
    assert page.query["acr_values"] == CODE_ACR
    assert page.redirect is not None
    return company.pass_password(attacker, attacker.open(attack(page.redirect)))


@pytest.mark.parametrize("name", ["jira", "confluence"])
@pytest.mark.parametrize("attack", LOWERING)
def test_lowered_request_is_refused(company: Company, attacker: Agent, attack: Attack, name: str) -> None:
    """However the level leaves the request, it ends in one more trip and then a refusal, and each is in the log."""
    party = company.parties[name]
    page = attacked_login(company, attacker, party, attack)
    first = company.service.newest(name, verdict="downgraded", position=1)
    assert party.signed_in(attacker) is None
    assert page.query["acr_values"] == CODE_ACR, "the adapter starts again with what the policy wants"
    assert page.redirect is not None
    page = attacker.open(attack(page.redirect))
    assert page.redirect is None, "the adapter starts again once, not for ever"
    assert page.response.status_code == 403
    assert party.signed_in(attacker) is None
    second = company.service.newest(name, verdict="downgraded")
    assert first["decision_id"] != second["decision_id"]
    for record in (first, second):
        assert (record["level"], record["rules"]) == ("mfa", ["atlassian-sso"])
        assert record["returned_acr"] == PASSWORD_ACR


def test_honest_second_trip(company: Company, attacker: Agent) -> None:
    """Who edits the request once and then does as the policy wants is signed in, with the second factor."""
    party = company.parties["jira"]
    page = attacked_login(company, attacker, party, remove)
    assert page.redirect is not None
    page = attacker.open(page.redirect)
    assert company.pass_code(attacker, page).response.status_code == 200
    user = party.signed_in(attacker)
    assert user is not None
    assert user["acr"] == CODE_ACR
    assert company.service.newest("jira", verdict="satisfied")["level"] == "mfa"


def test_duplicated_parameter(company: Company, attacker: Agent) -> None:
    """A second acr_values beside the right one is refused by the provider, and nobody is signed in."""
    party = company.parties["jira"]
    page = attacker.open(f"{party.url}/login")
    assert page.redirect is not None
    page = attacker.open(duplicate(page.redirect))
    assert page.response.status_code == 403
    assert "invalid_request" in page.response.text
    assert party.signed_in(attacker) is None
    assert company.service.newest("jira", verdict=None)["level"] == "mfa"


def test_request_made_by_hand(company: Company, attacker: Agent) -> None:
    """A request that the application never made comes back to nobody: there is no login that it belongs to."""
    party = company.parties["jira"]
    page = attacker.open(f"{party.url}/login")
    assert page.redirect is not None
    forged = remove(page.redirect).copy_set_param("state", "made-by-hand")
    page = company.pass_password(attacker, attacker.open(forged))
    assert page.response.status_code == 403
    assert party.signed_in(attacker) is None


def test_decision_of_another_login(company: Company, attacker: Agent) -> None:
    """The answer of a login at the lower level can't be handed in for one that needs the second factor."""
    with company.agent() as other:
        other.stops = (f"{company.parties['jira'].url}/callback",)
        weak = remove(other.open_until(f"{company.parties['jira'].url}/login", company.provider.issuer).redirect)
        stolen = company.pass_password(other, other.open(weak)).query["code"]
    party = company.parties["jira"]
    page = attacker.open(f"{party.url}/login")
    page = attacker.open(f"{party.url}/callback", {"code": stolen, "state": page.query["state"]})
    assert party.signed_in(attacker) is None
    assert page.response.status_code == 403


def test_callback_twice(company: Company, attacker: Agent) -> None:
    """The address of a callback that signed somebody in signs nobody in a second time."""
    party = company.parties["jira"]
    page = attacker.open(f"{party.url}/login")
    assert page.redirect is not None
    attacker.stops = (f"{party.url}/callback",)
    page = company.pass_code(attacker, company.pass_password(attacker, attacker.open(page.redirect)))
    assert page.redirect is not None
    callback, attacker.stops = page.redirect, ()
    assert attacker.open(callback).response.status_code == 200
    with company.agent() as another:
        another.client.cookies = httpx.Cookies(attacker.client.cookies)
        assert another.open(callback).response.status_code == 403


def test_provider_that_returns_no_acr(node_modules: Path, tmp_path: Path) -> None:
    """Where the provider ignores what it is asked, nobody gets into Jira, and the log says `missing`."""
    company = Company.start(tmp_path, levels=[])
    try:
        with company.agent() as agent:
            page = company.pass_password(agent, agent.open(f"{company.parties['jira'].url}/login"))
            assert page.response.status_code == 403
            assert company.parties["jira"].signed_in(agent) is None
            page = agent.open(f"{company.parties['intranet'].url}/login")
            assert page.response.status_code == 200
            assert company.parties["intranet"].signed_in(agent) is not None
        assert company.service.newest("jira", verdict="missing")["returned_acr"] is None
        company.service.newest("intranet", verdict="satisfied")
    finally:
        company.stop()
