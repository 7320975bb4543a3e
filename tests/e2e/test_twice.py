"""Rules on the user, who is known only after the login: Acrux decides again, and the adapter makes one more trip."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bed.company import Company
from bed.provider import CODE_ACR, PASSWORD_ACR

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.external

RULES = """\
version: acrux/v1

rules:
  - id: administrators
    description: Administrators take a second factor everywhere.
    owner: iam@example.com
    when: '"user.groups" in known && "admins" in user.groups'
    require: mfa
"""


@pytest.fixture(params=[("admins", "design"), ("design",)], ids=["administrator", "designer"])
def company(node_modules: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Company]:
    """A company whose only rule reads the user's groups, and whose Alice is in the groups of the parameter."""
    started = Company.start(tmp_path, policy_files={"atlassian.yaml": RULES}, groups=request.param)
    yield started
    started.stop()


def test_group_rule(company: Company) -> None:
    """An administrator is sent back for the second factor once the groups are known; nobody else notices."""
    intranet = company.parties["intranet"]
    is_administrator = "admins" in company.alice.groups
    with company.agent() as agent:
        page = agent.open_until(f"{intranet.url}/login", company.provider.issuer)
        assert "acr_values" not in page.query, "before the login nobody knows who it is"
        page = company.pass_password(agent, agent.open(page.redirect))
        if is_administrator:
            assert intranet.signed_in(agent) is None
            page = company.pass_code(agent, page)
        assert page.response.status_code == 200
        user = intranet.signed_in(agent)
    assert user is not None
    assert user["acr"] == (CODE_ACR if is_administrator else PASSWORD_ACR)
    newest = company.service.newest("intranet", verdict="satisfied")
    assert newest["rules"] == (["administrators"] if is_administrator else [])
    if is_administrator:
        assert company.service.newest("intranet", verdict="insufficient", position=1)["level"] == "basic"
