"""The pages that people see at the redirect adapter where a login can not go on, or is denied."""

import httpx
import pytest
from rp_bed import Login

from acrux.http.problems import Code, Problem


async def test_the_page(rp):
    """The page is for phones, has no script, fetches nothing, and names what a help desk asks for."""
    rp.replace(settings=rp.settings.__class__(help_desk="Call <4242>."))
    async with rp.browser() as browser:
        response = await Login().begin(browser, redirect_uri="https://evil.example.com/")
        unknown = await Login().begin(browser, client="nobody")
        other = await browser.get("/rp/unregistered/.well-known/openid-configuration")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "unsafe" not in response.headers["content-security-policy"]
    assert 'name="viewport"' in response.text
    assert "<script" not in response.text
    assert "Call &lt;4242&gt;." in response.text
    assert response.headers["x-request-id"] in response.text
    assert "evil" not in response.text
    assert unknown.status_code == other.status_code == 404


async def test_what_a_help_desk_asks_for(rp, monkeypatch):
    """Application, time and request always, the decision wherever there is one: in one box that a tap selects."""

    async def fail(*_anything):
        raise Problem(Code.DATABASE_UNAVAILABLE)

    login = Login(client_id="closed", redirect_uri="https://closed.example.com/callback")
    async with rp.browser() as browser:
        wrong = await Login().begin(browser, redirect_uri=None)
        nobody = await Login().begin(browser, client="call-555-1234")
        denied = await login.begin(browser, "closed", response_mode="form_post")
        monkeypatch.setattr("acrux.http.rp_bindings.Bindings.bind", fail)
        unbound = await Login().begin(browser)
        by_form = await browser.post("/rp/jira/authorize", data={"client_id": "jira-sso"})
    first, second = (record["decision_id"] for record in rp.records("decision"))
    for page, application in ((wrong, "jira"), (denied, "closed"), (unbound, "jira")):
        assert f"<dt>Application:</dt> <dd>{application}</dd>" in page.text
        assert f"<dt>Request:</dt> <dd>{page.headers['x-request-id']}</dd>" in page.text
        assert "<dt>Time:</dt> <dd>2026-11-24 08:00:00 UTC</dd>" in page.text
        assert "user-select:all" in page.text
    assert "call-555" not in nobody.text
    assert f"<dt>Decision:</dt> <dd>{first}</dd>" in denied.text
    assert f"<dt>Decision:</dt> <dd>{second}</dd>" in unbound.text
    assert [("Try again" in page.text) for page in (wrong, denied, unbound, by_form)] == [False, False, True, False]


async def test_a_client_without_redirect_uris_is_told_so(rp):
    """A client that was never set up for the adapter: not "not one of those", where there are none."""
    async with rp.browser() as browser:
        page = await Login(client_id="plain").begin(browser, "plain")
    assert page.status_code == 400
    assert "this client has no `redirect_uris` in the policy set" in page.text


async def test_a_page_for_people_wherever_they_are(rp, monkeypatch):
    """A mistyped address, another method and a defect too: a page where a browser may be, JSON where programs are."""

    async def fail(*_anything):
        raise RuntimeError("s3cr3t")

    async with rp.browser() as browser:
        mistyped = await browser.get("/rp/jira/authorise?x=my-words")
        put = await browser.put("/rp/jira/authorize")
        for_programs = await browser.get("/rp/jira/token")
    monkeypatch.setattr("acrux.http.rp.authorize", fail)
    transport = httpx.ASGITransport(rp.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://acrux.example.com") as browser:
        defect = await Login().begin(browser)
    assert [page.status_code for page in (mistyped, put, for_programs, defect)] == [404, 405, 405, 500]
    assert put.headers["allow"] == "GET, HEAD, POST"
    for page in (mistyped, put, defect):
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["x-request-id"] in page.text
        assert "s3cr3t" not in page.text
        assert "my-words" not in page.text
    assert for_programs.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    "changes",
    [
        {"acr_values": "call-555-1234"},
        {"claims": '{"id_token":{"call-555-1234":{"x":{"y":{"z":{"a":{"b":{"c":{"d":{"e":1}}}}}}}}}}'},
        {"max_age": "call-555-1234"},
        {"response_type": "call-555-1234"},
        {"scope": "openid " + "call-555-1234 " * 200},
    ],
)
async def test_nobody_writes_on_our_page(rp, changes):
    """Whoever makes a link chooses its parameters, and none of their words stand on the page."""
    async with rp.browser() as browser:
        response = await Login().begin(browser, **changes)
    assert response.status_code == 400
    assert "555" not in response.text


async def test_a_denial_that_takes_a_script_is_told_here(rp):
    """Where the client wants a form post the user reads of the denial here, with the decision's id."""
    login = Login(client_id="closed", redirect_uri="https://closed.example.com/callback")
    async with rp.browser() as browser:
        response = await login.begin(browser, "closed", response_mode="form_post")
    (record,) = rp.records("decision")
    assert response.status_code == 403
    assert record["decision_id"] in response.text
