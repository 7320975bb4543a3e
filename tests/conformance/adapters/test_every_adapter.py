"""The laws of adapters, each for every one: who is signed in came back as was decided."""

import base64
import hmac
import json
import secrets

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sites.laws import admitted, query, refused, sent_again
from sites.party import AUTHLIB

from acrux.adapters.authorization import UnusableRequestError
from acrux.client.facts import sha256_base64url

ISSUER = "https://login.example.com"
LOA1, LOA2 = "urn:example:loa:1", "urn:example:loa:2"
STRANGER = ec.generate_private_key(ec.SECP256R1())
pytestmark = pytest.mark.usefixtures("requests_reach")


def test_honest_login(party, acrux) -> None:
    """The decision's parameters are in the request; who comes back with what was asked for is signed in, and judged."""
    url = party.begin()
    assert query(url)["acr_values"] == [LOA2]
    assert query(url)["max_age"] == ["28800"]
    assert not party.is_signed_in()
    admitted(party, party.come_back(url))
    assert acrux.verdicts == ["satisfied"]


def test_facts(party, acrux) -> None:
    """What is sent: the address, the browser's words, exactly what the request asks for, the nonce's hash."""
    url = party.begin(User_Agent="Mozilla/5.0 (X11)")
    body = acrux.asked[0]
    assert body["client"] == {"id": "jira"}
    assert body["network"] == {"ip": "203.0.113.7"}
    assert body["device"] == {"user_agent": "Mozilla/5.0 (X11)"}
    assert sorted(body["request"]["scopes"]) == ["openid", "profile"]
    assert body["request"].keys() == {"scopes"}
    assert body["nonce_sha256"] == sha256_base64url(query(url)["nonce"][0])
    assert len(body["browser"]["id"]) >= 22


def test_baseline_adds_nothing(party, acrux) -> None:
    """Where nothing is asked for, the request stays as it was, and the login is judged all the same."""
    acrux.level = "basic"
    url = party.begin()
    assert not {"acr_values", "max_age", "claims"} & query(url).keys()
    admitted(party, party.come_back(url, auth_time=None))
    assert acrux.verdicts == ["satisfied"]


@pytest.mark.parametrize("acr", [LOA1, "0", None, ["urn:example:loa:2"], ""])
def test_lowered_login_is_refused(party, acrux, acr) -> None:
    """However the level leaves the request, nobody is signed in: one more trip at most, then a page."""
    url = party.begin()
    response = party.come_back(url, acr=acr)
    if isinstance(acr, str) and acr:
        again = sent_again(party, response)
        assert query(again)["acr_values"] == [LOA2]
        for name in ("nonce", "state", "code_challenge"):
            assert query(again)[name] != query(url)[name]
        response = party.come_back(again, acr=acr)
    decision = f"{len(acrux.asked) - 1:032x}"
    refused(party, response, f"decision 00000000-0000-0000-0000-{decision[-12:]}")


def test_honest_second_trip(party, acrux) -> None:
    """Who was sent again and then does as was decided is signed in."""
    again = sent_again(party, party.come_back(party.begin(), acr=LOA1))
    admitted(party, party.come_back(again))
    assert acrux.verdicts == ["downgraded", "satisfied"]


@pytest.mark.parametrize(
    ("settings", "claims", "verdict"),
    [({}, {"auth_time": 1}, "stale"), ({"lifetime_seconds": -1}, {}, "expired")],
)
def test_starts_again(party, acrux, settings, claims, verdict) -> None:
    """A login that is too old, or took too long, is started again once."""
    for name, value in settings.items():
        setattr(acrux, name, value)
    again = sent_again(party, party.come_back(party.begin(), **claims))
    refused(party, party.come_back(again, **claims), verdict)
    assert acrux.verdicts == [verdict, verdict]


def test_insufficient(party, acrux) -> None:
    """Where the verified user needs more, the retry's own parameters, decision and nonce make the second trip."""
    acrux.level, acrux.admins_need_mfa = "basic", True
    url = party.begin()
    again = sent_again(party, party.come_back(url, groups=["admins"]))
    assert query(again)["acr_values"] == [LOA2]
    assert query(again)["nonce"] == query(url)["nonce"]
    assert query(again)["state"] != query(url)["state"]
    assert len(acrux.asked) == 1, "the retry is the decision; nothing is asked anew"
    admitted(party, party.come_back(again, groups=["admins"]))
    assert acrux.verdicts == ["insufficient", "satisfied"]


def test_insufficient_and_denied(party, acrux) -> None:
    """Where the verified user is refused, there is no second trip."""
    acrux.level, acrux.admins_need_mfa = "basic", True
    response = party.come_back(party.begin(), groups=["banned"])
    refused(party, response, "denied, decision 00000000-0000-0000-0000-000000000001")


def test_deny(party, acrux) -> None:
    """A denied login never reaches the provider; the page names the decision."""
    acrux.level = "deny"
    refused(party, party.start(), "denied, decision 00000000-0000-0000-0000-000000000000")


def test_other_verdicts_do_not_start_again(make, acrux) -> None:
    """A token that Acrux does not take is refused at once."""
    party = make(facts=lambda _: {"user_id": "somebody else"})
    refused(party, party.come_back(party.begin()), "mismatched")
    assert acrux.asked[0]["user"] == {"id": "somebody else"}


def test_merging_replaces(make, acrux) -> None:
    """Whatever the application's own configuration asks for is a fact, and is replaced, never repeated."""
    claims = '{"userinfo":{"email":null}}'
    url = make(static={"acr_values": LOA1, "max_age": "1", "prompt": "login", "claims": claims}).begin()
    assert acrux.asked[0]["request"] == {
        "acr_values": [LOA1],
        "scopes": acrux.asked[0]["request"]["scopes"],
        "prompt": "login",
        "max_age": 1,
        "claims": {"userinfo": {"email": None}},
    }
    found = query(url)
    assert (found["acr_values"], found["max_age"], found["prompt"]) == ([LOA2], ["28800"], ["login"])
    assert found["claims"] == [claims]


def test_claims_form(make, acrux) -> None:
    """A decision in the form of `claims` replaces that parameter, and an empty value leaves its own out."""
    acrux.params = {"claims": '{"id_token":{"acr":{"essential":true,"values":["x y"]}}}', "acr_values": ""}
    url = make(static={"acr_values": LOA1}).begin()
    assert json.loads(query(url)["claims"][0]) == {"id_token": {"acr": {"essential": True, "values": ["x y"]}}}
    assert "acr_values" not in query(url)


def test_own_parameters_are_repeated(make) -> None:
    """The second trip asks for what the application asked for the first time."""
    party = make(static={"login_hint": "eve"})
    url = party.begin()
    again = sent_again(party, party.come_back(url, acr=LOA1))
    assert query(url)["login_hint"] == query(again)["login_hint"] == ["eve"]
    assert query(url)["redirect_uri"] == query(again)["redirect_uri"]


@pytest.mark.parametrize("static", [{"request_uri": "urn:x"}, {"request": "jwt"}, {"max_age": "soon"}, {"claims": "{"}])
def test_unusable_requests(make, adapter, static) -> None:
    """A request that can't be merged with is a mistake of the application, and nobody is sent anywhere."""
    if adapter == "social_core" and "max_age" in static:
        pytest.skip("the library itself puts no such parameter there")
    with pytest.raises(UnusableRequestError):
        make(static=static).start()


def test_users_own_parameters(party, acrux) -> None:
    """What a user puts behind the address of the login changes nothing that the login rests on."""
    own = {"acr_values": LOA1, "max_age": "99999999", "claims": "{}", "nonce": "n", "request_uri": "urn:x"}
    own["auth_params"] = str(httpx.QueryParams({**own, "state": "s", "redirect_uri": "https://evil.example.com"}))
    response = party.start(query=own)
    assert response.status_code == 302, response.text
    found = query(response.headers["location"])
    assert (found["acr_values"], found["max_age"]) == ([LOA2], ["28800"])
    assert found["redirect_uri"] == [f"https://jira.example.com{party.callback_path}"]
    assert "request_uri" not in found
    assert found["state"] != ["s"]
    assert found["nonce"] != ["n"]
    assert acrux.asked[0]["request"].keys() == {"scopes"}


def test_provider_errors(party, acrux) -> None:
    """An error of the provider ends the login with a page, and the login can't be continued."""
    for error, text in (
        ("unmet_authentication_requirements", "second factor"),
        ("invalid_request", "invalid_request"),
        ("<script>", "help desk: error"),
    ):
        url = party.begin()
        state = query(url)["state"][0]
        refused(party, party.back(state=state, error=error, error_description="<script>"), text)
        refused(party, party.come_back(url), "not under way")
    assert acrux.verdicts == []


def test_answers_for_nobody(party) -> None:
    """Without a login of this browser's own no answer signs anybody in: no state, another one, one that came back."""
    url = party.begin()
    answer = party.provider.sign_in(url)
    refused(party, party.back(error="access_denied"), "not under way")
    refused(party, party.back(code=answer["code"]), "not under way")
    refused(party, party.back(code=answer["code"], state="made-by-hand"), "not under way")
    admitted(party, party.back(**answer))
    party.browser.cookies.clear()
    refused(party, party.back(**answer), "not under way")


def test_answer_twice(party, acrux) -> None:
    """An answer that signed somebody in signs nobody in a second time, in whatever copy of the session."""
    url = party.begin()
    copy = httpx.Cookies(party.browser.cookies)
    admitted(party, party.come_back(url))
    party.browser.cookies = copy
    response = party.come_back(url)
    assert response.status_code == 403
    assert acrux.verdicts in (["satisfied"], ["satisfied", "replayed"])


WRONG_TOKENS = [
    ({"nonce": "of another login"}, "mismatched"),
    ({"nonce": None}, "mismatched"),
    ({"aud": "confluence"}, "mismatched"),
    ({"aud": ["jira-sso", "confluence"]}, "mismatched"),
    ({"aud": ["jira-sso", "confluence"], "azp": "confluence"}, "mismatched"),
    ({"iss": "https://evil.example.com"}, "mismatched"),
    ({"iss": f"{ISSUER}/"}, "mismatched"),
    ({"iat": 1}, "mismatched"),
    ({"exp": 1}, "invalid"),
    ({"key": STRANGER}, "invalid"),
]


@pytest.mark.parametrize(("claims", "verdict"), WRONG_TOKENS)
def test_wrong_tokens(party, acrux, claims, verdict) -> None:
    """A token of another login, client, issuer, time or key is refused, and the log says so, whoever found it out."""
    refused(party, party.come_back(party.begin(), **claims), "were not signed in")
    assert acrux.verdicts == [verdict]


@pytest.mark.parametrize("claims", [claims for claims, _ in WRONG_TOKENS])
def test_wrong_tokens_in_an_outage(party, acrux, claims) -> None:
    """The same where nobody but the relying party can judge; the log has it when Acrux is back."""
    party.client.refresh()
    acrux.away()
    refused(party, party.come_back(party.begin(), **claims), "were not signed in")
    acrux.back()
    party.client.refresh()
    assert acrux.reports[-1]["verdict"] in {"invalid", "mismatched"}


def test_no_id_token(party, provider) -> None:
    """Without an ID token there is nothing to judge."""
    answer = provider.sign_in(party.begin())
    del provider.tokens[answer["code"]]["id_token"]
    refused(party, party.back(**answer), "answered with an error")


def test_unusable_code(party, provider) -> None:
    """A code that the provider does not take signs nobody in."""
    answer = provider.sign_in(party.begin())
    provider.tokens.clear()
    refused(party, party.back(**answer), "answered with an error")


def forged(id_token: str, header: dict[str, str], key: bytes | None) -> str:
    """The same claims, without a signature or with one that a shared secret makes."""
    encoded = [base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode(), id_token.split(".")[1]]
    signed = b"" if key is None else hmac.digest(key, ".".join(encoded).encode(), "sha256")
    return ".".join([*encoded, base64.urlsafe_b64encode(signed).rstrip(b"=").decode()])


@pytest.mark.filterwarnings("ignore:JWS algorithm")
@pytest.mark.parametrize("listed", [None, ["ES256"], ["ES256", "HS256", "none"]])
@pytest.mark.parametrize("is_away", [False, True])
@pytest.mark.parametrize("kind", ["none", "public key", "public JWK", "client secret"])
def test_unsigned_tokens(make, provider, acrux, kind, is_away, listed) -> None:
    """A token that the provider's key has not signed is `invalid`, whoever judges, whatever it or a library allows."""
    provider.metadata.pop("id_token_signing_alg_values_supported")
    if listed is not None:
        provider.metadata["id_token_signing_alg_values_supported"] = listed
    allowed = {"OIDC_ALLOW_UNSECURED_JWT": True, "SOCIAL_AUTH_OIDC_JWT_ALGORITHMS": ["ES256", "HS256", "none"]}
    party = make(settings=allowed)
    party.client.refresh()
    if is_away:
        acrux.away()
    answer = provider.sign_in(party.begin())
    public = provider.key.public_key()
    keys = {
        "none": None,
        "public key": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "public JWK": jwt.get_algorithm_by_name("ES256").to_jwk(public).encode(),
        "client secret": b"s3cret",
    }
    token = provider.tokens[answer["code"]]
    header = {"alg": "none" if kind == "none" else "HS256", "kid": "k1", "typ": "JWT"}
    token["id_token"] = forged(token["id_token"], header, keys[kind])
    refused(party, party.back(**answer), "were not signed in")
    acrux.back()
    party.client.refresh()
    assert [*acrux.verdicts, *(report["verdict"] for report in acrux.reports if report["verdict"])] == ["invalid"]


@pytest.mark.parametrize("adapter", AUTHLIB)
def test_issuer_is_always_checked(make, acrux) -> None:
    """An application's own `claims_options` do not switch Authlib's check of the issuer off."""
    party = make(options={"claims_options": {"acr": {"essential": True}}})
    refused(party, party.come_back(party.begin(), iss="https://evil.example.com"), "answered with an error")
    assert acrux.verdicts == ["mismatched"]
    admitted(party, party.come_back(party.begin()))


def test_userinfo_of_another(party, provider, adapter) -> None:
    """What the provider says of another subject than the token's is not used (OpenID Connect Core 5.3.2)."""
    if adapter in AUTHLIB:
        pytest.skip("does not ask for it")
    provider.userinfo = {"sub": "u-1", "email": "root@example.com"}
    refused(party, party.come_back(party.begin()), "answered with an error")


def test_mix_up(party, provider) -> None:
    """Where the provider says who it is in its answer (RFC 9207), another one's answer is refused."""
    admitted(party, party.back(**provider.sign_in(party.begin()), iss=ISSUER))
    party.browser.cookies.clear()
    answer = provider.sign_in(party.begin())
    refused(party, party.back(**answer, iss="https://evil.example.com"), "mismatching_iss")
    refused(party, party.back(**answer), "not under way")


def test_away_without_ceiling(party, acrux) -> None:
    """Where Acrux can't be reached and the ceiling is not known, logins are refused for the time."""
    acrux.away()
    refused(party, party.start(), "try again", status=503)


def test_away_with_ceiling(make, acrux) -> None:
    """Where Acrux can't be reached the ceiling is demanded, judged here, and reported when it is back."""
    party = make(static={"acr_values": LOA1, "claims": '{"id_token":{"acr":null,"email":null}}'})
    party.client.refresh()
    acrux.away()
    url = party.begin()
    assert query(url)["acr_values"] == [LOA2]
    assert json.loads(query(url)["claims"][0]) == {"id_token": {"email": None}}
    again = sent_again(party, party.come_back(url, acr=LOA1))
    admitted(party, party.come_back(again))
    acrux.back()
    party.client.refresh()
    assert [(report["verdict"], report["facts"] is None) for report in acrux.reports] == [
        (None, False),
        ("downgraded", True),
        (None, False),
        ("satisfied", True),
    ]


def test_away_between_redirect_and_callback(party, acrux) -> None:
    """A decision of Acrux's is judged here if its outcome can't be delivered; the attack fails all the same."""
    url = party.begin()
    acrux.answers = {"outcome": httpx.ConnectError("refused")}
    again = sent_again(party, party.come_back(url, acr=LOA1))
    admitted(party, party.come_back(again))


def test_outcome_refused(party, acrux) -> None:
    """Where Acrux refuses to judge, nobody is signed in."""
    url = party.begin()
    acrux.answers = {"outcome": httpx.Response(503, json={"code": "keys_unavailable", "fallback": "refuse"})}
    refused(party, party.come_back(url), "keys_unavailable", status=503)


def test_client_is_named_by_the_registration(make, acrux) -> None:
    """Where the Acrux client names no client, the registration's own id is sent."""
    make(client=None).begin()
    assert acrux.asked[0]["client"] == {"id": "jira-sso"}


def test_help_desk(make, acrux) -> None:
    """The application's own sentence is on the page."""
    acrux.level = "deny"
    party = make(help_desk="Call <4242>.")
    refused(party, party.start(), "Call &lt;4242&gt;.")


def test_browser_cookie(party, acrux) -> None:
    """The cookie is random, pinned to the host, out of scripts' reach, set once, and a made-up one is replaced."""
    response = party.start()
    (cookie,) = [line for line in response.headers.get_list("set-cookie") if "acrux-browser" in line]
    name, value = cookie.strip().split(";")[0].split("=", 1)
    assert name == "__Host-acrux-browser"
    assert {part.strip().lower() for part in cookie.split(";")[1:]} >= {"secure", "httponly", "path=/", "samesite=lax"}
    assert "domain" not in cookie.lower()
    response = party.start()
    assert not [line for line in response.headers.get_list("set-cookie") if "acrux-browser" in line]
    assert [body["browser"]["id"] for body in acrux.asked] == [value, value]
    party.browser.cookies.clear()
    party.browser.cookies.set("__Host-acrux-browser", "admin")
    party.begin()
    assert acrux.asked[-1]["browser"]["id"] not in {"admin", value}


def test_browser_cookie_in_development(make) -> None:
    """On http at this machine the cookie has a plain name: browsers drop a `__Host-` one there."""
    response = make(url="http://localhost:8000").start()
    (cookie,) = [line for line in response.headers.get_list("set-cookie") if "acrux-browser" in line]
    assert cookie.strip().startswith("acrux-browser=")
    assert "secure" not in cookie.lower()


def test_address_through_proxies(make, acrux) -> None:
    """The address comes through configured proxies only, right to left."""
    party = make(peer="10.0.0.1", trusted_proxies=["10.0.0.0/8"])
    party.begin(X_Forwarded_For="198.51.100.66, 198.51.100.9, 10.0.0.2")
    assert acrux.asked[-1]["network"] == {"ip": "198.51.100.9"}
    untrusting = make(peer="10.0.0.1")
    untrusting.begin(X_Forwarded_For="198.51.100.9")
    assert acrux.asked[-1]["network"] == {"ip": "10.0.0.1"}


@pytest.mark.parametrize("adapter", ["flask"])
def test_longest_ticket_fits_a_cookie(party, acrux, monkeypatch) -> None:
    """Flask keeps a login in a cookie: beside Authlib's own even the longest ticket fits the 4 KiB of one."""
    party.begin()
    assert len(party.browser.cookies["session"]) < 3000
    party.browser.cookies.clear()
    decide = acrux.decide
    longest = secrets.token_urlsafe(1536)  # nothing that a cookie could be compressed by
    monkeypatch.setattr(acrux, "decide", lambda body: {**decide(body), "ticket": longest})
    assert len(longest) == 2048
    party.begin()
    size = len("session=" + party.browser.cookies["session"])
    assert size < 3800, size
