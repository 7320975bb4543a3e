"""What callers decided in an outage, for auditors: listed beside what Acrux decided, and found by its id."""

import pytest
from http_bed import NOW

from acrux.domain.facts import format_timestamp

MFA, REVISION = "urn:example:loa:2", "sha256:" + "0" * 64
IDS = [f"5f1c4a52-0f5b-4c6e-9f0d-00000000000{number}" for number in range(9)]


def made(number=0, **more):
    """The report of a decision that a caller made."""
    return {
        "id": IDS[number],
        "client": "jira-sso",
        "level": "mfa",
        "policy_revision": REVISION,
        "decided_at": f"2026-11-24T07:3{number}:00Z",
        "authorization_params": {"acr_values": MFA},
        "accept": {"claim": "acr", "values": [MFA], "max_age_seconds": None},
        "reason": "timed out",
        "facts": {
            "client": {"id": "jira"},
            "app": {"id": "mobile"},
            "network": {"ip": "203.0.113.9"},
            "user": {"id": "u-1"},
            "correlation_id": "c-1",
        },
        **more,
    }


def judged(number=0, verdict="satisfied", **more):
    """The report of the verdict on it."""
    return made(number, facts=None, verdict=verdict, verdict_at="2026-11-24T07:45:00Z", returned_acr=MFA, **more)


async def send(bed, *reports):
    """Sends and ships reports."""
    async with bed.client() as client:
        response = await client.post("/v1/fallbacks", json={"decisions": list(reports)})
    assert response.status_code == 200, response.text
    bed.ship()
    return response.json()["receipts"]


async def listed(bed, **query):
    """The ids of a listing, page by page."""
    ids, cursor = [], {}
    async with bed.client("auditor") as client:
        while True:
            page = (await client.get("/v1/decisions", params={"limit": 2, **query, **cursor})).json()
            ids += [item["decision_id"] for item in page["items"]]
            if page["next_cursor"] is None:
                return ids
            cursor = {"cursor": page["next_cursor"]}


async def looked_up(bed, decision_id, who="auditor"):
    """The answer of `GET /v1/decisions/{id}`."""
    async with bed.client(who) as client:
        return await client.get(f"/v1/decisions/{decision_id}")


async def test_it_is_found_by_its_id(bed):
    """The id that the user's page shows finds the decision, its facts and what came of it, before it is shipped too."""
    async with bed.client("jira") as client:
        await client.post("/v1/fallbacks", json={"decisions": [made(), judged()]})
    for _ in range(2):
        found = (await looked_up(bed, IDS[0])).json()
        assert (found["kind"], found["outcome"], found["level"], found["reason"]) == (
            "fallback",
            "step_up",
            "mfa",
            "timed out",
        )
        assert (found["client"], found["app"], found["zones"]) == ("jira", "mobile", ["office"])
        assert found["facts"]["user.id"] == "u-1"
        assert found["decided_at"] == "2026-11-24T07:30:00.000000Z"
        assert (found["expires_at"], found["policy_revision"], found["correlation_id"]) == (None, REVISION, "c-1")
        assert (found["verdict"], found["verdict_at"], found["returned_acr"]) == (
            "satisfied",
            "2026-11-24T07:45:00.000000Z",
            MFA,
        )
        (outcome,) = found["outcomes"]
        assert (outcome["judged_by"], outcome["admit"], outcome["level"]) == ("caller", True, "mfa")
        assert (found["effects"], found["rules_as_decided"]) == ([], [])
        bed.ship()


async def test_it_is_its_clients(bed):
    """Another client's token does not find it, and its own does not see what is sealed; a verdict alone is none."""
    await send(bed, made(), judged(1))
    assert (await looked_up(bed, IDS[0], "intranet")).status_code == 404
    own = (await looked_up(bed, IDS[0], "jira")).json()
    assert "user.id" not in own["facts"]
    assert (await looked_up(bed, IDS[1])).status_code == 404


async def test_the_listing_holds_both(bed):
    """Decisions of Acrux and of callers are in one listing, in the order of their times; `kind` tells and filters."""
    async with bed.client() as client:
        first = (await client.post("/v1/decisions", json={"client": "jira"})).json()["decision_id"]
    await send(bed, made(0), judged(0), made(1), made(2, decided_at="2026-11-24T09:00:00Z"))
    everything = [IDS[2], first, IDS[1], IDS[0]]
    assert sorted((await listed(bed))[:2]) == sorted(everything[:2])
    assert (await listed(bed))[2:] == everything[2:]
    assert await listed(bed, kind="decision") == await listed(bed, kind="!fallback") == [first]
    assert await listed(bed, kind="fallback") == await listed(bed, kind="!decision") == [IDS[2], IDS[1], IDS[0]]
    async with bed.client("auditor") as client:
        wrong = await client.get("/v1/decisions", params={"kind": "unbound"})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/query/kind")


async def test_filters(bed):
    """Each filter narrows callers' decisions as it does Acrux's; rules and report mode had no part in them."""
    other = {"client": "intranet", "level": "deny", "accept": None, "authorization_params": {}}
    await send(
        bed,
        made(0),
        judged(0),
        made(1, **other, facts={"client": "intranet"}),
        made(2, policy_revision=None, facts={"client": "jira", "network": {"ip": "198.51.100.9"}}),
        judged(2, "downgraded", policy_revision=None),
        made(3, verdict="missing", verdict_at="2026-11-24T07:45:00Z"),
    )
    for query, numbers in (
        ({"client": "jira"}, [3, 2, 0]),
        ({"client": "!jira"}, [1]),
        ({"level": "deny"}, [1]),
        ({"level": "!deny"}, [3, 2, 0]),
        ({"app": "mobile"}, [3, 0]),
        ({"user": "u-1"}, [3, 0]),
        ({"zone": "office"}, [3, 0]),
        ({"zone": "!office", "client": "jira"}, [2]),
        ({"revision": REVISION}, [3, 1, 0]),
        ({"verdict": "satisfied"}, [0]),
        ({"verdict": "downgraded"}, [2]),
        ({"verdict": "missing"}, [3]),
        ({"verdict": "none"}, [1]),
        ({"verdict": "!none"}, [3, 2, 0]),
        ({"rule": "atlassian-sso"}, []),
        ({"rule": "!atlassian-sso"}, [3, 2, 1, 0]),
        ({"shadow_differs": "true"}, []),
        ({"shadow_differs": "false"}, [3, 2, 1, 0]),
        ({"from": "2026-11-24T07:31:00Z", "to": "2026-11-24T07:33:00Z"}, [2, 1]),
    ):
        assert await listed(bed, **query) == [IDS[number] for number in numbers], query


async def test_the_first_verdict_that_uses_it_up_counts(bed):
    """A caller that reports a replay too does not hide what came first; another client's report says nothing of it."""
    await send(bed, made(), judged(), judged(0, "replayed"), judged(0, "missing", client="intranet"))
    found = (await looked_up(bed, IDS[0])).json()
    assert (found["verdict"], [one["verdict"] for one in found["outcomes"]]) == ("satisfied", ["satisfied", "replayed"])
    assert await listed(bed, verdict="missing") == []


async def test_outcomes(bed):
    """What a caller's decision came to is said in Acrux's words."""
    nothing = {"accept": {"claim": "acr", "values": [], "max_age_seconds": None}, "authorization_params": {}}
    await send(bed, made(0), made(1, **nothing), made(2, accept=None, level="deny", authorization_params={}))
    assert [(await looked_up(bed, IDS[number])).json()["outcome"] for number in range(3)] == [
        "step_up",
        "baseline",
        "deny",
    ]


async def test_a_clock_that_is_ahead(bed):
    """A caller's clock does not put a decision before everybody else's for years, or before time began."""
    await send(bed, made(0, decided_at="2099-01-01T00:00:00Z"), made(1, decided_at="1900-01-01T00:00:00Z"))
    assert (await looked_up(bed, IDS[0])).json()["decided_at"] == format_timestamp(NOW)
    assert await listed(bed) == [IDS[0], IDS[1]]


@pytest.mark.parametrize("without", ["policy", "declared"])
async def test_facts_that_the_set_does_not_know(bed, without):
    """A report that the active set can make nothing of is logged all the same, and its user is found."""
    facts = {"client": "jira", "user": {"id": "u-1"}, "attributes": {"colour": "red"}}
    if without == "policy":
        bed.holder.active = None
    await send(bed, made(0, client="jira", facts=facts))
    found = (await looked_up(bed, IDS[0])).json()
    assert found["client"] == "jira"
    assert await listed(bed, user="u-1") == [IDS[0]]


async def test_acrux_own_decisions_are_no_fallbacks(bed):
    """A verdict that a caller came to on a decision of Acrux's is that decision's outcome, and listed as such."""
    async with bed.client() as client:
        decision = (await client.post("/v1/decisions", json={"client": "jira"})).json()
    members = ("decided_at", "authorization_params", "accept", "level")
    said = judged(0, "satisfied", **{name: decision[name] for name in members}, policy_revision=None)
    await send(bed, said | {"id": decision["decision_id"]})
    assert await listed(bed) == [decision["decision_id"]]
    found = (await looked_up(bed, decision["decision_id"])).json()
    assert (found["kind"], [one["judged_by"] for one in found["outcomes"]]) == ("decision", ["caller"])
