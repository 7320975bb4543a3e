"""`POST /v1/fallbacks` about a decision that Acrux had made: the caller's verdict becomes its outcome."""

import asyncio

import orjson
import pytest
from http_bed import NOW

from acrux.decisionlog.errors import LogUnavailable
from acrux.decisionlog.node import NodeSpools
from acrux.decisionlog.records import Kind
from acrux.storage.database import Database, DatabaseUnavailable

MFA = "urn:example:loa:2"
JUDGED_AT = "2026-11-24T08:00:41.000000Z"


def report(decision, **more):
    """What the client reports when deciding had worked and the outcome call had not."""
    return {
        "id": decision["decision_id"],
        "client": "jira",
        "level": decision["level"],
        "decided_at": decision["decided_at"],
        "authorization_params": decision["authorization_params"],
        "accept": decision["accept"],
        "reason": "timed out",
        "facts": None,
        "verdict": "satisfied",
        "verdict_at": JUDGED_AT,
        "returned_acr": MFA,
        **more,
    }


async def decided(client, name="jira"):
    """A new decision."""
    return (await client.post("/v1/decisions", json={"client": name})).json()


async def send(client, *reports):
    """Sends reports, which are taken."""
    response = await client.post("/v1/fallbacks", json={"decisions": list(reports)})
    assert response.status_code == 200, response.text
    return response.json()["receipts"]


async def shown(client, decision):
    """The decision as it is looked up."""
    return (await client.get(f"/v1/decisions/{decision['decision_id']}")).json()


async def judged(client, decision, **returned):
    """The verdict of an outcome call."""
    at = int(NOW.timestamp())
    claims = {"iss": "https://login.example.com", "aud": "jira-sso", "sub": "u-1", "exp": at + 300, "iat": at}
    claims |= {"auth_time": at, "acr": MFA} | returned
    body = {"ticket": decision["ticket"], "claims": claims}
    return (await client.post(f"/v1/decisions/{decision['decision_id']}/outcome", json=body)).json()["verdict"]


async def test_a_reported_verdict_is_the_decisions_outcome(bed):
    """The decision has the caller's verdict, at the caller's time and marked as the caller's, here and when shipped."""
    async with bed.client() as client:
        decision = await decided(client)
        (receipt,) = await send(client, report(decision))
        found = await shown(client, decision)
        bed.ship()
        (item,) = (await client.get("/v1/decisions", params={"verdict": "satisfied"})).json()["items"]
        assert (await client.get("/v1/decisions", params={"verdict": "none"})).json()["items"] == []
    (outcome,) = found["outcomes"]
    assert (item["decision_id"], item["verdict"], item["verdict_at"]) == (
        decision["decision_id"],
        "satisfied",
        JUDGED_AT,
    )
    assert (item["returned_acr"], outcome["level"], outcome["admit"], outcome["uses_up"]) == (MFA, "mfa", True, True)
    assert (outcome["judged_by"], outcome["verdict_at"]) == ("caller", JUDGED_AT)
    assert outcome["receipt"] != receipt  # the report is a record of its own


async def test_it_uses_the_decision_up(bed):
    """After the caller's verdict nothing else admits: an outcome call is `replayed`."""
    async with bed.client() as client:
        decision = await decided(client)
        await send(client, report(decision, verdict="downgraded", returned_acr="urn:example:loa:1"))
        assert await judged(client, decision) == "replayed"
        found = await shown(client, decision)
    assert (found["verdict"], found["outcomes"][0]["level"]) == ("downgraded", "basic")


async def test_a_verdict_that_exists_stays(bed):
    """A report about a decision that has had its outcome is logged as `replayed`, and says what the caller did."""
    async with bed.client() as client:
        decision = await decided(client)
        assert await judged(client, decision, acr="urn:example:loa:1") == "downgraded"
        await send(client, report(decision))
        found = await shown(client, decision)
    assert (found["verdict"], [one["verdict"] for one in found["outcomes"]]) == (
        "downgraded",
        ["downgraded", "replayed"],
    )
    assert [one["admit"] for one in found["outcomes"]] == [False, False]
    said = [orjson.loads(one.body)["content"] for one in bed.node.find_records(decision["decision_id"])]
    assert said[-1]["reported_verdict"] == "satisfied"


async def test_what_uses_nothing_up_leaves_the_decision_open(bed):
    """`invalid` and `mismatched` are logged and leave the decision to the right claims."""
    async with bed.client() as client:
        decision = await decided(client)
        await send(client, report(decision, verdict="mismatched", verdict_at=None, returned_acr=None))
        assert (await shown(client, decision))["verdict"] == "mismatched"
        assert await judged(client, decision) == "satisfied"
        assert (await shown(client, decision))["verdict"] == "satisfied"


async def test_a_report_that_comes_again_is_the_same(bed):
    """A caller that crashed before it knew sends a report again: that is no replay, also if both come at once."""
    async with bed.client() as client:
        decision = await decided(client)
        await asyncio.gather(*(send(client, report(decision)) for _ in range(4)))
        await send(client, report(decision), report(decision))
        bed.ship()
        await send(client, report(decision))
        found = await shown(client, decision)
    assert [one["verdict"] for one in found["outcomes"]] == ["satisfied"]


@pytest.mark.parametrize(
    "more",
    [
        {"client": "intranet"},
        {"id": "0199f3c2-6f6e-7cc3-98c4-dc0c0c07398f"},
        {"id": "3d7e1c6a-2f5e-4b1c-9c55-6b0f5a0d1b7e"},
        {"id": "one of my own"},
        {"verdict": None, "verdict_at": None},
        {"facts": {"client": "jira"}},
    ],
)
async def test_only_a_verdict_on_the_clients_own_decision_counts(bed, more):
    """Another client's decision, one that is not there, the caller's own ones: the report is logged, and no outcome."""
    async with bed.client() as client:
        decision = await decided(client)
        await send(client, report(decision, **more))
        assert (await shown(client, decision))["outcomes"] == []


async def test_a_client_may_be_called_by_its_client_id(bed):
    """As in Decide; a report under the id is no report about another client."""
    async with bed.client("jira") as client:
        decision = await decided(client, "jira-sso")
        await send(client, report(decision, client="jira-sso"))
        assert (await shown(client, decision))["verdict"] == "satisfied"


async def test_a_decision_of_another_node(bed):
    """A decision that is only in the shared database is found there; while that is away nothing is logged."""
    async with bed.client() as client:
        decision = await decided(client)
        bed.ship()

    class ElsewhereNode(NodeSpools):
        def find_records(self, decision_id):
            del decision_id
            return ()

    elsewhere = ElsewhereNode(bed.directory)
    bed.replace(node=elsewhere)
    async with bed.client() as client:
        await send(client, report(decision))

    class AwayDatabase(Database):
        def read(self, work):
            raise DatabaseUnavailable("away")

    before = bed.writer.committed_count
    away = AwayDatabase(f"sqlite:///{bed.directory}/acrux.db")
    bed.replace(database=away)
    async with bed.client() as client:
        refused = await client.post("/v1/fallbacks", json={"decisions": [report(decision)]})
    assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
    assert bed.writer.committed_count == before
    away.close()
    elsewhere.close()
    bed.replace(database=bed.database, node=bed.node)
    bed.ship()
    async with bed.client() as client:
        assert (await shown(client, decision))["verdict"] == "satisfied"


async def test_a_spool_that_cannot_be_read(bed):
    """Where nobody knows what the decision is, the report must come again."""
    async with bed.client() as client:
        decision = await decided(client)

    class BrokenNode(NodeSpools):
        def find_records(self, decision_id):
            raise LogUnavailable(decision_id)

    bed.replace(node=BrokenNode(bed.directory))
    async with bed.client() as client:
        refused = await client.post("/v1/fallbacks", json={"decisions": [report(decision)]})
    assert (refused.status_code, refused.json()["code"]) == (503, "log_unavailable")


async def test_the_level_where_the_set_says_nothing_of_it(bed):
    """Without a set the level that was reached is not known; the report is logged all the same."""
    async with bed.client() as client:
        first, second = await decided(client), await decided(client)
        held, bed.holder.active = bed.holder.active, None
        await send(client, report(first))  # the set that decided is still held
        bed.holder._held.clear()
        await send(client, report(second))
        bed.holder.active = held
        assert [(await shown(client, one))["outcomes"][0]["level"] for one in (first, second)] == ["mfa", None]


async def test_records_of_before_have_been_judged_here(bed):
    """An outcome that does not say who judged it was judged by Acrux, at the time of its recording."""
    async with bed.client() as client:
        decision = await decided(client)
        assert await judged(client, decision) == "satisfied"
    (record,) = [one for one in bed.node.find_records(decision["decision_id"]) if one.kind == Kind.OUTCOME]
    content = orjson.loads(record.body)["content"]
    assert (content["judged_by"], content["judged_at_us"], content["reported_verdict"]) == ("acrux", None, None)
