"""Buckets."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from acrux.engine.rollout import bucket_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Zk3", "Zk3"),
        ("é", "é"),
        (True, "true"),
        (7, "7"),
        (12.5, "12.5"),
        (("a", "é"), '["a","é"]'),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00.000000Z"),
        (timedelta(minutes=5), "300"),
    ],
)
def test_a_bucket_is_a_hash_over_rule_and_value(value, text):
    """The first 8 bytes, big-endian, of sha256 over `<rule id>\\n<value>`, modulo 100."""
    digest = hashlib.sha256(b"risky-logins\n" + text.encode()).digest()
    assert bucket_of("risky-logins", value) == int.from_bytes(digest[:8], "big") % 100


def test_buckets_never_move():
    """A rollout means the same on every node and in every release: one value, written down."""
    assert bucket_of("risky-logins", "Zk3") == 17
