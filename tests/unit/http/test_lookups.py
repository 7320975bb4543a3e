"""Listing decisions and looking one up."""

import orjson
import pytest
from http_bed import NOW, POLICY
from test_outcome import claims, close, decided

from acrux.decisionlog.errors import LogUnavailable
from acrux.decisionlog.node import NodeSpools
from acrux.decisionlog.revisions import keep_revision
from acrux.http.lookups import _stored_rules
from acrux.storage.database import Database, DatabaseUnavailable

UNKNOWN = "0199f3c2-6f6e-7cc3-98c4-dc0c0c07398f"


async def test_a_listing_is_pages_of_items_newest_first(bed):
    """`items` and `next_cursor`; following the cursors finds each decision once."""
    async with bed.client() as client:
        made = [await decided(client, user={"id": f"u-{number}"}) for number in range(5)]
        await close(client, made[0], claims(sub="u-0"))
        bed.ship()
        found, cursor = [], None
        while True:
            params = {"limit": "2", "client": "jira"} | ({"cursor": cursor} if cursor else {})
            page = (await client.get("/v1/decisions", params=params)).json()
            found += page["items"]
            if (cursor := page["next_cursor"]) is None:
                break
    assert sorted(item["decision_id"] for item in found) == sorted(one["decision_id"] for one in made)
    item = next(item for item in found if item["decision_id"] == made[0]["decision_id"])
    assert (item["verdict"], item["returned_acr"]) == ("satisfied", "urn:example:loa:2")
    assert item["facts"]["user.id"] == "u-0"
    assert "ticket" not in item


async def test_filters(bed):
    """Every filter narrows, `!` excludes, `verdict=none` finds logins that never came back."""
    async with bed.client("operator") as client:
        one = await decided(client, network={"ip": "203.0.113.5"}, user={"id": "eve"})
        await client.post("/v1/decisions", json={"client": "intranet"})
        await close(client, one, claims(sub="eve"))
        bed.ship()
        for query, count in (
            ("client=jira", 1),
            ("client=!jira", 1),
            ("zone=office", 1),
            ("zone=!office", 1),
            ("user=eve", 1),
            ("verdict=none", 1),
            ("verdict=satisfied", 1),
            ("rule=atlassian-sso&level=mfa&shadow_differs=false", 1),
            ("from=2026-11-24T08:00:00Z&to=2026-11-24T09:00:00Z", 2),
            ("to=2026-11-24", 0),
            (f"revision={bed.holder.revision}", 2),
        ):
            page = (await client.get(f"/v1/decisions?{query}")).json()
            assert len(page["items"]) == count, query


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("colour=red", "/query/colour"),
        ("limit=0", "/query/limit"),
        ("limit=501", "/query/limit"),
        ("client=", "/query/client"),
        ("client=a%00", "/query/client"),
        ("client=a&client=b", "/query/client"),
        ("from=yesterday", "/query/from"),
        ("verdict=odd", "/query/verdict"),
        ("shadow_differs=yes", "/query/shadow_differs"),
    ],
)
async def test_wrong_queries_are_named(bed, query, pointer):
    """Unknown, repeated and senseless parameters are refused, each with its pointer."""
    async with bed.client() as client:
        response = await client.get(f"/v1/decisions?{query}")
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, pointer)


async def test_words_that_can_be_sent_are_listed(bed):
    """Where a parameter takes one of a few words, a wrong one is answered with them."""
    async with bed.client() as client:
        said = {
            name: (await client.get("/v1/decisions", params={name: "odd"})).json()["errors"][0]["message"]
            for name in ("verdict", "kind", "shadow_differs")
        }
    assert said["kind"] == "expected one of `decision`, `fallback`"
    assert said["shadow_differs"] == "expected one of `true`, `false`"
    assert said["verdict"].endswith("`insufficient`, `satisfied`, `none`")


async def test_a_cursor_of_another_listing_has_no_page(bed):
    """A made-up cursor, or one of a listing with other filters: 404."""
    async with bed.client() as client:
        for _ in range(2):
            await decided(client)
        bed.ship()
        cursor = (await client.get("/v1/decisions?limit=1")).json()["next_cursor"]
        for query in (f"cursor={cursor}&client=jira", "cursor=AAAA"):
            assert (await client.get(f"/v1/decisions?{query}")).status_code == 404


async def test_a_decision_is_found_before_it_is_shipped(bed):
    """The record, what came back, and the rules as they stood, from the spool and from the database alike."""
    async with bed.client() as client:
        decision = await decided(client, user={"id": "u-1"})
        await close(client, decision, claims())
        path = f"/v1/decisions/{decision['decision_id']}"
        fresh = (await client.get(path)).json()
        bed.ship()
        shipped = (await client.get(path)).json()
    assert fresh == shipped
    assert fresh["outcomes"][0]["verdict"] == "satisfied"
    assert fresh["rules_as_decided"][0]["when"] == '"atlassian" in client.tags'
    assert orjson.loads(fresh["record"])["content"]["decision_id"] == decision["decision_id"]
    assert fresh["facts"]["user.id"] == "u-1"


async def test_who_sees_what(bed):
    """A relying party looks up its own decisions, without sealed facts; another's is not found; authors see none."""
    async with bed.client("jira") as client:
        decision = await decided(client, user={"id": "u-1"})
        path = f"/v1/decisions/{decision['decision_id']}"
        own = await client.get(path)
        assert (await client.get("/v1/decisions")).status_code == 403
    assert "user.id" not in own.json()["facts"]
    for token, status in (("intranet", 404), ("author", 403), ("privacy", 403), ("auditor", 200)):
        async with bed.client(token) as client:
            assert (await client.get(path)).status_code == status
    async with bed.client() as client:
        assert (await client.get(f"/v1/decisions/{UNKNOWN}")).status_code == 404


async def test_rules_as_they_stood(bed):
    """After other sets have become active the rules come from the stored set; null where that can't be had."""
    _stored_rules.cache_clear()
    exception = b"""    except:
      - {id: office, when: '"office" in network.zones', owner: o@example.com, ticket: T-1, expires: 2027-01-01}
"""
    text = POLICY["policy.yaml"].replace(b"    max_age: 8h\n", b"    max_age: 8h\n" + exception)
    bed.load({"policy.yaml": text})
    async with bed.client() as client:
        decision = await decided(client)
        path = f"/v1/decisions/{decision['decision_id']}"
        for number in range(5):
            bed.load({"policy.yaml": POLICY["policy.yaml"] + b"# %d\n" % number})
        assert (await client.get(path)).json()["rules_as_decided"] is None
        _stored_rules.cache_clear()
        keep_revision(bed.database, decision["policy_revision"], {"policy.yaml": text}, NOW)
        rules = (await client.get(path)).json()["rules_as_decided"]
        listed = (await client.get("/v1/policy/revisions")).json()
        kept = (await client.get(f"/v1/policy/revisions/{decision['policy_revision']}")).json()
        unknown = await client.get(f"/v1/policy/revisions/sha256:{'0' * 64}")
    assert rules[0]["exceptions"][0]["expires"] == "2027-01-01"
    assert listed["items"] == [
        {"revision": decision["policy_revision"], "activated_at": "2026-11-24T08:00:00.123456Z", "active": False}
    ]
    assert kept == {"revision": decision["policy_revision"], "active": False, "files": {"policy.yaml": text.decode()}}
    assert unknown.status_code == 404


async def test_without_the_database_there_is_no_listing(bed, monkeypatch):
    """A database or spool that can't be read is a documented 503."""

    def away(self, work):
        raise DatabaseUnavailable("away")

    async with bed.client() as client:
        decision = await decided(client)
        path = f"/v1/decisions/{decision['decision_id']}"

        def torn(self, decision_id):
            raise LogUnavailable("torn")

        with monkeypatch.context() as patch:
            patch.setattr(NodeSpools, "find_records", torn)
            assert (await client.get(path)).json()["code"] == "log_unavailable"
        monkeypatch.setattr(Database, "read", away)
        for url in ("/v1/decisions", path, "/v1/policy/revisions"):
            response = await client.get(url)
            assert (response.status_code, response.json()["code"]) == (503, "database_unavailable")


async def test_a_set_of_another_language_is_not_read(bed):
    """A stored set that this version can't read leaves the rules null; the record is shown all the same."""
    _stored_rules.cache_clear()
    async with bed.client() as client:
        decision = await decided(client)
        keep_revision(bed.database, decision["policy_revision"], {"policy.yaml": b"version: acrux/v9\n"}, NOW)
        bed.holder._held.clear()
        found = (await client.get(f"/v1/decisions/{decision['decision_id']}")).json()
    assert found["rules_as_decided"] is None
