"""`Idempotency-Key`: a retry has the first answer, byte for byte."""

import asyncio
from datetime import timedelta

import pytest
from http_bed import Bed

from acrux.decisionlog.errors import LockTimeout
from acrux.decisionlog.node import NodeSpools
from acrux.storage.database import Database, DatabaseUnavailable

BODY = {"client": "jira"}
KEY = {"Idempotency-Key": "login a7c1"}


async def test_a_retry_has_the_first_answer(bed):
    """The same key and body: the same decision, ticket and receipt, and one record."""
    async with bed.client() as client:
        first = await client.post("/v1/decisions", json=BODY, headers=KEY)
        second = await client.post("/v1/decisions", json=BODY, headers=KEY)
    assert first.content == second.content
    assert len(bed.node.find_records(first.json()["decision_id"])) == 1


async def test_retries_at_the_same_moment_have_one_answer(bed):
    """A retry that overtakes its first request waits for it."""
    async with bed.client() as client:
        answers = await asyncio.gather(*(client.post("/v1/decisions", json=BODY, headers=KEY) for _ in range(8)))
    assert len({answer.content for answer in answers}) == 1


async def test_another_body_is_a_conflict(bed):
    """The same key with another body: 409, and nothing is decided."""
    async with bed.client() as client:
        await client.post("/v1/decisions", json=BODY, headers=KEY)
        response = await client.post("/v1/decisions", json={"client": "intranet"}, headers=KEY)
    assert (response.status_code, response.json()["code"]) == (409, "idempotency_conflict")


async def test_keys_belong_to_their_token(bed):
    """Two tokens may use one key."""
    async with bed.client() as client:
        first = await client.post("/v1/decisions", json=BODY, headers=KEY)
    async with bed.client("jira") as client:
        second = await client.post("/v1/decisions", json=BODY, headers=KEY)
    assert first.json()["decision_id"] != second.json()["decision_id"]


async def test_a_key_lasts_as_long_as_its_decision(bed):
    """Once the decision has expired the key is free again."""
    async with bed.client() as client:
        first = await client.post("/v1/decisions", json=BODY, headers=KEY)
        bed.clock.at += timedelta(seconds=601)
        second = await client.post("/v1/decisions", json=BODY, headers=KEY)
    assert first.json()["decision_id"] != second.json()["decision_id"]


async def test_another_node_knows_the_answer_once_it_is_shipped(bed, tmp_path):
    """On every node once shipped: the other node answers from the shared database."""
    async with bed.client() as client:
        first = await client.post("/v1/decisions", json=BODY, headers=KEY)
    bed.ship()
    other = Bed(tmp_path / "other")
    other.replace(database=bed.database)
    async with other.client() as client:
        second = await client.post("/v1/decisions", json=BODY, headers=KEY)
        conflict = await client.post("/v1/decisions", json={"client": "x"}, headers=KEY)
    other.close()
    assert first.content == second.content
    assert conflict.status_code == 409


async def test_a_lost_database_costs_nothing(bed, monkeypatch):
    """While the database is away keys hold on this node, and it is asked at most once in a while."""
    asked = []

    def away(self, work):
        asked.append(1)
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(Database, "read", away)
    async with bed.client() as client:
        first = await client.post("/v1/decisions", json=BODY, headers=KEY)
        for number in range(5):
            await client.post("/v1/decisions", json=BODY, headers={"Idempotency-Key": str(number)})
        assert (await client.post("/v1/decisions", json=BODY, headers=KEY)).content == first.content
    assert len(asked) == 1
    assert bed.services.metrics.unshared_lookups_count == 6


@pytest.mark.parametrize("failure", [LockTimeout("held"), OSError("disk")])
async def test_a_key_that_can_t_be_looked_up_decides_nothing(bed, monkeypatch, failure):
    """Deciding anew could give the retry another decision than the first answer, so it is a 503."""

    def locked(self, lock_class, name, **_):
        raise failure

    monkeypatch.setattr(NodeSpools, "locked", locked)
    async with bed.client() as client:
        response = await client.post("/v1/decisions", json=BODY, headers=KEY)
    assert (response.status_code, response.json()["code"]) == (503, "log_unavailable")
