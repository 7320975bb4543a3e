"""Refreshing through the token guard: with tokens that were issued through it, for the same login."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from rp_bed import MFA, PASSWORD, POLICY, SECRET, SERVER, Login, begun, post, refused

from acrux.oidc.tickets import TicketSealer, TicketTooLargeError


async def logged_in(rp):
    """A login that brought a refresh token."""
    login = await begun(rp)
    rp.provider.will_answer(nonce=login.nonce, more={"refresh_token": "rt-1"})
    async with rp.browser(SERVER) as server:
        assert (await login.redeem(server)).status_code == 200
    return login


def refresh(token):
    """The form of a refresh."""
    return f"grant_type=refresh_token&refresh_token={token}"


async def test_refresh(rp):
    """A refresh token that was issued through the guard passes, long after, rotated or not, with an ID token or not."""
    await logged_in(rp)
    async with rp.browser(SERVER) as server:
        rp.clock.at += timedelta(days=30)
        rp.provider.answers.append((200, {"access_token": "at-2"}))
        assert (await post(server, refresh("rt-1"))).json() == {"access_token": "at-2"}
        rp.clock.at += timedelta(days=390)
        rp.provider.will_answer(nonce=None, more={"refresh_token": "rt-2"})
        assert (await post(server, refresh("rt-1"))).status_code == 200
        rp.provider.answers.append((200, {"access_token": "at-3"}))
        assert (await post(server, refresh("rt-2"))).status_code == 200
    rp.ship()
    kept = b"".join(path.read_bytes() for path in rp.directory.rglob("*") if path.is_file())
    for secret in (b"rt-1", b"rt-2", SECRET.encode(), b"c0de"):
        assert secret not in kept


async def test_foreign_refresh_tokens(rp):
    """One that was not issued through the guard, or for another client, is refused before it is forwarded."""
    await logged_in(rp)
    rp.provider.asked.clear()
    async with rp.browser(SERVER) as server:
        assert refused(await post(server, refresh("rt-9")), "unbound")
        assert refused(await post(server, refresh("rt-1"), "wiki", ("wiki", "x")), "unbound")
    assert rp.provider.asked == []
    assert {record["grant_type"] for record in rp.records("unbound")} == {"refresh_token"}


@pytest.mark.parametrize(
    ("claims", "verdict"),
    [
        ({"sub": "u-9"}, "mismatched"),
        ({"acr": PASSWORD}, "downgraded"),
        ({"acr": None}, "missing"),
        ({"key": ec.generate_private_key(ec.SECP256R1())}, "invalid"),
        ({"aud": "wiki"}, "mismatched"),
    ],
)
async def test_a_refreshed_id_token_is_the_same_login(rp, claims, verdict):
    """Another subject or another acr is refused, and logged."""
    await logged_in(rp)
    rp.provider.will_answer(**claims)
    async with rp.browser(SERVER) as server:
        assert refused(await post(server, refresh("rt-1")), verdict)
        rp.provider.answers.append((400, {"error": "invalid_grant"}))
        assert (await post(server, refresh("rt-1"))).json() == {"error": "invalid_grant"}
    (record,) = rp.records("unbound")
    assert verdict in record["reason"]


async def test_the_subject_is_what_must_stay(rp):
    """Also where users are told apart by another claim a refresh keeps to `sub` (Core 12.2), and to nothing else."""
    text = POLICY["policy.yaml"].replace(b"    acr: {mfa", b"    subject_claim: employee\n    acr: {mfa")
    rp.load({"policy.yaml": text})
    login = await begun(rp)
    rp.provider.will_answer(nonce=login.nonce, employee="e-1", more={"refresh_token": "rt-1"})
    async with rp.browser(SERVER) as server:
        assert (await login.redeem(server)).status_code == 200
        rp.provider.will_answer(nonce=None)
        assert (await post(server, refresh("rt-1"))).status_code == 200
        rp.provider.will_answer(nonce=None, sub="u-9", employee="e-1")
        assert refused(await post(server, refresh("rt-1")), "mismatched")


async def test_narrowed(rp):
    """A narrower scope passes as it was sent; what the provider then leaves out is left out."""
    await logged_in(rp)
    rp.provider.asked.clear()
    rp.provider.answers.append((200, {"access_token": "at-2", "scope": "profile", "id_token": None}))
    async with rp.browser(SERVER) as server:
        response = await post(server, refresh("rt-1") + "&scope=profile&resource=a&resource=b")
    assert response.json() == {"access_token": "at-2", "scope": "profile", "id_token": None}
    assert (
        rp.provider.asked[0].content
        == b"grant_type=refresh_token&refresh_token=rt-1&scope=profile&resource=a&resource=b"
    )


@pytest.mark.parametrize("issued", [None, "", 7])
async def test_no_new_refresh_token(rp, issued):
    """What is no refresh token replaces none: the one that was sent goes on being known from its last use."""
    await logged_in(rp)
    async with rp.browser(SERVER) as server:
        for _ in range(3):
            rp.clock.at += timedelta(days=399)
            rp.provider.answers.append((200, {"access_token": "at", "refresh_token": issued}))
            assert (await post(server, refresh("rt-1"))).status_code == 200


TEMPLATES = {
    "a member twice": b'{"access_token":"at","id_token":"%b","id_token":"%b"}',
    "a member in another case": b'{"access_token":"at","ID_Token":"%b"}',
    "a member in two cases": b'{"id_token":"%b","Id_token":"%b"}',
    "NaN": b'{"expires_in":NaN,"id_token":"%b"}',
    "UTF-16": '{"id_token":"%b"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"id_token":"%b"}',
    "single quotes": b"{'id_token':'%b'}",
    "a form": b"id_token=%b",
    "a list": b'[{"id_token":"%b"}]',
    "more than one": b'{}{"id_token":"%b"}',
}


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
async def test_what_others_may_read_otherwise(rp, template):
    """Where another reader might find another ID token than was judged, or one where none was found, nothing passes."""

    def body(**claims):
        lower, good = (rp.provider.id_token(acr=acr, **claims).encode() for acr in (PASSWORD, MFA))
        mark = "%b".encode("utf-16-le") if template.startswith(b"\xff") else b"%b"
        return template.replace(mark, lower, template.count(mark) - 1).replace(mark, good)

    await logged_in(rp)
    login = await begun(rp)
    rp.provider.answers += [(200, body()), (200, body(nonce=login.nonce))]
    async with rp.browser(SERVER) as server:
        assert refused(await post(server, refresh("rt-1")), "invalid")
        assert refused(await login.redeem(server), "invalid")


@pytest.mark.parametrize("login", [Login(), Login(nonce=None)], ids=["with a nonce", "without"])
async def test_another_nonce(rp, login):
    """A refreshed ID token need not repeat the login's nonce, but it has no other one (Core 12.2)."""
    await begun(rp, login)
    rp.provider.will_answer(nonce=login.nonce, more={"refresh_token": "rt-1"})
    async with rp.browser(SERVER) as server:
        assert (await login.redeem(server)).status_code == 200
        rp.provider.will_answer(nonce=login.nonce)
        assert (await post(server, refresh("rt-1"))).status_code == 200
        rp.provider.will_answer(nonce="another")
        assert refused(await post(server, refresh("rt-1")), "mismatched")


async def test_a_replaced_token_is_forgotten(rp):
    """What was rotated is known for a day, for a client that lost the answer; then its row goes."""
    await logged_in(rp)
    async with rp.browser(SERVER) as server:
        for number in (1, 2, 3):
            rp.provider.answers.append((200, {"access_token": "at", "refresh_token": f"rt-{number + 1}"}))
            assert (await post(server, refresh(f"rt-{number}"))).status_code == 200
        rp.clock.at += timedelta(hours=23)
        rp.provider.answers.append((200, {"access_token": "at", "refresh_token": "rt-4"}))
        assert (await post(server, refresh("rt-3"))).status_code == 200
        rp.clock.at += timedelta(hours=2)
        for number in (1, 2, 3):
            assert refused(await post(server, refresh(f"rt-{number}")), "unbound")
        rp.clock.at += timedelta(days=300)
        rp.provider.answers.append((200, {"access_token": "at"}))
        assert (await post(server, refresh("rt-4"))).status_code == 200
    with rp.database.connection() as connection:
        ends = connection.exec_driver_sql("SELECT expires_at_us FROM bindings WHERE kind = 'refresh'").scalars().all()
    now_us = int(rp.clock.at.timestamp() * 1_000_000)
    assert sum(end > now_us for end in ends) == 1


async def test_a_subject_that_fits_no_ticket(rp, monkeypatch):
    """The login goes on; its refresh token is none of the guard's, and the user logs in anew."""
    sealed = TicketSealer.seal

    def seal(sealer, ticket):
        if ticket.user_id is not None:
            raise TicketTooLargeError
        return sealed(sealer, ticket)

    monkeypatch.setattr(TicketSealer, "seal", seal)
    await logged_in(rp)
    async with rp.browser(SERVER) as server:
        assert refused(await post(server, refresh("rt-1")), "unbound")
