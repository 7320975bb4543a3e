"""What the clients do without an answer: the ceiling or refusal, and judging alone."""

import httpx
import pytest
from client_bed import ACCEPT, CEILING, LOA1, LOA2, TOKEN, claims, decided

from acrux.client import (
    UnavailableError,
    UnexpectedAnswerError,
)

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
