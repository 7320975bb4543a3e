"""`POST /v1/decisions/{id}/outcome`: the verdict of http-api.md's table, once."""

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest
from http_bed import NOW, POLICY, Bed

from acrux.decisionlog.errors import LockTimeout, LogUnavailable
from acrux.decisionlog.node import NodeSpools
from acrux.decisionlog.records import Kind
from acrux.http.single_use import Use
from acrux.oidc.jwks import KeysUnavailableError
from acrux.oidc.tickets import sha256_base64url
from acrux.storage import consumptions
from acrux.storage.database import Database, DatabaseUnavailable

MFA = "urn:example:loa:2"
PHR = "urn:example:loa:3"


def claims(**more):
    """The claims of a good login at jira."""
    at = int(NOW.timestamp())
    found = {
        "iss": "https://login.example.com",
        "aud": "jira-sso",
        "sub": "u-1",
        "exp": at + 300,
        "iat": at,
        "auth_time": at,
        "acr": MFA,
    }
    return {name: value for name, value in (found | more).items() if value is not None}


async def decided(client, **more):
    """A new decision."""
    response = await client.post("/v1/decisions", json={"client": "jira", **more})
    assert response.status_code == 200
    return response.json()


async def close(client, decision, returned, **more):
    """Closes the loop of a decision."""
    return await client.post(
        f"/v1/decisions/{decision['decision_id']}/outcome",
        json={"ticket": decision["ticket"], "claims": returned},
        **more,
    )


async def test_a_good_login_is_admitted_once(bed):
    """`satisfied` admits and uses the decision up; the same again is `replayed`."""
    async with bed.client() as client:
        decision = await decided(client)
        first = (await close(client, decision, claims())).json()
        second = (await close(client, decision, claims())).json()
    assert list(first) == ["verdict", "admit", "level", "decision_id", "retry", "receipt"]
    assert (first["verdict"], first["admit"], first["level"], first["retry"]) == ("satisfied", True, "mfa", None)
    assert (second["verdict"], second["admit"]) == ("replayed", False)
    outcome = bed.node.find_outcome(decision["decision_id"])
    assert outcome.receipt.leaf_hash == first["receipt"]["leaf_hash"]


@pytest.mark.parametrize(
    ("returned", "verdict"),
    [
        ({"acr": "urn:example:loa:1"}, "downgraded"),
        ({"acr": None}, "missing"),
        ({"acr": PHR}, "satisfied"),
        ({"auth_time": None}, "stale"),
        ({"auth_time": int(NOW.timestamp()) - 28_900}, "stale"),
        ({"iss": "https://evil.example.com"}, "mismatched"),
        ({"aud": "intranet"}, "mismatched"),
        ({"iat": int(NOW.timestamp()) - 100}, "mismatched"),
        ({"exp": int(NOW.timestamp()) - 100}, "invalid"),
        ({"sub": None}, "invalid"),
        ({"auth_time": 1e300}, "stale"),
        ({"auth_time": 10**18}, "stale"),
    ],
)
async def test_the_table(bed, returned, verdict):
    """Each row of the table, from claims that the caller has verified."""
    async with bed.client("jira") as client:
        decision = await decided(client)
        answer = (await close(client, decision, claims(**returned))).json()
    assert answer["verdict"] == verdict
    assert answer["admit"] is (verdict == "satisfied")
    assert (bed.node.find_outcome(decision["decision_id"]) is not None) is (verdict not in {"invalid", "mismatched"})


async def test_nonce_and_user_are_compared(bed):
    """A nonce hash and a `user.id` that were sent bind the login."""
    async with bed.client() as client:
        decision = await decided(client, nonce_sha256=sha256_base64url("n"), user={"id": "u-1"})
        assert (await close(client, decision, claims())).json()["verdict"] == "mismatched"
        assert (await close(client, decision, claims(nonce="n", sub="u-2"))).json()["verdict"] == "mismatched"
        assert (await close(client, decision, claims(nonce="n"))).json()["verdict"] == "satisfied"


async def test_expired_and_denied(bed):
    """After `expires_at` it is `expired`; a `deny` is `denied`, however often it is asked for."""
    async with bed.client() as client:
        decision = await decided(client)
        bed.clock.at += timedelta(seconds=601)
        late = claims(exp=int(bed.clock.at.timestamp()) + 60)
        assert (await close(client, decision, late)).json()["verdict"] == "expired"
        bed.clock.at = NOW
        denied = (await client.post("/v1/decisions", json={"client": "forbidden"})).json()
        returned = claims(aud="forbidden")
        verdicts = [(await close(client, denied, returned)).json()["verdict"] for _ in range(2)]
    assert verdicts == ["denied", "denied"]
    records = [record for record in bed.node.find_records(denied["decision_id"]) if record.kind == Kind.OUTCOME]
    assert [record.uses_up for record in records] == [True, False]


async def test_a_ticket_opens_its_own_decision_only(bed):
    """Another decision's ticket, or no ticket at all: `invalid`, and nothing is used up."""
    async with bed.client("jira") as client:
        one, other = await decided(client), await decided(client)
        swapped = {**one, "ticket": other["ticket"]}
        assert (await close(client, swapped, claims())).json()["verdict"] == "invalid"
        assert (await close(client, {**one, "ticket": "made-up"}, claims())).json()["verdict"] == "invalid"
        assert (await close(client, one, claims())).json()["verdict"] == "satisfied"
    async with bed.client() as client:
        assert (await close(client, {**one, "ticket": "made-up"}, claims())).json()["verdict"] == "invalid"


async def test_another_client_s_decision_is_not_found(bed):
    """A token that is bound to other clients learns nothing: 404."""
    async with bed.client("jira") as client:
        decision = await decided(client)
    async with bed.client("intranet") as client:
        response = await close(client, decision, claims())
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_id_tokens_are_verified_here(bed):
    """What is no ID token is `invalid`; keys that can't be had are a 503 that uses nothing up."""
    async with bed.client() as client:
        decision = await decided(client)
        path = f"/v1/decisions/{decision['decision_id']}/outcome"
        no_token = await client.post(path, json={"ticket": decision["ticket"], "id_token": "no.token.here"})
        bed.replace(verifier=_Verifier())
    async with bed.client() as client:
        keyless = await client.post(path, json={"ticket": decision["ticket"], "id_token": "a.b.c"})
        good = await close(client, decision, claims())
    assert no_token.json()["verdict"] == "invalid"
    assert (keyless.status_code, keyless.json()["code"]) == (503, "keys_unavailable")
    assert good.json()["verdict"] == "satisfied"


@pytest.mark.parametrize("id_token", ["a.b.c\n", "\x00", "e30.e30.\x7f", "\u00e9"])
async def test_characters_of_no_token(bed, id_token):
    """Whatever a provider put where its token should be: the log has the verdict."""
    async with bed.client() as client:
        decision = await decided(client)
        path = f"/v1/decisions/{decision['decision_id']}/outcome"
        response = await client.post(path, json={"ticket": decision["ticket"], "id_token": id_token})
        assert (response.status_code, response.json()["verdict"]) == (200, "invalid")


async def test_a_provider_that_is_gone_verifies_nothing(bed):
    """Without the provider no signature can be checked: nobody is admitted."""
    async with bed.client() as client:
        decision = await decided(client)
        ticket = bed.services.tickets.open(decision["ticket"])
        gone = bed.services.tickets.seal(replace(ticket, provider=None))
        path = f"/v1/decisions/{decision['decision_id']}/outcome"
        response = await client.post(path, json={"ticket": gone, "id_token": "a.b.c"})
        by_claims = await client.post(path, json={"ticket": gone, "claims": claims()})
    assert response.json()["verdict"] == "invalid"
    assert by_claims.json()["verdict"] == "mismatched"


@pytest.mark.parametrize(
    ("content", "status", "pointer"),
    [
        (b"{", 400, None),
        (b'{"ticket": "t", "ticket": "t", "claims": {}}', 400, None),
        (b'{"ticket": "t", "claims": {"exp": NaN}}', 400, None),
        (b'{"ticket": "t", "claims": ' + b"[" * 50_000, 400, None),
        (b'{"ticket": "t", "claims": {"exp": ' + b"9" * 5_000 + b"}}", 400, None),
        (b"\xff", 400, None),
        (b'{"ticket": "t"}', 422, "/id_token"),
        (b'{"ticket": "t", "id_token": "a", "claims": {}}', 422, "/id_token"),
        (b'{"ticket": 1, "claims": {}}', 422, "/ticket"),
        (b'{"ticket": "t", "claims": []}', 422, "/claims"),
        (b'{"ticket": "t", "claims": {"a": "\\u0000"}}', 422, "/claims/a"),
        (b'{"ticket": "t", "claims": {"a": "\\ud800"}}', 422, "/claims/a"),
        (b"[]", 422, ""),
    ],
)
async def test_bodies_are_read_strictly(bed, content, status, pointer):
    """Whatever is sent, it is a verdict or a 4xx that names the field."""
    async with bed.client() as client:
        response = await client.post(
            "/v1/decisions/0199f3c2-6f6e-7cc3-98c4-dc0c0c07398f/outcome",
            content=content,
            headers={"Content-Type": "application/json"},
        )
    assert response.status_code == status
    if pointer is not None:
        assert response.json()["errors"][0]["pointer"] == pointer


async def test_an_id_that_is_none_is_a_wrong_field(bed):
    """A path that can be no decision is refused before anything is read."""
    async with bed.client() as client:
        response = await client.post("/v1/decisions/a%00b/outcome", json={})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/path/decision_id")


async def test_a_retry_with_its_key_has_the_first_verdict(bed):
    """A retry of the call is no replay of the login: with its key, the same answer; another body is a conflict."""
    key = {"Idempotency-Key": "k-1"}
    async with bed.client() as client:
        decision = await decided(client)
        first = await close(client, decision, claims(), headers=key)
        again = await close(client, decision, claims(), headers=key)
        conflict = await close(client, decision, claims(acr=PHR), headers=key)
        replay = await close(client, decision, claims(), headers={"Idempotency-Key": "k-2"})
    assert first.content == again.content
    assert conflict.status_code == 409
    assert replay.json()["verdict"] == "replayed"


async def test_only_one_of_many_is_admitted(bed):
    """Twenty calls at one moment: one `satisfied`."""
    async with bed.client() as client:
        decision = await decided(client)
        answers = await asyncio.gather(*(close(client, decision, claims()) for _ in range(20)))
    assert sorted(answer.json()["verdict"] for answer in answers) == ["replayed"] * 19 + ["satisfied"]


async def test_single_use_holds_on_every_node(bed, tmp_path):
    """Another node finds the decision used up, before anything is shipped."""
    async with bed.client() as client:
        decision = await decided(client)
        assert (await close(client, decision, claims())).json()["verdict"] == "satisfied"
    other = Bed(tmp_path / "other")
    other.replace(database=bed.database)
    async with other.client() as client:
        verdict = (await close(client, decision, claims())).json()["verdict"]
    other.close()
    assert verdict == "replayed"


async def test_who_claimed_and_died_may_claim_again(bed, tmp_path):
    """A worker that died between claim and record leaves the retry with its key its due; nobody else."""
    async with bed.client() as client:
        decision = await decided(client)
    use = Use(decision["decision_id"], b"k" * 32, "first", False, bed.services, bed.app._api.state.shared)
    assert await use.claim()
    again = Use(decision["decision_id"], b"k" * 32, "second", False, bed.services, bed.app._api.state.shared)
    assert await again.claim()
    for claimant in (None, b"x" * 32):
        other = Use(decision["decision_id"], claimant, "third", False, bed.services, bed.app._api.state.shared)
        assert not await other.claim()
        assert not await other.claim()


@pytest.mark.parametrize(("durability", "verdict"), [("spool", "satisfied"), ("database", "replayed")])
async def test_what_could_not_be_logged_has_used_nothing_up(bed, durability, verdict):
    """A disk that fills between claim and record costs a 503 and not the login; what only is not shipped yet stands."""
    bed.replace(settings=replace(bed.settings, durability=durability))
    async with bed.client() as client:
        decision = await decided(client)

    class Full:
        available = True
        stream = bed.writer.stream

        async def append(self, entry):
            raise LogUnavailable(f"no space for {entry.kind}")

    bed.replace(log=Full())
    async with bed.client() as client:
        refused = await close(client, decision, claims())
    assert (refused.status_code, refused.json()["code"]) == (503, "log_unavailable")
    bed.replace(log=bed.writer)
    async with bed.client() as client:
        assert (await close(client, decision, claims())).json()["verdict"] == verdict


async def test_a_claim_that_is_recorded_is_not_given_back(bed):
    """Giving a claim back never frees a decision whose outcome is in the log."""
    async with bed.client() as client:
        decision = await decided(client)
        await close(client, decision, claims())
        bed.ship()
    (outcome_id, _) = bed.database.read(lambda transaction: consumptions.find(transaction, decision["decision_id"]))
    bed.database.write(
        lambda transaction: consumptions.release(
            transaction, decision_id=decision["decision_id"], outcome_id=outcome_id
        )
    )
    assert bed.database.read(lambda transaction: consumptions.find(transaction, decision["decision_id"])) is not None


async def test_without_the_database_single_use_holds_on_this_node(bed, monkeypatch):
    """While the database is away judging goes on, and a second use on this node is still found."""

    def away(self, work):
        raise DatabaseUnavailable("away")

    monkeypatch.setattr(Database, "write", away)
    async with bed.client() as client:
        decision = await decided(client)
        verdicts = [(await close(client, decision, claims())).json()["verdict"] for _ in range(2)]
    assert verdicts == ["satisfied", "replayed"]


async def test_what_can_t_be_logged_is_not_used_up(bed):
    """A log that is known to be broken is found before the decision is claimed."""
    async with bed.client() as client:
        decision = await decided(client)
    whole = bed.services
    bed.replace(log=_BrokenLog())
    async with bed.client() as client:
        response = await close(client, decision, claims())
    assert (response.status_code, response.json()["code"]) == (503, "log_unavailable")
    bed.use(whole)
    async with bed.client() as client:
        assert (await close(client, decision, claims())).json()["verdict"] == "satisfied"


@pytest.mark.parametrize("failure", [LockTimeout("held"), LogUnavailable("torn"), OSError("disk")])
async def test_a_use_that_can_t_be_looked_up_admits_nobody(bed, monkeypatch, failure):
    """Whether the decision was used must be known before anybody is admitted."""
    async with bed.client() as client:
        decision = await decided(client)

        def broken(self, *_, **__):
            raise failure

        monkeypatch.setattr(NodeSpools, "find_outcome", broken)
        response = await close(client, decision, claims())
    assert (response.status_code, response.json()["code"]) == (503, "log_unavailable")


async def test_verified_users_are_decided_again(bed):
    """The groups of the ID token count: too little is `insufficient`, and `retry` is a whole new answer of Decide."""
    async with bed.client("jira") as client:
        decision = await decided(client)
        answer = (await close(client, decision, claims(groups=["finance"]))).json()
        retry = answer["retry"]
        assert (answer["verdict"], answer["admit"], answer["level"]) == ("insufficient", False, "mfa")
        assert retry["decision_id"] != decision["decision_id"]
        assert retry["authorization_params"]["acr_values"] == PHR
        assert list(retry) == list(decision)
        assert bed.services.tickets.open(retry["ticket"]).level == "phishing-resistant"
        second = (await close(client, retry, claims(groups=["finance"], acr=PHR))).json()
    assert (second["verdict"], second["admit"]) == ("satisfied", True)
    (first_outcome,) = [r for r in bed.node.find_records(decision["decision_id"]) if r.kind == Kind.OUTCOME]
    logged = orjson.loads(first_outcome.body)["content"]["retry"]
    assert logged["decision_id"] == retry["decision_id"]
    assert "ticket" not in logged


@pytest.mark.parametrize(
    ("returned", "verdict"),
    [
        ({"groups": ["finance"], "acr": PHR}, "satisfied"),
        ({"groups": ["finance"], "acr": PHR, "auth_time": int(NOW.timestamp()) - 2_000}, "insufficient"),
        ({"groups": ["design"]}, "satisfied"),
        ({"groups": ["banned"], "acr": PHR}, "insufficient"),
    ],
)
async def test_enough_is_what_the_new_decision_would_accept(bed, returned, verdict):
    """Level and age of the login are held against the new decision; a `deny` is never enough."""
    banned = b"""
  - id: banned-group
    description: Banned.
    owner: iam@example.com
    when: client.id == "jira" && "user.groups" in known && "banned" in user.groups
    require: deny
"""
    bed.load({"policy.yaml": POLICY["policy.yaml"] + banned})
    async with bed.client() as client:
        decision = await decided(client)
        answer = (await close(client, decision, claims(**returned))).json()
    assert answer["verdict"] == verdict
    if "banned" in returned["groups"]:
        assert answer["retry"]["outcome"] == "deny"


async def test_facts_that_do_not_fit_come_from_the_log(bed):
    """A ticket that had no room for the facts has them read from the record, here or from the database."""
    rule = b"""
  - id: many-groups
    description: Everybody of one group, from outside the office.
    owner: iam@example.com
    when: client.id == "jira" && "user.groups" in known && "finance" in user.groups && "device.user_agent" in known
    require: phishing-resistant
"""
    bed.load({"policy.yaml": POLICY["policy.yaml"] + rule})
    agent = "".join(hashlib.sha256(str(number).encode()).hexdigest() for number in range(16))
    groups = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(60)]
    async with bed.client() as client:
        decision = await decided(client, device={"user_agent": agent}, user={"groups": groups})
        assert bed.services.tickets.open(decision["ticket"]).facts_in_log
        answer = (await close(client, decision, claims(groups=["finance"]))).json()
        assert answer["verdict"] == "insufficient"
        bed.ship()
        shipped = await decided(client, device={"user_agent": agent}, user={"groups": groups})
    bed.ship()
    other = Bed(bed.directory / "other")
    other.replace(database=bed.database)
    other.holder.swap(bed.holder.active, NOW)
    async with other.client() as client:
        answer = (await close(client, shipped, claims(groups=["finance"]))).json()
        unshipped = bed.services.tickets.seal(
            replace(bed.services.tickets.open(shipped["ticket"]), decision_id="0199f3c2-6f6e-7cc3-98c4-dc0c0c07398f")
        )
        away = await close(
            client,
            {"decision_id": "0199f3c2-6f6e-7cc3-98c4-dc0c0c07398f", "ticket": unshipped},
            claims(groups=["finance"]),
        )
    other.close()
    assert answer["verdict"] == "insufficient"
    assert (away.status_code, away.json()["code"]) == (503, "database_unavailable")


class _Verifier:
    async def verify(self, id_token, provider):
        raise KeysUnavailableError("away")


class _BrokenLog:
    available = False
    stream = "broken"
