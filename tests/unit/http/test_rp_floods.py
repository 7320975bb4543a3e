"""Floods at the redirect adapter: they fill no log, lock no client out, and have limits that are settings."""

import re
from dataclasses import replace

from rp_bed import CAFE, OFFICE, SERVER, Login, RpBed, begun, post, refused

from acrux.http.problems import Code, Problem
from acrux.wiring.settings import AdapterQuotas, Rate


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


async def test_a_flood_does_not_fill_the_log(rp, monkeypatch):
    """Anybody can send what belongs to no decision: all of it is refused and counted, some of it is recorded."""
    monkeypatch.setattr("acrux.http.rp_unbound._BY_ADDRESS", Rate(per_second=0, burst=3))
    monkeypatch.setattr("acrux.http.rp_unbound._BY_CLIENT", Rate(per_second=0, burst=5))
    rp.use(rp.services)
    for address, count in (("192.0.2.66", 10), (SERVER, 2), ("192.0.2.67", 1)):
        async with rp.browser(address) as server:
            for _ in range(count):
                assert refused(await Login().redeem(server), "unbound")
    assert rp.services.metrics.verdicts["unbound"] == 13
    assert [record["unrecorded_count"] for record in rp.records("unbound")] == [0, 0, 0, 7, 0]
    rp.provider.will_answer(nonce="accepted")
    async with rp.browser("192.0.2.66") as server:
        assert refused(await Login(verifier=None).redeem(server), "unbound")
    # What the provider accepted is nobody's guess: it is recorded however many came before it.
    assert [record["unrecorded_count"] for record in rp.records("unbound")] == [0, 0, 0, 7, 0, 1]


async def test_what_was_left_out_is_told_once(rp, monkeypatch):
    """While nothing can be recorded, what was left out before is not forgotten."""
    monkeypatch.setattr("acrux.http.rp_unbound._BY_ADDRESS", Rate(per_second=0, burst=2))
    rp.use(rp.services)
    async with rp.browser("192.0.2.66") as flood, rp.browser(SERVER) as server:
        for _ in range(5):
            assert refused(await Login().redeem(flood), "unbound")
        with monkeypatch.context() as away:
            away.setattr("acrux.http.rp_unbound.append", _fail)
            assert (await Login().redeem(server)).status_code == 503
        assert refused(await Login().redeem(server), "unbound")
    assert [record["unrecorded_count"] for record in rp.records("unbound")] == [0, 0, 3]


async def _fail(*_anything):
    raise Problem(Code.LOG_UNAVAILABLE)


async def test_a_flood_does_not_lock_a_client_out(tmp_path):
    """Who guesses uses up the client's quota; what is known to belong to a login or a session goes on all the same."""
    quotas = AdapterQuotas(tokens_by_client=Rate(per_second=0, burst=3))
    bed = RpBed(tmp_path, quotas=quotas)
    login = await begun(bed)
    async with bed.browser("192.0.2.66") as flood, bed.browser(SERVER) as server:
        statuses = [
            (await Login(verifier=verifier).redeem(flood)).status_code for verifier in (None, "v" * 43, "x", None)
        ]
        bed.provider.answers.clear()
        bed.provider.will_answer(nonce=login.nonce, more={"refresh_token": "rt-1"})
        assert (await login.redeem(server)).status_code == 200
        bed.provider.answers.append((200, {"access_token": "at-2"}))
        assert (await post(server, "grant_type=refresh_token&refresh_token=rt-1")).status_code == 200
    assert statuses == [400, 400, 400, 429]
    bed.close()


async def test_a_flood_of_tokens(rp):
    """Token requests have a quota of their own."""
    async with rp.browser(SERVER) as server:
        answers = [await post(server, "x=1", "nobody") for _ in range(260)]
    assert {answer.status_code for answer in answers} == {404, 429}
    assert answers[-1].json()["error"] == "temporarily_unavailable"
