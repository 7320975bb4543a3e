"""Deciding again after the login: what is kept, what is read back, what is enough."""

import hashlib
from dataclasses import replace

import orjson
import pytest
from http_bed import POLICY
from test_outcome import claims, close, decided

from acrux.decisionlog.errors import LogUnavailable
from acrux.decisionlog.node import NodeSpools
from acrux.decisionlog.sealing import Keyring


async def test_a_client_without_rules_on_users_is_not_decided_again(bed):
    """Where no rule reads `user.*`, the ticket keeps no facts, and the verified groups change nothing."""
    async with bed.client() as client:
        decision = (await client.post("/v1/decisions", json={"client": "intranet"})).json()
        assert bed.services.tickets.open(decision["ticket"]).facts == {}
        answer = (await close(client, decision, claims(aud="intranet", groups=["finance"], acr=None))).json()
    assert (answer["verdict"], answer["admit"]) == ("satisfied", True)


async def test_without_limits_age_does_not_matter(bed):
    """A ladder without `max_age` asks for no `auth_time`, the second time either."""
    ladderless = POLICY["policy.yaml"].replace(b"  - {level: mfa, max_age: 12h}\n", b"  - mfa\n")
    ladderless = ladderless.replace(b"{level: phishing-resistant, max_age: 15m}", b"phishing-resistant")
    bed.load({"policy.yaml": ladderless.replace(b"    max_age: 8h\n", b"")})
    async with bed.client() as client:
        decision = await decided(client)
        returned = claims(auth_time=None, groups=["finance"], acr="urn:example:loa:3")
        assert (await close(client, decision, returned)).json()["verdict"] == "satisfied"


async def test_kept_facts_of_another_type_are_absent(bed):
    """A fact that the set now declares as another type is absent to it, not a defect."""
    async with bed.client() as client:
        decision = await decided(client)
        ticket = bed.services.tickets.open(decision["ticket"])
        odd = bed.services.tickets.seal(replace(ticket, facts={"user.groups": 5, "attr.gone": 1}))
        answer = await close(client, {**decision, "ticket": odd}, claims())
    assert answer.json()["verdict"] == "satisfied"


async def test_a_record_that_can_t_be_read_admits_nobody(bed, monkeypatch):
    """Facts that are only in the log and can't be read: 503, since going on without them could lower what is needed."""
    async with bed.client() as client:
        decision = await decided(client)
        plain = (await client.post("/v1/decisions", json={"client": "jira", "browser": {"id": "b"}})).json()
        ticket = bed.services.tickets.open(plain["ticket"])
        emptied = bed.services.tickets.seal(replace(ticket, facts={}, facts_in_log=True))
        foreign = Keyring(hashlib.sha256(b"another service").digest())
        with monkeypatch.context() as patch:
            patch.setattr(bed.services.keyring.__class__, "records", lambda self, stream: foreign.sealer(stream))
            sealed = await close(client, {**plain, "ticket": emptied}, claims())
        mended = await close(client, {**plain, "ticket": emptied}, claims())

        def torn(self, decision_id):
            raise LogUnavailable("torn")

        ticket = bed.services.tickets.open(decision["ticket"])
        emptied = bed.services.tickets.seal(replace(ticket, facts={}, facts_in_log=True))
        good = await close(client, {**decision, "ticket": emptied}, claims())
        monkeypatch.setattr(NodeSpools, "find_outcome", lambda self, decision_id: None)
        monkeypatch.setattr(NodeSpools, "find_records", torn)
        third = await decided(client)
        ticket = bed.services.tickets.open(third["ticket"])
        emptied = bed.services.tickets.seal(replace(ticket, facts={}, facts_in_log=True))
        unread = await close(client, {**third, "ticket": emptied}, claims())
    for response in (sealed, unread):
        assert (response.status_code, response.json()["code"]) == (503, "log_unavailable")
    assert orjson.loads(good.content)["verdict"] == "satisfied"
    assert mended.json()["verdict"] == "satisfied", "nothing was used up"


@pytest.mark.parametrize("age", [8 * 3600 - 30, 8 * 3600 + 50])
async def test_the_same_skew_applies_twice(bed, age):
    """60 seconds of skew are allowed the second time as well."""
    async with bed.client() as client:
        decision = await decided(client)
        at = int(bed.clock.at.timestamp()) - age
        assert (await close(client, decision, claims(auth_time=at))).json()["verdict"] == "satisfied"
