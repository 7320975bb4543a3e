"""The attacks that everything must stop, one after another, against the redirect adapter and the token guard."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from rp_bed import (
    CAFE,
    ISSUER,
    MFA,
    OFFICE,
    PASSWORD,
    SECRET,
    SERVER,
    Login,
    RpBed,
    begun,
    post,
    refused,
    target,
)

STRANGER = ec.generate_private_key(ec.SECP256R1())
RSA_STRANGER = rsa.generate_private_key(65537, 2048)


def encoded(part):
    """A part of a JWT."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims_of(rp, login, **changes):
    """The claims of a good ID token of a login."""
    token = rp.provider.id_token(nonce=login.nonce, **changes)
    return jwt.decode(token, options={"verify_signature": False})


def signed(rp, login, key, algorithm, **header):
    """A good ID token's claims, signed otherwise."""
    return jwt.encode(claims_of(rp, login), key, algorithm, headers={"kid": "1", **header})


def by_public_key(rp, login):
    """HS256 with the provider's public key as the secret; made by hand, since libraries refuse to."""
    pem = rp.provider.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    text = encoded({"alg": "HS256", "typ": "JWT", "kid": "1"}) + "." + encoded(claims_of(rp, login))
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    return text + "." + encoded(hmac.sign(text.encode(), pem))


def public_jwk(key):
    """A public key, as an attacker puts it into a header."""
    return json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))


def with_payload(rp, login, payload):
    """A good token's head and signature around other claims."""
    head, _, signature = rp.provider.id_token(nonce=login.nonce).split(".")
    return f"{head}.{encoded(payload)}.{signature}"


FORGED = {
    "alg none": lambda rp, login: jwt.encode(claims_of(rp, login), "", "none", headers={"kid": "1"}),
    "alg None": lambda rp, login: f"{encoded({'alg': 'None', 'kid': '1'})}.{encoded(claims_of(rp, login))}.",
    "no alg": lambda rp, login: f"{encoded({'kid': '1'})}.{encoded(claims_of(rp, login))}.eA",
    "HS256 with the public key": by_public_key,
    "HS256 with the client's secret": lambda rp, login: signed(rp, login, SECRET * 3, "HS256"),
    "another key": lambda rp, login: signed(rp, login, STRANGER, "ES256"),
    "another key of another type": lambda rp, login: signed(rp, login, RSA_STRANGER, "RS256"),
    "another kid": lambda rp, login: signed(rp, login, STRANGER, "ES256", kid="2"),
    "a kid that is a path": lambda rp, login: signed(rp, login, STRANGER, "ES256", kid="../../../dev/null"),
    "a kid that is a statement": lambda rp, login: signed(rp, login, STRANGER, "ES256", kid="1' OR '1'='1"),
    "a key in the header": lambda rp, login: signed(rp, login, STRANGER, "ES256", jwk=public_jwk(STRANGER)),
    "a key set's address in the header": lambda rp, login: signed(
        rp, login, STRANGER, "ES256", jku="https://evil.example.com/jwks", x5u="https://evil.example.com/x5u"
    ),
    "a certificate in the header": lambda rp, login: signed(rp, login, STRANGER, "ES256", x5c=["AAAA"]),
    "critical": lambda rp, login: signed(rp, login, rp.provider.key, "ES256", crit=["exp"], exp=1),
    "an access token": lambda rp, login: signed(rp, login, rp.provider.key, "ES256", typ="at+jwt"),
    "a logout token": lambda rp, login: signed(rp, login, rp.provider.key, "ES256", typ="logout+jwt"),
    "other claims": lambda rp, login: with_payload(rp, login, {**claims_of(rp, login), "sub": "u-2"}),
    "no claims": lambda rp, login: with_payload(rp, login, b""),
    "no signature": lambda rp, login: rp.provider.id_token(nonce=login.nonce).rpartition(".")[0] + ".",
    "two parts": lambda rp, login: rp.provider.id_token(nonce=login.nonce).rpartition(".")[0],
    "encrypted": lambda rp, login: ".".join([encoded({"alg": "RSA-OAEP", "enc": "A256GCM"}), *["eA"] * 4]),
    "a blank before it": lambda rp, login: " " + rp.provider.id_token(nonce=login.nonce),
    "too long": lambda rp, login: rp.provider.id_token(nonce=login.nonce) + "A" * 40_000,
    "nothing": lambda _rp, _login: "",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
async def test_forged_tokens(rp, forge):
    """What the provider's key has not signed as an ID token is `invalid`, and gets nothing."""
    login = await begun(rp)
    rp.provider.answers.append((200, {"access_token": "at", "id_token": forge(rp, login)}))
    async with rp.browser(SERVER) as server:
        assert refused(await login.redeem(server), "invalid")
    assert [outcome["verdict"] for outcome in rp.records("outcome")] == ["invalid"]


WRONG_CLAIMS = {
    "acr: a list": ({"acr": [MFA]}, "missing"),
    "acr: an object": ({"acr": {"value": MFA}}, "missing"),
    "acr: a number": ({"acr": 2}, "missing"),
    "acr: true": ({"acr": True}, "missing"),
    "acr: several": ({"acr": f"{PASSWORD} {MFA}"}, "downgraded"),
    "acr: another case": ({"acr": MFA.upper()}, "downgraded"),
    "acr: a blank after it": ({"acr": MFA + " "}, "downgraded"),
    "acr: the level's name": ({"acr": "mfa"}, "downgraded"),
    "acr: a prefix": ({"acr": MFA[:-1]}, "downgraded"),
    "acr: moved to acrs": ({"acr": None, "acrs": [MFA]}, "missing"),
    "acr: moved to amr": ({"acr": PASSWORD, "amr": ["mfa", MFA]}, "downgraded"),
    "auth_time: a text": ({"auth_time": "1795000000"}, "stale"),
    "auth_time: true": ({"auth_time": True}, "stale"),
    "auth_time: a list": ({"auth_time": [1795000000]}, "stale"),
    "auth_time: negative": ({"auth_time": -1}, "stale"),
    "auth_time: huge": ({"auth_time": 10**300}, "stale"),
    "auth_time: milliseconds": ({"auth_time": 1795507200000}, "stale"),
    "aud: nobody": ({"aud": []}, "invalid"),
    "aud: a list of others": ({"aud": ["wiki", "intranet"]}, "mismatched"),
    "aud: another case": ({"aud": "JIRA-SSO"}, "mismatched"),
    "aud: an object": ({"aud": {"jira-sso": 1}}, "invalid"),
    "azp: another": ({"aud": ["jira-sso", "wiki"], "azp": "wiki"}, "mismatched"),
    "iss: another case": ({"iss": ISSUER.upper()}, "mismatched"),
    "iss: a slash after it": ({"iss": ISSUER + "/"}, "mismatched"),
    "iss: a list": ({"iss": [ISSUER]}, "invalid"),
    "nonce: a list": ({"nonce": ["x"]}, "invalid"),
    "nonce: empty": ({"nonce": ""}, "mismatched"),
    "exp: a text": ({"exp": "9999999999"}, "invalid"),
    "sub: empty": ({"sub": ""}, "invalid"),
    "sub: a number": ({"sub": 7}, "invalid"),
}


@pytest.mark.parametrize(("changes", "verdict"), WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
async def test_wrong_claims(rp, changes, verdict):
    """A claim of another form is no claim; each leaves the right verdict in the answer and in the log."""
    login = await begun(rp)
    claims = json.dumps({**claims_of(rp, login), **changes}).encode()
    token = jwt.PyJWS().encode(claims, rp.provider.key, "ES256", headers={"kid": "1"})
    if None in changes.values():
        token = rp.provider.id_token(nonce=login.nonce, **changes)
    rp.provider.answers.append((200, {"access_token": "at", "id_token": token}))
    async with rp.browser(SERVER) as server:
        assert refused(await login.redeem(server), verdict)
    assert [outcome["verdict"] for outcome in rp.records("outcome")] == [verdict]


async def test_an_older_token_of_the_same_client(rp):
    """The ID token of an earlier login, with everything right but its age, is not this login's."""
    login = Login(nonce=None)
    old = rp.provider.id_token()
    rp.clock.at += timedelta(minutes=5)
    await begun(rp, login)
    rp.provider.answers.append((200, {"access_token": "at", "id_token": old}))
    async with rp.browser(SERVER) as server:
        assert refused(await login.redeem(server), "mismatched")


async def test_the_same_nonce_after_it_was_used(rp):
    """A used login opened again, from the office too, is never below what it was, and its use is one more."""
    login = await begun(rp)
    rp.provider.will_answer(nonce=login.nonce)
    async with rp.browser(SERVER) as server:
        assert (await login.redeem(server)).status_code == 200
        await begun(rp, login, OFFICE)
        rp.provider.will_answer(nonce=login.nonce, acr=PASSWORD)
        assert refused(await login.redeem(server), "downgraded")
        rp.provider.will_answer(nonce=login.nonce)
        assert refused(await login.redeem(server), "replayed")


async def test_the_same_nonce_after_its_end(rp):
    """A decision that has ended goes on counting for as long as it is known."""
    login = await begun(rp)
    rp.clock.at += timedelta(minutes=30)
    async with rp.browser(OFFICE) as office:
        assert target(await login.begin(office))[1]["acr_values"] == MFA
    rp.clock.at += timedelta(hours=2)
    async with rp.browser(OFFICE) as office:
        assert "acr_values" not in target(await login.begin(office))[1]


async def test_a_nonce_of_another_client(rp):
    """What one client's login is bound by is nothing at another client, in either direction."""
    login = await begun(rp)
    other = Login(nonce=login.nonce, verifier=None, client_id="wiki", redirect_uri="https://wiki.example.com/callback")
    async with rp.browser(SERVER) as server:
        rp.provider.will_answer(nonce=login.nonce, aud="wiki")
        assert refused(await post(server, other.form(), "wiki", ("wiki", "x")), "unbound")
        async with rp.browser() as browser:
            assert "acr_values" not in target(await other.begin(browser, "wiki"))[1]
        rp.provider.will_answer(nonce=login.nonce, acr=PASSWORD)
        assert refused(await login.redeem(server), "downgraded")


async def test_a_challenge_and_a_nonce_bound_together_by_somebody_else(rp):
    """Who binds his challenge to another's nonce gets what that nonce has, and no use of the other's login."""
    victim = await begun(rp)
    attacker = Login(nonce=victim.nonce)
    async with rp.browser(OFFICE) as office:
        assert target(await attacker.begin(office))[1]["acr_values"] == MFA
    async with rp.browser(SERVER) as server:
        rp.provider.will_answer(nonce=victim.nonce, acr=PASSWORD)
        assert refused(await attacker.redeem(server), "downgraded")
        rp.provider.will_answer(nonce=victim.nonce)
        assert refused(await victim.redeem(server), "mismatched")


@pytest.mark.parametrize("what", ["code", "verifier", "redirect_uri"])
async def test_retries_are_the_provider_s_to_refuse(rp, what):
    """A request that the provider refuses uses nothing up: the right one may come after it."""
    login = await begun(rp)
    wrong = {"code": {"code": "other"}, "verifier": {}, "redirect_uri": {"redirect_uri": "https://x.example.com/"}}[
        what
    ]
    async with rp.browser(SERVER) as server:
        assert (await login.redeem(server, **wrong)).json() == {"error": "invalid_grant"}
        rp.provider.will_answer(nonce=login.nonce)
        assert (await login.redeem(server)).status_code == 200


async def test_many_redeem_one_login(rp):
    """However many token requests come at once, and whatever the provider thinks of them: one gets tokens."""
    login = await begun(rp)
    for _ in range(6):
        rp.provider.will_answer(nonce=login.nonce)
    async with rp.browser(SERVER) as server:
        answers = await asyncio.gather(*(login.redeem(server) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400, 400]
    assert sorted(outcome["verdict"] for outcome in rp.records("outcome")) == ["replayed"] * 5 + ["satisfied"]


@pytest.fixture
def nodes(tmp_path):
    """Two nodes of one service."""
    first, second = RpBed(tmp_path / "first"), RpBed(tmp_path / "second")
    second.replace(database=first.database)
    second.provider.key = first.provider.key
    yield first, second
    second.close()
    first.close()


async def test_two_nodes(nodes):
    """Either node serves either half; what was used at one is used at the other; the higher of both holds at both."""
    first, second = nodes
    login = await begun(first)
    second.provider.will_answer(nonce=login.nonce, more={"refresh_token": "rt-1"})
    first.provider.will_answer(nonce=login.nonce)
    async with second.browser(SERVER) as there, first.browser(SERVER) as here:
        assert (await login.redeem(there)).status_code == 200
        assert refused(await login.redeem(here), "replayed")
        first.provider.answers.append((200, {"access_token": "at"}))
        assert (await post(here, "grant_type=refresh_token&refresh_token=rt-1")).status_code == 200
    again = await begun(first)
    async with second.browser(OFFICE) as office:
        assert target(await again.begin(office))[1]["acr_values"] == MFA


async def test_two_nodes_at_the_same_moment(nodes):
    """A login opened at two nodes at once, in the office and outside, is bound to one decision, the higher one."""
    first, second = nodes
    logins = [Login() for _ in range(6)]
    async with first.browser(CAFE) as outside, second.browser(OFFICE) as office:
        opened = await asyncio.gather(*(one for login in logins for one in (login.begin(outside), login.begin(office))))
    bound = [login for login, answer in zip(logins, opened[::2], strict=True) if answer.status_code == 302]
    assert bound
    for login in bound:
        second.provider.will_answer(nonce=login.nonce, acr=PASSWORD)
        async with second.browser(SERVER) as server:
            assert refused(await login.redeem(server), "downgraded")
