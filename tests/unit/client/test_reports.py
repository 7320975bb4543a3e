"""What the clients tell Acrux after an outage: everything, once, in the end."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from client_bed import CEILING, TOKEN, Service, claims

from acrux.client import (
    AcruxClient,
    RequestRefusedError,
    UnavailableError,
)
from acrux.client.answers import decision_from_state, decision_to_state
from acrux.client.conversation import MAX_JUDGED
from acrux.client.storing import MAX_CEILINGS


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
