"""The adapter for Starlette and Authlib: nobody is signed in but who comes back as was decided."""

import asyncio
import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from authlib.integrations.starlette_client import OAuth
from cryptography.hazmat.primitives.asymmetric import ec
from itsdangerous import TimestampSigner
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from acrux.adapters.authorization import UnusableRequestError
from acrux.adapters.starlette import LoginRefused, LoginStartsAgain, StarletteAcrux, refusal_page
from acrux.client import AsyncAcruxClient
from acrux.client.facts import sha256_base64url

ISSUER = "https://login.example.com"
LOA1, LOA2 = "urn:example:loa:1", "urn:example:loa:2"
STRANGER = ec.generate_private_key(ec.SECP256R1())


class Party:
    """A relying party of a few lines, and one browser at it."""

    def __init__(self, provider, acrux, *, url="https://jira.example.com", peer="203.0.113.7", **settings: Any) -> None:
        self.provider = provider
        self.params: dict[str, Any] = settings.pop("params", {})
        self.options: dict[str, Any] = settings.pop("options", {})
        registration = settings.pop("registration", {})
        shows_page = settings.pop("shows_page", True)
        client = settings.pop("client", "jira")
        oauth = OAuth()
        oauth.register(
            "jira",
            client_id="jira-sso",
            client_secret="s3cret",
            server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
            **{
                "client_kwargs": {
                    "scope": "openid profile",
                    "code_challenge_method": "S256",
                    "transport": httpx.MockTransport(provider),
                },
                **registration,
            },
        )
        self.registration = oauth.jira
        self.client = AsyncAcruxClient(
            "https://acrux.example.com", "acrux_t", client=client, transport=httpx.MockTransport(acrux)
        )
        self.adapter = StarletteAcrux(self.client, **settings)
        app = Starlette(
            routes=[
                Route("/login", self.login),
                Route("/callback", self.callback, methods=["GET", "POST"], name="callback"),
                Route("/me", self.me),
                Route("/session", self.session),
            ],
            middleware=[Middleware(SessionMiddleware, secret_key="k")],
            exception_handlers={LoginRefused: refusal_page} if shows_page else {},
        )
        self.browser = httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(peer, 5000)), base_url=url)

    async def login(self, request) -> Response:
        return await self.adapter.authorize_redirect(
            self.registration, request, request.url_for("callback"), **self.params
        )

    async def callback(self, request) -> Response:
        token = await self.adapter.authorize_access_token(self.registration, request, **self.options)
        request.session["user"] = token["userinfo"]["sub"]
        return JSONResponse({"sub": token["userinfo"]["sub"]})

    async def me(self, request) -> Response:
        return JSONResponse(request.session.get("user"))

    async def session(self, request) -> Response:
        return JSONResponse(dict(request.session))

    async def begin(self, **headers: str | bytes) -> str:
        """Starts a login; the authorization request."""
        response = await self.browser.get("/login", headers={name.replace("_", "-"): v for name, v in headers.items()})
        assert response.status_code == 302, response.text
        return response.headers["location"]

    async def back(self, **answer: str) -> httpx.Response:
        return await self.browser.get("/callback", params=answer)

    async def come_back(self, url: str, **claims: Any) -> httpx.Response:
        return await self.back(**self.provider.sign_in(url, **claims))

    async def is_signed_in(self) -> bool:
        return (await self.browser.get("/me")).json() is not None


@pytest.fixture
async def make(provider, acrux):
    parties = []

    def make_party(**settings: Any) -> Party:
        parties.append(Party(provider, acrux, **settings))
        return parties[-1]

    yield make_party
    for party in parties:
        await party.browser.aclose()
        await party.client.close()


@pytest.fixture
def party(make) -> Party:
    return make()


def query(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, keep_blank_values=True)


async def refused(party: Party, response: httpx.Response, cause: str, *, status: int = 403) -> None:
    assert (response.status_code, cause in response.text) == (status, True), response.text
    assert response.headers["cache-control"] == "no-store"
    assert not await party.is_signed_in()


async def test_honest_login(party, acrux) -> None:
    """The decision's parameters are in the request; who comes back with what was asked for is signed in, and judged."""
    url = await party.begin()
    assert query(url)["acr_values"] == [LOA2]
    assert query(url)["max_age"] == ["28800"]
    assert (await party.come_back(url)).json() == {"sub": "u-1029"}
    assert await party.is_signed_in()
    assert acrux.verdicts == ["satisfied"]


async def test_facts(party, acrux) -> None:
    """What is sent: the address, the browser's words, exactly what the request asks for, the nonce's hash."""
    url = await party.begin(User_Agent=b"Mozilla/5.0 \x80(X11)")
    body = acrux.asked[0]
    assert body["client"] == {"id": "jira"}
    assert body["network"] == {"ip": "203.0.113.7"}
    assert body["device"] == {"user_agent": "Mozilla/5.0 (X11)"}
    assert body["request"] == {"scopes": ["openid", "profile"]}
    assert body["nonce_sha256"] == sha256_base64url(query(url)["nonce"][0])
    assert len(body["browser"]["id"]) >= 22


async def test_baseline_adds_nothing(party, acrux) -> None:
    """Where nothing is asked for, the request stays as it was, and the login is judged all the same."""
    acrux.level = "basic"
    url = await party.begin()
    assert not {"acr_values", "max_age", "claims"} & query(url).keys()
    assert (await party.come_back(url, auth_time=None)).status_code == 200
    assert acrux.verdicts == ["satisfied"]


@pytest.mark.parametrize("acr", [LOA1, "0", None, ["urn:example:loa:2"], ""])
async def test_lowered_login_is_refused(party, acrux, acr) -> None:
    """However the level leaves the request, nobody is signed in: one more trip at most, then a page."""
    url = await party.begin()
    response = await party.come_back(url, acr=acr)
    if isinstance(acr, str) and acr:
        assert response.status_code == 302
        assert not await party.is_signed_in()
        again = response.headers["location"]
        assert query(again)["acr_values"] == [LOA2]
        for name in ("nonce", "state", "code_challenge"):
            assert query(again)[name] != query(url)[name]
        response = await party.come_back(again, acr=acr)
    decision = f"{len(acrux.asked) - 1:032x}"
    await refused(party, response, f"decision 00000000-0000-0000-0000-{decision[-12:]}")


async def test_honest_second_trip(party, acrux) -> None:
    """Who was sent again and then does as was decided is signed in."""
    response = await party.come_back(await party.begin(), acr=LOA1)
    assert (await party.come_back(response.headers["location"])).status_code == 200
    assert acrux.verdicts == ["downgraded", "satisfied"]


@pytest.mark.parametrize(
    ("settings", "claims", "verdict"),
    [({}, {"auth_time": 1}, "stale"), ({"lifetime_seconds": -1}, {}, "expired")],
)
async def test_starts_again(party, acrux, settings, claims, verdict) -> None:
    """A login that is too old, or took too long, is started again once."""
    for name, value in settings.items():
        setattr(acrux, name, value)
    response = await party.come_back(await party.begin(), **claims)
    assert response.status_code == 302
    response = await party.come_back(response.headers["location"], **claims)
    await refused(party, response, verdict)
    assert acrux.verdicts == [verdict, verdict]


async def test_insufficient(party, acrux) -> None:
    """Where the verified user needs more, the retry's own parameters and decision make the second trip."""
    acrux.level, acrux.admins_need_mfa = "basic", True
    response = await party.come_back(await party.begin(), groups=["admins"])
    assert response.status_code == 302
    again = response.headers["location"]
    assert query(again)["acr_values"] == [LOA2]
    assert len(acrux.asked) == 1, "the retry is the decision; nothing is asked anew"
    assert (await party.come_back(again, groups=["admins"])).status_code == 200
    assert acrux.verdicts == ["insufficient", "satisfied"]


async def test_insufficient_and_denied(party, acrux) -> None:
    """Where the verified user is refused, there is no second trip."""
    acrux.level, acrux.admins_need_mfa = "basic", True
    response = await party.come_back(await party.begin(), groups=["banned"])
    await refused(party, response, "denied, decision 00000000-0000-0000-0000-000000000001")


async def test_deny(party, acrux) -> None:
    """A denied login never reaches the provider; the page names the decision."""
    acrux.level = "deny"
    response = await party.browser.get("/login")
    await refused(party, response, "denied, decision 00000000-0000-0000-0000-000000000000")


async def test_other_verdicts_do_not_start_again(make, acrux) -> None:
    """A token that Acrux does not take is refused at once."""
    party = make(facts=lambda _: {"user_id": "somebody else"})
    await refused(party, await party.come_back(await party.begin()), "mismatched")
    assert acrux.asked[0]["user"] == {"id": "somebody else"}


STATIC = {"acr_values": LOA1, "max_age": "1", "prompt": "login", "claims": '{"userinfo":{"email":null}}'}


@pytest.mark.parametrize(
    "settings",
    [
        {"params": STATIC},
        {"registration": {"authorize_params": STATIC}},
        {"registration": {"authorize_url": f"{ISSUER}/authorize?{httpx.QueryParams(STATIC)}"}},
    ],
)
async def test_merging_replaces(make, acrux, settings) -> None:
    """Whatever the application or its registration asks for is a fact, and is replaced, never repeated."""
    party = make(**settings)
    url = await party.begin()
    assert acrux.asked[0]["request"] == {
        "acr_values": [LOA1],
        "scopes": ["openid", "profile"],
        "prompt": "login",
        "max_age": 1,
        "claims": {"userinfo": {"email": None}},
    }
    found = query(url)
    assert (found["acr_values"], found["max_age"], found["prompt"]) == ([LOA2], ["28800"], ["login"])
    assert found["claims"] == ['{"userinfo":{"email":null}}']


async def test_claims_form(make, acrux) -> None:
    """A decision in the form of `claims` replaces that parameter, and an empty value leaves its own out."""
    acrux.params = {"claims": '{"id_token":{"acr":{"essential":true,"values":["x y"]}}}', "acr_values": ""}
    url = await make(params={"acr_values": LOA1}).begin()
    assert json.loads(query(url)["claims"][0]) == {"id_token": {"acr": {"essential": True, "values": ["x y"]}}}
    assert "acr_values" not in query(url)


async def test_own_parameters_are_repeated(make) -> None:
    """The second trip asks for what the application asked for the first time, with its own state and nonce."""
    party = make(params={"login_hint": "eve", "state": "s-1", "nonce": "n-1", "code_verifier": "v" * 43})
    url = await party.begin()
    assert (query(url)["login_hint"], query(url)["state"], query(url)["nonce"]) == (["eve"], ["s-1"], ["n-1"])
    again = (await party.come_back(url, acr=LOA1)).headers["location"]
    assert query(again)["login_hint"] == ["eve"]
    assert query(again)["state"] != ["s-1"]
    assert query(again)["nonce"] != ["n-1"]
    assert query(again)["code_challenge"] != query(url)["code_challenge"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"registration": {"client_kwargs": {"scope": "profile"}}}, "`openid`"),
        ({"params": {"request_uri": "urn:x"}}, "request_uri"),
        ({"registration": {"authorize_params": {"request": "jwt"}}}, "`request`"),
        ({"params": {"max_age": "soon"}}, "max_age"),
        ({"params": {"claims": "{"}}, "not JSON"),
        ({"params": {"claims": "[]"}}, "no JSON object"),
    ],
)
async def test_unusable_requests(make, provider, settings, message) -> None:
    """A request that can't be merged with is a mistake of the application, and nobody is sent anywhere."""
    if "client_kwargs" in settings.get("registration", ()):
        settings["registration"]["client_kwargs"]["transport"] = httpx.MockTransport(provider)
    with pytest.raises(UnusableRequestError, match=message):
        await make(**settings).browser.get("/login")


async def test_provider_errors(party, acrux) -> None:
    """An error of the provider ends the login with a page, and the login can't be continued."""
    for error, text in (
        ("unmet_authentication_requirements", "second factor"),
        ("invalid_request", "invalid_request"),
        ("<script>", "help desk: error"),
    ):
        url = await party.begin()
        state = query(url)["state"][0]
        await refused(party, await party.back(state=state, error=error, error_description="<script>"), text)
        await refused(party, await party.come_back(url), "not under way")
    assert acrux.verdicts == []


async def test_error_for_nobody(party) -> None:
    """An error without a login that it belongs to is shown as that."""
    await refused(party, await party.back(error="access_denied"), "not under way")


async def test_answers_for_nobody(party) -> None:
    """Without a login of this browser's own no answer signs anybody in: no state, another one, one that came back."""
    url = await party.begin()
    answer = party.provider.sign_in(url)
    await refused(party, await party.back(code=answer["code"]), "not under way")
    await refused(party, await party.back(code=answer["code"], state="made-by-hand"), "not under way")
    assert (await party.back(**answer)).status_code == 200
    party.browser.cookies.clear()
    await refused(party, await party.back(**answer), "not under way")


async def test_copied_session(party, acrux) -> None:
    """A copy of the session cookie from before the callback signs nobody in a second time: the code is used, and so is
    the decision."""
    url = await party.begin()
    copy = httpx.Cookies(party.browser.cookies)
    assert (await party.come_back(url)).status_code == 200
    party.browser.cookies = copy
    await refused(party, await party.come_back(url), "replayed")
    assert acrux.verdicts == ["satisfied", "replayed"]


async def test_login_begun_without_acrux(party) -> None:
    """A login that was not begun through the adapter is not continued by it."""
    url = await party.begin()
    session = (await party.browser.get("/session")).json()
    (member,) = session
    del session[member]["data"]["acrux"]
    party.browser.cookies.clear()
    cookie = TimestampSigner("k").sign(base64.b64encode(json.dumps(session).encode())).decode()
    party.browser.cookies.set("session", cookie)
    await refused(party, await party.come_back(url), "not under way")


async def test_no_id_token(party, provider) -> None:
    """Without an ID token there is nothing to judge."""
    answer = provider.sign_in(await party.begin())
    del provider.tokens[answer["code"]]["id_token"]
    await refused(party, await party.back(**answer), "missing_id_token")


async def test_issuer_is_always_checked(make) -> None:
    """An application's own `claims_options` do not switch Authlib's check of the issuer off."""
    party = make(options={"claims_options": {"acr": {"essential": True}}})
    await refused(party, await party.come_back(await party.begin(), iss="https://evil.example.com"), "an error")
    assert (await party.come_back(await party.begin())).status_code == 200


async def test_mix_up(party, provider) -> None:
    """Where the provider says who it is in its answer (RFC 9207), another one's answer is refused."""
    answer = provider.sign_in(await party.begin())
    assert (await party.back(**answer, iss=ISSUER)).status_code == 200
    party.browser.cookies.clear()
    answer = provider.sign_in(await party.begin())
    await refused(party, await party.back(**answer, iss="https://evil.example.com"), "mismatching_iss")
    party.registration.server_metadata["authorization_response_iss_parameter_supported"] = True
    answer = provider.sign_in(await party.begin())
    await refused(party, await party.back(**answer), "missing_iss")


async def test_form_post(party, provider) -> None:
    """An answer by form is read like one by query."""
    answer = provider.sign_in(await party.begin())
    assert (await party.browser.post("/callback", data=answer)).status_code == 200
    party.browser.cookies.clear()
    state = query(await party.begin())["state"][0]
    await refused(
        party, await party.browser.post("/callback", data={"error": "login_required", "state": state}), "login"
    )


async def test_away_without_ceiling(party, acrux) -> None:
    """Where Acrux can't be reached and the ceiling is not known, logins are refused for the time."""
    acrux.away()
    await refused(party, await party.browser.get("/login"), "try again", status=503)


async def test_away_with_ceiling(make, acrux) -> None:
    """Where Acrux can't be reached the ceiling is demanded, judged here, and reported when it is back."""
    party = make(params={"acr_values": LOA1, "claims": '{"id_token":{"acr":null,"email":null}}'})
    await party.client.refresh()
    acrux.away()
    url = await party.begin()
    assert query(url)["acr_values"] == [LOA2]
    assert json.loads(query(url)["claims"][0]) == {"id_token": {"email": None}}
    response = await party.come_back(url, acr=LOA1)
    assert response.status_code == 302
    assert (await party.come_back(response.headers["location"])).status_code == 200
    acrux.back()
    await party.client.refresh()
    assert [(report["verdict"], report["facts"] is None) for report in acrux.reports] == [
        (None, False),
        ("downgraded", True),
        (None, False),
        ("satisfied", True),
    ]


async def test_ceiling_without_own_claims(party, acrux) -> None:
    """Where the request has no `claims` of its own, the ceiling adds none."""
    await party.client.refresh()
    acrux.away()
    url = await party.begin()
    assert query(url)["acr_values"] == [LOA2]
    assert "claims" not in query(url)


async def test_ceiling_in_the_form_of_claims(make, acrux) -> None:
    """A ceiling in another form than the request's own takes its place, and leaves the rest of `claims`."""
    acrux.ceiling["authorization_params"] = {"claims": '{"id_token":{"acr":{"essential":true,"values":["x"]}}}'}
    party = make(params={"acr_values": LOA1, "claims": '{"id_token":{"email":null},"x":1}'})
    await party.client.refresh()
    acrux.away()
    found = query(await party.begin())
    assert "acr_values" not in found
    assert json.loads(found["claims"][0]) == {
        "id_token": {"email": None, "acr": {"essential": True, "values": ["x"]}},
        "x": 1,
    }


async def test_away_between_redirect_and_callback(party, acrux) -> None:
    """A decision of Acrux's is judged here if its outcome can't be delivered; the attack fails all the same."""
    url = await party.begin()
    acrux.answers = {"outcome": httpx.ConnectError("refused")}
    response = await party.come_back(url, acr=LOA1)
    assert response.status_code == 302
    assert (await party.come_back(response.headers["location"])).status_code == 200


async def test_outcome_refused(party, acrux) -> None:
    """Where Acrux refuses to judge, nobody is signed in."""
    url = await party.begin()
    acrux.answers = {"outcome": httpx.Response(503, json={"code": "keys_unavailable", "fallback": "refuse"})}
    await refused(party, await party.come_back(url), "keys_unavailable", status=503)


async def test_client_is_named_by_the_registration(make, acrux) -> None:
    """Where the Acrux client names no client, the registration's own id is sent."""
    await make(client=None).begin()
    assert acrux.asked[0]["client"] == {"id": "jira-sso"}


async def test_without_the_page(make, acrux) -> None:
    """Without an exception handler a refusal is plain text with the right status, a second trip a redirect."""
    party = make(shows_page=False, help_desk="Call 4242.")
    response = await party.come_back(await party.begin(), acr=LOA1)
    assert response.status_code == 302
    response = await party.come_back(response.headers["location"], acr=LOA1)
    await refused(party, response, "Call 4242.\nCode for the help desk: downgraded, decision ")


async def test_page_is_for_refusals() -> None:
    """The page's handler does not swallow anything else."""
    with pytest.raises(RuntimeError):
        await refusal_page(None, RuntimeError())
    assert issubclass(LoginStartsAgain, Exception)


async def test_browser_cookie(party, acrux) -> None:
    """The cookie is random, pinned to the host, out of scripts' reach, set once, and a made-up one is replaced."""
    response = await party.browser.get("/login")
    (cookie,) = [line for line in response.headers.get_list("set-cookie") if "acrux-browser" in line]
    name, value = cookie.split(";")[0].split("=", 1)
    assert name == "__Host-acrux-browser"
    assert {part.strip().lower() for part in cookie.split(";")[1:]} >= {"secure", "httponly", "path=/", "samesite=lax"}
    assert "domain" not in cookie.lower()
    response = await party.browser.get("/login")
    assert not [line for line in response.headers.get_list("set-cookie") if "acrux-browser" in line]
    assert [body["browser"]["id"] for body in acrux.asked] == [value, value]
    party.browser.cookies.clear()
    party.browser.cookies.set("__Host-acrux-browser", "admin")
    await party.begin()
    assert acrux.asked[-1]["browser"]["id"] not in {"admin", value}


async def test_browser_cookie_in_development(make) -> None:
    """On http at this machine the cookie has a plain name: browsers drop a `__Host-` one there."""
    response = await make(url="http://localhost:8000").browser.get("/login")
    (cookie,) = [line for line in response.headers.get_list("set-cookie") if "acrux-browser" in line]
    assert cookie.startswith("acrux-browser=")
    assert "secure" not in cookie.lower()


async def test_address_through_proxies(make, acrux) -> None:
    """The address comes through configured proxies only, right to left."""
    party = make(peer="10.0.0.1", trusted_proxies=["10.0.0.0/8"])
    await party.begin(X_Forwarded_For="198.51.100.66, 198.51.100.9, 10.0.0.2")
    assert acrux.asked[-1]["network"] == {"ip": "198.51.100.9"}
    untrusting = make(peer="10.0.0.1")
    await untrusting.begin(X_Forwarded_For="198.51.100.9")
    assert acrux.asked[-1]["network"] == {"ip": "10.0.0.1"}


async def test_session_stays_small(make, acrux) -> None:
    """What a login keeps fits a session cookie beside Authlib's own."""
    party = make(params={"login_hint": "eve@example.com"})
    await party.begin()
    cookie = party.browser.cookies["session"]
    assert len(cookie) < 3000
    assert "authorize" not in base64.b64decode(cookie.split(".")[0] + "==").decode()


async def test_lifespan(make, acrux) -> None:
    """With the adapter's lifespan the ceiling is there before the first login."""
    party = make()
    async with party.adapter.lifespan(None):
        while party.client.ceiling() is None:  # noqa: ASYNC110 - the client has no event to wait for
            await asyncio.sleep(0.001)


class Cache:
    """A cache as Authlib wants one: what a server keeps of logins, rather than a cookie."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    async def get(self, key: str) -> str | None:
        return self.kept.get(key)

    async def set(self, key: str, value: str, _expires_in: int) -> None:
        self.kept[key] = value

    async def delete(self, key: str) -> None:
        self.kept.pop(key, None)


async def test_state_in_a_cache(make, acrux) -> None:
    """Where Authlib keeps logins in a cache, so does the adapter: the cookie has only the mark of the login."""
    party = make()
    party.registration.framework.cache = cache = Cache()
    url = await party.begin()
    assert len(party.browser.cookies["session"]) < 300
    assert len(cache.kept) == 1
    assert (await party.come_back(url, acr=LOA1)).status_code == 302
    assert len(cache.kept) == 1


async def test_longest_ticket_fits_a_cookie(party, acrux, monkeypatch) -> None:
    """Beside Authlib's own even the longest ticket fits the 4 KiB that browsers keep of a cookie."""
    decide = acrux.decide
    monkeypatch.setattr(acrux, "decide", lambda body: {**decide(body), "ticket": "x" * 2048})
    await party.begin()
    size = len("session=" + party.browser.cookies["session"])
    assert size < 3800, size
