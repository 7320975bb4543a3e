"""The user's address, from the connection and from trusted proxies only. No framework, no network.

relying-parties.md, "The client": from `Forwarded` or `X-Forwarded-For` only through configured proxies, right to left.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeAlias

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
ProxyHeader: TypeAlias = Literal["x-forwarded-for", "forwarded"]
# An element of `Forwarded` (RFC 7239 section 4): pairs of token and token or quoted string, separated by semicolons.
_PAIR = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^\s";,]*)\s*(?:;|$)')
_MAX_HEADER_CHARACTERS = 4096
_MAPPED = 0xFFFF  # ::ffff:0:0/96, RFC 4291 section 2.5.5.2
_NAT64 = 0x0064_FF9B << 64  # 64:ff9b::/96, RFC 6052 section 2.1
_LOW_32_BITS = 0xFFFF_FFFF
_PREFIX_OF_IPV4 = 96
# A port, or what stands for one that is kept secret (RFC 7239 section 6.3).
_PORT = r"(?::(?:[0-9]{1,5}|_[0-9A-Za-z._-]{1,64}))?"
_BRACKETED = re.compile(r"\[([^\[\]]*)\]" + _PORT)
_WITH_PORT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){3})" + _PORT)


class TrustedProxies:
    """The proxies whose word on the user's address counts.

    Args:
        networks: their addresses, or networks in CIDR form.
        header: the one header that they write; the other one is the user's to forge, so it is never read.

    Raises:
        ValueError: a network is none, or holds everybody, or is IPv6 for what comes as IPv4.
    """

    def __init__(self, networks: Iterable[str] = (), header: ProxyHeader = "x-forwarded-for") -> None:
        if header not in {"x-forwarded-for", "forwarded"}:
            raise ValueError(f"no header that proxies write: {header!r}")
        self._networks = tuple(_network(network) for network in networks)
        self.header = header

    def user_address(self, peer: str | None, header_lines: Sequence[str]) -> str | None:
        """The address of the nearest hop that is no trusted proxy; None where it can't be known.

        From a trusted proxy that says nothing the address is unknown: a browser whose `Connection` header names this
        one has some proxies drop it again (RFC 9110 section 7.6.1), and their own address may be in the office.

        Args:
            peer: the address at the other end of the connection; None if it has none (a Unix socket).
            header_lines: every line of the header that the proxies write, in the order in which they came.
        """
        address = _parse(peer or "")
        if address is None or not self._trusts(address):
            return None if address is None else str(address)
        address = None
        for hop in self._hops(header_lines):
            address = _parse(hop)
            # "unknown", an obfuscated name or rubbish, from a proxy that is trusted: nobody knows the address.
            if address is None:
                return None
            if not self._trusts(address):
                break
        return None if address is None else str(address)

    def _trusts(self, address: IPAddress) -> bool:
        return any(address.version == network.version and address in network for network in self._networks)

    def _hops(self, header_lines: Sequence[str]) -> Iterator[str]:
        """What each hop said it was asked by, the nearest one first."""
        # Only what the nearest proxies appended counts, and that is at the end.
        text = ",".join(header_lines)[-_MAX_HEADER_CHARACTERS:]
        if not text.strip():
            return iter(())
        if self.header == "x-forwarded-for":
            return reversed(text.split(","))
        return map(_forwarded_for, _elements_from_right(text))


def _elements_from_right(text: str) -> Iterator[str]:
    """The elements of `Forwarded`, last first: so no quote that a user left open can swallow what a proxy appended."""
    end, is_quoted = len(text), False
    for place in range(len(text) - 1, -1, -1):
        if text[place] == '"' and not _is_escaped(text, place):
            is_quoted = not is_quoted
        elif text[place] == "," and not is_quoted:
            yield text[place + 1 : end]
            end = place
    yield text[:end]


def _is_escaped(text: str, place: int) -> bool:
    before = text[:place]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _forwarded_for(element: str) -> str:
    """The `for` of one element of `Forwarded`; '' where it has none."""
    for name, value in _PAIR.findall(element):
        if name.lower() == "for":
            return str(value).strip('"')
    return ""


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    found = ipaddress.ip_network(text)
    if found.prefixlen == 0:
        raise ValueError(f"`{text}` trusts everybody, so that anybody could choose an address")
    first = found.network_address
    if isinstance(first, ipaddress.IPv6Address) and found.prefixlen >= _PREFIX_OF_IPV4:
        plain = _unwrap(first)
        if isinstance(plain, ipaddress.IPv4Address):
            meant = f"{plain}/{found.prefixlen - _PREFIX_OF_IPV4}"
            raise ValueError(f"`{text}` holds no address, an IPv4 address is always compared as such: write `{meant}`")
    return found


def _parse(text: str) -> IPAddress | None:
    """An address, with or without a port, brackets and a zone id; what reaches an IPv4 host is its IPv4 address.

    It reads what the service reads of `network.ip` (`acrux.policy.addresses`), which this room may not know.
    """
    host = text.strip(" \t")
    wrapped = _BRACKETED.fullmatch(host) or _WITH_PORT.fullmatch(host)
    try:
        address = ipaddress.ip_address(host if wrapped is None else wrapped.group(1))
    except ValueError:
        return None
    return _unwrap(address) if isinstance(address, ipaddress.IPv6Address) else address


def _unwrap(address: ipaddress.IPv6Address) -> IPAddress:
    number = int(address)
    if number >> 32 in {_MAPPED, _NAT64}:
        return ipaddress.IPv4Address(number & _LOW_32_BITS)
    return ipaddress.IPv6Address(number)  # made anew: without the zone id
