"""Checks networks and attributes: ranges of addresses, reserved names, types and defaults. No rules."""

import re
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Address, ip_address, ip_network
from typing import Final

from acrux.domain.facts import UNKNOWN_ZONE, FactType, FactValue
from acrux.policy import codes
from acrux.policy.addresses import AddressRange, parse_address
from acrux.policy.check_context import CheckContext
from acrux.policy.codes import Code
from acrux.policy.document import Entry, Node
from acrux.policy.model import Attribute, Network
from acrux.policy.reading import Block, Reader, Shape, Written
from acrux.policy.times import parse_timestamp

NETWORK: Final = Shape("a network", ("cidrs", "trusted", "owner", "review_by"), ("cidrs",))
ATTRIBUTE: Final = Shape("an attribute", ("type", "default", "description"), ("type",))
_CIDR: Final = re.compile(r"[0-9A-Fa-f:.]+/[0-9]{1,3}")
# The name stands in expressions, after `attr.`.
_ATTRIBUTE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_CEL_WORDS: Final = frozenset({"true", "false", "null", "in"})
_INTEGER: Final = re.compile(r"-?[0-9]{1,19}")
_DOUBLE: Final = re.compile(r"-?[0-9]{1,64}(\.[0-9]{1,64})?([eE][+-]?[0-9]{1,4})?")
# Wider than these is hardly one organisation's: half the Internet must not be trusted by a slip of the keyboard.
_WIDEST_PRIVATE: Final = 8
_WIDEST_PUBLIC: Final = {4: 16, 6: 32}


class AttributeType(StrEnum):
    """The types that an attribute may have."""

    BOOL = "bool"
    INT = "int"
    DOUBLE = "double"
    STRING = "string"
    TIMESTAMP = "timestamp"
    STRING_LIST = "list(string)"


def check_networks(context: CheckContext) -> dict[str, Network]:
    """Read `networks`, by name."""
    networks = {}
    for name, entry in context.sections.maps["networks"].items():
        context.name(entry.key, "a network", reserved=[UNKNOWN_ZONE])
        mapping = context.reader.mapping(entry.value, name)
        if mapping is None:
            continue
        block = Block(mapping, NETWORK, context.reader)
        trusted = block.boolean("trusted")
        is_trusted = trusted is not None and trusted.value
        cidrs = _cidrs(context, block, trusted=is_trusted)
        review_by = block.date("review_by")
        if review_by is not None and context.now is not None and review_by.value < context.now.date():
            message = f"`{name}` should have been reviewed by {review_by.value}"
            context.findings.add(codes.REVIEW_OVERDUE, review_by.span, message, mend="review it, and set the next date")
        networks[name] = Network(
            name=name,
            cidrs=cidrs,
            trusted=is_trusted,
            owner=block.words("owner"),
            review_by=None if review_by is None else review_by.value,
        )
    return networks


def _cidrs(context: CheckContext, block: Block, *, trusted: bool) -> tuple[str, ...]:
    node = block.node_of("cidrs")
    written = block.texts("cidrs")
    if node is not None and not written and getattr(node, "items", None) == ():
        context.findings.add(
            codes.EMPTY_VALUE, node.span, "`cidrs` has no value", mend="a network has at least one CIDR"
        )
    found = []
    for cidr in written:
        held = _cidr(context, cidr)
        if held is None:
            continue
        found.append(str(held))
        if trusted and _is_wide(held):
            message = f"`{cidr.value}` is trusted, and holds {held.num_addresses:,} addresses"
            mend = "trust the ranges that are your own"
            context.findings.add(codes.WIDE_TRUSTED_NETWORK, cidr.span, message, mend=mend)
    return tuple(dict.fromkeys(found))


def _cidr(context: CheckContext, cidr: Written[str]) -> AddressRange | None:
    findings = context.findings
    if not _CIDR.fullmatch(cidr.value):
        mend = "an address, `/` and the length of the prefix, for example `203.0.113.0/24`"
        try:
            address = ip_address(cidr.value)
        except ValueError:
            pass
        else:
            mend = f"for this one address write `{address}/{address.max_prefixlen}`"
        findings.add(codes.BAD_CIDR, cidr.span, f"`{cidr.value}` is no CIDR", mend=mend)
        return None
    try:
        held = ip_network(cidr.value, strict=False)
    except ValueError:
        mend = "an address, `/` and the length of the prefix, for example `203.0.113.0/24`"
        findings.add(codes.BAD_CIDR, cidr.span, f"`{cidr.value}` is no CIDR", mend=mend)
        return None
    if ip_address(cidr.value.partition("/")[0]) != held.network_address:
        message = f"`{cidr.value}` has bits set beyond its prefix"
        findings.add(codes.CIDR_HOST_BITS, cidr.span, message, mend=f"did you mean `{held}`?")
        return None
    if isinstance(held.network_address, IPv6Address) and held.prefixlen >= 96:  # noqa: PLR2004 - RFC 4291 2.5.5.2
        plain = parse_address(str(held.network_address))
        if isinstance(plain, IPv6Address) or plain is None:
            return held
        meant = IPv4Network((plain, held.prefixlen - 96))
        message = f"`{cidr.value}` holds no address: an IPv4 address is always matched as such"
        findings.add(codes.BAD_CIDR, cidr.span, message, mend=f"write `{meant}`")
        return None
    return held


def _is_wide(held: AddressRange) -> bool:
    widest = _WIDEST_PRIVATE if held.is_private else _WIDEST_PUBLIC[held.version]
    return held.prefixlen < widest


def check_attributes(context: CheckContext) -> dict[str, Attribute]:
    """Read `attributes`, by name."""
    attributes = {}
    for name, entry in context.sections.maps["attributes"].items():
        attribute = _attribute(context, name, entry)
        if attribute is not None:
            attributes[name] = attribute
    return attributes


def _attribute(context: CheckContext, name: str, entry: Entry) -> Attribute | None:
    if not _ATTRIBUTE_NAME.fullmatch(name) or name in _CEL_WORDS:
        message = f"`{name}` can't be the name of an attribute"
        mend = "it stands in expressions: letters, digits and `_`, no digit first, and no word of CEL's own"
        context.findings.add(codes.BAD_NAME, entry.key.span, message, mend=mend)
    mapping = context.reader.mapping(entry.value, name)
    if mapping is None:
        return None
    block = Block(mapping, ATTRIBUTE, context.reader)
    kind = block.choice("type", AttributeType)
    if kind is None:
        return None
    fact_type = FactType(kind.value.value)
    default = block.node_of("default")
    value = None if default is None else typed_value(context.reader, default, "default", fact_type)
    if value is None and (default is not None or block.misspells("default")):
        value = ""  # the set is refused already; what matters is that the fact is never absent
    return Attribute(name, fact_type, value, block.words("description"))


def typed_value(reader: Reader, node: Node, name: str, kind: FactType) -> FactValue | None:
    """A value of a declared type, read from its text; None if it is of another, which is noted."""
    if kind is FactType.STRING_LIST:
        items = reader.sequence(node, name)
        return None if items is None else tuple(text.value for item in items.items if (text := reader.text(item, name)))
    if kind is FactType.STRING:
        text = reader.text(node, name)
        return None if text is None else text.value
    if kind is FactType.BOOL:
        said = reader.boolean(node, name)
        return None if said is None else said.value
    parse, code, noun, mend = _PARSERS[kind]
    found: Written[int | float | datetime] | None = reader.parsed(node, name, parse, code, noun, mend)
    return None if found is None else found.value


def _parse_integer(text: str) -> int | None:
    if not _INTEGER.fullmatch(text):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def _parse_double(text: str) -> float | None:
    if not _DOUBLE.fullmatch(text):
        return None
    number = float(text)
    return number if abs(number) != float("inf") else None


_Parse = Callable[[str], int | float | datetime | None]
_PARSERS: Final[dict[FactType, tuple[_Parse, Code, str, str]]] = {
    FactType.INT: (_parse_integer, codes.BAD_NUMBER, "an integer", "digits, with `-` before them where it is negative"),
    FactType.DOUBLE: (_parse_double, codes.BAD_NUMBER, "a number", "digits, with a decimal point where it has one"),
    FactType.TIMESTAMP: (
        parse_timestamp,
        codes.BAD_TIMESTAMP,
        "a timestamp",
        "write date, `T`, time and zone (RFC 3339), for example `2026-11-01T00:00:00Z`",
    ),
}
