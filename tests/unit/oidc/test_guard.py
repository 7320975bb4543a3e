"""Which decision a token request belongs to: every row of the table."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from acrux.domain.decision import Accept, DecisionOutcome
from acrux.oidc.guard import (
    Binding,
    Bound,
    Mismatched,
    Unbound,
    binding_hash,
    challenge_of,
    is_challenge,
    match_bindings,
    nonce_hash,
)
from acrux.oidc.tickets import Ticket, sha256_base64url

AT = datetime(2026, 11, 24, tzinfo=UTC)
ONE = Ticket("d-1", "jira", "jira", "corp", "r", AT, AT, DecisionOutcome.BASELINE, "basic", Accept("acr", (), None))
OTHER = replace(ONE, decision_id="d-2")


@pytest.mark.parametrize(
    ("by_challenge", "by_nonce", "has_verifier", "has_nonce", "expected"),
    [
        (Binding(ONE, True), Binding(ONE, True), True, True, Bound(ONE)),
        (Binding(ONE, True), None, True, False, Bound(ONE)),
        (None, Binding(ONE, False), False, True, Bound(ONE)),
        (Binding(ONE, True), Binding(OTHER, True), True, True, Mismatched),
        (Binding(ONE, True), None, True, True, Mismatched),
        (None, Binding(ONE, True), False, True, Mismatched),
        (None, Binding(ONE, True), True, True, Unbound),
        (None, None, True, False, Unbound),
        (None, None, False, True, Unbound),
        (None, None, False, False, Unbound),
    ],
)
def test_the_table(by_challenge, by_nonce, has_verifier, has_nonce, expected):
    """Both present must find the same decision; one that was there must come back; none is unbound."""
    found = match_bindings(by_challenge, by_nonce, has_verifier=has_verifier, has_nonce=has_nonce)
    if isinstance(expected, Bound):
        assert found == expected
    else:
        assert type(found) is expected
        assert found.reason


def test_challenges():
    """RFC 7636 appendix B; what is no verifier has no challenge."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert is_challenge("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
    for wrong in ("", "short", verifier + "\n", verifier + " ", "\u00fc" * 43, "a" * 129):
        assert challenge_of(wrong) is None
        assert not is_challenge(wrong)
    assert len(binding_hash("\ud800")) == 32


def test_the_ticket_knows_what_the_nonce_is_kept_as():
    """One hash in two places: what a ticket holds leads to the binding."""
    assert nonce_hash(replace(ONE, nonce_sha256=sha256_base64url("n-\u00fc"))) == binding_hash("n-\u00fc")
    assert nonce_hash(ONE) is None
