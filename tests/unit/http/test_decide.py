"""`POST /v1/decisions`: the one route that every login waits for."""

import asyncio
import base64
import hashlib

import orjson
import pytest

from acrux.decisionlog.errors import LogUnavailable
from acrux.wiring.services import NodeStatus, Role, ServiceSettings, Token

BODY = {"client": {"id": "jira"}, "network": {"ip": "198.51.100.9"}, "correlation_id": "a7c1"}
MEMBERS = [
    "decision_id",
    "outcome",
    "level",
    "authorization_params",
    "accept",
    "rules",
    "reason",
    "requested_level",
    "shadow_level",
    "policy_revision",
    "decided_at",
    "expires_at",
    "ticket",
    "receipt",
]


async def test_a_decision_is_answered_as_documented(bed):
    """The answer has exactly the members of http-api.md, nulls included."""
    async with bed.client() as client:
        response = await client.post("/v1/decisions", json=BODY)
    answer = response.json()
    assert response.status_code == 200
    assert list(answer) == MEMBERS
    assert answer["outcome"] == "step_up"
    assert answer["authorization_params"] == {"acr_values": "urn:example:loa:2", "max_age": "28800"}
    assert answer["accept"]["values"] == ["urn:example:loa:2", "urn:example:loa:3", "phr"]
    assert answer["requested_level"] is None
    assert answer["rules"] == ["atlassian-sso"]
    assert answer["decided_at"] == "2026-11-24T08:00:00.123456Z"
    assert answer["expires_at"] == "2026-11-24T08:10:00.123456Z"
    assert len(answer["ticket"]) <= 2048


async def test_what_was_answered_is_in_the_log(bed):
    """200 means durable: the record is in the spool, and its leaf is the receipt's."""
    async with bed.client() as client:
        response = await client.post("/v1/decisions", json=BODY, headers={"X-Request-ID": "req-1"})
    answer = response.json()
    (record,) = bed.node.find_records(answer["decision_id"])
    assert hashlib.sha256(b"\0" + record.body).hexdigest() == answer["receipt"]["leaf_hash"]
    content = orjson.loads(record.body)["content"]
    assert content["correlation_id"] == "a7c1"
    assert content["request_id"] == "req-1"
    assert content["token_id"] == "tok-operator"


async def test_baseline_and_deny_have_their_own_forms(bed):
    """`baseline`: parameters `{}` and no values; `deny`: parameters `{}`, accept `null`."""
    async with bed.client() as client:
        baseline = (await client.post("/v1/decisions", json={"client": "intranet"})).json()
        deny = (await client.post("/v1/decisions", json={"client": "forbidden"})).json()
    assert (baseline["outcome"], baseline["authorization_params"]) == ("baseline", {})
    assert baseline["accept"] == {"claim": "acr", "values": [], "max_age_seconds": None}
    assert (deny["outcome"], deny["level"]) == ("deny", "deny")
    assert (deny["authorization_params"], deny["accept"]) == ({}, None)


async def test_a_ticket_holds_what_judging_needs(bed):
    """Id, client, nonce hash and the facts that rules on users read travel in the ticket."""
    nonce_sha256 = base64.urlsafe_b64encode(hashlib.sha256(b"n").digest()).rstrip(b"=").decode()
    body = {"client": "jira-sso", "nonce_sha256": nonce_sha256, "user": {"id": "u-1", "groups": ["design"]}}
    async with bed.client() as client:
        answer = (await client.post("/v1/decisions", json=body)).json()
    ticket = bed.services.tickets.open(answer["ticket"])
    assert ticket.decision_id == answer["decision_id"]
    assert (ticket.client_name, ticket.client_id, ticket.provider) == ("jira", "jira-sso", "corp")
    assert (ticket.nonce_sha256, ticket.user_id) == (nonce_sha256, "u-1")
    assert ticket.facts["user.groups"] == ["design"]


async def test_a_request_id_is_echoed_or_made(bed):
    """A printable `X-Request-ID` comes back; any other is replaced; every answer has one and is never stored."""
    async with bed.client() as client:
        for sent, kept in (("abc-1", True), ("x" * 128, True), ("x" * 129, False), ("a\tb", False)):
            response = await client.post("/v1/decisions", json=BODY, headers={"X-Request-ID": sent})
            assert (response.headers["x-request-id"] == sent) is kept
            assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("headers", "content", "status", "code"),
    [
        ({}, b"{", 400, "malformed"),
        ({}, b"\xff", 400, "malformed"),
        ({}, b"[" * 60_000, 400, "malformed"),
        ({"Content-Type": "text/plain"}, b"{}", 415, "unsupported_media_type"),
        ({"Content-Type": "application/json; charset=latin-1"}, b"{}", 415, "unsupported_media_type"),
        ({}, b" " * 65_537, 413, "body_too_large"),
        ({}, b'{"client": "jira", "colour": 1}', 422, "invalid_request"),
        ({}, b'{"client": "a\\u0000b"}', 422, "invalid_request"),
        ({}, b'{"client": "\\ud800"}', 400, "malformed"),
        ({}, b'{"client": "jira", "client": "jira"}', 422, "invalid_request"),
        ({}, b'{"client": "twin"}', 422, "invalid_request"),
        ({}, b'{"client": "jira", "attributes": {"risk_score": "high"}}', 422, "invalid_request"),
        ({}, b'{"client": "jira", "request": {"max_age": 1e400}}', 422, "invalid_request"),
        ({}, b'{"client": "jira", "request": {"acr_values": ["unheard-of"]}}', 422, "unmapped_requested_acr"),
        ({"Idempotency-Key": "\x7f"}, b"{}", 422, "invalid_request"),
        ({"Idempotency-Key": "k" * 129}, b"{}", 422, "invalid_request"),
    ],
)
async def test_what_is_wrong_is_a_problem(bed, headers, content, status, code):
    """Whatever a caller sends, the answer is a 4xx in the one form, with a code from the table."""
    async with bed.client() as client:
        response = await client.post(
            "/v1/decisions", content=content, headers={"Content-Type": "application/json", **headers}
        )
    problem = response.json()
    assert (response.status_code, problem["code"], problem["status"]) == (status, code, status)
    assert response.headers["content-type"] == "application/problem+json"
    assert list(problem) == ["type", "title", "status", "detail", "code", "request_id", "errors"]
    assert problem["request_id"] == response.headers["x-request-id"]


async def test_wrong_fields_are_named_by_pointers(bed):
    """Every wrong field has its RFC 6901 pointer."""
    async with bed.client() as client:
        response = await client.post("/v1/decisions", json={"client": {"id": ""}, "network": {"ip": 1}})
    assert [error["pointer"] for error in response.json()["errors"]] == ["/client/id", "/network/ip"]


async def test_a_query_is_refused(bed):
    """Nothing that is sent is silently ignored."""
    async with bed.client() as client:
        assert (await client.post("/v1/decisions?x=1", json=BODY)).json()["code"] == "invalid_request"


async def test_charset_utf_8_is_allowed(bed):
    """`application/json; charset=utf-8` says what JSON is anyway."""
    async with bed.client() as client:
        for media_type in ("application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'):
            response = await client.post(
                "/v1/decisions", content=orjson.dumps(BODY), headers={"Content-Type": media_type}
            )
            assert response.status_code == 200


async def test_reading_stops_at_the_limit(bed):
    """A chunked body is read no further than the limit; the connection stays: closing on a caller that still sends
    would reset it, and the answer could be lost with it."""
    asked = 0

    async def endless():
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b" " * 10_000, "more_body": True}

    sent = await _call(bed, endless, [(b"content-type", b"application/json")])
    assert sent[0]["status"] == 413
    assert b"connection" not in dict(sent[0]["headers"])
    assert asked == 7


async def test_a_length_that_is_too_large_is_refused_unread(bed):
    """A body that says it is too large is not read at all."""

    async def never():
        raise AssertionError("read")

    headers = [(b"content-type", b"application/json"), (b"content-length", b"9" * 400)]
    assert (await _call(bed, never, headers))[0]["status"] == 413


@pytest.mark.parametrize("after", [0, 1])
async def test_nobody_is_answered_who_has_gone(bed, after):
    """A caller that goes while its body is read gets nothing, and nothing is logged."""
    messages = [{"type": "http.request", "body": b"{", "more_body": True}] * after + [{"type": "http.disconnect"}]

    async def receive():
        return messages.pop(0)

    assert await _call(bed, receive, [(b"content-type", b"application/json")]) == []


async def test_chunks_are_put_together(bed):
    """A body in pieces is the same body."""
    body = orjson.dumps(BODY)
    messages = [
        {"type": "http.request", "body": body[:9], "more_body": True},
        {"type": "http.request", "body": body[9:], "more_body": False},
    ]

    async def receive():
        return messages.pop(0)

    assert (await _call(bed, receive, [(b"content-type", b"application/json")]))[0]["status"] == 200


async def _call(bed, receive, headers):
    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/decisions",
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer acrux_operator"), *headers],
    }
    await bed.app(scope, receive, send)
    return sent


async def test_without_a_policy_nothing_is_decided(bed):
    """A service that never had a good set answers 503, never a default."""
    bed.holder.active = None
    async with bed.client() as client:
        response = await client.post("/v1/decisions", json=BODY)
    assert (response.status_code, response.json()["code"]) == (503, "no_policy")
    assert response.json()["fallback"] == "refuse"
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize("allowed", ["refuse", "ceiling"])
async def test_what_is_not_logged_is_not_decided(bed, allowed):
    """When the record can't be made durable the answer is a 503 that says what the operator lets callers do."""
    bed.replace(log=_Broken(), settings=ServiceSettings(on_log_failure=allowed))
    async with bed.client() as client:
        for headers in ({}, {"Idempotency-Key": "k"}):
            response = await client.post("/v1/decisions", json=BODY, headers=headers)
            assert (response.status_code, response.json()["code"]) == (503, "log_unavailable")
            assert response.json()["fallback"] == allowed


@pytest.mark.parametrize(("durability", "status"), [("spool", 200), ("database", 503)])
async def test_a_database_that_is_known_to_be_away(bed, durability, status):
    """Where a 200 promises the database, nobody waits for one that is away, and nothing is spooled; else it is none."""
    settings = ServiceSettings(durability=durability, on_log_failure="ceiling")
    bed.replace(settings=settings, status=lambda: NodeStatus(1, 1.0, database_reachable=False))
    before = bed.writer.committed_count
    async with bed.client() as client:
        response = await client.post("/v1/decisions", json=BODY)
    assert response.status_code == status
    assert bed.writer.committed_count - before == (1 if status == 200 else 0)
    if status == 503:
        assert (response.json()["code"], response.json()["fallback"]) == ("log_unavailable", "ceiling")


async def test_a_ticket_that_does_not_fit_is_the_request_s_fault(bed):
    """An id so long that the ticket would not fit is refused, not cut."""
    files = {"policy.yaml": bed.files["policy.yaml"].replace(b"[urn:example:loa:3, phr]", _long_words())}
    bed.load(files)
    body = {"client": "jira", "user": {"id": "".join(chr(0x10000 + (i * 104_729) % 60_000) for i in range(256))}}
    async with bed.client() as client:
        response = await client.post("/v1/decisions", json=body)
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/client")


def _long_words():
    words = [hashlib.sha512(str(number).encode()).hexdigest() for number in range(20)]
    return ("[" + ", ".join(words) + "]").encode()


async def test_a_defect_is_answered_as_a_problem_and_goes_on_to_the_server(bed):
    """Even a defect has the form of a problem; it is never swallowed."""

    def broken():
        raise RuntimeError("defect")

    bed.replace(clock=broken)
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": orjson.dumps(BODY), "more_body": False}

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/decisions",
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer acrux_operator"), (b"content-type", b"application/json")],
    }
    with pytest.raises(RuntimeError):
        await bed.app(scope, receive, send)
    assert sent[0]["status"] == 500
    assert orjson.loads(sent[1]["body"])["code"] == "defect"


async def test_roles_and_bindings(bed):
    """Relying parties decide for their own clients, by name or `client_id`; operators for all; nobody else."""
    async with bed.client(None) as client:
        for token, body, status in (
            ("jira", {"client": "jira"}, 200),
            ("jira", {"client": "jira-sso"}, 200),
            ("jira", {"client": "intranet"}, 403),
            ("jira", {"client": "intranet", "request": {"acr_values": ["x"]}}, 403),
            ("intranet", {"client": "nobody-knows-me"}, 403),
            ("operator", {"client": "nobody-knows-me"}, 200),
            ("author", {"client": "jira"}, 403),
            ("auditor", {"client": "jira"}, 403),
            ("privacy", {"client": "jira"}, 403),
            ("ended", {"client": "jira"}, 401),
            ("unheard-of", {"client": "jira"}, 401),
        ):
            response = await client.post(
                "/v1/decisions", json=body, headers={"Authorization": f"bearer  acrux_{token}"}
            )
            assert response.status_code == status, (token, body)


async def test_a_token_of_another_client_says_which_is_missing(bed):
    """Whoever mistyped a client's name, or took another application's token, sees it in the answer."""
    async with bed.client("jira") as client:
        answer = (await client.post("/v1/decisions", json={"client": "jria"})).json()
    assert (answer["code"], answer["detail"]) == ("forbidden_client", "the token is not bound to `jria`")


async def test_without_a_token_nothing_is_said(bed):
    """No token, or another scheme: 401, and how to authenticate."""
    async with bed.client(None) as client:
        for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}):
            response = await client.post("/v1/decisions", json=BODY, headers=headers)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert response.json()["code"] == "unauthenticated"


async def test_a_new_token_works_at_once_and_guessing_costs_little(bed):
    """A token that this worker does not know makes it ask, at most every quarter of a second."""
    bed.tokens[hashlib.sha256(b"acrux_new").digest()] = Token("tok-new", Role.OPERATOR)
    async with bed.client("new") as client:
        assert (await client.post("/v1/decisions", json=BODY)).status_code == 200
        statuses = await asyncio.gather(
            *(client.post("/v1/decisions", json=BODY, headers={"Authorization": f"Bearer acrux_{n}"}) for n in range(9))
        )
    assert {response.status_code for response in statuses} == {401}
    assert next(bed.asked_tokens) == 1
    assert bed.services.tokens.take_used() == {"tok-new"}


async def test_tokens_stay_when_the_supervisor_can_t_be_asked(bed):
    """A supervisor that does not answer takes no token away."""

    async def away():
        raise OSError("away")

    bed.services.tokens._fetch = away
    async with bed.client("unheard-of") as client:
        assert (await client.post("/v1/decisions", json=BODY)).status_code == 401
    async with bed.client() as client:
        assert (await client.post("/v1/decisions", json=BODY)).status_code == 200


async def test_what_is_counted(bed):
    """Decisions, errored rules, ignored attributes and problems are counted, and shown to Prometheus."""
    async with bed.client() as client:
        await client.post("/v1/decisions", json={"client": "jira", "attributes": {"unknown": 1}})
        await client.post("/v1/decisions", content=b"")
    text = bed.services.metrics.render().decode()
    assert 'acrux_decisions_total{level="mfa",outcome="step_up"} 1.0' in text
    assert "acrux_ignored_attributes_total 1.0" in text
    assert 'acrux_problems_total{code="unsupported_media_type"} 1.0' in text
    assert 'acrux_requests_total{operation="decide",status="200"} 1.0' in text
    assert "acrux_decide_seconds_count 2.0" in text


async def test_a_rule_that_can_t_be_evaluated_is_counted(bed):
    """`Errored` requires what `Matched` requires, is in the record, and a counter counts it."""
    rule = b"""
  - id: unguarded
    description: Reads an absent fact.
    owner: iam@example.com
    when: client.id == "intranet" && device.platform == "odd"
    require: mfa
"""
    bed.load({"policy.yaml": bed.files["policy.yaml"] + rule})
    async with bed.client() as client:
        answer = (await client.post("/v1/decisions", json={"client": "intranet"})).json()
    assert (answer["level"], answer["rules"]) == ("mfa", ["unguarded"])
    assert bed.services.metrics.errored_rules_count == 1


class _Broken:
    available = True

    async def append(self, entry):
        raise LogUnavailable("full")
