"""Dates, timestamps, durations and windows of time as text: one strict reading of each. No clock."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

_DURATION: Final = re.compile(r"(?:[0-9]+[dhms])+")
_DURATION_PART: Final = re.compile(r"([0-9]+)([dhms])")
_SECONDS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
# What an OpenID Connect `max_age` and every clock around it can hold; about 68 years.
MAX_DURATION_SECONDS: Final = 2**31 - 1
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIMESTAMP: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def parse_duration(text: str) -> int | None:
    """The seconds of a duration such as `12h` or `1h30m`; None for what is none, or is beyond 2^31-1 seconds."""
    if not _DURATION.fullmatch(text) or len(text) > 64:  # noqa: PLR2004 - no duration in range is that long
        return None
    seconds = sum(int(count) * _SECONDS[unit] for count, unit in _DURATION_PART.findall(text))
    return seconds if seconds <= MAX_DURATION_SECONDS else None


def parse_date(text: str) -> date | None:
    """The day of a `YYYY-MM-DD`, or None."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def parse_timestamp(text: str) -> datetime | None:
    """The moment, in UTC, of an RFC 3339 date-time with its zone; None for what is none. Microseconds at best."""
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return None
    day, clock, fraction, zone = found.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at + timedelta(microseconds=int((fraction or "0")[:6].ljust(6, "0")))


def format_duration(seconds: int) -> str:
    """The shortest way to write a duration: `12h`, `1h30m`, `0s`."""
    parts = []
    for unit, size in _SECONDS.items():
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
