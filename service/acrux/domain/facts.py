"""Facts: all that a rule may see, their types and when they are absent. No parsing of requests, no lookup."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

FactValue: TypeAlias = bool | int | float | str | tuple[str, ...] | datetime | timedelta
"""The value of a fact: lists are tuples, timestamps are aware UTC datetimes."""
JsonScalar: TypeAlias = bool | int | float | str | None
Json: TypeAlias = "JsonScalar | list[Json] | dict[str, Json]"


class FactType(StrEnum):
    """The CEL type of a fact."""

    STRING = "string"
    BOOL = "bool"
    INT = "int"
    DOUBLE = "double"
    TIMESTAMP = "timestamp"
    DURATION = "duration"
    STRING_LIST = "list(string)"


ATTRIBUTE_PREFIX: Final = "attr."
UNKNOWN_ZONE: Final = "unknown"
"""Reserved: the only zone of a request whose address is missing or is no address."""
UNKNOWN_COUNTRY: Final = "ZZ"
"""The country of an address that the configured file does not know (user-assigned in ISO 3166-1: no country's)."""
UNKNOWN_ASN: Final = 0
"""The autonomous system of an address that the configured file does not know (reserved, RFC 7607)."""


@dataclass(frozen=True, slots=True)
class FactDeclaration:
    """A fact that rules may name.

    Attributes:
        name: its dotted name.
        type: its CEL type.
        may_be_absent: whether a request can lack it (policy-language.md, "Facts").
    """

    name: str
    type: FactType
    may_be_absent: bool


def _declare(*rows: tuple[str, FactType, bool]) -> Mapping[str, FactDeclaration]:
    return MappingProxyType({name: FactDeclaration(name, kind, absent) for name, kind, absent in rows})


BUILT_IN_FACTS: Final = _declare(
    ("client.id", FactType.STRING, False),
    ("client.tags", FactType.STRING_LIST, False),
    ("client.registered", FactType.BOOL, False),
    ("app.id", FactType.STRING, False),
    ("network.ip", FactType.STRING, False),
    ("network.zones", FactType.STRING_LIST, False),
    ("network.trusted", FactType.BOOL, False),
    ("network.country", FactType.STRING, True),
    ("network.asn", FactType.INT, True),
    ("user.id", FactType.STRING, True),
    ("user.domain", FactType.STRING, True),
    ("user.groups", FactType.STRING_LIST, True),
    ("browser.id", FactType.STRING, True),
    ("device.managed", FactType.BOOL, True),
    ("device.platform", FactType.STRING, True),
    ("device.user_agent", FactType.STRING, True),
    ("session.level", FactType.STRING, True),
    ("session.age", FactType.DURATION, True),
    ("request.time", FactType.TIMESTAMP, False),
    ("request.acr_values", FactType.STRING_LIST, False),
    ("request.scopes", FactType.STRING_LIST, False),
    ("request.prompt", FactType.STRING, False),
    ("request.max_age", FactType.INT, True),
    ("known", FactType.STRING_LIST, False),
)
"""Every fact that is not an attribute (policy-language.md, "Facts")."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of one login.

    Attributes:
        values: the facts that are present, by dotted name, `known` among them. An absent fact has no entry.
        requested_claims: the relying party's own `claims` parameter, or None (OpenID Connect Core 5.5).
    """

    values: Mapping[str, FactValue]
    requested_claims: Mapping[str, Json] | None = field(default=None)


def format_timestamp(at: datetime) -> str:
    """An aware time as RFC 3339 in UTC with microseconds, ending in `Z`."""
    # Not `strftime`, whose `%Y` has no leading zeros on every platform, and which is slower.
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[:-6] + "Z"


def fact_to_json(value: FactValue) -> Json:
    """A fact as JSON: timestamps as RFC 3339 text, durations as whole seconds."""
    match value:
        case datetime():
            return format_timestamp(value)
        case timedelta():
            return int(value.total_seconds())
        case tuple():
            return list(value)
        case _:
            return value


def fact_from_json(value: Json, kind: FactType) -> FactValue:  # noqa: PLR0911 - one return a type
    """The inverse of `fact_to_json`.

    Raises:
        ValueError: the value is not of that type.
    """
    match kind, value:
        case (FactType.TIMESTAMP, str()):
            return datetime.fromisoformat(value)
        case (FactType.DURATION, int()) if not isinstance(value, bool):
            return timedelta(seconds=value)
        case (FactType.STRING_LIST, list()) if all(isinstance(item, str) for item in value):
            return tuple(item for item in value if isinstance(item, str))
        case (FactType.DOUBLE, int() | float()) if not isinstance(value, bool):
            return float(value)
        case (FactType.INT, int()) if not isinstance(value, bool):
            return value
        case (FactType.BOOL, bool()):
            return value
        case (FactType.STRING, str()):
            return value
        case _:
            raise ValueError(f"not of type {kind}")
