"""`POST /v1/fallbacks`, said twice: a report with a key of its own is one record, however often it comes."""

import asyncio
from datetime import timedelta

import orjson
import pytest
from http_bed import NOW

from acrux.decisionlog.errors import LogUnavailable
from acrux.decisionlog.node import NodeSpools
from acrux.decisionlog.records import Kind


def report(key="k-1", **more):
    """A report of a decision that was made in an outage."""
    return {
        "id": "5f1c4a52-0f5b-4c6e-9f0d-3b1f5a7c9e21",
        "idempotency_key": key,
        "client": "jira",
        "level": "mfa",
        "decided_at": "2026-11-24T07:30:00Z",
        "authorization_params": {"acr_values": "x"},
        "accept": {"claim": "acr", "values": ["x"], "max_age_seconds": 5},
        "reason": "connection refused",
        "facts": {"client": "jira", "user": {"id": "u-1"}},
        **more,
    }


async def send(client, *reports):
    """The receipts of reports."""
    response = await client.post("/v1/fallbacks", json={"decisions": list(reports)})
    assert response.status_code == 200, response.text
    return response.json()["receipts"]


def recorded(bed):
    """How many reports the log holds, shipped ones included."""
    bed.ship()
    statement = "SELECT body FROM records WHERE kind = 'fallback'"
    rows = bed.database.read(lambda transaction: transaction.exec_driver_sql(statement).all())
    return len([orjson.loads(row[0]) for row in rows])


async def test_a_report_that_comes_again(bed):
    """It has the first receipt, alone or in another batch, and there is one record; another key is another report."""
    async with bed.client("jira") as client:
        (first,) = await send(client, report())
        receipts = await send(client, report(), report("k-2"), report())
        assert receipts == [first, (await send(client, report("k-2")))[0], first]
    assert recorded(bed) == 2


async def test_both_at_once(bed):
    """Two that come at the same time are one record too."""
    async with bed.client("jira") as client:
        receipts = await asyncio.gather(*(send(client, report()) for _ in range(8)))
    assert len({receipt["leaf_hash"] for (receipt,) in receipts}) == 1
    assert recorded(bed) == 1


async def test_once_shipped_every_node_knows(bed, tmp_path):
    """What was reported to one node is known to the others when its record is in the database."""
    async with bed.client("jira") as client:
        (first,) = await send(client, report())
        bed.ship()
        elsewhere = NodeSpools(tmp_path / "elsewhere")
        bed.replace(node=elsewhere)
        assert await send(client, report()) == [first]
    elsewhere.close()
    bed.replace(node=bed.node)
    assert recorded(bed) == 1


async def test_weeks_later(bed):
    """A caller that was off for weeks and comes with an old report is answered as before."""
    async with bed.client("jira") as client:
        (first,) = await send(client, report())
        bed.clock.at = NOW + timedelta(days=29)
        assert await send(client, report()) == [first]


async def test_a_key_is_one_reports(bed):
    """The same key with other words is refused, by its pointer; so is a key that is none."""
    async with bed.client("jira") as client:
        await send(client, report())
        conflict = await client.post("/v1/fallbacks", json={"decisions": [report("k-3"), report(level="basic")]})
        wrong = await client.post("/v1/fallbacks", json={"decisions": [report("a\nb")]})
    assert (conflict.status_code, conflict.json()["code"]) == (409, "idempotency_conflict")
    assert conflict.json()["errors"][0]["pointer"] == "/decisions/1/idempotency_key"
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/decisions/0/idempotency_key")


async def test_what_can_not_be_looked_up_is_no_conflict(bed, monkeypatch):
    """A spool that can't be read is said to be the node's trouble, not the report's: it may come again."""

    def fail(*_anything, **_more):
        raise LogUnavailable("torn")

    monkeypatch.setattr(NodeSpools, "find_answer", fail)
    async with bed.client("jira") as client:
        refused = await client.post("/v1/fallbacks", json={"decisions": [report()]})
    assert (refused.status_code, refused.json()["code"], refused.json()["fallback"]) == (
        503,
        "log_unavailable",
        "refuse",
    )
    assert "idempotency_key" not in refused.text


async def test_keys_belong_to_tokens(bed):
    """What one token has reported says nothing of another token's report."""
    async with bed.client("jira") as client:
        await send(client, report())
    async with bed.client("operator") as client:
        await send(client, report())
    assert recorded(bed) == 2


async def test_without_a_key(bed):
    """A caller that sends no key is told so by two records."""
    async with bed.client("jira") as client:
        await send(client, report(None))
        await send(client, report(None))
    assert recorded(bed) == 2


@pytest.mark.parametrize("verdict", ["satisfied", "downgraded"])
async def test_the_outcome_follows_all_the_same(bed, verdict, monkeypatch):
    """A worker that died between the record and the outcome leaves the outcome to the report that comes again."""
    from acrux.http import reported  # noqa: PLC0415 - patched below

    async with bed.client() as client:
        decision = (await client.post("/v1/decisions", json={"client": "jira"})).json()
        members = ("decided_at", "authorization_params", "accept", "level")
        sent = report(**{name: decision[name] for name in members})
        sent |= {"id": decision["decision_id"], "facts": None, "verdict": verdict, "verdict_at": decision["decided_at"]}
        with monkeypatch.context() as patched:
            patched.setattr(reported, "close", lambda *_: asyncio.sleep(0))
            (first,) = await send(client, sent)
        assert await send(client, sent) == [first]
        (outcome,) = (await client.get(f"/v1/decisions/{decision['decision_id']}")).json()["outcomes"]
    assert outcome["verdict"] == verdict
    assert len([one for one in bed.node.find_records(decision["decision_id"]) if one.kind == Kind.OUTCOME]) == 1
