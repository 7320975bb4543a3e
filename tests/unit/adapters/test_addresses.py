"""The user's address: from the connection, and through trusted proxies from right to left."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrux.adapters.addresses import TrustedProxies

PROXIES = ["10.0.0.0/8", "2001:db8:ffff::/48"]


@pytest.mark.parametrize(
    ("peer", "lines", "expected"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.9"], "203.0.113.7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ("10.0.0.1", ["203.0.113.66, 198.51.100.9"], "198.51.100.9"),
        ("10.0.0.1", ["203.0.113.66", "198.51.100.9, 10.0.0.2"], "198.51.100.9"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["198.51.100.9:4711"], "198.51.100.9"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", ["fe80::1%eth0"], "fe80::1"),
        ("2001:db8:ffff::1", ["2001:DB8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.9"], "198.51.100.9"),
        ("10.0.0.1", ["198.51.100.9, unknown"], None),
        ("10.0.0.1", ["198.51.100.9, _hidden, 10.0.0.2"], None),
        ("10.0.0.1", ["198.51.100.9,"], None),
        ("10.0.0.1", ["198.51.100.9, 10.0.0.256"], None),
        ("testclient", ["198.51.100.9"], None),
        (None, ["198.51.100.9"], None),
    ],
)
def test_x_forwarded_for(peer, lines, expected) -> None:
    """The nearest hop that is no trusted proxy counts; what a trusted proxy does not know, nobody knows."""
    assert TrustedProxies(PROXIES).user_address(peer, lines) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["for=198.51.100.9"], "198.51.100.9"),
        (["for=203.0.113.66, For=198.51.100.9;proto=https;by=10.0.0.1"], "198.51.100.9"),
        (['for="[2001:db8::1]:4711"'], "2001:db8::1"),
        (['for="198.51.100.9:80";host="a,b;for=1.1.1.1"'], "198.51.100.9"),
        (["proto=https;for=198.51.100.9, for=10.0.0.2"], "198.51.100.9"),
        (['for="\\"198.51.100.9"'], None),
        (['host="a\\",for=203.0.113.66";for=198.51.100.9'], "198.51.100.9"),
        (["for=unknown"], None),
        (["proto=https"], None),
        (['for="_secret"'], None),
        ([], "10.0.0.1"),
    ],
)
def test_forwarded(lines, expected) -> None:
    """`Forwarded` (RFC 7239) is read by its grammar: quotes, ports, other parameters."""
    assert TrustedProxies(PROXIES, "forwarded").user_address("10.0.0.1", lines) == expected


@given(st.text(max_size=80), st.sampled_from(["x-forwarded-for", "forwarded"]))
@settings(max_examples=200)
def test_what_stands_left_is_the_users(forged, header) -> None:
    """Whatever a user writes into the header, the address that the trusted proxy appended is the one."""
    appended = "198.51.100.9" if header == "x-forwarded-for" else "for=198.51.100.9"
    proxies = TrustedProxies(PROXIES, header)
    assert proxies.user_address("10.0.0.1", [forged, appended]) == "198.51.100.9"


def test_long_headers() -> None:
    """A header of any length is read from its end, quickly."""
    forged = 'for="' * 100_000
    assert TrustedProxies(PROXIES, "forwarded").user_address("10.0.0.1", [forged, "for=198.51.100.9"]) == "198.51.100.9"
    hops = ", ".join(["203.0.113.66"] * 100_000)
    assert TrustedProxies(PROXIES).user_address("10.0.0.1", [hops, "198.51.100.9"]) == "198.51.100.9"


def test_settings_are_checked() -> None:
    """A network that is none, and a header that no proxy writes, are refused at the start."""
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        TrustedProxies(["10.0.0.1/8"])
    with pytest.raises(ValueError, match="no header"):
        TrustedProxies([], "x-real-ip")
