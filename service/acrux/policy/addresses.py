"""Addresses and the zones that hold them, looked up by prefix length. No DNS, no geography, no policy words."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
AddressRange: TypeAlias = IPv4Network | IPv6Network

_MAPPED: Final = 0xFFFF  # ::ffff:0:0/96, RFC 4291 section 2.5.5.2
_NAT64: Final = 0x0064_FF9B << 64  # 64:ff9b::/96, RFC 6052 section 2.1
_LOW_32_BITS: Final = 0xFFFF_FFFF
# What proxies and sockets hang on to an address: brackets, a port, a zone id (RFC 3986 section 3.2.2, RFC 6874).
_BRACKETED: Final = re.compile(r"\[([^\[\]]*)\](?::[0-9]{1,5})?")
_WITH_PORT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){3}):[0-9]{1,5}")


@lru_cache(maxsize=8192)
def normalise_address(text: str) -> tuple[Address, str] | None:
    """`parse_address` and the address as text, remembered: the same offices and homes log in again and again."""
    found = parse_address(text)
    return None if found is None else (found, str(found))


def parse_address(text: str) -> Address | None:
    """The address that a text names, or None for what is no address.

    An IPv4-mapped or NAT64 address is its IPv4 address: both reach the same host, and a zone of IPv4 ranges must
    hold it. Brackets, a port and a zone id are dropped.

    Other addresses that carry one stay what they are: 6to4 and Teredo (RFC 3056, RFC 4380) are tunnels that anybody
    may claim, and where the IPv4 address stands in a local NAT64 prefix (RFC 8215) only its network knows.
    """
    try:
        found = ip_address(text)
    except ValueError:
        wrapped = _BRACKETED.fullmatch(text) or _WITH_PORT.fullmatch(text)
        if wrapped is None:
            return None
        try:
            found = ip_address(wrapped.group(1))
        except ValueError:
            return None
    return found if isinstance(found, IPv4Address) else _unwrap(found)


def _unwrap(address: IPv6Address) -> Address:
    number = int(address)
    high = number >> 32
    if high in {_MAPPED, _NAT64}:
        return IPv4Address(number & _LOW_32_BITS)
    return IPv6Address(number)  # made anew: without the zone id


@dataclass(frozen=True, slots=True)
class Zones:
    """The zones of one address, sorted, and whether any of them is trusted."""

    names: tuple[str, ...]
    trusted: bool


class ZoneMap:
    """Which networks hold an address: one dictionary a prefix length, so that ten thousand ranges cost what ten do."""

    def __init__(self, networks: Mapping[str, Iterable[str]], trusted: frozenset[str]) -> None:
        """Index the ranges of every network.

        Args:
            networks: from a zone's name to its CIDRs, none with host bits.
            trusted: the names of the zones that are trusted.
        """
        tables: dict[int, dict[int, dict[int, set[str]]]] = {4: {}, 6: {}}
        for name, cidrs in networks.items():
            for cidr in cidrs:
                held = ip_network(cidr)
                shift = held.max_prefixlen - held.prefixlen
                prefixes = tables[held.version].setdefault(shift, {})
                prefixes.setdefault(int(held.network_address) >> shift, set()).add(name)
        self._tables = {
            version: tuple(
                (shift, {prefix: self._zones(names, trusted) for prefix, names in prefixes.items()})
                for shift, prefixes in sorted(by_shift.items())
            )
            for version, by_shift in tables.items()
        }
        self._trusted = trusted

    @staticmethod
    def _zones(names: Iterable[str], trusted: frozenset[str]) -> Zones:
        kept = tuple(sorted(set(names)))
        return Zones(kept, not trusted.isdisjoint(kept))

    def zones_of(self, address: Address) -> Zones:
        """Every zone that holds the address; none is fine."""
        number = int(address)
        found = [zones for shift, table in self._tables[address.version] if (zones := table.get(number >> shift))]
        match found:
            case []:
                return NO_ZONES
            case [only]:
                return only
            case _:
                return self._zones((name for zones in found for name in zones.names), self._trusted)


NO_ZONES: Final = Zones((), trusted=False)
