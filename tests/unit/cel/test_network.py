"""The network functions, by the cases of cel-spec's network_ext.textproto and of Go's netip."""

import pytest

from acrux.cel import network

NO_ADDRESS = [
    "", "x", "192.168.0.1.0", "192.168.0", "01.2.3.4", "1.2.3.4/32", "2001:db8:::68", "fe80::1%en0",
    "::ffff:192.168.0.1", "::ffff:c0a8:1", " 1.2.3.4", "1.2.3.4 ", "[::1]", "1.2.3.4:80", "\uff11.2.3.4",
]  # fmt: skip
NO_CIDR = [
    "", "192.168.0.0/", "192.168.0.0", "192.168.0.0/33", "192.168.0.0/08", "192.168.0.0/+8", "192.168.0.0/-1",
    "192.168.0.0/255.255.255.0", "fe80::1%en0/24", "::ffff:192.168.0.1/24", "2001:db8::/129", "x/8", "1.2.3.4/8/8",
    "1.2.3.4/\uff18",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_ADDRESS)
def test_parsing_is_strict(text):
    """LAW: no zones, no IPv4-mapped addresses, no leading zeros, nothing around the address."""
    assert not network.is_ip(text)
    for function in (network.ip, network.is_canonical, network.family, network.is_loopback, network.is_global_unicast):
        with pytest.raises(ValueError, match="address"):
            function(text)


@pytest.mark.parametrize("text", NO_CIDR)
def test_cidrs_are_strict(text):
    """LAW: an address, a slash and canonical bits within the family; nothing else."""
    assert not network.is_cidr(text)
    for function in (network.cidr, network.masked, network.prefix_length, network.address_of):
        with pytest.raises(ValueError, match="CIDR"):
            function(text)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("192.168.0.1", "192.168.0.1"),
        ("2001:DB8::68", "2001:db8::68"),
        ("2001:db8:0:0:0:0:0:1", "2001:db8::1"),
        ("::", "::"),
    ],
)
def test_addresses_are_given_in_canonical_form(text, canonical):
    """LAW: `ip()` gives RFC 5952 text, and `ip.isCanonical` tells whether it was that already."""
    assert network.ip(text) == canonical
    assert network.is_canonical(text) is (text == canonical)


PROPERTIES = {
    # family, loopback, unspecified, global unicast, link-local multicast, link-local unicast
    "192.168.0.1": (4, False, False, True, False, False),
    "127.0.0.1": (4, True, False, False, False, False),
    "127.255.0.9": (4, True, False, False, False, False),
    "0.0.0.0": (4, False, True, False, False, False),
    "255.255.255.255": (4, False, False, False, False, False),
    "224.0.0.1": (4, False, False, False, True, False),
    "224.0.1.1": (4, False, False, False, False, False),
    "169.254.169.254": (4, False, False, False, False, True),
    "2001:db8::abcd": (6, False, False, True, False, False),
    "fd00::1": (6, False, False, True, False, False),
    "::1": (6, True, False, False, False, False),
    "::": (6, False, True, False, False, False),
    "ff00::1": (6, False, False, False, False, False),
    "ff02::1": (6, False, False, False, True, False),
    "ff12::1": (6, False, False, False, True, False),
    "fe80::1": (6, False, False, False, False, True),
    "fd80::1": (6, False, False, True, False, False),
}


@pytest.mark.parametrize(("text", "expected"), PROPERTIES.items(), ids=PROPERTIES)
def test_properties_are_those_of_netip(text, expected):
    """LAW: what an address is follows Go's netip, which cel-go's extension is made of."""
    assert expected == (
        network.family(text),
        network.is_loopback(text),
        network.is_unspecified(text),
        network.is_global_unicast(text),
        network.is_link_local_multicast(text),
        network.is_link_local_unicast(text),
    )


@pytest.mark.parametrize(
    ("block", "text", "expected"),
    [
        ("192.168.0.0/24", "192.168.0.1", True),
        ("192.168.0.9/24", "192.168.0.1", True),
        ("192.168.0.0/24", "192.168.1.1", False),
        ("2001:db8::/32", "192.168.1.1", False),
        ("192.168.1.1/32", "2001:db8::1", False),
        ("2001:db8::/32", "2001:db8::1", True),
    ],
)
def test_blocks_hold_addresses(block, text, expected):
    """LAW: host bits of the block don't matter, and no block holds an address of the other family."""
    assert network.contains_ip(block, text) is expected


@pytest.mark.parametrize(
    ("block", "text", "expected"),
    [
        ("192.168.0.0/24", "192.168.0.0/25", True),
        ("192.168.0.0/24", "192.168.0.1/32", True),
        ("192.168.0.0/24", "192.168.0.0/23", False),
        ("10.0.0.0/8", "10.0.0.0/8", True),
        ("10.0.0.0/8", "2001:db8::/32", False),
        ("2001:db8::/32", "2001:db8::/33", True),
    ],
)
def test_blocks_hold_blocks(block, text, expected):
    """LAW: a block holds itself and every part of itself."""
    assert network.contains_cidr(block, text) is expected


def test_parts_of_a_block():
    """LAW: `.ip()` keeps host bits, `.masked()` drops them, and `cidr()` is canonical text."""
    assert network.address_of("192.168.1.5/24") == "192.168.1.5"
    assert network.masked("192.168.1.5/24") == "192.168.1.0/24"
    assert network.prefix_length("2001:DB8::/32") == 32
    assert network.cidr("2001:DB8:0::5/32") == "2001:db8::5/32"
