"""What the clients do with each answer: the same laws for the blocking and the asynchronous one."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from client_bed import LOA2, TOKEN, claims, decided, verdict

from acrux.client import (
    AcruxClient,
    AcruxError,
    AsyncAcruxClient,
    RequestRefusedError,
    UnavailableError,
    UnexpectedAnswerError,
    VerdictName,
)
from acrux.client.answers import decision_from_state, decision_to_state
from acrux.client.errors import WrongField

WRONG = [
    ("decide", httpx.Response(200, content=b"<html>")),
    ("decide", httpx.Response(200, json=[])),
    ("decide", {}),
    ("decide", decided(outcome="maybe")),
    ("decide", decided(authorization_params={"max_age": 5})),
    ("decide", decided(authorization_params=None)),
    ("decide", decided(accept=[])),
    ("decide", decided(accept={"claim": "acr", "values": [5], "max_age_seconds": None})),
    ("decide", decided(accept={"claim": "acr", "values": [], "max_age_seconds": True})),
    ("decide", decided(expires_at="soon")),
    ("decide", decided(decided_at="2026-11-24T08:00:00")),
    ("decide", decided(rules="all")),
    ("decide", httpx.Response(302, headers={"Location": "https://elsewhere.example.com"})),
    ("decide", httpx.Response(500)),
    ("decide", httpx.Response(201, json=decided())),
    ("decide", httpx.DecodingError("not gzip")),
    ("outcome", verdict("fine")),
    ("outcome", verdict(decision_id="another")),
    ("outcome", verdict("insufficient", retry={})),
]


async def test_decide(client, service) -> None:
    """A decision is what the answer says, with what was sent of nonce and user."""
    found = await client("decide", ip="198.51.100.9", nonce="n", user_id="u", user_groups=("a",), managed=False)
    assert (found.id, found.client, found.outcome, found.level) == (decided()["decision_id"], "jira", "step_up", "mfa")
    assert found.authorization_params == {"acr_values": LOA2}
    assert (found.accept.claim, found.accept.values, found.accept.max_age_seconds) == ("acr", (LOA2,), None)
    assert (found.rules, found.ticket, found.receipt["sequence"]) == (("atlassian-sso",), "t", 1)
    assert found.user_id == "u"
    assert not found.denied
    assert not found.fallback
    ((_, body, headers),) = service.calls
    assert body == {
        "client": {"id": "jira"},
        "network": {"ip": "198.51.100.9"},
        "user": {"id": "u", "groups": ["a"]},
        "device": {"managed": False},
        "nonce_sha256": found.nonce_sha256,
    }
    assert headers["authorization"] == "Bearer acrux_t"
    assert headers["idempotency-key"]


async def test_all_facts(client, service) -> None:
    """Each fact has its place in the body; what is empty or None is absent."""
    await client(
        "decide", client="wiki", app="mobile", user_domain="example.com", platform="ios", user_agent="UA",
        browser_id="b", session_level="basic", session_age_seconds=5, acr_values=["a"], scopes=["openid"],
        prompt="login", max_age_seconds=0, claims={"id_token": {"acr": None}}, attributes={"risk": 1.5},
        correlation_id="c", ip=None,
    )  # fmt: skip
    assert service.calls[0][1] == {
        "client": {"id": "wiki"},
        "app": {"id": "mobile"},
        "user": {"domain": "example.com"},
        "device": {"platform": "ios", "user_agent": "UA"},
        "browser": {"id": "b"},
        "session": {"level": "basic", "age_seconds": 5},
        "request": {
            "acr_values": ["a"],
            "scopes": ["openid"],
            "prompt": "login",
            "max_age": 0,
            "claims": {"id_token": {"acr": None}},
        },
        "attributes": {"risk": 1.5},
        "correlation_id": "c",
    }


async def test_facts_have_json_types(client) -> None:
    """A fact that JSON can't say is the caller's mistake."""
    with pytest.raises(TypeError, match="datetime"):
        await client("decide", attributes={"at": datetime.now(UTC)})


async def test_a_fact_that_is_none_is_no_fact(client, service) -> None:
    """A mistyped name is said and nothing is asked: a fact that is left out in silence can lower a level."""
    with pytest.raises(TypeError, match="no fact is called `user_group`; there are ip, app, user_id, "):
        await client("decide", ip="198.51.100.9", user_group=["design"])
    assert service.count("decide") == 0


async def test_needs_a_client(make) -> None:
    """A call that names no client, on a client that names none, is the caller's mistake."""
    nameless = make(client=None)
    assert nameless.made.client is None
    assert nameless.made.ceiling() is None
    with pytest.raises(ValueError, match="no client is named"):
        await nameless("decide")


async def test_outcome(client, service) -> None:
    """The raw token is sent where there is one, else the claims; the verdict is Acrux's."""
    decision = await client("decide", nonce="n")
    found = await client("outcome", decision, id_token=TOKEN, claims=claims())
    assert (found.name, found.admit, found.level, found.local) == (VerdictName.SATISFIED, True, "mfa", False)
    assert service.calls[-1][1] == {"ticket": "t", "id_token": TOKEN}
    await client("outcome", decision, claims={"sub": "u"})
    assert service.calls[-1][1] == {"ticket": "t", "claims": {"sub": "u"}}
    with pytest.raises(ValueError, match="needs the ID token"):
        await client("outcome", decision)


async def test_retry(client, service) -> None:
    """An `insufficient` carries the decision for one more trip."""
    service.answers["outcome"] = verdict("insufficient", retry=decided(decision_id="other"))
    decision = await client("decide", nonce="n")
    found = await client("outcome", decision, id_token="x")
    assert not found.admit
    assert (found.retry.id, found.retry.nonce_sha256) == ("other", decision.nonce_sha256)


@pytest.mark.parametrize(
    "answer",
    [
        verdict(admit=False),
        verdict("downgraded", admit=True),
        {name: value for name, value in verdict().items() if name != "admit"},
        verdict(admit="true"),
    ],
)
async def test_admission_is_said_twice(client, service, answer) -> None:
    """Only `satisfied` with `admit: true` admits: half of it does not."""
    service.answers["outcome"] = answer
    assert not (await client("outcome", await client("decide"), id_token="x")).admit


@pytest.mark.parametrize(("name", "answer"), WRONG)
async def test_other_answers_refuse(client, service, name, answer) -> None:
    """What the API does not document refuses the login; nothing is guessed, and no ceiling applies."""
    await client("refresh")
    decision = await client("decide")
    service.answers[name] = answer
    with pytest.raises(UnexpectedAnswerError):
        await (client("decide") if name == "decide" else client("outcome", decision, id_token=TOKEN, claims=claims()))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422, 429])
async def test_4xx_refuses(client, service, status) -> None:
    """Any 4xx refuses, whatever the ceiling is, and says what Acrux said."""
    await client("refresh")
    service.answers["decide"] = httpx.Response(
        status,
        json={
            "code": "invalid_request",
            "detail": "one wrong",
            "request_id": "r-1",
            "errors": [{"pointer": "/network/ip", "message": "expected a string"}, 5],
        },
    )
    with pytest.raises(RequestRefusedError, match="/network/ip: expected a string") as caught:
        await client("decide")
    assert (caught.value.status, caught.value.code, caught.value.request_id) == (status, "invalid_request", "r-1")
    assert caught.value.errors == (WrongField("/network/ip", "expected a string"),)
    assert service.count("decide") == 1


async def test_what_is_wrong_is_said_once(client, service) -> None:
    """The detail names the first fields by itself; what it leaves out is added."""
    errors = [{"pointer": pointer, "message": "required"} for pointer in ("/client", "/app")]
    problem = {"code": "invalid_request", "detail": "2 wrong: /client: required", "errors": errors}
    service.answers["decide"] = httpx.Response(422, json=problem)
    with pytest.raises(RequestRefusedError) as caught:
        await client("decide")
    assert str(caught.value) == "422 invalid_request: 2 wrong: /client: required; /app: required"


async def test_4xx_of_something_else(client, service) -> None:
    """A 4xx without a problem refuses as well."""
    service.answers["decide"] = httpx.Response(403, content=b"<html>")
    with pytest.raises(RequestRefusedError, match="403 refused"):
        await client("decide")


@pytest.mark.parametrize("wrong", [{"outcome": "deny"}, {"accept": None}])
async def test_decision_that_contradicts_itself(client, service, wrong) -> None:
    """A decision that says two things is none: nobody is sent to the provider with it."""
    service.answers["decide"] = decided(**wrong)
    with pytest.raises(UnexpectedAnswerError):
        await client("decide")


async def test_state(client) -> None:
    """What a login's own state keeps of a decision is small, is JSON, and is enough to judge."""
    decision = await client("decide", nonce="n", user_id="u")
    state = decision_to_state(decision)
    assert len(json.dumps(state)) < 600
    kept = decision_from_state(json.loads(json.dumps(state)))
    for name in ("id", "client", "outcome", "level", "accept", "expires_at", "ticket", "nonce_sha256", "user_id"):
        assert getattr(kept, name) == getattr(decision, name)
    assert abs(kept.decided_at - decision.decided_at) < timedelta(microseconds=1)
    denied = decision_from_state({**state, "outcome": "deny", "accept": None})
    assert denied.denied
    assert "accept" not in decision_to_state(denied)


@pytest.mark.parametrize("url", ["acrux.example.com", "ftp://acrux.example.com", "https://"])
@pytest.mark.parametrize("kind", [AcruxClient, AsyncAcruxClient])
def test_urls(kind, url) -> None:
    """Something that is no URL of a service is refused when the client is made."""
    with pytest.raises(ValueError, match="no URL"):
        kind(url, "acrux_t")


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "ä"])
def test_tokens(token) -> None:
    """A token that can't stand in a header is refused when the client is made; it is not shown."""
    with pytest.raises(ValueError, match="empty or malformed") as caught:
        AcruxClient("https://acrux.example.com", token)
    assert token == "" or token not in str(caught.value)


def test_errors_are_one_family() -> None:
    """Whoever catches `AcruxError` has caught every way in which a login must be refused."""
    for kind in (RequestRefusedError, UnavailableError, UnexpectedAnswerError):
        assert issubclass(kind, AcruxError)
