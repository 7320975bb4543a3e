"""The one door to MaxMind-format files: what they say of an address, what is wrong with one. No copies, no watching.

The library's reader in Python is used, never its C extension, which is faster but ends the process on some damaged
files: here whatever the bytes are is at worst an exception.
"""

import itertools
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, Final

from maxminddb.const import MODE_MEMORY, MODE_MMAP
from maxminddb.decoder import Decoder
from maxminddb.reader import Reader

from acrux.domain.facts import UNKNOWN_ASN, UNKNOWN_COUNTRY

_COUNTRY: Final = re.compile(r"[A-Za-z]{2}")
_AS_NUMBER: Final = re.compile(r"(?:AS)?([0-9]{1,10})")
_MAX_ASN: Final = 2**32 - 1
_FIRST_RECORDS: Final = 1_000
_PROBES: Final = 512
_REMEMBERED_RECORDS: Final = 1_024
"""A file has few different records for its many networks, and reading one costs ten times what finding it costs."""
_METADATA_MARKER: Final = b"\xab\xcd\xefMaxMind.com"
_METADATA_BYTES: Final = 128 * 1024
"""The most that its metadata may have (MaxMind DB File Format Specification 2.0)."""
_NO_SUCH_FILE: Final = "is no MaxMind-format file, or only a part of one: fetch it anew"
_VERSION_6: Final = 6
_GLOBAL_UNICAST: Final = 0b001 << 125  # 2000::/3, RFC 4291 section 2.4


class GeoipFact(StrEnum):
    """The facts that a file can be configured for."""

    COUNTRY = "country"
    ASN = "asn"


class GeoipInvalid(ValueError):  # noqa: N818 - it says what the file is
    """A file that can't be used; the message says why, and what to do, and reads on from the file's name."""


class GeoipTable:
    """One open file, for one fact. It never waits for anything but this machine's memory and disk.

    Attributes:
        fact: which of its members counts.
        database_type: what the file calls itself, such as `GeoLite2-Country`.
        built_at: when its maker made it.
    """

    __slots__ = ("_holds_ipv6", "_reader", "built_at", "database_type", "fact")

    def __init__(self, reader: Reader, fact: GeoipFact) -> None:
        metadata = reader.metadata()
        self.fact = fact
        self.database_type = str(metadata.database_type)
        self.built_at = datetime.fromtimestamp(metadata.build_epoch, UTC)
        self._holds_ipv6 = metadata.ip_version == _VERSION_6
        self._reader = reader

    def value_of(self, ip: str) -> str | int:
        """What the file says of a normalised address; `ZZ` or 0 for what it does not know, and for `""`.

        Raises:
            Exception: of whatever kind; the file is damaged.
        """
        if not ip or (":" in ip and not self._holds_ipv6):
            return _READERS_OF[self.fact](None)
        return _READERS_OF[self.fact](self._reader.get(ip))

    def check(self) -> None:
        """Looks whether the file says what it is configured for, and at addresses from all over it.

        Raises:
            GeoipInvalid: it does not, or is damaged.
        """
        try:
            is_of_use = self._has_the_fact()
            for number in range(_PROBES):
                self.value_of(str(IPv4Address(number * (2**32 // _PROBES))))
                self.value_of(str(IPv6Address(_GLOBAL_UNICAST + number * (2**125 // _PROBES))))
        except Exception as damage:
            raise GeoipInvalid(f"is damaged ({_first_line(damage)}): fetch it anew") from damage
        if not is_of_use:
            raise GeoipInvalid(_WRONG_TYPE[self.fact].format(type=self.database_type))

    def _has_the_fact(self) -> bool:
        read = _READERS_OF[self.fact]
        first = itertools.islice(iter(self._reader), _FIRST_RECORDS)
        return any(read(record) != read(None) for _, record in first)


def open_table(path: Path, fact: GeoipFact, *, into_memory: bool = False) -> GeoipTable:
    """Opens a file.

    Args:
        path: the file.
        fact: what is asked of it.
        into_memory: read all of it now, where somebody may write to the file while it is in use; else it is mapped.

    Raises:
        GeoipInvalid: it is not there, can't be read, or is no MaxMind-format file.
    """
    try:
        is_whole = _has_its_end(path)
        table = GeoipTable(_Remembering(path, MODE_MEMORY if into_memory else MODE_MMAP), fact)
    except OSError as failure:
        raise GeoipInvalid(f"can't be read: {failure.strerror or failure}") from failure
    except Exception as damage:
        raise GeoipInvalid(_NO_SUCH_FILE) from damage
    if not is_whole:
        raise GeoipInvalid(_NO_SUCH_FILE)
    return table


def _has_its_end(path: Path) -> bool:
    """Whether the metadata, the last that is in a file, ends in it: the library takes what is cut off for zeros."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _METADATA_BYTES))
        tail = file.read()
    start = tail.rindex(_METADATA_MARKER) + len(_METADATA_MARKER)
    _, end = Decoder(tail, start).decode(start)
    return end <= len(tail)


class _Remembering(Reader):
    """The library's reader, with its last records at hand. Nobody writes to a record.

    Not `lru_cache` of a method of its own: that would be a cycle, and a worker, which keeps the garbage collector from
    what it has loaded, would go on mapping each file that was ever in use.
    """

    def __init__(self, path: Path, mode: int) -> None:
        self._known: dict[int, Any] = {}
        super().__init__(path, mode)

    def _resolve_data_pointer(self, pointer: int) -> Any:
        found = self._known.get(pointer)
        if found is None:
            if len(self._known) >= _REMEMBERED_RECORDS:
                self._known.clear()
            found = self._known[pointer] = super()._resolve_data_pointer(pointer)
        return found


def country_in(record: object) -> str:
    """The country where an address is used: never where it is registered, nor whom it represents."""
    match record:
        case {"country": {"iso_code": str(code)}}:  # MaxMind, DB-IP
            pass
        case {"country_code": str(code)}:  # IPinfo Lite, whose `country` is a name
            pass
        case {"country": str(code)}:  # IPinfo
            pass
        case _:
            return UNKNOWN_COUNTRY
    return code.upper() if _COUNTRY.fullmatch(code) else UNKNOWN_COUNTRY


def asn_in(record: object) -> int:
    """The autonomous system that an address is routed by."""
    match record:
        case {"autonomous_system_number": number}:  # MaxMind's ASN and ISP, DB-IP
            pass
        case {"traits": {"autonomous_system_number": number}}:  # MaxMind's Enterprise
            pass
        case {"asn": number}:  # IPinfo, as `AS64500`
            pass
        case _:
            return UNKNOWN_ASN
    if isinstance(number, str):
        written = _AS_NUMBER.fullmatch(number)
        number = None if written is None else int(written.group(1))
    if isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= _MAX_ASN:
        return number
    return UNKNOWN_ASN


_READERS_OF: Final[Mapping[GeoipFact, Callable[[object], str | int]]] = {
    GeoipFact.COUNTRY: country_in,
    GeoipFact.ASN: asn_in,
}
_WRONG_TYPE: Final = {
    GeoipFact.COUNTRY: "is of type `{type}`, which says no country: a Country or City file is wanted",
    GeoipFact.ASN: "is of type `{type}`, which says no autonomous system: an ASN file is wanted",
}


def _first_line(damage: Exception) -> str:
    return (str(damage) or type(damage).__name__).splitlines()[0]
