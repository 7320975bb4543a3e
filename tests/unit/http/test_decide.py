"""`POST /v1/decisions`: the one route that every login waits for."""

import orjson

BODY = {"client": {"id": "jira"}, "network": {"ip": "198.51.100.9"}, "correlation_id": "a7c1"}


async def test_a_decision_is_answered_as_documented(bed):
    """The answer has exactly the members of http-api.md, nulls included, and its record is in the spool."""
    async with bed.client() as client:
        response = await client.post("/v1/decisions", json=BODY)
    assert response.status_code == 200
    answer = response.json()
    assert list(answer) == [
        "decision_id", "outcome", "level", "authorization_params", "accept", "rules", "reason", "requested_level",
        "shadow_level", "policy_revision", "decided_at", "expires_at", "ticket", "receipt",
    ]  # fmt: skip
    print(answer)
    (record,) = bed.node.find_records(answer["decision_id"])
    assert orjson.loads(record.body)["content"]["correlation_id"] == "a7c1"
