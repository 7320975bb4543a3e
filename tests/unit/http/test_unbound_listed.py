"""Logins that went around Acrux, for auditors: what the token guard refused since it belonged to no decision."""

import pytest
from rp_bed import Login

SERVER = "192.0.2.50"
UNKNOWN = "no decision is bound to the code_challenge"


async def listed(rp, **query):
    """Every item of the listing, page by page."""
    items, cursor = [], {}
    async with rp.client("auditor") as client:
        while True:
            answer = await client.get("/v1/unbound", params={"limit": 2, **query, **cursor})
            assert answer.status_code == 200, answer.text
            items += answer.json()["items"]
            if answer.json()["next_cursor"] is None:
                return items
            cursor = {"cursor": answer.json()["next_cursor"]}


async def bypass(rp, count=1):
    """A login that went straight to the provider comes to the guard."""
    async with rp.browser(SERVER) as server:
        for _ in range(count):
            assert "unbound" in (await Login().redeem(server)).text
    rp.ship()


async def test_a_bypass_is_listed(rp):
    """Client, grant, reason and the request's id, which the relying party was told; no decision, and no secret."""
    async with rp.browser(SERVER) as server:
        told = (await Login().redeem(server)).text
    assert await listed(rp) == [], "it holds what is shipped"
    rp.ship()
    (item,) = await listed(rp)
    assert (item["client"], item["grant_type"], item["reason"]) == ("jira", "authorization_code", UNKNOWN)
    assert (item["decision_id"], item["unrecorded_count"]) == (None, 0)
    assert item["request_id"] in told
    assert len(item["receipt"]["leaf_hash"]) == 64
    async with rp.client("auditor") as client:
        assert (await client.get("/v1/decisions")).json()["items"] == [], "it is no decision"


async def test_pages_and_filters(rp):
    """Pages neither repeat nor skip; client and time narrow; a cursor belongs to its listing."""
    await bypass(rp, 5)
    items = await listed(rp)
    assert len({item["receipt"]["sequence"] for item in items}) == 5
    assert [item["receipt"]["sequence"] for item in items] == sorted(
        (item["receipt"]["sequence"] for item in items), reverse=True
    )
    assert await listed(rp, client="jira") == items
    assert await listed(rp, client="wiki") == await listed(rp, client="!jira") == []
    assert await listed(rp, to=items[-1]["at"]) == []
    async with rp.client("auditor") as client:
        cursor = (await client.get("/v1/unbound", params={"limit": 2})).json()["next_cursor"]
        foreign = await client.get("/v1/decisions", params={"cursor": cursor})
        other = await client.get("/v1/unbound", params={"client": "jira", "cursor": cursor})
    assert (foreign.status_code, other.status_code) == (404, 404)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [({"limit": "0"}, "/query/limit"), ({"from": "soon"}, "/query/from"), ({"verdict": "none"}, "/query/verdict")],
)
async def test_wrong_queries(rp, query, pointer):
    """What makes no sense is named."""
    async with rp.client("auditor") as client:
        answer = await client.get("/v1/unbound", params=query)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


@pytest.mark.parametrize("who", ["jira", "author", "privacy", None])
async def test_for_auditors_alone(rp, who):
    """It says who tried what at every client."""
    async with rp.client(who) as client:
        assert (await client.get("/v1/unbound")).status_code in {401, 403}
