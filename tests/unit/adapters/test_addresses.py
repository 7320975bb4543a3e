"""The user's address: from the connection, and through trusted proxies from right to left."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrux.adapters.addresses import TrustedProxies
from acrux.policy.addresses import normalise_address

PROXIES = ["10.0.0.0/8", "2001:db8:ffff::/48"]


@pytest.mark.parametrize(
    ("peer", "lines", "expected"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.9"], "203.0.113.7"),
        ("10.0.0.1", [], None),
        ("10.0.0.1", [""], None),
        ("10.0.0.1", [" , "], None),
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
        ("::ffff:0a00:1%eth0", ["198.51.100.9"], "198.51.100.9"),
        ("64:ff9b::a00:1", ["64:ff9b::198.51.100.9"], "198.51.100.9"),
        ("64:ff9b::a00:1", [], None),
        ("64:ff9b::cb00:7107", ["10.0.0.9"], "203.0.113.7"),
        ("64:ff9b:1::a00:1", ["10.0.0.9"], "64:ff9b:1::a00:1"),
        ("::10.0.0.1", ["10.0.0.9"], "::a00:1"),
        ("10.0.0.1", ["198.51.100.9, [64:ff9b::a00:2]:80, ::ffff:10.0.0.3"], "198.51.100.9"),
        ("2001:db8:ffff::1%en0", ["2001:db8::1%en0"], "2001:db8::1"),
        ("10.0.0.1", ["198.51.100.9:_port"], "198.51.100.9"),
        ("10.0.0.1", ["[2001:db8::1%25eth0]:80"], "2001:db8::1"),
        ("10.0.0.1", ["198.51.100.9:"], None),
        ("10.0.0.1", ["198.51.100.9:123456"], None),
        ("10.0.0.1", ["[198.51.100.9"], None),
        ("10.0.0.1", ["198.51.100.9]"], None),
        ("10.0.0.1", ["[2001:db8::1]x"], None),
        ("10.0.0.1", ["[[2001:db8::1]]"], None),
        ("10.0.0.1", ["2001:db8::1:4711:x"], None),
        ("10.0.0.1", ["198.51.100.9%eth0"], None),
        ("10.0.0.1", ["198.51.100.9/32"], None),
        ("10.0.0.1", ["0x0a000009"], None),
        ("10.0.0.1", ["167772169"], None),
        ("10.0.0.1", ["010.0.0.9"], None),
        ("10.0.0.1", ["10.9"], None),
        ("10.0.0.1", ["\uff11\uff10.0.0.9"], None),
        ("10.0.0.1", ["198.51.100.9\x00"], None),
        ("10.0.0.1", ["198.51.100.9 10.0.0.9"], None),
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
        (['for="_secret:80"'], None),
        (['for="198.51.100.9:_secret"'], "198.51.100.9"),
        (['for="[64:ff9b::a00:2]", for="[::ffff:198.51.100.9]:1"'], "198.51.100.9"),
        (["for=198.51.100.9, proto=https"], None),
        ([], None),
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
    for everybody in ("0.0.0.0/0", "::/0"):
        with pytest.raises(ValueError, match="trusts everybody"):
            TrustedProxies([everybody])
    for wrapped in ("::ffff:10.0.0.0/104", "64:ff9b::a00:0/104"):
        with pytest.raises(ValueError, match=r"write `10\.0\.0\.0/8`"):
            TrustedProxies([wrapped])
    assert TrustedProxies(["2001:db8::/100", "::10.0.0.0/104"]).user_address("2001:db8::1", []) is None
    with pytest.raises(ValueError, match="no header"):
        TrustedProxies([], "x-real-ip")


PARTS = st.one_of(
    st.ip_addresses().map(str),
    st.ip_addresses(v=4).map(lambda address: f"::ffff:{address}"),
    st.ip_addresses(v=4).map(lambda address: f"64:ff9b::{address}"),
    st.sampled_from(["", "unknown", "_x", "fe80::1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "::", "10.0.0.9"]),
)
SUFFIXES = st.sampled_from(["", ":80", ":", ":123456", "%eth0", "%25", "]", "/8", "x", "%", ":8 0"])


@given(st.sampled_from(["", "["]), PARTS, SUFFIXES, st.sampled_from(["", "]", "]:80", "]:", "]x"]))
def test_the_service_reads_the_same(before, address, suffix, after) -> None:
    """What an adapter takes for an address the service takes for the same one; what it does not, it never sends."""
    text = f"{before}{address}{suffix}{after}"
    found = TrustedProxies(["192.0.2.1"]).user_address("192.0.2.1", [text])
    known = normalise_address(text)
    if found is not None and "," not in text and found != "192.0.2.1":
        assert known is not None
        assert known[1] == found
    if known is not None:
        assert known[1] == found
