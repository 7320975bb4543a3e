"""The first half of a login through the redirect adapter: what is refused, what passes, what is added."""

import asyncio
import re
from dataclasses import replace
from urllib.parse import quote

import httpx
import pytest
from rp_bed import CAFE, ISSUER, MFA, OFFICE, Login, RpBed, target

from acrux.domain.decision import Accept, DecisionOutcome
from acrux.http.problems import Code, Problem
from acrux.wiring.settings import AdapterQuotas, Rate


async def test_the_decision_is_merged(rp):
    """From outside the second factor is asked for; what the client sent passes as it was."""
    login = Login()
    async with rp.browser() as browser:
        response = await login.begin(browser)
    where, parameters = target(response)
    assert where == f"{ISSUER}/authorize"
    assert parameters["acr_values"] == MFA
    assert parameters["max_age"] == "43200"
    assert login.query() in response.headers["location"]
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    (record,) = rp.records("decision")
    assert record["client"] == "jira"
    assert record["facts"]["network.ip"] == CAFE
    assert record["facts"]["app.id"] == ""
    assert record["token_id"] == "redirect-adapter"
    assert not {name for name in record["facts"] if name.startswith(("user.", "session.", "device.", "browser."))}


async def test_a_baseline_passes_byte_for_byte(rp):
    """Where nothing is added, what the provider gets is what the client sent: odd encodings, repeated ones and all."""
    login = Login(state="a b/+%~ü")
    more = "&x=1&x=2&empty=&flag&%55nknown=%7e%7E+%20&ui_locales=de+en"
    async with rp.browser(OFFICE) as browser:
        response = await login.begin(browser, more=more)
    assert response.headers["location"] == f"{ISSUER}/authorize?{login.query()}{more}"


@pytest.mark.parametrize(
    "more",
    [
        "&acr_values=urn:example:loa:3",
        "&acr_values=phr+urn:example:loa:3",
        "&claims=" + quote('{"id_token":{"acr":{"essential":true,"values":["phr"]}}}'),
    ],
)
async def test_never_lowered(rp, more):
    """What the client itself asks for stays where it is more than what the policy wants."""
    async with rp.browser() as browser:
        response = await Login().begin(browser, more=more)
    _, parameters = target(response)
    assert parameters["acr_values"].split()[0] in {"urn:example:loa:3", "phr"}


@pytest.mark.parametrize(
    "more",
    ["&acr_values=urn:example:loa:2", "&acr%5Fvalues=urn:example:loa:2&acr_values=", "&acr_values=&max_age=999999"],
)
async def test_replaced_never_repeated(rp, more):
    """However often and however it is spelt: one `acr_values`, one `max_age` reach the provider, the decided ones."""
    async with rp.browser() as browser:
        response = await Login().begin(browser, more=more)
    _, parameters = target(response)
    assert (parameters["acr_values"], parameters["max_age"]) == (MFA, "43200")


SPELLINGS = [
    "https://evil.example.com/",
    "https://jira.example.com/callback/",
    "https://jira.example.com/callback?",
    "https://jira.example.com/callback#",
    "https://jira.example.com/callback?x=1",
    "https://jira.example.com/callback/..",
    "https://jira.example.com/../callback",
    "https://jira.example.com/Callback",
    "https://JIRA.example.com/callback",
    "HTTPS://jira.example.com/callback",
    "http://jira.example.com/callback",
    "//jira.example.com/callback",
    "/callback",
    "https:/jira.example.com/callback",
    "https:jira.example.com/callback",
    "https:\\\\jira.example.com/callback",
    "https://jira.example.com\\callback",
    "https://jira.example.com:443/callback",
    "https://jira.example.com./callback",
    "https://jira.example.com@evil.example.com/callback",
    "https://user@jira.example.com/callback",
    "https://evil.example.com#@jira.example.com/callback",
    "https://evil.example.com/https://jira.example.com/callback",
    "https://jira.example.com.evil.example.com/callback",
    "https://jira.example.comcallback",
    " https://jira.example.com/callback",
    "https://jira.example.com/callback ",
    "https://jira.example.com/callback\u200b",
    "https://jira.example.com/callback\u3002",
    "https://jira\uff0eexample.com/callback",
    "https://jira.example.com/call%62ack",
    "https://jira.example.com/callback%2e",
    "https://jira.example.com/callback%00",
    "https://jira.example.com/callback;x",
    "https://jira.example.com/callback&x=1",
    "javascript:alert(1)",
    "data:text/html,x",
    "*",
    "https://*.example.com/callback",
    "https://jira.example.com/callback,https://evil.example.com/",
    "https://jira.example.com/callback https://evil.example.com/",
    "",
]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_no_open_redirect(rp, spelling):
    """A redirect URI that is not the registered one, exactly, is shown here and redirects nowhere."""
    async with rp.browser() as browser:
        response = await Login(redirect_uri=spelling).begin(browser)
    assert response.status_code == 400
    assert "location" not in response.headers
    assert rp.records("decision") == []


REFUSED = {
    "no redirect_uri": {"redirect_uri": None},
    "another client_id": {"client_id": "wiki"},
    "no client_id": {"client_id": None},
    "request": {"request": "eyJ"},
    "request_uri": {"request_uri": "urn:x"},
    "an empty request": {"request": ""},
    "implicit": {"response_type": "id_token"},
    "hybrid": {"response_type": "code id_token"},
    "hybrid, the other way": {"response_type": "token code"},
    "no response type": {"response_type": None},
    "none": {"response_type": "none"},
    "plain": {"code_challenge_method": "plain"},
    "plain by default": {"code_challenge_method": None},
    "s256": {"code_challenge_method": "s256"},
    "no challenge": {"code_challenge": "short"},
    "nothing to bind by": {"nonce": None, "code_challenge": None, "code_challenge_method": None},
    "empty ones": {"nonce": "", "code_challenge": ""},
    "no ID token": {"scope": "profile"},
    "max_age": {"max_age": "-1"},
    "max_age in Arabic digits": {"max_age": "\u0661"},
    "claims": {"claims": "{"},
    "claims that are a list": {"claims": "[]"},
    "claims with a key twice": {"claims": '{"id_token":{},"id_token":{}}'},
    "an unmapped acr": {"acr_values": "urn:example:unknown"},
    "a nonce with a line break": {"nonce": "a\r\nb"},
}


@pytest.mark.parametrize("changes", REFUSED.values(), ids=REFUSED)
async def test_refused(rp, changes):
    """What can't be decided or guarded is shown here, and nothing is logged for it."""
    async with rp.browser() as browser:
        response = await Login().begin(browser, **changes)
    assert response.status_code == 400
    assert "location" not in response.headers
    assert rp.records("decision") == []


@pytest.mark.parametrize(
    "name",
    [
        *("client_id", "redirect_uri", "response_type", "nonce", "code_challenge", "code_challenge_method"),
        *("scope", "prompt", "max_age", "claims", "response_mode", "%6eonce", "redirect%5Furi"),
    ],
)
async def test_no_second_value_for_what_counts(rp, name):
    """Two readers could differ on which of two values counts, so nobody gets to choose."""
    async with rp.browser() as browser:
        response = await Login().begin(browser, more=f"&{name}=1&{name}=1")
    assert response.status_code == 400


@pytest.mark.parametrize(
    "raw", [b"a=#", b"a=\xc3\xbc", b"%ff=1", b"%zz=1", b"nonce=%", b"a%0a=1", b"&".join([b"a"] * 300), b"a" * 20_000]
)
async def test_what_may_not_stand_in_an_address(rp, raw):
    """Nothing that would cut off parameters, break a header line or be read in two ways is passed on."""
    async with rp.browser() as browser:
        by_form = await browser.post(
            "/rp/jira/authorize",
            content=Login().query().encode() + b"&" + raw,
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
    assert by_form.status_code == 400
    assert "location" not in by_form.headers


async def test_by_form(rp):
    """A form is as good as a query; but not both, and nothing but a form."""
    login = Login()
    async with rp.browser() as browser:
        good = await browser.post(
            "/rp/jira/authorize",
            content=login.query(),
            headers={"content-type": "application/x-www-form-urlencoded; charset=UTF-8"},
        )
        both = await browser.post("/rp/jira/authorize?acr_values=x", data={"client_id": "jira-sso"})
        other = await browser.post("/rp/jira/authorize", json={})
        large = await browser.post(
            "/rp/jira/authorize",
            content=b"a" * 70_000,
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
    assert target(good)[1]["acr_values"] == MFA
    assert (both.status_code, other.status_code, large.status_code) == (400, 400, 413)


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
    assert "555" not in nobody.text
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
        mistyped = await browser.get("/rp/jira/authorise?x=555")
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
        assert "555" not in page.text
    assert for_programs.json()["code"] == "method_not_allowed"


FETCHED = {
    "an image": {"sec-fetch-dest": "image", "sec-fetch-mode": "no-cors"},
    "a frame": {"sec-fetch-dest": "iframe", "sec-fetch-mode": "navigate"},
    "a script": {"sec-fetch-dest": "empty", "sec-fetch-mode": "cors"},
    "a prefetch": {"sec-fetch-dest": "document", "sec-purpose": "prefetch;prerender"},
}


@pytest.mark.parametrize("lines", FETCHED.values(), ids=FETCHED)
async def test_nobody_in_the_office_lends_its_address_by_looking_at_a_page(rp, lines):
    """What a page loads by itself is decided as from nowhere: whoever made that page knows the login that is in it."""
    async with rp.browser(OFFICE) as browser:
        opened = await Login().begin(browser)
        browser.headers.update({"sec-fetch-dest": "document", "sec-fetch-mode": "navigate"})
        said = await Login().begin(browser)
        browser.headers.update(lines)
        fetched = await Login().begin(browser)
    assert "acr_values" not in target(opened)[1]
    assert "acr_values" not in target(said)[1]
    assert target(fetched)[1]["acr_values"] == MFA
    assert rp.records("decision")[-1]["facts"]["network.zones"] == ["unknown"]


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


@pytest.mark.parametrize(("mode", "mark"), [(None, "?"), ("query", "?"), ("fragment", "#")])
async def test_a_denial_is_told_to_the_client(rp, mode, mark):
    """`deny` becomes `access_denied` at the registered URI, with the state as it came and the provider's issuer."""
    login = Login(client_id="closed", redirect_uri="https://closed.example.com/callback", state="a+b %ü")
    async with rp.browser() as browser:
        response = await login.begin(browser, "closed", response_mode=mode)
    base, _, rest = response.headers["location"].partition(mark)
    assert base == "https://closed.example.com/callback"
    parameters = dict(pair.split("=") for pair in rest.split("&"))
    assert parameters["error"] == "access_denied"
    assert parameters["iss"] == quote(ISSUER, safe="")
    assert parameters["state"] == quote(login.state)
    (record,) = rp.records("decision")
    assert record["decision_id"] in parameters["error_description"]


async def test_a_denial_that_takes_a_script_is_told_here(rp):
    """Where the client wants a form post the user reads of the denial here, with the decision's id."""
    login = Login(client_id="closed", redirect_uri="https://closed.example.com/callback")
    async with rp.browser() as browser:
        response = await login.begin(browser, "closed", response_mode="form_post")
    (record,) = rp.records("decision")
    assert response.status_code == 403
    assert record["decision_id"] in response.text


async def test_a_denial_at_an_address_with_a_query(rp):
    """The registered URI's own query stays."""
    rp.load({"policy.yaml": rp.files["policy.yaml"].replace(b'client.id == "closed"', b'client.id == "jira"')})
    async with rp.browser() as browser:
        response = await Login(redirect_uri="https://jira.example.com/two?x=1").begin(browser, state=None)
    assert response.headers["location"].startswith("https://jira.example.com/two?x=1&error=access_denied&")
    assert "state=" not in response.headers["location"]


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


async def test_only_trusted_proxies_are_believed(rp, tmp_path):
    """The address is the connection's; what a header says counts from trusted proxies only, right to left."""
    forged = {"x-forwarded-for": OFFICE, "forwarded": f"for={OFFICE}", "x-real-ip": OFFICE, "client-ip": OFFICE}
    async with rp.browser() as browser:
        browser.headers.update(forged)
        assert target(await Login().begin(browser))[1]["acr_values"] == MFA
    behind = RpBed(tmp_path / "behind", trusted_proxies=("192.0.2.0/24",))
    async with behind.browser("192.0.2.1") as proxy, behind.browser("192.0.2.1") as bare:
        honest = await Login().begin(proxy)
        proxy.headers["x-forwarded-for"] = f"{CAFE}, {OFFICE}, 192.0.2.7"
        from_office = await Login().begin(proxy)
        proxy.headers["x-forwarded-for"] = f"{OFFICE}, {CAFE}"
        from_outside = await Login().begin(proxy)
        bare.headers["forwarded"] = f"for={OFFICE}"
        other_header = await Login().begin(bare)
    assert "acr_values" not in target(from_office)[1]
    for response in (honest, from_outside, other_header):
        assert target(response)[1]["acr_values"] == MFA
    behind.close()


async def test_without_the_database(tmp_path):
    """Without the shared database nothing can be bound: 503, a page, nothing logged."""
    bare = RpBed(tmp_path)
    with bare.database.connection() as connection, connection.begin():
        connection.exec_driver_sql("DROP TABLE bindings")
    before = bare.writer.committed_count
    async with bare.browser() as browser:
        response = await Login().begin(browser)
        token = await Login(verifier=None).redeem(browser)
        with_challenge = await Login().redeem(browser)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert "database_unavailable" in response.text
    assert with_challenge.status_code == 503
    assert with_challenge.json()["error"] == "temporarily_unavailable"
    assert token.status_code == 503
    assert bare.provider.asked == []
    assert bare.writer.committed_count == before
    bare.close()


async def test_without_a_policy_or_a_provider(rp):
    """No set, or no metadata of the provider: 503."""
    rp.provider.away = True
    async with rp.browser() as browser:
        away = await Login().begin(browser)
        mirror = await browser.get("/rp/jira/.well-known/openid-configuration")
        rp.holder.active = None
        none = await Login().begin(browser)
    assert (away.status_code, mirror.status_code, none.status_code) == (503, 503, 503)
    assert "provider_unavailable" in away.text
    assert mirror.json()["code"] == "provider_unavailable"
    assert "no_policy" in none.text


@pytest.mark.parametrize(
    "endpoint",
    ["https://evil.example.com/", "http://login.example.com/", "https://login.example.com/#", 7, None, "a b"],
)
async def test_a_provider_can_not_send_users_anywhere(rp, endpoint):
    """The target is on a host of the provider's, over https, or nobody is sent there."""
    rp.provider.metadata["authorization_endpoint"] = endpoint
    async with rp.browser() as browser:
        response = await Login().begin(browser)
    assert response.status_code == 503


async def test_an_endpoint_with_a_query(rp):
    """A provider whose endpoint has a query of its own keeps it."""
    rp.provider.metadata["authorization_endpoint"] = f"{ISSUER}/authorize?p=policy"
    async with rp.browser() as browser:
        response = await Login().begin(browser)
    assert response.headers["location"].startswith(f"{ISSUER}/authorize?p=policy&response_type=code&")


async def test_a_flood(rp):
    """An anonymous flood gets 429, leaves few records, and other addresses and the API go on being served."""
    async with rp.browser(CAFE) as flooding, rp.browser(OFFICE) as office, rp.client() as api:
        answers = [await Login().begin(flooding) for _ in range(150)]
        honest = await Login().begin(office)
        decided = await api.post("/v1/decisions", json={"client": "jira"})
    limited = [answer for answer in answers if answer.status_code == 429]
    assert limited
    assert re.search(r"too_many_requests", limited[0].text)
    assert limited[0].headers["retry-after"] == "1"
    assert honest.status_code == 302
    assert decided.status_code == 200


async def test_quotas_are_settings(rp):
    """Each limit is the operator's: of sign-ins and of token requests, by address and by client."""
    one = Rate(0.001, 1)
    off = AdapterQuotas(None, None, None, None)
    for limited, sign_ins, tokens in (
        ({"sign_ins_by_address": one}, [302, 429, 302], [400, 400, 400]),
        ({"sign_ins_by_client": one}, [302, 429, 429], [400, 400, 400]),
        ({"tokens_by_address": one}, [302, 302, 302], [400, 429, 400]),
        ({"tokens_by_client": one}, [302, 302, 302], [400, 429, 429]),
    ):
        rp.replace(settings=replace(rp.settings, quotas=replace(off, **limited)))
        async with rp.browser(CAFE) as first, rp.browser(OFFICE) as second:
            seen = [(await Login().begin(each)).status_code for each in (first, first, second)]
            redeemed = [(await Login().redeem(each)).status_code for each in (first, first, second)]
        assert (seen, redeemed) == (sign_ins, tokens)


async def test_nothing_secret_is_kept(rp):
    """State, nonce and challenge stand neither in the log nor in the database."""
    login = Login()
    async with rp.browser() as browser:
        await login.begin(browser)
    rp.ship()
    kept = b"".join(path.read_bytes() for path in rp.directory.rglob("*") if path.is_file())
    for secret in (login.nonce, login.challenge, login.state, login.verifier):
        assert secret.encode() not in kept


async def test_a_login_that_is_bound_anew_all_the_time(rp, monkeypatch):
    """Whoever keeps opening one login is sent away after a few tries: no request goes on for ever."""

    async def lost(*_anything):
        return False

    monkeypatch.setattr("acrux.http.rp_bindings.Bindings.bind", lost)
    async with rp.browser() as browser:
        response = await Login().begin(browser)
    assert response.status_code == 429
    assert len(rp.records("decision")) == 5


async def test_an_address_that_can_not_be_known(rp):
    """A connection without an address is from no trusted network, and is served all the same."""
    transport = httpx.ASGITransport(rp.app, client=None)
    async with httpx.AsyncClient(transport=transport, base_url="http://acrux.example.com") as browser:
        response = await Login().begin(browser)
    assert target(response)[1]["acr_values"] == MFA
    assert rp.records("decision")[0]["facts"]["network.zones"] == ["unknown"]
