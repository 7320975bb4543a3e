"""The user's address, from the connection and from trusted proxies only. No framework, no network.

relying-parties.md, "The client": from `Forwarded` or `X-Forwarded-For` only through configured proxies, right to left.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, TypeAlias

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
ProxyHeader: TypeAlias = Literal["x-forwarded-for", "forwarded"]
_OWS: Final = " \t"
# An element of `Forwarded` (RFC 7239 section 4): pairs of token and token or quoted string, separated by semicolons.
# An address with a port needs quotes there, which some proxies forget.
_NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PAIR: Final = re.compile(rf'[ \t]*+(?:({_NAME})=("(?:[^"\\]|\\.)*+"|[^ \t";,]*+))?[ \t]*+(?:;|\Z)')
_QUOTED_PAIR: Final = re.compile(r"\\(.)")
_MAX_HEADER_CHARACTERS: Final = 4096
# The law of `acrux.policy.addresses`, which a relying party has not installed; a test holds the two to each other.
_BRACKETED: Final = re.compile(r"\[([^\[\]]*)\](?::[0-9]{1,5})?")
_WITH_PORT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3}){3}):[0-9]{1,5}")
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")  # RFC 4291 section 2.5.5.2
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052 section 2.1
_LOW_32_BITS: Final = 0xFFFF_FFFF


class TrustedProxies:
    """The proxies whose word on the user's address counts.

    INVARIANT (nobody lends an address): where trusted proxies stand between, only what one of them says of somebody
    else is the user's address. A proxy's own address never is: a browser can have some proxies drop the header
    (`Connection: X-Forwarded-For`), and would then pass for the proxy, whose network may well be trusted.

    Args:
        networks: their addresses, or networks in CIDR form.
        header: the one header that they write; the other one is the user's to forge, so it is never read.

    Raises:
        ValueError: a network is none, or holds everybody.
    """

    def __init__(self, networks: Iterable[str] = (), header: ProxyHeader = "x-forwarded-for") -> None:
        if header not in {"x-forwarded-for", "forwarded"}:
            raise ValueError(f"no header that proxies write: {header!r}")
        self._networks = tuple(_trusted(network) for network in networks)
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
                return str(address)
        return None

    def _trusts(self, address: IPAddress) -> bool:
        return any(address.version == network.version and address in network for network in self._networks)

    def _hops(self, header_lines: Sequence[str]) -> Iterator[str]:
        """What each hop said it was asked by, the nearest one first."""
        # Only what the nearest proxies appended counts, and that is at the end. An empty element stays one: it is the
        # word of whoever wrote it, and what stands before it is somebody else's.
        text = ",".join(header_lines)
        cut = text[-_MAX_HEADER_CHARACTERS:]
        if self.header == "x-forwarded-for":
            hops = reversed(cut.split(","))
        else:
            hops = map(_forwarded_for, _elements_from_right(cut))
        return hops if len(cut) == len(text) else _but_last(hops)


def _but_last(hops: Iterator[str]) -> Iterator[str]:
    """All but the last, which is half of something: the end of one address can be another address."""
    held = next(hops, "")
    for hop in hops:
        yield held
        held = hop


def _trusted(text: str) -> IPNetwork:
    try:
        found = _as_matched(ipaddress.ip_network(text))
    except ValueError:
        raise ValueError(f"`{text}` is no address of a proxy{_meant(text)}") from None
    if found.prefixlen == 0:
        raise ValueError(f"`{text}` can't be trusted: it holds everybody, so that anybody could choose an address")
    return found


def _meant(text: str) -> str:
    """What somebody may have meant who wrote no network."""
    try:
        whole = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return ", nor a network such as `10.0.0.0/24`"
    address = text.partition("/")[0]
    return f", nor a network: `{address}` for the one address, `{whole}` for its network"


def _as_matched(network: IPNetwork) -> IPNetwork:
    """A network in the form in which addresses are compared: one of IPv4 in IPv6 as IPv4."""
    if isinstance(network, ipaddress.IPv6Network) and (network.subnet_of(_MAPPED) or network.subnet_of(_NAT64)):
        held = int(network.network_address) & _LOW_32_BITS
        return ipaddress.IPv4Network((held, network.prefixlen - _MAPPED.prefixlen))
    return network


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
    """The `for` of one element of `Forwarded`; '' where it has none, has two, or is no element."""
    found, place = [], 0
    while place < len(element):
        pair = _PAIR.match(element, place)
        if pair is None:
            return ""
        name, value = pair.group(1), pair.group(2)
        if name is not None and name.lower() == "for":
            found.append(_QUOTED_PAIR.sub(r"\1", value[1:-1]) if value.startswith('"') else value)
        place = pair.end()
    return found[0] if len(found) == 1 else ""


def _parse(text: str) -> IPAddress | None:
    """An address, with or without a port, brackets and a zone id; an IPv4-mapped or NAT64 one as its IPv4 address."""
    host = text.strip(_OWS)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        wrapped = _BRACKETED.fullmatch(host) or _WITH_PORT.fullmatch(host)
        if wrapped is None:
            return None
        try:
            address = ipaddress.ip_address(wrapped.group(1))
        except ValueError:
            return None
    if isinstance(address, ipaddress.IPv4Address):
        return address
    number = int(address)
    bare = ipaddress.IPv6Address(number)  # made anew: without the zone id
    return ipaddress.IPv4Address(number & _LOW_32_BITS) if bare in _MAPPED or bare in _NAT64 else bare
