"""Tickets: sealed, small, and never anything but what was sealed."""

import base64
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrux.domain.decision import Accept, DecisionOutcome
from acrux.domain.identifiers import ClientName, DecisionId, LevelName, ProviderName, Revision
from acrux.oidc.tickets import (
    MAX_TICKET_CHARACTERS,
    InvalidTicket,
    Ticket,
    TicketSealer,
    TicketTooLargeError,
    sha256_base64url,
)

KEY, OTHER_KEY = b"k" * 32, b"o" * 32


def noise(seed: int, byte_count: int) -> str:
    """Text that can't be deflated below half of itself."""
    return random.Random(seed).randbytes(byte_count).hex()  # noqa: S311 - seeded, so that each run is the same


DECIDED_AT = datetime(2026, 11, 24, 8, 0, 0, 123456, tzinfo=UTC)
TICKET = Ticket(
    decision_id=DecisionId("0199f3c2-0000-7000-8000-000000000001"),
    client_name=ClientName("jira"),
    client_id="jira-sso",
    provider=ProviderName("corp"),
    revision=Revision("sha256:" + "9f" * 32),
    decided_at=DECIDED_AT,
    expires_at=DECIDED_AT + timedelta(minutes=10),
    outcome=DecisionOutcome.STEP_UP,
    level=LevelName("mfa"),
    accept=Accept("acr", ("urn:example:loa:2", "phr"), 28800),
    nonce_sha256="a" * 43,
    user_id="u-1029",
    facts={"network.zones": ["office"], "device.managed": False, "session.age": 300},
)
TEXTS = st.text(max_size=256)


@given(
    user_id=st.none() | TEXTS,
    client_id=TEXTS,
    provider=st.none() | TEXTS,
    outcome=st.sampled_from(DecisionOutcome),
    accept=st.none()
    | st.builds(Accept, TEXTS, st.lists(TEXTS, max_size=3).map(tuple), st.none() | st.integers(0, 2**31)),
    facts=st.dictionaries(TEXTS, TEXTS | st.booleans() | st.lists(TEXTS, max_size=3), max_size=3),
    at=st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds are naive
)
@settings(max_examples=150, deadline=None)
def test_round_trip(user_id, client_id, provider, outcome, accept, facts, at) -> None:
    """What was sealed comes out, or, where it was too long, the same without facts and with a digest of the user."""
    ticket = replace(
        TICKET,
        user_id=user_id,
        client_id=client_id,
        provider=provider,
        outcome=outcome,
        accept=accept,
        facts=facts,
        decided_at=at,
    )
    sealer = TicketSealer(KEY)
    try:
        sealed = sealer.seal(ticket)
    except TicketTooLargeError:
        assert sum(map(len, (client_id, provider or "", *(accept.values if accept else ())))) > 400
        return
    assert len(sealed) <= MAX_TICKET_CHARACTERS
    opened = sealer.open(sealed)
    assert isinstance(opened, Ticket)
    if opened.facts_in_log:
        assert opened.facts == {}
        opened = replace(opened, facts=facts, facts_in_log=False)
    assert user_id is None or opened.names_user(user_id)
    assert replace(opened, user_id=user_id) == ticket


def test_small_ticket_is_plain() -> None:
    """An ordinary ticket is a third of what it may be: it travels in cookies."""
    assert len(TicketSealer(KEY).seal(TICKET)) < 700


def test_facts_that_fit_only_deflated_stay() -> None:
    """Facts that repeat themselves are deflated before they are given up."""
    ticket = replace(TICKET, facts={"user.groups": [f"group-{number}" for number in range(400)]})
    sealer = TicketSealer(KEY)
    assert sealer.open(sealer.seal(ticket)) == ticket


def test_facts_that_do_not_fit_are_left_to_the_log() -> None:
    """Facts that can't be deflated enough are dropped, and the ticket says so."""
    sealer = TicketSealer(KEY)
    opened = sealer.open(sealer.seal(replace(TICKET, facts={"device.user_agent": noise(7, 4096)})))
    assert opened == replace(TICKET, facts={}, facts_in_log=True)


def test_longest_user_is_kept_as_a_digest() -> None:
    """The longest ids that the API takes fit: whoever has the ticket can still tell whether it is this user."""
    source = random.Random(11)  # noqa: S311 - seeded
    longest = "".join(chr(source.randrange(0x10000, 0x10FFFF)) for _ in range(256))
    sealer = TicketSealer(KEY)
    ticket = replace(TICKET, user_id=longest, client_name=ClientName(longest[::-1]), client_id=longest[::-1], facts={})
    opened = sealer.open(sealer.seal(ticket))
    assert isinstance(opened, Ticket)
    assert opened.user_id == "sha256:" + sha256_base64url(longest)
    assert opened.names_user(longest)
    assert not opened.names_user(longest[:-1])
    assert opened.client_id == longest[::-1]


def test_names_nobody_where_no_user_was_sent() -> None:
    """A ticket without a user names none."""
    assert not replace(TICKET, user_id=None).names_user("u-1029")


def test_words_that_do_not_fit() -> None:
    """A set whose own words are longer than a ticket is told so."""
    words = tuple(noise(number, 100) for number in range(20))
    with pytest.raises(TicketTooLargeError, match="`jira`"):
        TicketSealer(KEY).seal(replace(TICKET, accept=Accept("acr", words, None)))


def test_no_two_seals_are_alike() -> None:
    """The same ticket is sealed with a new nonce each time, and says nothing of itself."""
    sealer = TicketSealer(KEY)
    one, other = sealer.seal(TICKET), sealer.seal(TICKET)
    assert one != other
    assert "jira" not in base64.urlsafe_b64decode(one + "==").decode("latin-1")


def test_old_keys_open() -> None:
    """After a rotation the old key opens what it sealed; a key that is forgotten does not."""
    sealed = TicketSealer(OTHER_KEY).seal(TICKET)
    assert TicketSealer(KEY, (OTHER_KEY,)).open(sealed) == TICKET
    assert TicketSealer(KEY).open(sealed) == InvalidTicket("not sealed by this service")


def test_every_changed_bit_is_noticed() -> None:
    """A ticket with one bit flipped anywhere is none."""
    sealer = TicketSealer(KEY)
    raw = base64.urlsafe_b64decode(sealer.seal(TICKET) + "==")
    for place in range(0, len(raw) * 8, 7):
        changed = bytearray(raw)
        changed[place // 8] ^= 1 << place % 8
        assert isinstance(sealer.open(base64.urlsafe_b64encode(changed).decode().rstrip("=")), InvalidTicket)


@pytest.mark.parametrize("text", ["", "x", "AAAA", "not base64!", "ä" * 40, "A" * 4096, "A" * 41, "\ud800"])
def test_rubbish(text: str) -> None:
    """A text that is no ticket is answered with a reason, never with an exception."""
    assert isinstance(TicketSealer(KEY).open(text), InvalidTicket)


def test_keys_have_their_length() -> None:
    """A key of another length is refused before anything is sealed with it."""
    with pytest.raises(ValueError, match="32 bytes"):
        TicketSealer(b"short")
