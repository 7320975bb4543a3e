"""The verdict table (http-api.md, "Close the loop"): every row and every pair, in service and client."""

import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from acrux.client.answers import read_accept
from acrux.client.facts import sha256_base64url
from acrux.client.judging import judge_locally
from acrux.client.values import Decision
from acrux.domain.decision import Accept, DecisionOutcome, Verdict
from acrux.domain.identifiers import ClientName, DecisionId, LevelName, ProviderName, Revision
from acrux.domain.ladder import AssuranceLadder, Rung
from acrux.domain.profiles import PROFILES
from acrux.oidc.claims import InvalidToken, read_claims
from acrux.oidc.judge import Judgement, judge
from acrux.oidc.tickets import InvalidTicket, Ticket
from acrux.policy.model import Client, Provider

TABLE = json.loads((Path(__file__).parent / "verdicts.json").read_text())
ORDER = list(Verdict)
NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
ID = DecisionId("0199f3c2-0000-7000-8000-000000000001")
LADDER = AssuranceLadder(tuple(Rung(LevelName(level)) for level in ("basic", "mfa", "phishing-resistant")))
PROVIDER = Provider(
    ProviderName("corp"),
    "https://login.example.com",
    PROFILES["generic"],
    {
        LevelName("mfa"): ("urn:example:loa:2",),
        LevelName("phishing-resistant"): ("urn:example:loa:3", "phr"),
    },
)
CLIENT = Client(ClientName("jira"), ProviderName("corp"), "jira-sso")


def login(*cases: dict[str, Any]) -> dict[str, Any]:
    """The honest login with the changes of these cases, one after the other."""
    honest = TABLE["honest"]
    decision, claims, used = dict(honest["decision"]), dict(honest["claims"]), honest["already_used"]
    for case in cases:
        decision.update(case.get("decision", {}))
        claims.update(case.get("claims", {}))
        for name in case.get("drop", ()):
            claims.pop(name, None)
        used = case.get("already_used", used)
    claims = {
        name: NOW.timestamp() + value["at"] if isinstance(value, dict) else value for name, value in claims.items()
    }
    return {"decision": decision, "claims": claims, "already_used": used}


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def ticket_of(decision: dict[str, Any]) -> Ticket:
    accept = decision["accept"]
    return Ticket(
        decision_id=ID,
        client_name=ClientName("jira"),
        client_id=decision["client_id"],
        provider=ProviderName("corp"),
        revision=Revision("sha256:" + "0" * 64),
        decided_at=at(decision["decided_at"]),
        expires_at=at(decision["expires_at"]),
        outcome=DecisionOutcome(decision["outcome"]),
        level=LevelName("mfa"),
        accept=None if accept is None else Accept(accept["claim"], tuple(accept["values"]), accept["max_age_seconds"]),
        nonce_sha256=None if decision["nonce"] is None else sha256_base64url(decision["nonce"]),
        user_id=decision["user_id"],
    )


def judged(subject: dict[str, Any], **changes: Any) -> Judgement:
    arguments: dict[str, Any] = {
        "decision_id": ID,
        "provider": PROVIDER,
        "client": CLIENT,
        "ladder": LADDER,
        "now": NOW,
        "already_used": subject["already_used"],
        **changes,
    }
    ticket = arguments.pop("ticket", None) or ticket_of(subject["decision"])
    returned = arguments.pop("returned", None) or read_claims(subject["claims"])
    return judge(ticket, returned, **arguments)


def judged_by_client(subject: dict[str, Any]) -> str:
    asked = subject["decision"]
    decision = Decision(
        id=ID,
        client="jira",
        outcome=asked["outcome"],
        level="mfa",
        authorization_params={},
        accept=read_accept(asked["accept"]),
        decided_at=at(asked["decided_at"]),
        expires_at=at(asked["expires_at"]),
        nonce_sha256=None if asked["nonce"] is None else sha256_base64url(asked["nonce"]),
        user_id=asked["user_id"],
    )
    verdict = judge_locally(
        decision,
        subject["claims"],
        NOW,
        already_used=subject["already_used"],
        issuer=asked["issuer"],
        client_id=asked["client_id"],
    )
    assert verdict.admit is (verdict.name == "satisfied")
    assert verdict.local
    return verdict.name.value


@pytest.mark.parametrize("case", TABLE["cases"], ids=lambda case: f"{case['row']}: {case['name']}")
def test_row(case: dict[str, Any]) -> None:
    """Each case gets the verdict of its row, from the service and from the client alike."""
    subject = login(case)
    assert judged(subject).verdict == case["row"]
    assert judged_by_client(subject) == case["row"]


PAIRS = [
    pair
    for pair in itertools.combinations([case for case in TABLE["cases"] if case.get("pair")], 2)
    if {case["row"] for case in pair} != {"missing", "downgraded"}  # an acr can't be both
]


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=lambda case: case["row"])
def test_first_row_that_fits(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Where two rows fit, the one that stands first in the table is the verdict."""
    subject = login(one, other)
    if "denied" in {one["row"], other["row"]}:
        subject["decision"].update(outcome="deny", accept=None)
    expected = min(one["row"], other["row"], key=lambda row: ORDER.index(Verdict(row)))
    assert judged(subject).verdict == expected
    assert judged_by_client(subject) == expected


def test_every_row_has_cases() -> None:
    """The table is whole: no verdict but `insufficient`, which needs the engine, is without a case."""
    assert {case["row"] for case in TABLE["cases"]} == set(Verdict) - {Verdict.INSUFFICIENT}


def test_ticket_comes_before_all() -> None:
    """A ticket that can't be opened, or of another decision, is `invalid`, whatever came back."""
    honest = login()
    assert judged(honest, ticket=InvalidTicket("too short")).verdict is Verdict.INVALID
    assert judged(honest, decision_id="0199f3c2-0000-7000-8000-000000000002").verdict is Verdict.INVALID


def test_token_comes_before_mismatch() -> None:
    """A token that can't be verified is `invalid`, and nothing in it counts."""
    found = judged(login(), returned=InvalidToken("unsigned"))
    assert (found.verdict, found.reason, found.level, found.acr) == (Verdict.INVALID, "unsigned", "basic", None)


def test_provider_and_client_must_be_the_tickets() -> None:
    """A provider that is gone or another one, or a client that has another id now, does not match."""
    honest = login()
    assert judged(honest, provider=None).verdict is Verdict.MISMATCHED
    assert judged(honest, provider=replace(PROVIDER, name=ProviderName("other"))).verdict is Verdict.MISMATCHED
    assert judged(honest, client=replace(CLIENT, client_id="jira-2")).verdict is Verdict.MISMATCHED
    assert judged(honest, client=None).verdict is Verdict.SATISFIED, "an unregistered client has nothing to compare"


def test_subject_goes_through_the_subject_claim() -> None:
    """The user that was sent is compared with the claim that the provider keeps the user's id in."""
    provider = replace(PROVIDER, subject_claim="oid")
    subject = login({"decision": {"user_id": "o-7"}, "claims": {"oid": "o-7"}})
    assert judged(subject, provider=provider).verdict is Verdict.SATISFIED
    assert judged(subject).verdict is Verdict.MISMATCHED
    assert judged(login({"decision": {"user_id": "o-7"}}), provider=provider).verdict is Verdict.MISMATCHED


@pytest.mark.parametrize(
    ("acr", "level"),
    [("phr", "phishing-resistant"), ("urn:example:loa:2", "mfa"), ("urn:example:loa:1", "basic"), (None, "basic")],
)
def test_level_attained(acr: str | None, level: str) -> None:
    """The level is the highest whose word came back, else the lowest, whatever the verdict."""
    case = {"drop": ["acr"]} if acr is None else {"claims": {"acr": acr}}
    assert judged(login(case)).level == level


def test_what_the_record_needs() -> None:
    """A judgement carries what came back, as far as it has the right form."""
    found = judged(login({"claims": {"amr": ["pwd", "otp"], "sid": "s-1", "email": "eve@Example.com"}}))
    assert (found.acr, found.amr, found.sid) == ("urn:example:loa:2", ("pwd", "otp"), "s-1")
    assert found.auth_time_seconds == NOW.timestamp() - 30
    assert found.user_facts == {"user.id": "u-1029"}
    found = judged(login({"claims": {"acr": ["x"], "sid": 5, "amr": "pwd"}}))
    assert (found.acr, found.amr, found.sid) == (None, (), None)
