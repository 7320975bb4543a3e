"""Addresses and CIDRs as CEL functions on canonical strings, as cel-go's `ext/network.go` has them. No CEL library.

Strict parsing: no zone ids, no IPv4-mapped IPv6 addresses, no leading zeros. Every function raises `ValueError` for
text that is no address or CIDR; the engines turn that into an evaluation error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final, Literal

_MESSAGE: Final = "`{}` is no IP address"
_CIDR_MESSAGE: Final = "`{}` is no CIDR"
_V4_BROADCAST: Final = 0xFFFFFFFF
_V4_LINK_LOCAL_MULTICAST: Final = 0xE00000
_V6_MULTICAST: Final = 0xFF
_CACHED_TEXTS: Final = 4096


@lru_cache(maxsize=_CACHED_TEXTS)
def _address(text: str) -> IPv4Address | IPv6Address:
    if "%" in text or "/" in text:
        raise ValueError(_MESSAGE.format(text))
    try:
        address = ip_address(text)
    except ValueError:
        raise ValueError(_MESSAGE.format(text)) from None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        raise ValueError(f"`{text}` is an IPv4-mapped IPv6 address: write its IPv4 form")
    return address


@lru_cache(maxsize=_CACHED_TEXTS)
def _prefix(text: str) -> tuple[IPv4Address | IPv6Address, int, IPv4Network | IPv6Network]:
    host, slash, bits = text.partition("/")
    try:
        address = _address(host)
    except ValueError:
        raise ValueError(_CIDR_MESSAGE.format(text)) from None
    canonical = bits.isascii() and bits.isdigit() and (bits == "0" or not bits.startswith("0"))
    if not slash or not canonical or int(bits) > address.max_prefixlen:
        raise ValueError(_CIDR_MESSAGE.format(text))
    return address, int(bits), ip_network((address, int(bits)), strict=False)


def ip(text: str) -> str:
    """`ip(string)`: the canonical text (RFC 5952) of an address."""
    return str(_address(text))


def cidr(text: str) -> str:
    """`cidr(string)`: the canonical text of a CIDR; host bits stay, as `.ip()` needs them."""
    address, bits, _ = _prefix(text)
    return f"{address}/{bits}"


def is_ip(text: str) -> bool:
    """`isIP(string)`."""
    try:
        _address(text)
    except ValueError:
        return False
    return True


def is_cidr(text: str) -> bool:
    """`isCIDR(string)`."""
    try:
        _prefix(text)
    except ValueError:
        return False
    return True


def is_canonical(text: str) -> bool:
    """`ip.isCanonical(string)`: whether the text is an address as RFC 5952 writes it."""
    return ip(text) == text


def family(text: str) -> int:
    """`.family()`: 4 or 6."""
    return _address(text).version


def is_loopback(text: str) -> bool:
    """`.isLoopback()`: 127.0.0.0/8 or ::1."""
    return _address(text).is_loopback


def is_unspecified(text: str) -> bool:
    """`.isUnspecified()`: 0.0.0.0 or ::."""
    return _address(text).is_unspecified


def is_link_local_multicast(text: str) -> bool:
    """`.isLinkLocalMulticast()`: 224.0.0.0/24, or ff02::/16 with any flags."""
    address = _address(text)
    if isinstance(address, IPv4Address):
        return int(address) >> 8 == _V4_LINK_LOCAL_MULTICAST
    first, second = address.packed[0], address.packed[1]
    return first == _V6_MULTICAST and second & 0x0F == 0x02  # noqa: PLR2004 - scope 2, RFC 4291 section 2.7


def is_link_local_unicast(text: str) -> bool:
    """`.isLinkLocalUnicast()`: 169.254.0.0/16 or fe80::/10."""
    return _address(text).is_link_local


def is_global_unicast(text: str) -> bool:
    """`.isGlobalUnicast()` as Go has it: private addresses count."""
    address = _address(text)
    if isinstance(address, IPv4Address) and int(address) == _V4_BROADCAST:
        return False
    return not (address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local)


def contains_ip(block: str, text: str) -> bool:
    """`<cidr>.containsIP(ip)`; an address of the other family is in no block."""
    return _address(text) in _prefix(block)[2]


def contains_cidr(block: str, text: str) -> bool:
    """`<cidr>.containsCIDR(cidr)`: every address of the second is in the first."""
    outer, inner = _prefix(block)[2], _prefix(text)[2]
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]


def masked(text: str) -> str:
    """`<cidr>.masked()`: the CIDR without host bits."""
    return str(_prefix(text)[2])


def prefix_length(text: str) -> int:
    """`<cidr>.prefixLength()`."""
    return _prefix(text)[1]


def address_of(text: str) -> str:
    """`<cidr>.ip()`: the address of a CIDR, host bits and all."""
    return str(_prefix(text)[0])


@dataclass(frozen=True, slots=True)
class NetworkFunction:
    """A function for the engines to register.

    Attributes:
        name: as it is written in CEL.
        overload: its id, as cel-go names it.
        member: whether it is called on its first argument.
        arity: how many strings it takes.
        result: the CEL type that it gives.
        function: what it does; raises `ValueError`.
    """

    name: str
    overload: str
    member: bool
    arity: int
    result: Literal["bool", "int", "string"]
    function: Callable[..., Any]


NETWORK_FUNCTIONS: Final = (
    NetworkFunction("isIP", "is_ip", member=False, arity=1, result="bool", function=is_ip),
    NetworkFunction("isCIDR", "is_cidr", member=False, arity=1, result="bool", function=is_cidr),
    NetworkFunction("ip", "string_to_ip", member=False, arity=1, result="string", function=ip),
    NetworkFunction("ip", "cidr_ip", member=True, arity=1, result="string", function=address_of),
    NetworkFunction("cidr", "string_to_cidr", member=False, arity=1, result="string", function=cidr),
    NetworkFunction("ip.isCanonical", "ip_is_canonical", member=False, arity=1, result="bool", function=is_canonical),
    NetworkFunction("family", "ip_family", member=True, arity=1, result="int", function=family),
    NetworkFunction("isLoopback", "ip_is_loopback", member=True, arity=1, result="bool", function=is_loopback),
    NetworkFunction("isUnspecified", "ip_is_unspecified", member=True, arity=1, result="bool", function=is_unspecified),
    NetworkFunction(
        "isGlobalUnicast", "ip_is_global_unicast", member=True, arity=1, result="bool", function=is_global_unicast
    ),
    NetworkFunction(
        "isLinkLocalMulticast",
        "ip_is_link_local_multicast",
        member=True,
        arity=1,
        result="bool",
        function=is_link_local_multicast,
    ),
    NetworkFunction(
        "isLinkLocalUnicast",
        "ip_is_link_local_unicast",
        member=True,
        arity=1,
        result="bool",
        function=is_link_local_unicast,
    ),
    NetworkFunction("containsIP", "cidr_contains_ip_string", member=True, arity=2, result="bool", function=contains_ip),
    NetworkFunction(
        "containsCIDR", "cidr_contains_cidr_string", member=True, arity=2, result="bool", function=contains_cidr
    ),
    NetworkFunction("masked", "cidr_masked", member=True, arity=1, result="string", function=masked),
    NetworkFunction("prefixLength", "cidr_prefix_length", member=True, arity=1, result="int", function=prefix_length),
)
"""Everything that cel-go's network extension has, but for its opaque types."""
