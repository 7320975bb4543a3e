"""A value that is bound already: whoever opens a login again never gets less than was decided before."""

import asyncio

import pytest
from rp_bed import CAFE, MFA, OFFICE, Login, target

from acrux.domain.decision import Accept, DecisionOutcome


@pytest.mark.parametrize("first", ["nonce", "challenge"])
async def test_the_higher_of_two_decisions(rp, first):
    """A second request with a bound value, from elsewhere, gets the higher of both decisions; its record says so."""
    login = Login()
    again = Login(nonce=login.nonce) if first == "nonce" else Login(verifier=login.verifier)
    async with rp.browser(CAFE) as outside, rp.browser(OFFICE) as office:
        assert target(await login.begin(outside))[1]["acr_values"] == MFA
        assert target(await again.begin(office))[1]["acr_values"] == MFA
        assert "acr_values" not in target(await Login().begin(office))[1]
    one, two, three = rp.records("decision")
    assert two["floor"] == {"decisions": [one["decision_id"]], "level": "mfa", "max_age_seconds": 43200}
    assert two["answer"]["level"] == "mfa"
    assert "floor" not in three


async def test_the_higher_of_two_decisions_when_the_second_is_higher(rp):
    """The other way round too; and a denial stays one."""
    login = Login()
    async with rp.browser(CAFE) as outside, rp.browser(OFFICE) as office:
        assert "acr_values" not in target(await login.begin(office))[1]
        assert target(await login.begin(outside))[1]["acr_values"] == MFA
        rp.load({"policy.yaml": rp.files["policy.yaml"].replace(b'client.id == "closed"', b'client.id == "jira"')})
        assert target(await login.begin(outside))[1]["error"] == "access_denied"
        rp.load(rp.files)
        assert target(await login.begin(office))[1]["error"] == "access_denied"


async def test_a_binding_that_can_not_be_read_counts_as_the_highest(rp):
    """A decision that another key sealed is not forgotten: it counts as the most that can be asked for."""
    login = Login()
    async with rp.browser(OFFICE) as office:
        await login.begin(office)
        with rp.database.connection() as connection, connection.begin():
            connection.exec_driver_sql("UPDATE bindings SET ticket = 'x'")
        assert target(await login.begin(office))[1]["acr_values"].split() == ["urn:example:loa:3"]


async def test_many_at_the_same_moment(rp):
    """However many requests with one nonce come at once: what is bound in the end is the highest of them."""
    login = Login()
    async with rp.browser(CAFE) as outside, rp.browser(OFFICE) as office:
        answers = await asyncio.gather(*(login.begin(office) for _ in range(4)), login.begin(outside))
    assert {answer.status_code for answer in answers} <= {302, 429}
    with rp.database.connection() as connection:
        rows = connection.exec_driver_sql("SELECT ticket FROM bindings").all()
    tickets = [rp.services.tickets.open(row[0]) for row in rows]
    assert len({ticket.decision_id for ticket in tickets}) == 1
    if answers[-1].status_code == 302:
        assert tickets[0].outcome is DecisionOutcome.STEP_UP
        assert tickets[0].accept == Accept("acr", (MFA, "urn:example:loa:3", "phr"), 43200)


async def test_a_login_that_is_bound_anew_all_the_time(rp, monkeypatch):
    """Whoever keeps opening one login is sent away after a few tries: no request goes on for ever."""

    async def lost(*_anything):
        return False

    monkeypatch.setattr("acrux.http.rp_bindings.Bindings.bind", lost)
    async with rp.browser() as browser:
        response = await Login().begin(browser)
    assert response.status_code == 429
    assert len(rp.records("decision")) == 5
