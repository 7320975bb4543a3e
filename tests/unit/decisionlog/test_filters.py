"""Filters: what a URL or a command line may say, and what it comes to."""

from datetime import UTC, datetime

import pytest

from acrux.decisionlog.errors import FilterInvalid
from acrux.decisionlog.filters import Choice, Filters
from acrux.storage.records import Conditions, Term


def test_each_filter_becomes_a_condition():
    """Every filter is handed on; a user as pseudonyms, a missing outcome as such."""
    filters = Filters.parse(
        {"client": "jira", "zone": "!office", "user": "u", "verdict": "none", "shadow_differs": "true",
         "from": "2026-01-01"}
    )  # fmt: skip
    assert filters.choices["zone"] == Choice("office", excluded=True)
    assert filters.conditions(lambda user: (user + "-new", user + "-old")) == Conditions(
        terms=(
            Term("client", ("jira",)),
            Term("zone", ("office",), excluded=True),
            Term("user_hmac", ("u-new", "u-old")),
        ),
        has_outcome=False,
        shadow_differs=True,
        from_us=1_767_225_600_000_000,
    )
    assert Filters.parse({"verdict": "!none"}).conditions(lambda user: (user,)).has_outcome is True
    assert Filters.parse({"verdict": "stale"}).conditions(lambda user: (user,)).terms == (Term("verdict", ("stale",)),)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-24", datetime(2026, 11, 24, tzinfo=UTC)),
        ("2026-11-24T08:00:00Z", datetime(2026, 11, 24, 8, tzinfo=UTC)),
        ("2026-11-24T08:00:00.123456+02:00", datetime(2026, 11, 24, 6, 0, 0, 123456, tzinfo=UTC)),
    ],
)
def test_times_are_instants(text, at):
    """A time has a zone; a day begins at midnight, UTC."""
    assert Filters.parse({"from": text}).from_at == at


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("colour", "red"),
        ("limit", "1"),
        ("client", ""),
        ("client", "!"),
        ("client", "x" * 513),
        ("client", "a\x00b"),
        ("client", "a\x85b"),
        ("user", "\ud800"),
        ("verdict", "fine"),
        ("shadow_differs", "yes"),
        ("from", ""),
        ("from", "yesterday"),
        ("from", "2026-11-24T08:00:00"),
        ("to", "2026-11-24 08:00:00"),
        ("to", "0001-01-01T00:00:00+10:00"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(name, value):
    """A filter that can't be understood says which it is."""
    with pytest.raises(FilterInvalid) as refused:
        Filters.parse({name: value})
    assert refused.value.parameter == name


def test_only_the_same_filters_have_the_same_digest():
    """The digest, to which cursors are bound, is the same for the same filters in any order, else different."""
    one = Filters.parse({"client": "a", "rule": "b"})
    assert one.digest() == Filters.parse({"rule": "b", "client": "a"}).digest()
    others = [{}, {"client": "a"}, {"client": "!a", "rule": "b"}, {"client": "b", "rule": "a"}, {"from": "2026-01-01"}]
    assert len({one.digest(), *(Filters.parse(other).digest() for other in others)}) == 6
