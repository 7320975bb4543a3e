"""Policy, what-if, fallback, health, documents, and what surrounds every answer."""

import hashlib
import re
from datetime import timedelta

import orjson
import pytest
from http_bed import NOW, POLICY

from acrux.decisionlog.records import Kind, from_microseconds
from acrux.domain.identifiers import Revision
from acrux.wiring.services import NodeStatus, PolicyFailure, ReloadReport, ServiceSettings

DIAGNOSTIC = {
    "code": "ACX0203",
    "severity": "error",
    "file": "policy.yaml",
    "line": 3,
    "column": 4,
    "end_line": 3,
    "end_column": 9,
    "message": "unknown fact `x`",
    "help": None,
    "related": [],
}
FAILURE = PolicyFailure(NOW, "1 error", (DIAGNOSTIC, {**DIAGNOSTIC, "severity": "warning"}))


async def test_the_active_set_is_shown(bed):
    """Revision, files, and why a newer set was not taken."""
    bed.holder.last_error = FAILURE
    async with bed.client("author") as client:
        shown = (await client.get("/v1/policy")).json()
    assert shown["revision"] == bed.holder.revision
    assert shown["files"] == {"policy.yaml": POLICY["policy.yaml"].decode()}
    assert shown["failure"]["diagnostics"] == [DIAGNOSTIC, {**DIAGNOSTIC, "severity": "warning"}]


async def test_reload(bed):
    """A good set is answered with its revision; a broken one is a problem with its errors; no set at all a 503."""
    revision = Revision("sha256:" + "0" * 64)
    async with bed.client("author") as client:
        bed.reported = ReloadReport(revision, changed=True)
        assert (await client.post("/v1/policy/reload")).json() == {"revision": revision, "changed": True}
        bed.reported = ReloadReport(revision, changed=False, failure=FAILURE)
        broken = await client.post("/v1/policy/reload")
        bed.reported = ReloadReport(None, changed=False)
        none = await client.post("/v1/policy/reload")

        async def gone():
            raise OSError("gone")

        bed.replace(reload=gone)
    async with bed.client("author") as client:
        away = await client.post("/v1/policy/reload")
    assert (broken.status_code, broken.json()["code"]) == (422, "invalid_policy")
    assert broken.json()["errors"] == [{"pointer": "", "message": "policy.yaml:3:4: ACX0203: unknown fact `x`"}]
    assert (none.status_code, none.json()["code"]) == (503, "no_policy")
    assert (away.status_code, away.json()["code"]) == (503, "no_policy")


async def test_what_if(bed):
    """The decision that would be made then, every rule's trace, and nothing in the log."""
    body = {"facts": {"client": "jira", "attributes": {"risk_score": 99.0}}, "now": "2027-01-01T00:00:00Z"}
    before = bed.writer.committed_count
    async with bed.client("author") as client:
        found = (await client.post("/v1/explanations", json=body)).json()
        now = (await client.post("/v1/explanations", json={"facts": {"client": "jira"}})).json()
    assert found["decision"]["level"] == "mfa"
    assert found["shadow_level"] == "phishing-resistant"
    assert found["decision"]["decided_at"] == "2027-01-01T00:00:00.000000Z"
    assert {rule["id"]: rule["outcome"] for rule in found["rules"]}["risky"] == "matched"
    assert now["decision"]["decided_at"] == "2026-11-24T08:00:00.123456Z"
    assert bed.writer.committed_count == before


async def test_what_if_by_an_unsaved_set(bed):
    """An unsaved set decides the what-if; one with errors is answered with all its diagnostics."""
    draft = POLICY["policy.yaml"].decode().replace("require: deny", "require: mfa")
    body = {"facts": {"client": "forbidden"}}
    bed.holder.active = None
    async with bed.client("author") as client:
        good = (await client.post("/v1/explanations", json={**body, "policy": {"p.yaml": draft}})).json()
        bad = (await client.post("/v1/explanations", json={**body, "policy": {"p.yaml": "version: 1\n"}})).json()
    assert good["decision"]["level"] == "mfa"
    assert bad["decision"] is None
    assert bad["diagnostics"][0]["file"] == "p.yaml"


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        ({"facts": {"client": 1}}, "invalid_request", "/facts/client"),
        ({"facts": {"client": "twin"}}, "invalid_request", "/facts/client/id"),
        ({"facts": {"client": "jira"}, "now": "soon"}, "invalid_request", "/now"),
        ({"facts": {"client": "jira"}, "now": None}, "invalid_request", "/now"),
        ({"facts": {"client": "jira"}, "policy": {"../p.yaml": ""}}, "invalid_request", "/policy/..~1p.yaml"),
        ({"facts": {"client": "jira"}, "policy": {}}, "invalid_request", "/policy"),
        ({"facts": {"client": "jira", "request": {"acr_values": ["x"]}}}, "unmapped_requested_acr", "/facts/request"),
        ({}, "invalid_request", "/facts"),
    ],
)
async def test_what_if_is_read_strictly(bed, body, code, pointer):
    """Each wrong field by its pointer."""
    async with bed.client("author") as client:
        problem = (await client.post("/v1/explanations", json=body)).json()
    assert problem["code"] == code
    assert problem["errors"][0]["pointer"].startswith(pointer)


async def test_the_ceiling(bed):
    """The most that a client's logins can come to, by name or `client_id`, for unregistered clients too."""
    async with bed.client() as client:
        by_name = (await client.get("/v1/clients/jira/fallback")).json()
        by_id = (await client.get("/v1/clients/jira-sso/fallback")).json()
        unknown = (await client.get("/v1/clients/https%3A%2F%2Fapp.example.com/fallback")).json()
        denied = (await client.get("/v1/clients/forbidden/fallback")).json()
    assert by_name == by_id
    assert (by_name["client"], by_name["level"]) == ("jira", "phishing-resistant")
    assert unknown["client"] == "https://app.example.com"
    assert (denied["level"], denied["accept"]) == ("deny", None)
    async with bed.client("jira") as client:
        assert (await client.get("/v1/clients/jira-sso/fallback")).status_code == 200
        assert (await client.get("/v1/clients/intranet/fallback")).status_code == 404


def report(**more):
    """A report of a decision that was made in an outage."""
    return {
        "id": "5f1c4a52-0f5b-4c6e-9f0d-3b1f5a7c9e21",
        "client": "jira",
        "level": "mfa",
        "decided_at": "2026-11-24T08:30:00Z",
        "authorization_params": {"acr_values": "x"},
        "accept": {"claim": "acr", "values": ["x"], "max_age_seconds": 5.0},
        "reason": "connection refused",
        "facts": {"client": "jira", "user": {"id": "u-1"}},
        "verdict": None,
        "verdict_at": None,
        "returned_acr": None,
        **more,
    }


async def test_fallbacks_are_logged_with_the_user_sealed(bed):
    """Each report becomes a record with a true receipt; what it says of the user is not in clear."""
    reports = [report(), report(facts=None, verdict="satisfied", verdict_at="2026-11-24T08:31:00+01:00", accept=None)]
    async with bed.client("jira") as client:
        receipts = (await client.post("/v1/fallbacks", json={"decisions": reports})).json()["receipts"]
    bed.ship()
    rows = bed.database.read(lambda transaction: transaction.exec_driver_sql("SELECT body FROM records").all())
    bodies = {hashlib.sha256(b"\0" + row[0]).hexdigest(): row[0] for row in rows}
    first, second = (orjson.loads(bodies[receipt["leaf_hash"]]) for receipt in receipts)
    assert first["kind"] == Kind.FALLBACK
    assert b"u-1" not in bodies[receipts[0]["leaf_hash"]]
    assert first["content"]["user_hmac"] == bed.services.keyring.pseudonym("u-1")
    assert from_microseconds(second["content"]["judged_at_us"]).isoformat() == "2026-11-24T07:31:00+00:00"


@pytest.mark.parametrize(
    ("wrong", "status", "pointer"),
    [
        ({"client": "intranet"}, 403, None),
        ({"decided_at": "soon"}, 422, "/decisions/0/decided_at"),
        ({"verdict_at": "soon"}, 422, "/decisions/0/verdict_at"),
        ({"facts": {"client": ""}}, 422, "/decisions/0/facts/client"),
        (
            {"accept": {"claim": "acr", "values": [], "max_age_seconds": 1.5}},
            422,
            "/decisions/0/accept/max_age_seconds",
        ),
        ({"colour": 1}, 422, "/decisions/0/colour"),
    ],
)
async def test_reports_are_read_strictly(bed, wrong, status, pointer):
    """A report of another client's login is refused, and each wrong field is named; then nothing is logged."""
    before = bed.writer.committed_count
    async with bed.client("jira") as client:
        response = await client.post("/v1/fallbacks", json={"decisions": [report(**wrong)]})
    assert response.status_code == status
    assert bed.writer.committed_count == before
    if pointer is not None:
        assert response.json()["errors"][0]["pointer"] == pointer


async def test_alive_and_ready(bed):
    """`/healthz` and a bare `/readyz` are public; with a token `/readyz` says more; without a set it is 503."""
    bed.replace(status=lambda: NodeStatus(7, 1.5, database_reachable=False))
    bed.holder.last_error = FAILURE
    async with bed.client(None) as client:
        assert (await client.get("/healthz")).json() == {"status": "alive"}
        assert (await client.get("/readyz")).json() == {"status": "ready"}
        assert (await client.get("/readyz?x=1")).status_code == 422
        head = await client.head("/healthz")
        assert (head.status_code, head.content) == (200, b"")
    async with bed.client("auditor") as client:
        ready = (await client.get("/readyz")).json()
        bed.holder.active = None
        bed.holder.loaded_at = None
        not_ready = await client.get("/readyz")
    assert ready["log"] == {"available": True, "unshipped_count": 7, "lag_seconds": 1.5, "database_reachable": False}
    assert ready["policy"]["failure"]["summary"] == "1 error"
    assert (not_ready.status_code, not_ready.json()["status"]) == (503, "not_ready")
    assert not_ready.json()["policy"]["revision"] is None
    assert not_ready.headers["retry-after"] == "1"


async def test_metrics_take_a_token_unless_the_operator_says_otherwise(bed):
    """`/metrics` is public by setting only."""
    async with bed.client(None) as client:
        assert (await client.get("/metrics")).status_code == 401
    async with bed.client("auditor") as client:
        response = await client.get("/metrics")
        assert "acrux_requests_total" in response.text
    bed.replace(settings=ServiceSettings(metrics_public=True))
    async with bed.client(None) as client:
        assert (await client.get("/metrics")).status_code == 200


async def test_the_documents_are_self_contained(bed):
    """`/docs` fetches nothing and runs nothing; every operation is on it, and in `/openapi.yaml`."""
    async with bed.client(None) as client:
        page = await client.get("/docs")
        document = await client.get("/openapi.yaml")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert "src=" not in page.text
    assert document.text.startswith("openapi: 3.1.0")
    assert "/v1/decisions/{decision_id}/outcome" in page.text
    assert "<code>admit</code>" in page.text
    prose = re.sub(r"<pre>.*?</pre>", "", page.text, flags=re.DOTALL)
    assert "`" not in prose


async def test_what_is_nowhere(bed):
    """An unknown path is a 404, an unknown method a 405 that names every method there is; both in the one form."""
    async with bed.client() as client:
        for path in ("/", "/v1/decisions/", "/v1/nothing", "/v1/decisions/x/y/z"):
            response = await client.get(path)
            assert (response.status_code, response.json()["code"]) == (404, "not_found")
            assert "`/docs`" in response.json()["detail"]
        for path, allowed in (("/v1/decisions", "GET, HEAD, POST"), ("/v1/fallbacks", "POST"), ("/docs", "GET, HEAD")):
            for method in ("DELETE", "OPTIONS", "TRACE", "QUERY"):
                response = await client.request(method, path)
                assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
                assert response.headers["allow"] == allowed
                assert response.headers["cache-control"] == "no-store"


async def test_request_ids_behind_fastapi(bed):
    """The envelope is the same for every route."""
    async with bed.client(None) as client:
        assert (await client.get("/healthz", headers={"X-Request-ID": "r-1"})).headers["x-request-id"] == "r-1"
        made = (await client.get("/healthz", headers={"X-Request-ID": "a\tb"})).headers["x-request-id"]
        assert len(made) == 36
        assert (await client.get("/v1/policy")).json()["code"] == "unauthenticated"


async def test_a_defect_behind_fastapi(bed):
    """A defect has the form of a problem, and goes on to the server, which logs it."""

    def broken():
        raise RuntimeError("defect")

    bed.replace(status=broken)
    async with bed.client(raising=False) as client:
        response = await client.get("/readyz")
    assert (response.status_code, response.json()["code"]) == (500, "defect")
    async with bed.client() as client:
        with pytest.raises(RuntimeError):
            await client.get("/readyz")


async def test_a_caller_that_goes_away_behind_fastapi(bed):
    """Whoever has gone is no defect: whatever is answered is a 4xx."""
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.disconnect"}

    headers = [(b"authorization", b"Bearer acrux_operator"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/fallbacks",
        "raw_path": b"/v1/fallbacks",
        "query_string": b"",
        "headers": headers,
        "server": ("acrux.example.com", 80),
        "scheme": "http",
    }
    await bed.app(scope, receive, send)
    assert sent[0]["status"] == 400


@pytest.mark.parametrize("path", ["/v1/decisions?client=%ff", "/v1/clients/%c3%28/fallback", "/v1/decisions/%ff"])
async def test_a_url_that_is_not_utf8(bed, path):
    """It is refused: nothing is looked for under a name that nobody sent."""
    async with bed.client() as client:
        response = await client.get(path)
    assert (response.status_code, response.json()["code"]) == (400, "malformed")


async def test_an_unknown_query_parameter_is_named(bed):
    """Where no query is taken the first parameter of it is shown, on every route alike."""
    async with bed.client() as client:
        for method, path in (("POST", "/v1/decisions"), ("GET", "/v1/policy"), ("GET", "/healthz")):
            response = await client.request(method, f"{path}?dry%20run=1&b=2", json={"client": "jira"})
            assert response.json()["errors"] == [{"pointer": "/query/dry run", "message": "unknown query parameter"}]


async def test_other_protocols(bed):
    """The lifespan is answered, and a websocket is refused."""
    sent = []
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message["type"])

    await bed.app({"type": "lifespan"}, receive, send)
    await bed.app({"type": "websocket"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]


async def test_the_last_sets_stay_held(bed):
    """A worker keeps its last four sets, so that a login is judged by its own."""
    first = bed.holder.revision
    for number in range(4):
        bed.clock.at += timedelta(seconds=1)
        bed.load({"policy.yaml": POLICY["policy.yaml"] + b"# %d\n" % number})
        assert (bed.holder.held(first) is None) is (number == 3)
    assert bed.holder.held(bed.holder.revision) is bed.holder.active
