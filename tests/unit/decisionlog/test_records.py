"""Records: canonical bytes, chains, what is in clear and what is not."""

import hashlib
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrux.decisionlog.chain import FIRST_HEAD, leaf_hash, next_head
from acrux.decisionlog.recorder import Caller, Outcome, Recorder, Returned, _plain
from acrux.decisionlog.records import Entry, Kind, canonical, envelope, event, from_microseconds, microseconds
from acrux.decisionlog.sealing import Keyring
from acrux.domain.decision import Accept, Decision, DecisionOutcome, RuleEffect, Verdict
from acrux.domain.facts import Facts

NOW = datetime(2026, 11, 24, 8, 0, 0, 123456, tzinfo=UTC)
STREAM = "0199f3c2-0000-7000-8000-000000000000"
DECISION_ID = "0199f3c2-0000-7000-8000-000000000001"
KEYRING = Keyring(b"k" * 32)


@pytest.fixture
def recorder():
    """Makes the records of a stream."""
    return Recorder(KEYRING, STREAM)


def decision(**changes):
    """A decision with a rule that matched and one that errored."""
    values = {
        "outcome": DecisionOutcome.STEP_UP,
        "level": "mfa",
        "requested_level": None,
        "shadow_level": "mfa",
        "max_age_seconds": 28800,
        "authorization_params": MappingProxyType({"acr_values": "urn:example:loa:2"}),
        "accept": Accept("acr", ("urn:example:loa:2",), 28800),
        "rules": ("a",),
        "reason": "because",
        "effects": (RuleEffect("a", False, True, "mfa", "mfa", bucket=7), RuleEffect("b", True, False, "mfa", "mfa")),
        "client": "jira",
        "provider": None,
        "policy_revision": "sha256:1",
        "decided_at": NOW,
        **changes,
    }
    return Decision(**values)


FACTS = {
    "client.id": "jira",
    "network.ip": "198.51.100.9",
    "network.zones": ("office",),
    "user.id": "u-1029",
    "user.groups": ("design",),
    "browser.id": "browser-1",
    "attr.risk": 12.5,
    "session.age": timedelta(seconds=300),
    "device.user_agent": "Agent/1",
    "request.time": NOW,
}


def content_of(entry):
    """The content of an entry's record."""
    return orjson.loads(envelope(entry, recorded_at_us=1, sequence=1, stream=STREAM))["content"]


def no_floats(value):
    """Whether no number in a JSON value is a float."""
    match value:
        case dict():
            return all(no_floats(item) for item in value.values())
        case list():
            return all(no_floats(item) for item in value)
        case _:
            return not isinstance(value, float)


def test_a_record_s_bytes_are_canonical(recorder):
    """A record is JSON with sorted keys, no spaces and no floats, and carries its place in its stream."""
    entry = recorder.decision(DECISION_ID, decision(), Facts(FACTS), expires_at=NOW, caller=Caller())
    body = envelope(entry, recorded_at_us=5, sequence=7, stream=STREAM)
    record = orjson.loads(body)
    assert orjson.dumps(record, option=orjson.OPT_SORT_KEYS) == body
    assert no_floats(record)
    assert {name: record[name] for name in record if name != "content"} == {
        "kind": "decision",
        "recorded_at_us": 5,
        "sequence": 7,
        "stream": STREAM,
        "version": 1,
    }
    assert (
        event(Kind.FALLBACK, {"b": 1, "a": "ä"}).content == canonical({"a": "ä", "b": 1}) == '{"a":"ä","b":1}'.encode()
    )


def test_a_decision_holds_what_is_needed_to_decide_again(recorder):
    """Facts, sealed or not, time, revision, effects and answer together are the decision's input and output."""
    facts = Facts(FACTS, requested_claims={"id_token": {"acr": None}})
    caller = Caller("request", "correlation", "token")
    entry = recorder.decision(DECISION_ID, decision(), facts, expires_at=NOW + timedelta(minutes=1), caller=caller)
    content = content_of(entry)
    assert (entry.at_us, entry.decision_id, entry.uses_up) == (microseconds(NOW), DECISION_ID, False)
    opened = KEYRING.records(STREAM).open_json(content["sealed"], DECISION_ID)
    assert content["facts"] | opened["facts"] == {  # without `request.time`, which is `decided_at_us`
        "client.id": "jira",
        "network.ip": "198.51.100.9",
        "network.zones": ["office"],
        "user.id": "u-1029",
        "user.groups": ["design"],
        "browser.id": "browser-1",
        "attr.risk": 12.5,
        "session.age": 300,
        "device.user_agent": "Agent/1",
    }
    assert opened["requested_claims"] == {"id_token": {"acr": None}}
    assert content["answer"]["decided_at_us"] == microseconds(NOW)
    assert content["answer"]["policy_revision"] == "sha256:1"
    assert [effect["id"] for effect in content["effects"]] == ["a", "b"]
    assert content["effects"][0]["bucket"] == 7
    assert (content["request_id"], content["correlation_id"], content["token_id"]) == (
        "request",
        "correlation",
        "token",
    )


def test_nothing_about_the_person_is_in_clear(recorder):
    """`user.*`, `attr.*`, `browser.id` and subjects are in no record but sealed; a user is found by HMAC."""
    entry = recorder.decision(DECISION_ID, decision(), Facts(FACTS), expires_at=NOW, caller=Caller())
    outcome = recorder.outcome(make_outcome(), caller=Caller())
    for secret in (b"u-1029", b"design", b"browser-1", b"12.5"):
        assert secret not in entry.content
        assert secret not in outcome.content
    assert content_of(entry)["user_hmac"] == KEYRING.pseudonym("u-1029") == content_of(outcome)["user_hmac"]


def test_a_decision_about_nobody_seals_nothing(recorder):
    """Without sensitive facts there is nothing sealed, no HMAC, and `deny` has no accept."""
    bare = decision(accept=None, outcome=DecisionOutcome.DENY)
    entry = recorder.decision(DECISION_ID, bare, Facts({"client.id": "jira"}), expires_at=NOW, caller=Caller())
    content = content_of(entry)
    assert (content["sealed"], content["user_hmac"], content["answer"]["accept"]) == (None, None, None)


def make_outcome(**changes):
    """An outcome of a decision."""
    values = {
        "id": "outcome-1",
        "decision_id": DECISION_ID,
        "decided_at": NOW,
        "client": "jira",
        "provider": "corp",
        "revision": "sha256:1",
        "verdict": Verdict.SATISFIED,
        "admit": True,
        "level": "mfa",
        "returned": Returned("urn:example:loa:2", ("otp",), 1, "sid-1", "https://op.example.com", "u-1029",
                             {"user.groups": ("design",)}),
        **changes,
    }  # fmt: skip
    return Outcome(**values)


def test_an_outcome_is_filed_with_its_decision(recorder):
    """An outcome repeats its decision's time and client, holds what came back, and says whether it uses it up."""
    entry = recorder.outcome(make_outcome(), caller=Caller("request"))
    content = content_of(entry)
    assert (entry.kind, entry.at_us, entry.uses_up) == (Kind.OUTCOME, microseconds(NOW), True)
    assert (content["decided_at_us"], content["client"], content["verdict"]) == (microseconds(NOW), "jira", "satisfied")
    assert content["returned"] == {
        "acr": "urn:example:loa:2", "amr": ["otp"], "auth_time": 1, "issuer": "https://op.example.com", "sid": "sid-1",
    }  # fmt: skip
    opened = KEYRING.records(STREAM).open_json(content["sealed"], DECISION_ID)
    assert opened == {"subject": "u-1029", "facts": {"user.groups": ["design"]}}


@pytest.mark.parametrize("verdict", list(Verdict))
def test_the_verdict_says_whether_a_decision_is_used_up(recorder, verdict):
    """The entry's mark is the verdict's."""
    outcome = make_outcome(verdict=verdict, returned=Returned())
    entry = recorder.outcome(outcome, caller=Caller())
    assert entry.uses_up is verdict.uses_up
    assert content_of(entry)["sealed"] is None


def test_what_is_no_json_is_a_defect():
    """A value that has no place in a record is refused instead of written somehow."""
    with pytest.raises(TypeError, match="object can't be logged"):
        _plain(object())
    assert _plain(MappingProxyType({"a": 1})) == {"a": 1}


@given(st.integers(0, 4_102_444_800_000_000))
def test_times_survive_as_microseconds(at_us):
    """Microseconds become an aware time and come back unchanged."""
    assert microseconds(from_microseconds(at_us)) == at_us


def test_leaf_and_chain_are_rfc_6962_leaves_in_a_chain():
    """A leaf is SHA-256 of 0x00 and the body; a head is SHA-256 of the head before and the leaf."""
    leaf = leaf_hash(b"body")
    assert leaf == hashlib.sha256(b"\x00body").digest()
    assert next_head(FIRST_HEAD, leaf) == hashlib.sha256(bytes(32) + leaf).digest()


def test_an_entry_is_filed_when_it_is_recorded_unless_it_says_otherwise():
    """Only decisions and their outcomes say under which time they are filed."""
    assert Entry(Kind.FALLBACK, b"{}").at_us is None
