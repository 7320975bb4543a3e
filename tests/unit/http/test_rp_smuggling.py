"""Smuggling through the redirect adapter: header lines, answers, paths, parameters, addresses, methods."""

from __future__ import annotations

import gzip
import json
from urllib.parse import unquote

import httpx
import pytest
from rp_bed import CAFE, ISSUER, MFA, OFFICE, SERVER, Login, RpBed, begun, post, target

SMUGGLED = {
    "host": "evil.example.com",
    "x-forwarded-host": "evil.example.com",
    "x-forwarded-for": OFFICE,
    "forwarded": f"for={OFFICE}",
    "x-original-url": "/introspect",
    "x-http-method-override": "DELETE",
    "cookie": "a=b",
    "content-encoding": "gzip",
    "accept-encoding": "gzip",
    "accept": "text/html",
    "te": "trailers",
    "connection": "close, authorization",
    "expect": "100-continue",
    "x-client-cert": "MII",
    "proxy-authorization": "Basic eDp5",
}


async def test_nothing_is_smuggled_to_the_provider(rp):
    """Of a relying party's header lines the provider gets how it authenticates and what the body is, and no other."""
    login = await begun(rp)
    rp.provider.will_answer(nonce=login.nonce)
    async with rp.browser(SERVER) as server:
        response = await post(server, login.form(), **SMUGGLED)
    assert response.status_code == 200, response.text
    (asked,) = rp.provider.asked
    assert asked.url == f"{ISSUER}/token"
    assert dict(asked.headers) == {
        "host": "login.example.com",
        "accept": "application/json",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "user-agent": "acrux",
        "authorization": asked.headers["authorization"],
        "content-type": "application/x-www-form-urlencoded",
        "content-length": str(len(login.form())),
    }


async def test_nothing_is_smuggled_to_the_relying_party(rp):
    """Of a provider's header lines the relying party gets what the body is, and no other."""
    login = await begun(rp)
    lines = {"location": "https://evil.example.com/", "set-cookie": "a=b", "cache-control": "public", "x-a": "b"}
    body = json.dumps({"access_token": "at", "id_token": rp.provider.id_token(nonce=login.nonce)})
    lines["content-type"] = "application/json; charset=utf-8"
    rp.provider.answers.append((200, httpx.Response(200, content=body, headers=lines)))
    async with rp.browser(SERVER) as server:
        response = await login.redeem(server)
    assert (response.status_code, response.text) == (200, body)
    assert dict(response.headers) == {
        "content-type": "application/json; charset=utf-8",
        "content-length": str(len(body)),
        "pragma": "no-cache",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
        "x-request-id": response.headers["x-request-id"],
    }


ODD_ANSWERS = {
    "an error in a 200": (200, {"error": "invalid_grant"}),
    "tokens of no login": (200, {"access_token": "at", "refresh_token": "rt"}),
    "HTML": (200, b"<html><script>alert(1)</script>"),
    "nothing": (200, b""),
    "a redirect": (302, httpx.Response(302, headers={"location": "https://evil.example.com/"})),
    "too much": (200, b'{"a":"' + b"a" * 2_000_000 + b'"}'),
    "compressed": (200, httpx.Response(200, headers={"content-encoding": "gzip"}, content=gzip.compress(b"{}"))),
    "an informational status": (202, {"access_token": "at"}),
}


@pytest.mark.parametrize(("status", "content"), ODD_ANSWERS.values(), ids=ODD_ANSWERS)
async def test_odd_answers_of_a_provider(rp, status, content):
    """Whatever a provider answers that is no login: no tokens, no 500, nothing of it handed on."""
    login = await begun(rp)
    rp.provider.answers.append((status, content))
    async with rp.browser(SERVER) as server:
        response = await login.redeem(server)
    assert response.status_code in {400, 503}
    assert response.json()["error"] in {"invalid_grant", "temporarily_unavailable"}
    assert "location" not in response.headers
    assert not {"at", "rt", "<"} & set(response.text.split('"'))


PATHS = [
    "/rp/jira/authorize/",
    "/rp//jira/authorize",
    "//rp/jira/authorize",
    "//evil.example.com/rp/jira/authorize",
    "/rp/jira//authorize",
    "/rp/jira/./authorize",
    "/rp/wiki/../jira/authorize",
    "/rp/../rp/jira/authorize",
    "/rp/%2e%2e/authorize",
    "/rp/..%2fjira/authorize",
    "/rp/jira%00/authorize",
    "/rp/jira%20/authorize",
    "/rp/jira;x/authorize",
    "/rp/JIRA/authorize",
    "/rp/jira-sso/authorize",
    "/rp/jira%23/authorize",
    "/rp/%ff/authorize",
    "/rp/https:%2f%2fevil.example.com/authorize",
    "/rp/evil.example.com/authorize",
    "/RP/jira/authorize",
]


@pytest.mark.parametrize("path", PATHS)
async def test_no_open_redirect_by_the_path(rp, path):
    """Another spelling of the endpoint is no endpoint: it redirects nowhere, and is nobody's."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "client": (CAFE, 1),
        "server": ("192.0.2.1", 80),
        # As the server makes it; a client of its own would straighten the path first.
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": Login().query().encode(),
        "headers": [(b"host", b"acrux.example.com")],
    }
    await rp.app(scope, receive, send)
    assert sent[0]["status"] == 404
    assert b"location" not in dict(sent[0]["headers"])
    assert b"evil" not in sent[1]["body"]


MORE = {
    "in brackets": "&acr_values[]=urn:example:loa:1",
    "in upper case": "&ACR_VALUES=urn:example:loa:1",
    "with a blank": "&acr_values+=urn:example:loa:1&+acr_values=urn:example:loa:1",
    "with a dot": "&acr.values=urn:example:loa:1",
    "behind a semicolon": "&x=1;acr_values=urn:example:loa:1",
    "without a value": "&acr_values",
    "encoded": "&%61cr%5fvalues=phr",
    "several": "&acr_values=phr&acr_values=&acr_values=urn:example:loa:3",
    "empty names": "&=1&==&&",
    "hints": "&login_hint=eve%40example.com&id_token_hint=eyJ.eyJ.eA&domain_hint=x",
    "resources": "&resource=https%3A%2F%2Fa.example.com&resource=https%3A%2F%2Fb.example.com",
}


@pytest.mark.parametrize("more", MORE.values(), ids=MORE)
async def test_what_looks_like_a_parameter(rp, more):
    """However it is spelt: one `acr_values`, at the end, is what the provider reads; all else stays as it was."""
    login = Login()
    async with rp.browser() as browser:
        response = await login.begin(browser, more=more)
    assert response.status_code == 302, response.text
    query = response.headers["location"].partition("?")[2]
    parts = [part for part in f"{login.query()}{more}".split("&") if part]
    kept = [part for part in parts if part.partition("=")[0] not in {"acr_values", "%61cr%5fvalues"}]
    assert query.split("&")[: len(kept)] == kept
    names = [part.partition("=")[0] for part in query.split("&")]
    assert names[len(kept) :] == ["acr_values", "max_age"]


@pytest.mark.parametrize("prompt", ["none", "login", "login consent", "select_account"])
async def test_prompts_pass(rp, prompt):
    """What the application asks the provider to do with its user is the provider's."""
    async with rp.browser() as browser:
        response = await Login().begin(browser, prompt=prompt)
    assert target(response)[1]["prompt"] == prompt


SPOOFED = [
    f"{OFFICE}, {CAFE}",
    f"{OFFICE},{OFFICE},{CAFE}",
    f"{OFFICE}, {CAFE}, 192.0.2.9",
    f"{OFFICE}, ::ffff:{CAFE}",
    f"{OFFICE}, {CAFE}:8080",
    f"{OFFICE}, unknown",
    f"{OFFICE}, _hidden",
    f"{OFFICE}, 203.0.113.9.",
    f"{OFFICE}, 0xcb.0.113.9",
    f"{OFFICE}, 203.0.113.009",
    f"{OFFICE}, [2001:db8::1]:80",
    f"{OFFICE}, ",
    f'"{OFFICE}"',
    f"for={OFFICE}",
    "",
]


@pytest.mark.parametrize("line", SPOOFED)
async def test_spoofed_addresses(tmp_path, line):
    """What a user writes into the header stands left of what the proxy appends, and never counts; nor does rubbish."""
    bed = RpBed(tmp_path, trusted_proxies=("192.0.2.0/24",))
    async with bed.browser("192.0.2.1") as proxy:
        response = await Login().begin(proxy)
        proxy.headers["x-forwarded-for"] = line
        spoofed = await Login().begin(proxy)
    assert target(response)[1]["acr_values"] == target(spoofed)[1]["acr_values"] == MFA
    bed.close()


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"])
@pytest.mark.parametrize("endpoint", ["authorize", "token", ".well-known/openid-configuration"])
async def test_other_methods(rp, method, endpoint):
    """Nothing is kept by anybody, nothing is allowed to other origins; what answers GET answers HEAD."""
    async with rp.browser() as browser:
        response = await browser.request(method, f"/rp/jira/{endpoint}", headers={"origin": "https://evil.example.com"})
    assert response.status_code in ({200, 400, 405} if method == "HEAD" else {405})
    assert response.headers["cache-control"] == "no-store"
    assert not [name for name in response.headers if name.startswith("access-control-")]


async def test_every_answer_is_for_one_pair_of_eyes(rp):
    """Redirects, pages, refusals and tokens: no cache keeps them, no next page is told where they were."""
    login = await begun(rp)
    closed = Login(client_id="closed", redirect_uri="https://closed.example.com/callback")
    rp.provider.will_answer(nonce=login.nonce)
    async with rp.browser() as browser:
        answers = [
            await Login().begin(browser),
            await closed.begin(browser, "closed"),
            await closed.begin(browser, "closed", response_mode="form_post"),
            await Login().begin(browser, redirect_uri="https://evil.example.com/"),
            await Login().begin(browser, client="nobody"),
            await login.redeem(browser),
            await Login().redeem(browser),
            await post(browser, "x=1", auth=None),
            await post(browser, "x=1", "nobody"),
        ]
        rp.provider.away = True
        answers.append(await Login(verifier=None).redeem(browser))
    assert [answer.status_code for answer in answers] == [302, 302, 403, 400, 404, 200, 400, 401, 404, 503]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
