"""What the clients do with each answer, and without one: the same laws for the blocking and the asynchronous one."""

import asyncio
import contextlib
import inspect
import json
import os
import socket
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

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
from acrux.client.conversation import MAX_JUDGED
from acrux.client.errors import WrongField
from acrux.client.storing import MAX_CEILINGS

LOA1, LOA2 = "urn:example:loa:1", "urn:example:loa:2"
ACCEPT = {"claim": "acr", "values": [LOA2], "max_age_seconds": None}
CEILING = {
    "client": "jira",
    "level": "mfa",
    "authorization_params": {"acr_values": LOA2},
    "accept": ACCEPT,
    "policy_revision": "sha256:00",
}


def decided(**changes):
    now = datetime.now(UTC)
    return {
        "decision_id": "0199f3c2-0000-7000-8000-000000000001",
        "outcome": "step_up",
        "level": "mfa",
        "authorization_params": {"acr_values": LOA2},
        "accept": ACCEPT,
        "rules": ["atlassian-sso"],
        "reason": "Because.",
        "requested_level": None,
        "shadow_level": "mfa",
        "policy_revision": "sha256:00",
        "decided_at": now.isoformat(),
        "expires_at": (now + timedelta(minutes=10)).isoformat(),
        "ticket": "t",
        "receipt": {"stream": "s", "sequence": 1, "leaf_hash": "h"},
        **changes,
    }


TOKEN = jwt.encode({}, ec.generate_private_key(ec.SECP256R1()), "ES256")


def claims(**changes):
    now = int(time.time())
    return {"iss": "i", "sub": "u", "aud": "jira", "exp": now + 300, "iat": now, "acr": LOA2, "nonce": "n", **changes}


def verdict(name="satisfied", **changes):
    return {
        "verdict": name,
        "admit": name == "satisfied",
        "level": "mfa",
        "decision_id": "0199f3c2-0000-7000-8000-000000000001",
        "retry": None,
        "receipt": {"stream": "s", "sequence": 2, "leaf_hash": "h"},
        **changes,
    }


class Service:
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers = {"decide": decided(), "outcome": verdict(), "fallback": CEILING, "fallbacks": {"receipts": []}}
        self.calls: list[tuple[str, dict, httpx.Headers]] = []

    def answer_all(self, answer) -> None:
        self.answers = dict.fromkeys(self.answers, answer)

    def count(self, name: str) -> int:
        return sum(called == name for called, _, _ in self.calls)

    def bodies(self, name: str) -> list[dict]:
        return [body for called, body, _ in self.calls if called == name]

    def reports(self) -> list[dict]:
        return [report for name, body, _ in self.calls if name == "fallbacks" for report in body["decisions"]]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        last = request.url.path.rsplit("/", 1)[-1]
        name = "decide" if last == "decisions" else last
        self.calls.append((name, json.loads(request.content) if request.content else {}, request.headers))
        answer = self.answers[name]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):  # a new one each time: a response is read once
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return httpx.Response(200, json=answer)


class Both:
    """A client of either kind, called in the same way."""

    def __init__(self, kind, service, **settings) -> None:
        settings = {"client": "jira", "refresh_interval_seconds": 3600, **settings}
        self.made = kind(
            "https://acrux.example.com/base/", "acrux_t", transport=httpx.MockTransport(service), **settings
        )

    async def __call__(self, name: str, *arguments, **keywords):
        found = getattr(self.made, name)(*arguments, **keywords)
        return await found if inspect.isawaitable(found) else found


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture(params=[AcruxClient, AsyncAcruxClient])
async def make(request, service, monkeypatch):
    # Each test says itself when to refresh; what happens beside the callers has tests of its own.
    monkeypatch.setattr(request.param, "start", lambda _: None)
    made = []

    def make_client(**settings) -> Both:
        made.append(Both(request.param, service, **settings))
        return made[-1]

    yield make_client
    for client in made:
        await client("close")


@pytest.fixture
def client(make) -> Both:
    return make()


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


AWAY = [
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("slow"),
    httpx.ReadTimeout("slow"),
    httpx.PoolTimeout("busy"),
    httpx.ReadError(""),
    httpx.RemoteProtocolError("closed"),
    httpx.Response(502),
    httpx.Response(504),
    httpx.Response(503, json={"code": "log_unavailable", "fallback": "ceiling"}),
]


@pytest.mark.parametrize("failure", AWAY)
async def test_ceiling_applies(client, service, failure) -> None:
    """Where Acrux can't be reached, or its operator lets it, the ceiling is demanded, judged here, and reported."""
    await client("refresh")
    before = dict(service.answers)
    service.answer_all(failure)
    decision = await client("decide", ip="198.51.100.9", nonce="n")
    assert decision.fallback
    assert (decision.outcome, decision.level, decision.authorization_params) == (
        "step_up", "mfa", {"acr_values": LOA2},
    )  # fmt: skip
    found = await client("outcome", decision, id_token=TOKEN, claims=claims(acr=LOA1))
    assert (found.name, found.admit, found.local) == ("downgraded", False, True)
    found = await client("outcome", decision, id_token=TOKEN, claims=claims())
    assert found.name == "replayed", "used up here"
    assert service.count("outcome") == 0, "Acrux does not know this decision"
    with pytest.raises(UnavailableError):
        await client("refresh")
    service.answers = before
    service.calls.clear()
    await client("refresh")
    first, second, third = service.reports()
    assert first["facts"]["network"] == {"ip": "198.51.100.9"}
    assert first["verdict"] is None
    assert (second["verdict"], second["returned_acr"], second["facts"]) == ("downgraded", LOA1, None)
    assert third["verdict"] == "replayed"
    assert {report["id"] for report in (first, second, third)} == {decision.id}
    assert first["accept"] == ACCEPT
    service.calls.clear()
    await client("refresh")
    assert service.reports() == [], "reported once"


@pytest.mark.parametrize("failure", AWAY)
async def test_unknown_ceiling_refuses(client, service, failure) -> None:
    """Where the ceiling is not known there is nothing to demand, so the login is refused."""
    service.answer_all(failure)
    with pytest.raises(UnavailableError, match="ceiling of `jira` is not known"):
        await client("decide")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(503, json={"code": "log_unavailable", "fallback": "refuse", "detail": "full"}),
        httpx.Response(503, json={"code": "no_policy"}),
        httpx.Response(503, content=b"<html>"),
    ],
)
async def test_503_refuses(client, service, answer) -> None:
    """A 503 that does not let the ceiling apply refuses, on both calls."""
    await client("refresh")
    decision = await client("decide")
    service.answer_all(answer)
    with pytest.raises(UnavailableError, match="503"):
        await client("decide")
    with pytest.raises(UnavailableError, match="503"):
        await client("outcome", decision, id_token=TOKEN, claims=claims())


@pytest.mark.parametrize(
    ("ceiling", "outcome"),
    [
        ({"level": "deny", "authorization_params": {}, "accept": None}, "deny"),
        (
            {"level": "basic", "authorization_params": {},
             "accept": {"claim": "acr", "values": [], "max_age_seconds": None}},
            "baseline",
        ),
    ],
)  # fmt: skip
async def test_other_ceilings(client, service, ceiling, outcome) -> None:
    """A ceiling of `deny` refuses the login, one at the lowest level asks for nothing."""
    service.answers["fallback"] = {**CEILING, **ceiling}
    await client("refresh")
    service.answers["decide"] = httpx.ConnectError("refused")
    decision = await client("decide")
    assert (decision.outcome, decision.denied) == (outcome, outcome == "deny")
    found = await client("outcome", decision, claims=claims(acr=None))
    assert found.name == ("denied" if outcome == "deny" else "satisfied")


@pytest.mark.parametrize("failure", AWAY)
async def test_judged_here(client, service, failure) -> None:
    """If deciding worked and the outcome call does not, what the decision accepts is judged here, and reported."""
    decision = await client("decide", nonce="n")
    service.answers["outcome"] = failure
    found = await client("outcome", decision, id_token=TOKEN, claims=claims(aud="wiki"), issuer="i", client_id="jira")
    assert (found.name, found.local) == ("mismatched", True)
    found = await client("outcome", decision, id_token=TOKEN, claims=claims(), issuer="i", client_id="jira")
    assert (found.name, found.admit, found.level) == ("satisfied", True, "mfa")
    await client("refresh")
    assert [(report["id"], report["verdict"]) for report in service.reports()] == [
        (decision.id, "mismatched"),
        (decision.id, "satisfied"),
    ]


async def test_nothing_to_judge_here(client, service) -> None:
    """A raw token is not read here: without verified claims nobody is admitted."""
    decision = await client("decide")
    service.answers["outcome"] = httpx.ConnectError("refused")
    with pytest.raises(UnavailableError, match="no verified claims"):
        await client("outcome", decision, id_token="x.y.z")


async def test_used_up_by_acrux(client, service) -> None:
    """What Acrux has judged can't be judged here again."""
    decision = await client("decide")
    await client("outcome", decision, id_token="x")
    service.answers["outcome"] = httpx.ConnectError("refused")
    assert (await client("outcome", decision, claims=claims())).name == "replayed"


async def test_connection_is_tried_twice(client, service) -> None:
    """A connection that fails is tried once more, with the same key and body; a time-out is not."""
    service.answers["decide"] = [httpx.ConnectError("refused"), decided()]
    assert not (await client("decide")).fallback
    assert len({headers["idempotency-key"] for _, _, headers in service.calls}) == 1
    assert service.calls[0][1] == service.calls[1][1]
    service.calls.clear()
    service.answers["decide"] = httpx.ReadTimeout("slow")
    with pytest.raises(UnavailableError):
        await client("decide")
    assert service.count("decide") == 1


async def test_report_that_acrux_does_not_take(client, service, caplog) -> None:
    """A report that Acrux refuses for its content is logged and dropped; the others are delivered."""
    await client("refresh")
    service.answers["decide"] = httpx.ConnectError("refused")
    for _ in range(3):
        await client("decide")
    refusal = httpx.Response(422, json={"code": "invalid_request"})
    service.answers["fallbacks"] = [refusal, refusal, {"receipts": []}]
    await client("refresh")
    assert "can't be reported" in caplog.text
    assert service.count("fallbacks") == 3
    service.calls.clear()
    await client("refresh")
    assert service.reports() == []


async def test_reports_have_keys_of_their_own(make, service, tmp_path) -> None:
    """Each report has a key that stays the same through retries and restarts, so that it can be sent again safely."""
    path = tmp_path / "acrux.json"
    first = make(cache_path=path)
    await first("refresh")
    service.answers["decide"] = httpx.ConnectError("refused")
    for _ in range(2):
        await first("outcome", await first("decide"), claims=claims())
    service.answers["fallbacks"] = httpx.ReadTimeout("slow")
    for _ in range(2):
        with pytest.raises(UnavailableError):
            await first("refresh")
    sent = [[report["idempotency_key"] for report in body["decisions"]] for body in service.bodies("fallbacks")]
    assert sent[0] == sent[1]
    assert len(set(sent[0])) == 4
    await first("close")
    service.answers["fallbacks"] = {"receipts": []}
    second = make(cache_path=path)
    await second("refresh")
    assert [report["idempotency_key"] for report in service.bodies("fallbacks")[-1]["decisions"]] == sent[0]


@pytest.mark.parametrize("status", [409, 422])
async def test_report_that_can_never_be_taken(client, service, caplog, status) -> None:
    """A report whose key or words are refused does not keep the others back."""
    await client("refresh")
    service.answers["decide"] = httpx.ConnectError("refused")
    await client("decide")
    service.answers["fallbacks"] = httpx.Response(status)
    await client("refresh")
    assert "can't be reported" in caplog.text
    assert len(client.made._conversations.reports) == 0


async def test_report_that_may_not_be_made(client, service) -> None:
    """A token that may not report keeps the reports waiting."""
    await client("refresh")
    service.answers["decide"] = httpx.ConnectError("refused")
    await client("decide")
    for answers in (httpx.Response(403), [httpx.Response(422), httpx.Response(403)]):
        service.answers["fallbacks"] = answers
        with pytest.raises(RequestRefusedError, match="403"):
            await client("refresh")
    service.answers["fallbacks"] = {"receipts": []}
    service.calls.clear()
    await client("refresh")
    assert len(service.reports()) == 1


async def test_reports_at_the_end(make, service) -> None:
    """Closing delivers what waits, or leaves it; it never fails."""
    for answer, count in ((httpx.ConnectError("refused"), 0), ({"receipts": []}, 1)):
        client = make()
        await client("refresh")
        service.answers["decide"] = httpx.ConnectError("refused")
        await client("decide")
        service.answers["fallbacks"] = answer
        service.calls.clear()
        await client("close")
        assert (len(service.reports()) if count else 0) == count


async def test_cache_on_disk(make, service, tmp_path) -> None:
    """What a process knew and had not reported, the next one knows, and nobody else on the machine can read."""
    path = tmp_path / "cache" / "acrux.json"
    path.parent.mkdir()
    first = make(cache_path=path)
    await first("refresh")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    written_at = path.stat().st_mtime_ns
    await first("refresh")
    assert path.stat().st_mtime_ns == written_at, "written when it is news"
    service.answer_all(httpx.ConnectError("refused"))
    for _ in range(3):
        await first("decide", ip="198.51.100.9")
    (reports,) = path.with_name("acrux.json.reports").iterdir()
    assert stat.S_IMODE(reports.stat().st_mode) == 0o600
    assert len(reports.read_bytes().splitlines()) == 3
    living = make(cache_path=path)
    assert len(living.made._conversations.reports) == 0, "the first one lives and holds its file"
    await first("close")
    with reports.open("ab") as file:
        file.write(b'[]\n{"id": "torn')
    second = make(cache_path=path)
    assert second.made.ceiling().level == "mfa"
    assert (await second("decide")).fallback
    service.answers["fallback"], service.answers["fallbacks"] = CEILING, {"receipts": []}
    service.calls.clear()
    await second("refresh")
    assert len(service.reports()) == 4
    assert not reports.exists(), "delivered files of dead processes are gone"
    assert [file.stat().st_size for file in reports.parent.iterdir()] == [0], "its own file is emptied"
    assert {file.name for file in path.parent.iterdir()} == {"acrux.json", "acrux.json.reports"}


async def test_cache_that_is_shared(make, service, tmp_path) -> None:
    """Processes that started together and speak for different clients leave each other's ceilings in the file."""
    path = tmp_path / "acrux.json"
    first, second = make(cache_path=path), make(cache_path=path, client="wiki")
    await first("refresh")
    await second("refresh")
    service.answer_all(httpx.ConnectError("refused"))
    restarted = make(cache_path=path)
    assert (await restarted("decide")).fallback
    assert (await restarted("decide", client="wiki")).fallback


@pytest.mark.parametrize("torn", [b'{"ceilings": [{"client": "ji', b"", None])
async def test_cache_that_is_lost(make, service, tmp_path, torn) -> None:
    """A file that was torn or taken away while the process lives is made again at the next refresh."""
    path = tmp_path / "acrux.json"
    living = make(cache_path=path)
    await living("refresh")
    if torn is None:
        path.unlink()
    else:
        path.write_bytes(torn)
    await living("refresh")
    service.answer_all(httpx.ConnectError("refused"))
    assert (await make(cache_path=path)("decide")).fallback


@pytest.mark.parametrize(
    "wrong",
    [{"level": "deny"}, {"accept": None}, {"accept": {"claim": "acr", "values": [5], "max_age_seconds": None}}],
)
async def test_ceiling_that_contradicts_itself(client, service, wrong) -> None:
    """A ceiling that says two things is none; the one that is known stays."""
    service.answers["fallback"] = {**CEILING, **wrong}
    with pytest.raises(UnexpectedAnswerError):
        await client("refresh")
    service.answer_all(httpx.ConnectError("refused"))
    with pytest.raises(UnavailableError):
        await client("decide")


@pytest.mark.parametrize("wrong", [{"outcome": "deny"}, {"accept": None}])
async def test_decision_that_contradicts_itself(client, service, wrong) -> None:
    """A decision that says two things is none: nobody is sent to the provider with it."""
    service.answers["decide"] = decided(**wrong)
    with pytest.raises(UnexpectedAnswerError):
        await client("decide")


async def test_disk_that_is_full(make, service, tmp_path, monkeypatch, caplog) -> None:
    """A report that the disk cuts off is kept in memory only, and spoils none that come after it."""
    path = tmp_path / "acrux.json"
    client = make(cache_path=path)
    await client("refresh")
    service.answer_all(httpx.ConnectError("refused"))
    await client("decide")
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, line: write(file, line[: len(line) // 2]))
    await client("decide")
    monkeypatch.setattr(os, "write", write)
    await client("decide")
    assert "can't be kept" in caplog.text
    assert len(client.made._conversations.reports) == 3
    await client("close")
    assert len(make(cache_path=path).made._conversations.reports) == 2


async def test_files_that_cannot_be_cleared(make, service, tmp_path, monkeypatch, caplog) -> None:
    """What was delivered and can't be cleared away stops nothing: its keys make a second delivery harmless."""
    client = make(cache_path=tmp_path / "acrux.json")
    await client("refresh")
    service.answers["decide"] = httpx.ConnectError("refused")
    await client("decide")

    def fail(*_: object) -> None:
        raise OSError("read-only")

    monkeypatch.setattr(os, "ftruncate", fail)
    await client("refresh")
    assert "can't be cleared away" in caplog.text
    assert len(client.made._conversations.reports) == 0


async def test_more_left_than_can_be_kept(make, tmp_path, caplog, monkeypatch) -> None:
    """What dead processes left is bounded too, and the log names what is dropped."""
    monkeypatch.setattr("acrux.client.storing.MAX_REPORTS", 1000)
    left = tmp_path / "acrux.json.reports" / "old.ndjson"
    left.parent.mkdir()
    left.write_text("".join(json.dumps({"id": f"r-{number}"}) + "\n" for number in range(1002)))
    assert len(make(cache_path=tmp_path / "acrux.json").made._conversations.reports) == 1000
    assert [f"r-{number}" in caplog.text for number in (999, 1000, 1001)] == [False, True, True]


async def test_empty_files_of_the_dead_are_removed(make, service, tmp_path) -> None:
    """A file without reports in it is taken away at once."""
    path = tmp_path / "acrux.json"
    left = path.with_name("acrux.json.reports")
    left.mkdir()
    (left / "old.ndjson").touch()
    make(cache_path=path)
    assert not list(left.iterdir())


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"ceilings": [5]}', b'{"ceilings": [{"client": "jira"}]}', b'{"ceilings": 5}', b"\xff"],
)
async def test_unreadable_cache(make, tmp_path, content, caplog) -> None:
    """A cache that can't be read counts as none, and the log says so."""
    path = tmp_path / "acrux.json"
    path.write_bytes(content)
    assert make(cache_path=path).made.ceiling() is None
    assert "can't be read" in caplog.text


async def test_cache_that_cannot_be_written(make, service, tmp_path, caplog) -> None:
    """A place that can't be written to costs the cache, not the logins."""
    (tmp_path / "file").touch()
    client = make(cache_path=tmp_path / "file" / "acrux.json")
    await client("refresh")
    service.answers["decide"] = httpx.ConnectError("refused")
    assert (await client("decide")).fallback
    assert "can't be cached" in caplog.text
    assert "can't be kept" in caplog.text
    assert len(client.made._conversations.reports) == 1


async def test_reports_that_cannot_be_read(make, tmp_path, caplog) -> None:
    """A file of reports that can't be read is left where it is."""
    left = tmp_path / "acrux.json.reports" / "odd.ndjson"
    left.mkdir(parents=True)
    make(cache_path=tmp_path / "acrux.json")
    assert "can't be read" in caplog.text
    assert left.exists()


async def test_bounds(make, service, caplog, monkeypatch) -> None:
    """Ceilings, reports and used decisions that are remembered are bounded."""
    monkeypatch.setattr("acrux.client.storing.MAX_REPORTS", 2)
    client = make()
    for number in range(MAX_CEILINGS + 5):
        await client("decide", client=f"c-{number}")
    await client("refresh")
    assert service.count("fallback") == MAX_CEILINGS
    await client("decide", client="one-more")
    await client("refresh")
    assert client.made.ceiling("c-5") is None
    assert client.made.ceiling("one-more") is not None
    service.answers["decide"] = httpx.ConnectError("refused")
    for _ in range(3):
        await client("decide", client="one-more")
    assert "too many unreported decisions" in caplog.text
    assert len(client.made._conversations.reports) == 2
    judged = client.made._conversations._judged
    judged.update(dict.fromkeys(map(str, range(MAX_JUDGED))))
    await client(
        "outcome", decision_from_state(decision_to_state(await client("decide", client="one-more"))), claims=claims()
    )
    assert len(judged) == MAX_JUDGED


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


# What happens beside the callers, over real connections.


@pytest.fixture
def silent_port():
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize("kind", [AcruxClient, AsyncAcruxClient])
async def test_time_is_for_the_whole_call(kind, silent_port, monkeypatch) -> None:
    """A service that accepts and says nothing costs the caller the time-out, once."""
    monkeypatch.setattr(kind, "start", lambda _: None)
    client = kind(f"http://127.0.0.1:{silent_port}", "acrux_t", client="jira", timeout_seconds=0.2)

    async def call(name):
        found = getattr(client, name)()
        return await found if inspect.isawaitable(found) else found

    began = time.monotonic()
    with pytest.raises(UnavailableError):
        await call("decide")
    assert time.monotonic() - began < 5
    monkeypatch.setattr(client, "_timeout_seconds", -1.0)
    with pytest.raises(UnavailableError, match="timed out"):
        await call("decide")
    await call("close")


@pytest.fixture(params=["status", "headers", "body"])
def dripping_port(request):
    """A port whose answers come a few bytes at a time: the status line, headers without end, or the body."""
    begun = {"status": b"", "headers": b"HTTP/1.1 200 OK\r\n", "body": b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n"}
    drop = {"status": b"H", "headers": b"X-Wait: y\r\n", "body": b" "}[request.param]

    def drip(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.recv(65536)
            connection.sendall(begun[request.param])
            for _ in range(60):
                connection.sendall(drop)
                time.sleep(0.02)

    def accept(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=drip, args=(listening.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, args=(listening,), daemon=True).start()
        yield listening.getsockname()[1]


@pytest.mark.parametrize("kind", [AcruxClient, AsyncAcruxClient])
async def test_time_is_for_an_answer_that_drips(kind, dripping_port, monkeypatch) -> None:
    """An answer that never pauses for long and never ends is none: Acrux could not be reached in time."""
    monkeypatch.setattr(kind, "start", lambda _: None)
    client = kind(f"http://127.0.0.1:{dripping_port}", "acrux_t", client="jira", timeout_seconds=0.1)

    async def call(name):
        found = getattr(client, name)()
        return await found if inspect.isawaitable(found) else found

    with pytest.raises(UnavailableError, match="timed out"):
        await call("decide")
    await call("close")


async def test_refreshes_beside_the_callers_async(service) -> None:
    """The asynchronous client has the ceiling soon after its start, without being asked, and reports on its own."""
    async with AsyncAcruxClient(
        "https://acrux.example.com", "acrux_t", client="jira",
        transport=httpx.MockTransport(service), refresh_interval_seconds=0.001,
    ) as client:  # fmt: skip
        while client.ceiling() is None:  # noqa: ASYNC110 - the client has no event to wait for
            await asyncio.sleep(0.001)
        service.answers["decide"] = httpx.ConnectError("refused")
        assert (await client.decide()).fallback
        while not service.reports():  # noqa: ASYNC110 - same
            await asyncio.sleep(0.001)
    client.start()
    assert client._refresher.cancelled() or client._refresher.done(), "a closed client does not start again"


def test_refreshes_beside_the_callers_sync(service) -> None:
    """The blocking client does the same on a thread of its own."""
    with AcruxClient(
        "https://acrux.example.com", "acrux_t", client="jira",
        transport=httpx.MockTransport(service), refresh_interval_seconds=0.001,
    ) as client:  # fmt: skip
        while client.ceiling() is None:
            time.sleep(0.001)
        service.answers["decide"] = httpx.ConnectError("refused")
        assert client.decide().fallback
        while not service.reports():
            time.sleep(0.001)
        refresher = client._refresher
        client.start()
        assert client._refresher is refresher
    assert not refresher.is_alive()
    client._refresher_process = 0
    client.start()
    assert client._refresher is refresher, "a closed client does not start again"


def test_complains_once(service, caplog) -> None:
    """An outage is one line in the log, not one a second; what is refused for good is not asked for every moment."""
    service.answer_all(httpx.ConnectError("refused"))
    client = AcruxClient(
        "https://acrux.example.com", "acrux_t", client="jira", transport=httpx.MockTransport(service),
        refresh_interval_seconds=3600,
    )  # fmt: skip
    conversations = client._conversations
    conversations.reports.add({"id": "1"})
    for _ in range(3):
        conversations._next_try_seconds.clear()
        for conversation in conversations.due(3600):
            client._hold(conversation)
    assert len([line for line in caplog.messages if "ceiling" in line]) == 1
    assert len([line for line in caplog.messages if "reported" in line]) == 1
    service.answers["fallback"] = httpx.Response(404)
    conversations._next_try_seconds.clear()
    for conversation in conversations.due(3600):
        client._hold(conversation)
    assert conversations._next_try_seconds["jira"] > time.monotonic() + 3000
    service.answers = Service().answers
    client.close()


def test_fork(service, tmp_path) -> None:
    """After a fork the child refreshes on its own, and leaves what waited to its parent."""
    client = AcruxClient(
        "https://acrux.example.com", "acrux_t", client="jira", transport=httpx.MockTransport(service),
        cache_path=tmp_path / "acrux.json",
    )  # fmt: skip
    reports = client._conversations.reports
    reports.add({"id": "of the parent"})
    client._refresher_process = reports._process = os.getpid() + 1  # as it looks from a child
    client.start()
    assert client._refresher_process == os.getpid()
    assert reports.first(10) == []
    reports.add({"id": "of the child"})
    assert [report["id"] for report in reports.first(10)] == ["of the child"]
    assert len(list((tmp_path / "acrux.json.reports").iterdir())) == 2
    client.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "acrux-client"]


def test_everybody_at_once_in_an_outage(service, tmp_path) -> None:
    """Many threads in an outage each have the ceiling and their own decision; afterwards each is reported once."""
    client = AcruxClient(
        "https://acrux.example.com",
        "acrux_t",
        client="jira",
        cache_path=tmp_path / "acrux.json",
        transport=httpx.MockTransport(service),
        timeout_seconds=30,
    )
    client.refresh()
    service.answer_all(httpx.ConnectError("refused"))
    with ThreadPoolExecutor(16) as pool:
        decisions = list(pool.map(lambda number: client.decide(nonce=str(number)), range(200)))
        verdicts = list(
            pool.map(
                lambda pair: client.outcome(pair[1], id_token=TOKEN, claims=claims(nonce=str(pair[0]))),
                enumerate(decisions),
            )
        )
    assert all(decision.fallback for decision in decisions)
    assert len({decision.id for decision in decisions}) == 200
    assert [verdict.name for verdict in verdicts] == ["satisfied"] * 200
    service.answers["fallback"], service.answers["fallbacks"] = CEILING, {"receipts": []}
    service.calls.clear()
    client.close()
    known = {report["idempotency_key"]: report for report in service.reports()}
    left = AcruxClient(
        "https://acrux.example.com",
        "acrux_t",
        client="jira",
        cache_path=tmp_path / "acrux.json",
        transport=httpx.MockTransport(service),
    )
    left.refresh()
    known |= {report["idempotency_key"]: report for report in service.reports()}
    assert len(known) == 400
    assert all(len(body["decisions"]) <= 20 for body in service.bodies("fallbacks"))
    left.close()


def test_a_long_queue_is_delivered_in_one_go(service, monkeypatch) -> None:
    """When Acrux is back the reports follow each other; what it does not take ends the round."""
    monkeypatch.setattr(AcruxClient, "start", lambda _: None)
    client = AcruxClient("https://acrux.example.com", "acrux_t", transport=httpx.MockTransport(service))
    for number in range(90):
        client._conversations.reports.add({"id": str(number)})
    service.answers["fallbacks"] = [{"receipts": []}, {"receipts": []}, httpx.ConnectError("refused")]
    for conversation in client._conversations.due(3600):
        client._hold(conversation)
    assert len(client._conversations.reports) == 50
    service.answers["fallbacks"] = {"receipts": []}
    for conversation in client._conversations.due(3600):
        client._hold(conversation)
    assert len(client._conversations.reports) == 0
    client.close()
