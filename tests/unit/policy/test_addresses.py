"""Addresses, however they are written, and the zones that hold them."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrux.policy.addresses import ZoneMap, Zones, parse_address


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("198.51.100.9", "198.51.100.9"),
        ("198.51.100.9:8443", "198.51.100.9"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:8443", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
        ("::ffff:198.51.100.9", "198.51.100.9"),
        ("::ffff:c633:6409%1", "198.51.100.9"),
        ("64:ff9b::198.51.100.9", "198.51.100.9"),
        ("64:ff9b:1::198.51.100.9", "64:ff9b:1::c633:6409"),
    ],
)
def test_one_address_has_one_form(text, normal):
    """Ports, brackets, zone ids and IPv4 inside IPv6 are how an address came, not which it is."""
    assert str(parse_address(text)) == normal


@pytest.mark.parametrize(
    "text",
    ["", " ", "localhost", "198.51.100", "198.51.100.256", "198.51.100.09", "198.51.100.9 ", "[198.51.100.9", "::1]:80",
     "198.51.100.0/24", "[nonsense]:80", "999.1.1.1:80", "²"],
)  # fmt: skip
def test_what_is_no_address_is_none(text):
    """What does not name one address is none; there is no guess."""
    assert parse_address(text) is None


ADDRESSES = st.ip_addresses(v=4) | st.ip_addresses(v=6)


def _networks(draw_base, length):
    return ip_network((draw_base, length % (draw_base.max_prefixlen + 1)), strict=False)


NETWORKS = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d"]),
    st.lists(st.builds(_networks, ADDRESSES, st.integers(0, 128)), max_size=4),
    max_size=4,
)


@settings(max_examples=200, deadline=None)
@given(NETWORKS, ADDRESSES, st.frozensets(st.sampled_from(["a", "b"])))
def test_zones_are_those_of_a_plain_search(networks, address, trusted):
    """The look-up by prefix length finds exactly the networks that a search through all of them finds."""
    found = ZoneMap({name: map(str, held) for name, held in networks.items()}, trusted).zones_of(address)
    plain = sorted(
        name for name, held in networks.items() if any(address in one for one in held if one.version == address.version)
    )
    assert found == Zones(tuple(plain), trusted=bool(trusted.intersection(plain)))


def test_overlapping_networks_join():
    """An address in nested and equal ranges has all of their zones, once each, sorted."""
    zones = ZoneMap(
        {"wide": ["10.0.0.0/8"], "b": ["10.1.0.0/16", "10.0.0.0/9"], "a": ["10.1.0.0/16"]}, frozenset({"wide"})
    )
    assert zones.zones_of(ip_address("10.1.2.3")) == Zones(("a", "b", "wide"), trusted=True)
    assert zones.zones_of(ip_address("192.0.2.1")) == Zones((), trusted=False)
