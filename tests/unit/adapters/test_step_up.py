"""Step-up inside a session: the challenge of RFC 9470, the new request, and an end to loops."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrux.adapters.blocking import LoginRefusedError
from acrux.adapters.step_up import Lacking, StepUp, read_challenge
from acrux.client import Accept, Decision, VerdictName

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
LOA1, LOA2 = "urn:example:loa:1", "urn:example:loa:2"
DECISION = Decision(
    id="d-1",
    client="jira",
    outcome="step_up",
    level="mfa",
    authorization_params={"acr_values": LOA2, "max_age": "300"},
    accept=Accept("acr", (LOA2, "phr"), 300),
    decided_at=NOW,
    expires_at=NOW + timedelta(minutes=10),
)
FRESH = int(NOW.timestamp())
WEAK = {"acr": LOA1, "auth_time": FRESH}


def test_enough() -> None:
    """Claims that have what is accepted lack nothing, and end the count."""
    session = {"acrux-step-up": [FRESH]}
    assert StepUp().lacking(DECISION, {"acr": "phr", "auth_time": FRESH}, session, now=NOW) is None
    assert session == {}
    assert StepUp().lacking(DECISION, {"acr": LOA2, "auth_time": FRESH}, now=NOW) is None


@pytest.mark.parametrize(
    ("claims", "verdict", "description"),
    [
        (WEAK, VerdictName.DOWNGRADED, "A different authentication level is required"),
        ({"auth_time": FRESH}, VerdictName.MISSING, "A different authentication level is required"),
        ({"acr": LOA2, "auth_time": FRESH - 361}, VerdictName.STALE, "More recent authentication is required"),
        ({"acr": LOA2}, VerdictName.STALE, "More recent authentication is required"),
    ],
)
def test_challenge(claims, verdict, description) -> None:
    """An API's 401 says what is lacking: the error, the values that were asked for, and the age."""
    lacking = StepUp().lacking(DECISION, claims, now=NOW)
    assert lacking is not None
    assert lacking.verdict is verdict
    assert lacking.params == {"acr_values": LOA2, "max_age": "300"}
    assert lacking.www_authenticate("api") == (
        f'Bearer realm="api", error="insufficient_user_authentication", error_description="{description}", '
        f'acr_values="{LOA2}", max_age="300"'
    )


def test_level_asked_in_another_way() -> None:
    """Where the request has no `acr_values`, the accepted ones are named; other claims have no place in the header."""
    by_claims = replace(DECISION, authorization_params={"claims": "{}"})
    lacking = StepUp().lacking(by_claims, WEAK, now=NOW)
    assert lacking is not None
    assert lacking.acr_values == (LOA2, "phr")
    by_amr = replace(by_claims, accept=Accept("amr", ("mfa",), None))
    lacking = StepUp().lacking(by_amr, {"amr": ["pwd"]}, now=NOW)
    assert lacking is not None
    assert (lacking.acr_values, lacking.max_age_seconds) == ((), None)
    assert "acr_values" not in lacking.www_authenticate()
    assert "max_age" not in lacking.www_authenticate()


def test_deny() -> None:
    """A decision that denies is no reason to ask for more."""
    denied = replace(DECISION, outcome="deny", level="deny", accept=None)
    with pytest.raises(LoginRefusedError, match="decision d-1"):
        StepUp().lacking(denied, {"acr": LOA2}, now=NOW)


def test_loop_ends() -> None:
    """A session that is sent for more and never has it is refused; a new try begins anew."""
    session: dict[str, object] = {}
    step_up = StepUp(attempts=2, help_desk="Call 4242.")
    for _ in range(2):
        assert step_up.lacking(DECISION, WEAK, session, now=NOW) is not None
    with pytest.raises(LoginRefusedError, match="Call 4242") as refused:
        step_up.lacking(DECISION, WEAK, session, now=NOW)
    assert (refused.value.refusal.code, refused.value.refusal.decision_id) == ("downgraded", "d-1")
    assert step_up.lacking(DECISION, WEAK, session, now=NOW) is not None


def test_attempts_are_forgotten() -> None:
    """Attempts count for a time only; one from the future, or rubbish, counts for nothing."""
    session: dict[str, object] = {"acrux-step-up": [FRESH + 1, "x", FRESH - 600]}
    step_up = StepUp(attempts=1)
    assert step_up.lacking(DECISION, WEAK, session, now=NOW) is not None
    assert session == {"acrux-step-up": [FRESH]}
    later = NOW + timedelta(seconds=600)
    assert step_up.lacking(DECISION, WEAK, session, now=later) is not None
    assert StepUp().lacking(DECISION, WEAK, {"acrux-step-up": "x"}) is not None


@pytest.mark.parametrize("settings", [{"attempts": 0}, {"window_seconds": 0}])
def test_settings(settings) -> None:
    """Without an attempt, or a time, nothing could be protected."""
    with pytest.raises(ValueError, match="one attempt"):
        StepUp(**settings)


def test_answer_of_an_api() -> None:
    """An application asks the provider for what an API's challenge names, and not for ever."""
    session: dict[str, object] = {}
    step_up = StepUp(attempts=1)
    header = StepUp().lacking(DECISION, WEAK, now=NOW).www_authenticate("api")
    assert step_up.params_of(header, session) == {"acr_values": LOA2, "max_age": "300"}
    assert step_up.params_of('Bearer error="invalid_token"', session) is None
    with pytest.raises(LoginRefusedError):
        step_up.params_of(header, session)


@pytest.mark.parametrize(
    ("header", "params"),
    [
        ("", None),
        ("Basic realm=x", None),
        ('Basic realm="Bearer error=insufficient_user_authentication"', None),
        ('Bearer error="invalid_token"', None),
        ("Bearer error=insufficient_user_authentication", {}),
        ("bearer error=insufficient_user_authentication, max_age=5", {"max_age": "5"}),
        ('Basic realm="a, b", DPoP error="insufficient_user_authentication", acr_values="a  b"', {"acr_values": "a b"}),
        ('Bearer error="insufficient_user_authentication", max_age="soon"', {}),
        ('Bearer error="insufficient_user_authentication", max_age="-5"', {}),
        ('Bearer error="insufficient_user_authentication", acr_values="a\\"b"', {"acr_values": 'a"b'}),
        # Each challenge has its own parameters.
        ('Bearer error="invalid_token", DPoP error=insufficient_user_authentication, max_age=5', {"max_age": "5"}),
        ('DPoP error="insufficient_user_authentication", max_age=5, Bearer error="x", max_age=9', {"max_age": "5"}),
        ('Bearer acr_values="low", DPoP error="insufficient_user_authentication"', {}),
        ('Digest error="insufficient_user_authentication", Bearer realm="r"', None),
        ('Negotiate, Bearer error="insufficient_user_authentication", max_age=5', {"max_age": "5"}),
        ('Negotiate YII/a==, Bearer error="insufficient_user_authentication", max_age=5', {"max_age": "5"}),
        ('Bearer error="insufficient_user_authentication", max_age="5", max_age="9"', {"max_age": "5"}),
        ('Bearer error="insufficient_user_authentication", realm="unclosed, acr_values=low', {}),
        ('Bearer realm="a, Bearer error=insufficient_user_authentication, acr_values=low"', None),
        ('Bearer error="insufficient_user_authentication", acr_values="x"evil="y"', {}),
    ],
)
def test_reading(header, params) -> None:
    """Only a challenge of RFC 9470 asks for more, in whatever spelling."""
    assert read_challenge(header) == params


PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@given(st.lists(PRINTABLE, max_size=3), st.none() | st.integers(0, 10**9), st.text(max_size=5).filter(str.isascii))
@settings(max_examples=150)
def test_round_trip(values, max_age, realm) -> None:
    """Whatever is lacking is read from the header as it was meant."""
    lacking = Lacking(VerdictName.DOWNGRADED, tuple(values), max_age, {}, "d-1")
    if not realm.isprintable():
        with pytest.raises(ValueError, match="no header"):
            lacking.www_authenticate(realm)
        return
    expected = {"acr_values": " ".join(values), "max_age": "" if max_age is None else str(max_age)}
    assert read_challenge(lacking.www_authenticate(realm)) == {name: v for name, v in expected.items() if v}
