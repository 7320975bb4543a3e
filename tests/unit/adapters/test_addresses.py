"""The user's address: from the connection, and through trusted proxies from right to left."""

from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrux.adapters.addresses import TrustedProxies, _parse
from acrux.policy.addresses import parse_address

PROXIES = ["10.0.0.0/8", "2001:db8:ffff::/48"]


@pytest.mark.parametrize(
    ("peer", "lines", "expected"),
    [
        ("203.0.113.7", [], "203.0.113.7"),
        ("203.0.113.7", ["198.51.100.9"], "203.0.113.7"),
        ("10.0.0.1", [], None),
        ("10.0.0.1", [""], None),
        ("10.0.0.1", ["198.51.100.9", ""], None),
        ("10.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ("10.0.0.1", ["203.0.113.66, 198.51.100.9"], "198.51.100.9"),
        ("10.0.0.1", ["203.0.113.66", "198.51.100.9, 10.0.0.2"], "198.51.100.9"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], None),
        ("10.0.0.1", ["10.0.0.2"], None),
        ("10.0.0.1", ["198.51.100.9:4711"], "198.51.100.9"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", ["fe80::1%eth0"], "fe80::1"),
        ("2001:db8:ffff::1", ["2001:DB8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.9"], "198.51.100.9"),
        ("::FFFF:10.0.0.1", ["198.51.100.9, ::ffff:a00:2"], "198.51.100.9"),
        ("64:ff9b::10.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ("10.0.0.1", ["64:ff9b::198.51.100.9, 64:ff9b::10.0.0.2"], "198.51.100.9"),
        ("64:ff9b:1::10.0.0.1", ["198.51.100.9"], "64:ff9b:1::a00:1"),
        ("2002:a00:1::1", ["198.51.100.9"], "2002:a00:1::1"),
        ("2001:0:a00:1::1", ["198.51.100.9"], "2001:0:a00:1::1"),
        ("::10.0.0.1", ["198.51.100.9"], "::a00:1"),
        ("fe80::1%eth0", ["198.51.100.9"], "fe80::1"),
        ("10.0.0.1", ["\t[2001:DB8::1%eth0]:443 "], "2001:db8::1"),
        ("10.0.0.1", ["[198.51.100.9]:443"], "198.51.100.9"),
        ("10.0.0.1", ["198.51.100.9, [2001:db8::1]x"], None),
        ("10.0.0.1", ["198.51.100.9, [2001:db8::1"], None),
        ("10.0.0.1", ["198.51.100.9, 192.0.2.1:x"], None),
        ("10.0.0.1", ["198.51.100.9, 192.0.2.1%eth0"], None),
        ("10.0.0.1", ["198.51.100.9, 0x7f.1"], None),
        ("10.0.0.1", ["198.51.100.9, 010.0.0.1"], None),
        ("10.0.0.1", ["198.51.100.9, 3325256713"], None),
        ("10.0.0.1", ["198.51.100.9, 192.0.2.1 192.0.2.2"], None),
        ("10.0.0.1", ["198.51.100.9, unix:"], None),
        ("10.0.0.1", ["198.51.100.9, , 10.0.0.2"], None),
        ("10.0.0.1", ["198.51.100.9, unknown"], None),
        ("10.0.0.1", ["198.51.100.9, _hidden, 10.0.0.2"], None),
        ("10.0.0.1", ["198.51.100.9,"], None),
        ("10.0.0.1", ["198.51.100.9, 10.0.0.256"], None),
        ("testclient", ["198.51.100.9"], None),
        (None, ["198.51.100.9"], None),
    ],
)
def test_x_forwarded_for(peer, lines, expected) -> None:
    """The nearest hop that is no trusted proxy counts; what a trusted proxy does not know, nobody knows.

    A proxy's own address is never the user's: a browser can have some proxies drop the header.
    """
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
        (["for=198.51.100.9;for=203.0.113.66"], None),
        (["for=198.51.100.9 for=203.0.113.66"], None),
        (["x for=198.51.100.9"], None),
        (["for=198.51.100.9; ; proto=https;"], "198.51.100.9"),
        (['for="198.51.100\\.9"'], "198.51.100.9"),
        (["for=198.51.100.9\n"], None),
        (["for=203.0.113.66, for=10.0.0.2"], "203.0.113.66"),
        (["for=10.0.0.3, for=10.0.0.2"], None),
        (["for=198.51.100.9,"], None),
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


def test_half_an_address_is_none() -> None:
    """Where a long header is cut, what is left of an address is not taken for another one."""
    trusted = ", ".join(["10.0.0.2"] * 408)
    whole = "203.0.113.66, " + trusted
    assert TrustedProxies(PROXIES).user_address("10.0.0.1", [whole]) == "203.0.113.66"
    for more in range(1, 12):
        # The cut goes through the first address: `03.0.113.66`, `3.0.113.66`, ...
        padded = "198.51.100.9" * 2 + whole + " " * (4096 - len(whole) + more)
        assert TrustedProxies(PROXIES).user_address("10.0.0.1", [padded]) is None, more


ADDRESSES = st.ip_addresses(v=4) | st.ip_addresses(v=6)
DECORATED = st.builds(
    lambda prefix, address, suffix: f"{prefix}{address}{suffix}",
    st.sampled_from(["", "[", "::ffff:", "64:ff9b::", "[::ffff:", "64:ff9b:1::", "2002:", "0", "0x"]),
    ADDRESSES | st.text(st.sampled_from("0123456789abcdefABCDEF.:"), max_size=20),
    st.sampled_from(["", "]", ":80", "]:80", "%1", "%eth0]:1", "%25eth0", "]x", ":\u0661", ":123456"]),
)


@given(st.text(max_size=40) | DECORATED)
@settings(max_examples=500)
def test_one_law_for_addresses(text) -> None:
    """An adapter reads an address as the service does: what the two differ on would be two users."""
    ours, theirs = _parse(text), parse_address(text.strip(" \t"))
    assert ours == theirs


@given(st.lists(st.text(max_size=30) | DECORATED, max_size=5), DECORATED | st.text(max_size=20) | st.none())
@settings(max_examples=300)
def test_never_raises_and_never_lends_an_address(lines, peer) -> None:
    """Whatever stands in the headers, there is an address in its one form or none, and it is no proxy's."""
    for header in ("x-forwarded-for", "forwarded"):
        proxies = TrustedProxies(PROXIES, header)
        found = proxies.user_address(peer, lines)
        assert found is None or (str(parse_address(found)) == found and not proxies._trusts(parse_address(found)))


@given(
    DECORATED, st.lists(st.text(max_size=30) | DECORATED, max_size=4), st.sampled_from(["x-forwarded-for", "forwarded"])
)
@settings(max_examples=300)
def test_no_word_of_a_stranger_counts(peer, lines, header) -> None:
    """From a peer that is no trusted proxy no header changes anything."""
    proxies = TrustedProxies(["192.0.2.0/24"], header)
    address = parse_address(peer)
    if address is None or address not in ip_network("192.0.2.0/24"):
        assert proxies.user_address(peer, lines) == proxies.user_address(peer, [])


@pytest.mark.parametrize("written", ["::ffff:10.0.0.0/104", "64:ff9b::10.0.0.0/104", "10.0.0.0/8"])
def test_networks_have_one_form(written) -> None:
    """A network of IPv4 addresses is the same however it is written, as its addresses are."""
    for peer in ("10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::10.0.0.1"):
        assert TrustedProxies([written]).user_address(peer, ["198.51.100.9"]) == "198.51.100.9"


def test_settings_are_checked() -> None:
    """A network that is none, and a header that no proxy writes, are refused at the start."""
    with pytest.raises(ValueError, match=r"`10\.0\.0\.1` for the one address, `10\.0\.0\.0/8` for its network"):
        TrustedProxies(["10.0.0.1/8"])
    for everybody in ("0.0.0.0/0", "::/0", "::ffff:0:0/96"):
        with pytest.raises(ValueError, match="it holds everybody"):
            TrustedProxies([everybody])
    with pytest.raises(ValueError, match="no header"):
        TrustedProxies([], "x-real-ip")
