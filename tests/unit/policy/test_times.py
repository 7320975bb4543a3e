"""Dates, timestamps and durations as text."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrux.policy.times import MAX_DURATION_SECONDS, format_duration, parse_date, parse_duration, parse_timestamp


@pytest.mark.parametrize(
    ("text", "seconds"), [("12h", 43_200), ("1h30m", 5_400), ("90s", 90), ("1d1d", 172_800), ("0s", 0), ("007m", 420)]
)
def test_durations_add_up(text, seconds):
    """A duration is the sum of its parts, in any order and as often as it likes."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "12", "h", "12 h", "1.5h", "-1h", "1w", "1H", "25000d", "9" * 99 + "s", "\u0661h", "1h\n"]
)
def test_what_is_no_duration_is_none(text):
    """A unit is one of d, h, m, s; digits are ASCII; the whole stays below 2^31 seconds."""
    assert parse_duration(text) is None


@given(st.integers(0, MAX_DURATION_SECONDS))
def test_a_duration_is_written_as_it_is_read(seconds):
    """What `format_duration` writes, `parse_duration` reads."""
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-12-31", date(2026, 12, 31)),
        ("2026-02-30", None),
        ("20261231", None),
        ("2026-W01-1", None),
        ("31.12.2026", None),
    ],
)
def test_a_date_is_a_day_that_exists(text, day):
    """Only `YYYY-MM-DD`, and only days of the calendar."""
    assert parse_date(text) == day


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-24T09:00:00Z", datetime(2026, 11, 24, 9, tzinfo=UTC)),
        ("2026-11-24t09:00:00z", datetime(2026, 11, 24, 9, tzinfo=UTC)),
        ("2026-11-24T10:30:00+01:30", datetime(2026, 11, 24, 9, tzinfo=UTC)),
        ("2026-11-24T09:00:00.5Z", datetime(2026, 11, 24, 9, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-24T09:00:00.123456789Z", datetime(2026, 11, 24, 9, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-11-24T09:00:00", None),
        ("2026-11-24 09:00:00Z", None),
        ("2026-11-24T09:00Z", None),
        ("2026-11-24T24:00:00Z", None),
        ("2026-11-24T09:00:60Z", None),
        ("2026-11-24T09:00:00+25:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("2026-11-24", None),
    ],
)
def test_a_timestamp_is_rfc_3339_with_its_zone(text, at):
    """A moment says its zone, and is one that exists; it is kept in UTC."""
    assert parse_timestamp(text) == at


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_moment_can_be_written(at):
    """What Python writes of an aware time is read back to the microsecond."""
    assert parse_timestamp(at.isoformat()) == at
    assert parse_timestamp(at.strftime("%Y").zfill(4) + at.strftime("-%m-%dT%H:%M:%SZ")) == at - timedelta(
        microseconds=at.microsecond
    )
