"""The token guard: tokens for logins that are what was decided, `invalid_grant` for all others."""

import base64
from datetime import timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from rp_bed import CAFE, ISSUER, MFA, OFFICE, PASSWORD, SECRET, SERVER, Login, begun, post, refused


@pytest.mark.parametrize(
    "login", [Login(), Login(nonce=None), Login(verifier=None)], ids=["both", "challenge", "nonce"]
)
async def test_an_honest_login(rp, login):
    """The answer is the provider's, byte for byte; the form reached it byte for byte; the outcome is logged."""
    await begun(rp, login)
    rp.provider.will_answer(nonce=login.nonce, more={"scope": "openid", "x": [1, {"y": "\u00fc"}]})
    async with rp.browser(SERVER) as server:
        response = await login.redeem(server)
    assert response.status_code == 200, response.text
    assert response.json()["x"] == [1, {"y": "\u00fc"}]
    assert response.headers["content-type"] == "application/json"
    assert (response.headers["cache-control"], response.headers["pragma"]) == ("no-store", "no-cache")
    assert not {"set-cookie", "x-secret"} & set(response.headers)
    (asked,) = rp.provider.asked
    assert asked.content.decode() == login.form()
    assert asked.headers["authorization"] == "Basic " + base64.b64encode(f"jira-sso:{SECRET}".encode()).decode()
    assert not {"cookie", "x-forwarded-for", "forwarded", "x-request-id"} & set(asked.headers)
    (outcome,) = rp.records("outcome")
    (decision,) = rp.records("decision")
    assert (outcome["verdict"], outcome["admit"], outcome["level"]) == ("satisfied", True, "mfa")
    assert outcome["decision_id"] == decision["decision_id"]
    assert rp.services.metrics.verdicts["satisfied"] == 1


async def test_client_secret_post(rp):
    """The other way to send a secret passes too, untouched."""
    login = await begun(rp)
    rp.provider.will_answer(nonce=login.nonce)
    form = login.form(client_id="jira-sso", client_secret="a+b")
    async with rp.browser(SERVER) as server:
        response = await post(server, form, auth=None)
    assert response.status_code == 200
    assert rp.provider.asked[0].content.decode() == form
    assert "authorization" not in rp.provider.asked[0].headers


@pytest.mark.parametrize(
    ("claims", "verdict"),
    [
        ({"acr": PASSWORD}, "downgraded"),
        ({"acr": None}, "missing"),
        ({"acr": ""}, "missing"),
        ({"acr": [MFA]}, "missing"),
        ({"auth_time": 1}, "stale"),
        ({"auth_time": None}, "stale"),
        ({"auth_time": 2**40}, "stale"),
        ({"iss": "https://evil.example.com"}, "mismatched"),
        ({"aud": "wiki"}, "mismatched"),
        ({"aud": ["jira-sso", "wiki"]}, "mismatched"),
        ({"azp": "wiki"}, "mismatched"),
        ({"iat": 1_700_000_000}, "mismatched"),
        ({"nonce": None}, "mismatched"),
        ({"nonce": "another"}, "mismatched"),
        ({"exp": 1_700_000_000}, "invalid"),
        ({"sub": None}, "invalid"),
        ({"key": ec.generate_private_key(ec.SECP256R1())}, "invalid"),
    ],
)
async def test_anything_but_satisfied_is_refused(rp, claims, verdict):
    """Whatever is wrong with what came back: no tokens, and the log says what."""
    login = await begun(rp)
    rp.provider.will_answer(**{"nonce": login.nonce, **claims})
    async with rp.browser(SERVER) as server:
        response = await login.redeem(server)
    (outcome,) = rp.records("outcome")
    assert outcome["verdict"] == verdict
    assert refused(response, verdict)
    assert outcome["decision_id"] in response.text


async def test_a_bypass_with_pkce(rp):
    """A login that went straight to the provider is refused before anything is forwarded, and logged as unbound."""
    login = Login()
    async with rp.browser(SERVER) as server:
        response = await login.redeem(server)
        malformed = await login.redeem(server, code_verifier="short")
    assert refused(response, "unbound")
    assert refused(malformed, "unbound")
    assert rp.provider.asked == []
    first, second = rp.records("unbound")
    assert (first["client"], first["grant_type"]) == ("jira", "authorization_code")
    assert first["reason"] == second["reason"] == "no decision is bound to the code_challenge"
    assert rp.services.metrics.verdicts["unbound"] == 2


@pytest.mark.parametrize("nonce", ["of-another-login", None])
async def test_a_bypass_without_pkce(rp, nonce):
    """The same by the nonce of the ID token."""
    await begun(rp)
    login = Login(verifier=None)
    rp.provider.will_answer(nonce=nonce)
    async with rp.browser(SERVER) as server:
        assert refused(await login.redeem(server), "unbound")
    assert rp.records("outcome") == []
    assert len(rp.records("unbound")) == 1


async def test_an_unsigned_token_without_pkce(rp):
    """What the provider has not signed has no nonce."""
    login = await begun(rp, Login(verifier=None))
    rp.provider.will_answer(nonce=login.nonce, key=ec.generate_private_key(ec.SECP256R1()))
    async with rp.browser(SERVER) as server:
        assert refused(await login.redeem(server), "unbound")
    (record,) = rp.records("unbound")
    assert record["reason"] == "no key of the provider has signed the ID token"


async def test_halves_of_two_logins(rp):
    """A verifier of one login and a nonce of another are no login: the lower one's must not do for the higher one's."""
    strict, easy = await begun(rp), await begun(rp, address=OFFICE)
    rp.provider.will_answer(nonce=strict.nonce, acr=PASSWORD)
    async with rp.browser(SERVER) as server:
        assert refused(await easy.redeem(server), "mismatched")
    (outcome,) = rp.records("outcome")
    assert outcome["verdict"] == "mismatched"


async def test_pkce_taken_out(rp):
    """A login with a challenge whose code is redeemed without a verifier is refused."""
    login = await begun(rp)
    rp.provider.will_answer(nonce=login.nonce)
    async with rp.browser(SERVER) as server:
        assert refused(await login.redeem(server, code_verifier=None), "mismatched")


async def test_pkce_left_out_when_opened_again(rp):
    """A login with a challenge stays one, though it is opened again without."""
    login = await begun(rp)
    await begun(rp, Login(nonce=login.nonce, verifier=None))
    rp.provider.will_answer(nonce=login.nonce)
    async with rp.browser(SERVER) as server:
        assert refused(await login.redeem(server, code_verifier=None), "mismatched")


async def test_a_client_that_moved_to_another_provider(rp):
    """The provider of the new set, whose keys verify the token, can't speak for the one that the login began at."""
    login = await begun(rp)
    moved = rp.files["policy.yaml"].replace(
        b"providers:\n",
        b"providers:\n  other: {issuer: https://other.example.com, acr: {mfa: '2', phishing-resistant: '3'}}\n",
    )
    moved = moved.replace(b"defaults: {", b"defaults: {provider: corp, ")
    rp.load({"policy.yaml": moved.replace(b"jira: {provider: corp", b"jira: {provider: other")})
    other = "https://other.example.com"
    rp.provider.metadata = {"issuer": other, "jwks_uri": f"{other}/jwks", "token_endpoint": f"{other}/token"}
    rp.provider.will_answer(nonce=login.nonce)
    async with rp.browser(SERVER) as server:
        assert refused(await login.redeem(server), "mismatched")


async def test_a_nonce_put_in(rp):
    """A login without a nonce whose ID token has one is refused: it is another authorization request's."""
    login = await begun(rp, Login(nonce=None))
    rp.provider.will_answer(nonce="put-in")
    async with rp.browser(SERVER) as server:
        assert refused(await login.redeem(server), "mismatched")


async def test_the_same_nonce_from_elsewhere(rp):
    """Opened at a cafe, opened again in the office: the cafe's level is what counts."""
    login = await begun(rp, address=CAFE)
    await begun(rp, login, OFFICE)
    rp.provider.will_answer(nonce=login.nonce, acr=PASSWORD)
    async with rp.browser(SERVER) as server:
        assert refused(await login.redeem(server), "downgraded")


async def test_only_once(rp):
    """A decision is used once, whatever the provider thinks of its code."""
    login = await begun(rp)
    rp.provider.will_answer(nonce=login.nonce)
    rp.provider.will_answer(nonce=login.nonce)
    async with rp.browser(SERVER) as server:
        assert (await login.redeem(server)).status_code == 200
        assert refused(await login.redeem(server), "replayed")


async def test_too_late(rp):
    """After the decision's end the login is `expired`; long after, nobody knows it any more."""
    login, forgotten = await begun(rp), await begun(rp)
    rp.clock.at += timedelta(seconds=601)
    rp.provider.will_answer(nonce=login.nonce)
    async with rp.browser(SERVER) as server:
        assert refused(await login.redeem(server), "expired")
        rp.clock.at += timedelta(hours=2)
        assert refused(await forgotten.redeem(server), "unbound")


async def test_a_bound_denial(rp):
    """Who goes to the provider after a denial gets nothing."""
    login = Login(client_id="closed", redirect_uri="https://closed.example.com/callback")
    async with rp.browser() as browser:
        await login.begin(browser, "closed")
    rp.provider.will_answer(nonce=login.nonce, aud="closed")
    async with rp.browser(SERVER) as server:
        response = await post(server, login.form(), "closed", ("closed", "x"))
    assert refused(response, "denied")


async def test_decided_twice(rp):
    """Rules on the user's groups are decided once the user is known: what is not enough then is refused."""
    login = await begun(rp)
    rp.provider.will_answer(nonce=login.nonce, groups=["finance"])
    async with rp.browser(SERVER) as server:
        assert refused(await login.redeem(server), "insufficient")
    assert rp.records("outcome")[0]["retry"]["level"] == "phishing-resistant"


async def test_another_client_s_login(rp):
    """A decision of one client is none at another client's endpoint."""
    login = await begun(rp)
    async with rp.browser(SERVER) as server:
        response = await post(server, login.form(), "wiki", ("wiki", "x"))
    assert refused(response, "unbound")


@pytest.mark.parametrize(
    ("status", "content"), [(400, {"error": "invalid_grant"}), (401, {"error": "invalid_client"}), (429, {})]
)
async def test_the_provider_s_refusal_passes(rp, status, content):
    """What the provider refuses is refused in its own words."""
    login = await begun(rp)
    rp.provider.answers.append((status, content))
    async with rp.browser(SERVER) as server:
        response = await login.redeem(server)
    assert (response.status_code, response.json()) == (status, content)
    assert rp.records("outcome") == []


@pytest.mark.parametrize("realm", ["\u00dcbung", "\u30ed\u30b0\u30a4\u30f3", "caf\u00e9".encode("latin-1")])
async def test_the_provider_s_header_lines_pass_as_bytes(rp, realm):
    """Whatever encoding a provider writes its header lines in: they are neither guessed at nor a reason to fail."""
    login = await begun(rp)
    written = realm if isinstance(realm, bytes) else realm.encode()
    lines = [(b"WWW-Authenticate", b'Basic realm="' + written + b'"'), (b"Retry-After", b"7"), (b"Location", b"/x")]
    rp.provider.answers.append((401, httpx.Response(401, headers=lines, content=b"{}")))
    async with rp.browser(SERVER) as server:
        response = await login.redeem(server)
    passed = dict(response.headers.raw)
    assert response.status_code == 401
    assert (passed[b"www-authenticate"], passed[b"retry-after"]) == (b'Basic realm="' + written + b'"', b"7")
    assert b"location" not in passed


@pytest.mark.parametrize("status", [500, 302, 204])
async def test_a_broken_provider(rp, status):
    """Anything that is neither tokens nor a refusal is a 503."""
    login = await begun(rp)
    rp.provider.answers.append((status, {"id_token": rp.provider.id_token(nonce=login.nonce)}))
    async with rp.browser(SERVER) as server:
        response = await login.redeem(server)
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert "id_token" not in response.text


@pytest.mark.parametrize("status", [400, 401, 403, 429])
@pytest.mark.parametrize(
    "content",
    [
        {"access_token": "at", "token_type": "Bearer"},
        {"error": "invalid_grant", "id_token": "a.b.c"},
        {"error": "invalid_grant", "Refresh_Token": "rt"},
        b"access_token=at&token_type=bearer",
        rb'{"a": 1, "a": 2, "acc\u0065ss_token": "at"}',
    ],
)
async def test_a_refusal_with_tokens_in_it(rp, status, content):
    """Some relying parties look for tokens before they look at the status, so a refusal that bears any is kept back."""
    login = await begun(rp)
    rp.provider.answers.append((status, content))
    async with rp.browser(SERVER) as server:
        response = await login.redeem(server)
    assert response.status_code == 503
    assert 'token"' not in response.text
    assert "at&" not in response.text


@pytest.mark.parametrize(
    "content", [b"<h1>Forbidden</h1>", b"", {"error": "x", "error_description": "no access_token"}]
)
async def test_a_refusal_in_other_words(rp, content):
    """A refusal that is no JSON, as a proxy in front of the provider makes it, or that speaks of tokens, passes."""
    login = await begun(rp)
    rp.provider.answers.append((403, content))
    async with rp.browser(SERVER) as server:
        response = await login.redeem(server)
    assert response.status_code == 403
    assert response.content == content if isinstance(content, bytes) else response.json() == content


@pytest.mark.parametrize("content", [b"<html>", b"[]", {}, {"id_token": 7}, {"access_token": "at"}])
async def test_no_id_token(rp, content):
    """Without an ID token nothing can be judged, so nothing gets out."""
    login = await begun(rp)
    rp.provider.answers.append((200, content))
    async with rp.browser(SERVER) as server:
        response = await login.redeem(server)
    assert refused(response, "invalid")
    assert rp.records("outcome")[0]["verdict"] == "invalid"


async def test_a_provider_that_is_away(rp):
    """A provider that can't be reached, or whose keys can't be had: 503."""
    login = await begun(rp)
    rp.provider.away = True
    async with rp.browser(SERVER) as server:
        assert (await login.redeem(server)).status_code == 503
        rp.provider.away = False
        rp.provider.will_answer(nonce=login.nonce)
        rp.provider.metadata["jwks_uri"] = f"{ISSUER}/nowhere"
        response = await login.redeem(server)
    assert (response.status_code, "keys_unavailable" in response.text) == (503, True)


BASIC = base64.b64encode(f"jira-sso:{SECRET}".encode()).decode()
WRONG_CLIENTS = {
    "public": (None, {"client_id": "jira-sso"}, {}),
    "an empty secret": (("jira-sso", ""), {}, {}),
    "nobody": (None, {}, {}),
    "another client": (("wiki", "x"), {}, {}),
    "another client in the form": (("jira-sso", SECRET), {"client_id": "wiki"}, {}),
    "another client by post": (None, {"client_id": "wiki", "client_secret": "x"}, {}),
    "private_key_jwt": (None, {"client_id": "jira-sso", "client_assertion": "x", "client_assertion_type": "y"}, {}),
    "an assertion beside a secret": (("jira-sso", SECRET), {"client_assertion": "x"}, {}),
    "bearer": (None, {}, {"authorization": "Bearer x"}),
    "no base64": (None, {}, {"authorization": "Basic %%%"}),
    "no UTF-8": (None, {}, {"authorization": "Basic " + base64.b64encode(b"\xff:x").decode()}),
}


@pytest.mark.parametrize(("auth", "changes", "headers"), WRONG_CLIENTS.values(), ids=WRONG_CLIENTS)
async def test_clients_that_can_not_be_guarded(rp, auth, changes, headers):
    """Public clients, other clients and proofs that name an endpoint are refused, and nothing is forwarded."""
    login = await begun(rp)
    async with rp.browser(SERVER) as server:
        response = await post(server, login.form(**changes), auth=auth, **headers)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert response.headers["www-authenticate"].startswith("Basic")
    assert rp.provider.asked == []


async def test_a_client_that_says_nothing_is_told_what_to_say(rp):
    """No name is not another's name."""
    login = await begun(rp)
    async with rp.browser(SERVER) as server:
        nobody = await post(server, login.form(), auth=None)
        other = await post(server, login.form(), auth=("wiki", "x"))
    assert nobody.json()["error_description"].startswith("send the client's name and secret")
    assert other.json()["error_description"] == "this is another client's token endpoint"


WRONG_REQUESTS = {
    "two secrets": ("client_secret=x", {}),
    "a parameter twice": ("code=other", {}),
    "a verifier twice": ("code%5Fverifier=other", {}),
    "a grant twice": ("grant_type=refresh_token", {}),
    "DPoP": ("x=1", {"dpop": "eyJ"}),
    "JSON": ("x=1", {"content-type": "application/json"}),
    "no type": ("x=1", {"content-type": "application/x-www-form-urlencoded; charset=utf-16"}),
    "line breaks": ("x=\r\n1", {}),
}


@pytest.mark.parametrize(("more", "headers"), WRONG_REQUESTS.values(), ids=WRONG_REQUESTS)
async def test_smuggling(rp, more, headers):
    """What two readers could read in two ways is refused, and nothing is forwarded."""
    login = await begun(rp)
    async with rp.browser(SERVER) as server:
        response = await post(server, login.form() + "&" + more, **headers)
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"
    assert rp.provider.asked == []


async def test_more_smuggling(rp):
    """A query beside the form, two `Authorization` lines, a body without end, a missing code."""
    login = await begun(rp)
    kind = ("content-type", "application/x-www-form-urlencoded")
    lines = [kind, ("authorization", f"Basic {BASIC}"), ("authorization", "Basic eDp5")]
    async with rp.browser(SERVER) as server:
        answers = [
            await server.post("/rp/jira/token?code=x", content=login.form(), headers=[kind], auth=("jira-sso", SECRET)),
            await server.post("/rp/jira/token", content=login.form(), headers=lines),
            await post(server, "x=" + "1" * 70_000),
            await login.redeem(server, code=None),
            await login.redeem(server, grant_type="refresh_token"),
        ]
        unknown = await login.redeem(server, "nobody")
    assert [answer.status_code for answer in answers] == [400, 400, 413, 400, 400]
    assert {answer.json()["error"] for answer in answers} == {"invalid_request"}
    assert unknown.status_code == 404
    assert rp.provider.asked == []


@pytest.mark.parametrize(
    "grant", ["password", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code", ""]
)
async def test_other_grants(rp, grant):
    """Grants that end in tokens without a login through here are refused."""
    login = await begun(rp)
    async with rp.browser(SERVER) as server:
        response = await login.redeem(server, grant_type=grant)
    assert (response.status_code, response.json()["error"]) == (400, "unsupported_grant_type")


async def test_a_set_that_lost_the_client(rp):
    """A login that began under a set that is gone is judged by that set as long as it is held."""
    login = await begun(rp)
    rp.load({"policy.yaml": rp.files["policy.yaml"].replace(b"max_age: 12h", b"max_age: 10h")})
    rp.provider.will_answer(nonce=login.nonce)
    async with rp.browser(SERVER) as server:
        assert (await login.redeem(server)).status_code == 200


async def test_a_log_that_fails(rp):
    """What can't be logged is not handed out, and its code is not spent where that is known beforehand."""
    login = await begun(rp)
    rp.provider.will_answer(nonce=login.nonce)
    rp.writer.close()
    async with rp.browser(SERVER) as server:
        response = await login.redeem(server)
        assert rp.provider.asked == []
        bypass = await Login().redeem(server)
    assert (response.status_code, bypass.status_code) == (503, 503)
    assert "id_token" not in response.text


async def test_a_defect_at_the_token_endpoint(rp, monkeypatch):
    """Before FastAPI too a defect has the form of a problem, is counted at its route, and goes on to the server."""

    async def fail(*_anything):
        raise RuntimeError("s3cr3t")

    login = await begun(rp)
    monkeypatch.setattr("acrux.http.rp.redeem", fail)
    transport = httpx.ASGITransport(rp.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://acrux.example.com") as server:
        response = await login.redeem(server)
    assert (response.status_code, response.json()["code"]) == (500, "defect")
    assert response.headers["cache-control"] == "no-store"
    assert "s3cr3t" not in response.text
    assert rp.services.metrics.requests["rp_token", 500] == 1
    async with rp.browser(SERVER) as server:
        with pytest.raises(RuntimeError):
            await login.redeem(server)
