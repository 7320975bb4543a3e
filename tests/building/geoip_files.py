"""MaxMind-format files, made small and whole, and ways to damage them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

BUILT_AT = datetime(2026, 11, 20, tzinfo=UTC)
COUNTRIES = {"198.51.100.0/24": "DE", "203.0.113.0/24": "CH", "2001:db8::/32": "FR"}
SYSTEMS = {"198.51.100.0/24": 64_500, "2001:db8::/32": 64_501}


class _Writer(MMDBWriter):
    """The library's writer, with a time of building that tests choose."""

    built_at = BUILT_AT

    def _build_meta(self) -> dict[str, Any]:
        return {**super()._build_meta(), "build_epoch": int(self.built_at.timestamp())}


def write_records(
    path: Path,
    records: Mapping[str, Any],
    *,
    kind: str = "GeoLite2-Country",
    version: int = 6,
    built_at: datetime = BUILT_AT,
) -> Path:
    """A file with these records by network."""
    writer = _Writer(version, kind, ipv4_compatible=version == 6)
    writer.built_at = built_at
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return path


def write_countries(path: Path, countries: Mapping[str, str] = COUNTRIES, **more: Any) -> Path:
    """A file that says countries, as MaxMind's does."""
    records = {
        network: {
            "country": {"iso_code": code, "names": {"en": f"land {code}"}},
            "registered_country": {"iso_code": "XX"},
        }
        for network, code in countries.items()
    }
    return write_records(path, records, **more)


def write_systems(path: Path, systems: Mapping[str, int] = SYSTEMS, **more: Any) -> Path:
    """A file that says autonomous systems, as MaxMind's does."""
    records = {
        network: {"autonomous_system_number": number, "autonomous_system_organization": f"network {number}"}
        for network, number in systems.items()
    }
    return write_records(path, records, **{"kind": "GeoLite2-ASN", **more})


def put(path: Path, content: bytes) -> None:
    """Replaces a file as an updater does: written aside and renamed."""
    aside = path.with_suffix(".aside")
    aside.write_bytes(content)
    aside.replace(path)


def damaged(content: bytes, code: bytes = b"DE") -> bytes:
    """A file that opens, and whose record of one country can't be read: its text is no UTF-8."""
    place = content.index(b"B" + code)  # the control byte of a string of two bytes
    return content[: place + 1] + b"\xff\xff" + content[place + 3 :]
