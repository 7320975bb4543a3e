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


class TrustedProxies:
    """The proxies whose word on the user's address counts.

    Args:
        networks: their addresses, or networks in CIDR form.
        header: the one header that they write; the other one is the user's to forge, so it is never read.

    Raises:
        ValueError: a network is none.
    """

    def __init__(self, networks: Iterable[str] = (), header: ProxyHeader = "x-forwarded-for") -> None:
        if header not in {"x-forwarded-for", "forwarded"}:
            raise ValueError(f"no header that proxies write: {header!r}")
        self._networks = tuple(ipaddress.ip_network(network) for network in networks)
        self.header = header

    def user_address(self, peer: str | None, header_lines: Sequence[str]) -> str | None:
        """The address of the nearest hop that is no trusted proxy; None where it can't be known.

        Args:
            peer: the address at the other end of the connection; None if it has none (a Unix socket).
            header_lines: every line of the header that the proxies write, in the order in which they came.
        """
        address = _parse(peer or "")
        if address is None or not self._trusts(address):
            return None if address is None else str(address)
        for hop in self._hops(header_lines):
            address = _parse(hop)
            # "unknown", an obfuscated name or rubbish, from a proxy that is trusted: nobody knows the address.
            if address is None:
                return None
            if not self._trusts(address):
                break
        return str(address)

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


def _parse(text: str) -> IPAddress | None:
    """An address, with or without a port and brackets; IPv4-mapped ones as IPv4, since networks are written so."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
