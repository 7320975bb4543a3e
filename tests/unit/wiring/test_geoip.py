"""What a MaxMind-format file says of an address, and that no bytes whatever get in a login's way."""

from __future__ import annotations

import gc
import logging
import tempfile
import weakref
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from geoip_files import BUILT_AT, COUNTRIES, damaged, put, write_countries, write_records, write_systems
from hypothesis import given, settings
from hypothesis import strategies as st

from acrux.policy.facts import Whereabouts
from acrux.wiring.geography import Atlas
from acrux.wiring.geoip import GeoipFact, GeoipInvalid, asn_in, country_in, open_table

COUNTRY, ASN = GeoipFact.COUNTRY, GeoipFact.ASN


def refused(path: Path, fact: GeoipFact) -> str:
    with pytest.raises(GeoipInvalid) as caught:
        open_table(path, fact).check()
    return str(caught.value)


def test_known_and_unknown_addresses(tmp_path: Path) -> None:
    """IPv4 and IPv6 are found in one tree; what the file does not know, and no address, is `ZZ` and 0."""
    atlas = Atlas(
        [
            open_table(write_countries(tmp_path / "c"), COUNTRY),
            open_table(write_systems(tmp_path / "a"), ASN, into_memory=True),
        ]
    )
    places = {
        ip: atlas.whereabouts_of(ip) for ip in ("198.51.100.9", "2001:db8::1", "203.0.113.1", "10.0.0.1", "::1", "")
    }
    assert places == {
        "198.51.100.9": Whereabouts("DE", 64_500),
        "2001:db8::1": Whereabouts("FR", 64_501),
        "203.0.113.1": Whereabouts("CH", 0),
        "10.0.0.1": Whereabouts("ZZ", 0),
        "::1": Whereabouts("ZZ", 0),
        "": Whereabouts("ZZ", 0),
    }
    assert not atlas.take_failed()


def test_a_fact_without_a_file_is_absent(tmp_path: Path) -> None:
    """With one file of two only its fact is there, for every address and for none; without any there is nothing."""
    atlas = Atlas([open_table(write_systems(tmp_path / "a"), ASN)])
    assert [atlas.whereabouts_of(ip) for ip in ("198.51.100.9", "192.0.2.1", "")] == [
        Whereabouts(None, 64_500),
        Whereabouts(None, 0),
        Whereabouts(None, 0),
    ]
    assert Atlas().whereabouts_of("198.51.100.9") == Whereabouts(None, None)


def test_a_file_of_ipv4_alone(tmp_path: Path) -> None:
    """An IPv6 address is unknown to a file that has none, not an error."""
    table = open_table(write_countries(tmp_path / "c", {"198.51.100.0/24": "DE"}, version=4), COUNTRY)
    table.check()
    assert (table.value_of("198.51.100.9"), table.value_of("2001:db8::1")) == ("DE", "ZZ")


def test_what_a_file_says_of_itself(tmp_path: Path) -> None:
    """Type and time of building come from the file."""
    table = open_table(write_countries(tmp_path / "c"), COUNTRY)
    assert (table.database_type, table.built_at) == ("GeoLite2-Country", BUILT_AT)


@pytest.mark.parametrize(
    ("record", "country", "asn"),
    [
        ({"country": {"iso_code": "DE"}, "registered_country": {"iso_code": "US"}}, "DE", 0),
        ({"registered_country": {"iso_code": "US"}, "represented_country": {"iso_code": "US"}}, "ZZ", 0),
        ({"country": {"names": {"en": "Germany"}}, "continent": {"code": "EU"}}, "ZZ", 0),
        ({"country": {"iso_code": "de"}}, "DE", 0),
        ({"country": {"iso_code": "A1"}}, "ZZ", 0),
        ({"country": {"iso_code": "-"}}, "ZZ", 0),
        ({"country": {"iso_code": 49}}, "ZZ", 0),
        ({"country": {"iso_code": "\u0130I"}}, "ZZ", 0),
        ({"country": "Germany", "country_code": "DE", "asn": "AS64500", "as_name": "x"}, "DE", 64_500),
        ({"country": "DE", "country_name": "Germany", "asn": "AS64500"}, "DE", 64_500),
        ({"country": "Germany"}, "ZZ", 0),
        ({"autonomous_system_number": 64_500, "isp": "x"}, "ZZ", 64_500),
        ({"country": {"iso_code": "DE"}, "traits": {"autonomous_system_number": 64_500}}, "DE", 64_500),
        ({"asn": 64_500}, "ZZ", 64_500),
        ({"asn": ""}, "ZZ", 0),
        ({"asn": "AS"}, "ZZ", 0),
        ({"asn": "AS99999999999"}, "ZZ", 0),
        ({"asn": "AS4294967296"}, "ZZ", 0),
        ({"autonomous_system_number": -1}, "ZZ", 0),
        ({"autonomous_system_number": True}, "ZZ", 0),
        ({"autonomous_system_number": 1.5}, "ZZ", 0),
        ({"autonomous_system_number": 4_294_967_295}, "ZZ", 4_294_967_295),
        ("DE", "ZZ", 0),
        ([], "ZZ", 0),
        (None, "ZZ", 0),
    ],
)
def test_which_members_count(record: object, country: str, asn: int) -> None:
    """The country of use and the number of the AS, as makers of files write them; anything else is unknown."""
    assert (country_in(record), asn_in(record)) == (country, asn)


def test_one_file_may_say_both(tmp_path: Path) -> None:
    """A file with both members serves for both facts."""
    record = {"country_code": "DE", "country": "Germany", "asn": "AS64500"}
    path = write_records(tmp_path / "b", {"198.51.100.0/24": record}, kind="ipinfo lite")
    tables = [open_table(path, fact) for fact in GeoipFact]
    for table in tables:
        table.check()
    assert Atlas(tables).whereabouts_of("198.51.100.1") == Whereabouts("DE", 64_500)


def test_a_file_of_another_type_is_refused(tmp_path: Path) -> None:
    """An ASN file says no country and the other way round; a file without records says nothing."""
    assert "`GeoLite2-ASN`, which says no country" in refused(write_systems(tmp_path / "a"), COUNTRY)
    assert "`GeoLite2-Country`, which says no autonomous system" in refused(write_countries(tmp_path / "c"), ASN)
    nothing = write_records(tmp_path / "n", {"198.51.100.0/24": {"continent": {"code": "EU"}}})
    assert "says no country" in refused(nothing, COUNTRY)
    late = {f"10.{number >> 8}.{number & 255}.0/24": {} for number in range(900)} | {"198.51.100.0/24": {"asn": 1}}
    open_table(write_records(tmp_path / "l", late), ASN).check()


def test_what_is_no_such_file_is_refused(tmp_path: Path) -> None:
    """Missing, a directory, empty, text, cut anywhere: each is refused in words that go on after the file's name."""
    assert refused(tmp_path / "nowhere", COUNTRY) == "can't be read: No such file or directory"
    assert refused(tmp_path, COUNTRY) == "can't be read: Is a directory"
    whole = write_countries(tmp_path / "c").read_bytes()
    for content in (b"", b"country,DE\n", whole[: len(whole) // 2], whole[:-60], bytes(len(whole))):
        (tmp_path / "x").write_bytes(content)
        assert refused(tmp_path / "x", COUNTRY).startswith("is no MaxMind-format file, or only a part of one")


def test_a_file_that_lacks_its_last_bytes_is_refused(tmp_path: Path) -> None:
    """However little of its end is missing, a file is not taken: the library would read on as if there were zeros."""
    whole = write_countries(tmp_path / "c").read_bytes()
    for missing in range(1, 300):
        (tmp_path / "x").write_bytes(whole[:-missing])
        assert refused(tmp_path / "x", COUNTRY).startswith("is no MaxMind-format file, or only a part of one"), missing


def test_a_hole_is_found(tmp_path: Path) -> None:
    """A file whose middle has not arrived yet is refused, though its end is there."""
    whole = write_countries(tmp_path / "c", {f"{n}.0.0.0/8": "DE" for n in range(1, 120)}).read_bytes()
    place = len(whole) // 4
    (tmp_path / "x").write_bytes(whole[:place] + bytes(place) + whole[2 * place :])
    assert refused(tmp_path / "x", COUNTRY).startswith("is damaged (")


def test_a_damaged_record_leaves_the_fact_absent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where a record can't be read the fact is absent, counted each time and logged once; the others are as ever."""
    content = damaged(write_countries(tmp_path / "c").read_bytes())
    put(tmp_path / "c", content)
    atlas = Atlas([open_table(tmp_path / "c", COUNTRY), open_table(write_systems(tmp_path / "a"), ASN)])
    with caplog.at_level(logging.ERROR):
        assert [atlas.whereabouts_of(f"198.51.100.{n}") for n in (1, 2, 2)] == [Whereabouts(None, 64_500)] * 3
    assert atlas.whereabouts_of("203.0.113.1") == Whereabouts("CH", 0)
    assert atlas.take_failed() == {COUNTRY: 3}
    assert atlas.take_failed() == {}
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_files_are_exchanged_whole(tmp_path: Path) -> None:
    """After an exchange nothing of the old file is remembered."""
    atlas = Atlas([open_table(write_countries(tmp_path / "old"), COUNTRY)])
    assert atlas.whereabouts_of("198.51.100.9").country == "DE"
    atlas.take([open_table(write_countries(tmp_path / "new", {"198.51.100.0/24": "NO"}), COUNTRY)], {})
    assert atlas.whereabouts_of("198.51.100.9").country == "NO"
    assert atlas.whereabouts_of("2001:db8::1").country == "ZZ"


def test_an_exchanged_file_is_let_go_at_once(tmp_path: Path) -> None:
    """Workers keep the garbage collector off: a file that is out of use must not need it to be unmapped."""
    table = open_table(write_countries(tmp_path / "old"), COUNTRY)
    old = weakref.ref(table._reader)
    atlas = Atlas([table])
    assert atlas.whereabouts_of("198.51.100.9").country == "DE"
    gc.disable()
    try:
        atlas.take([open_table(write_countries(tmp_path / "new"), COUNTRY)], {})
        del table
        assert old() is None
    finally:
        gc.enable()


def test_many_records_are_read_rightly(tmp_path: Path) -> None:
    """However many different records a file has, more than are kept at hand, each address has its own.

    Those at hand are bounded, and there are some: the library still reads them through the method that keeps them.
    """
    systems = {f"10.{number >> 8}.{number & 255}.0/24": number + 1 for number in range(3000)}
    table = open_table(write_systems(tmp_path / "a", systems), ASN)
    for _ in range(2):
        assert [table.value_of(network.replace(".0/24", ".7")) for network in systems] == list(systems.values())
    assert 0 < len(table._reader._known) <= 1_024


@cache
def whole_file() -> bytes:
    """A file to damage."""
    with tempfile.TemporaryDirectory() as directory:
        return write_countries(Path(directory) / "c", {**COUNTRIES, "10.0.0.0/8": "NL"}).read_bytes()


@st.composite
def damage(draw: st.DrawFn) -> bytes:
    """A file that was whole once: bytes changed, left out, cut, or nothing of it left."""
    content = bytearray(whole_file())
    for _ in range(draw(st.integers(0, 8))):
        place = draw(st.integers(0, len(content) - 1))
        match draw(st.sampled_from(["change", "change", "metadata", "leave out", "zero"])):
            case "change":
                content[place] = draw(st.integers(0, 255))
            case "metadata":
                content[-1 - place % 200] = draw(st.integers(0, 255))
            case "leave out":
                del content[place : place + draw(st.integers(0, 50))]
            case _:
                content[place : place + 100] = bytes(len(content[place : place + 100]))
        if not content:
            break
    return bytes(content[: draw(st.none() | st.integers(0, len(content)))])


@settings(max_examples=150)
@given(damage() | st.binary(max_size=300), st.lists(st.ip_addresses().map(str), max_size=10), st.booleans())
def test_no_bytes_raise(content: bytes, addresses: list[str], into_memory: bool) -> None:  # noqa: FBT001 - Hypothesis
    """Any bytes are refused in one way, or answer every address with a value of the fact's type, or with absence."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "x"
        path.write_bytes(content)
        tables = []
        for fact in GeoipFact:
            try:
                tables.append(open_table(path, fact, into_memory=into_memory))
            except GeoipInvalid:
                continue
        for table in tables:
            with suppress(GeoipInvalid):
                table.check()
        # Even what did not pass the check gets in nobody's way.
        atlas = Atlas(tables)
        for ip in ["198.51.100.1", "10.1.1.1", "2001:db8::1", "", *addresses]:
            place = atlas.whereabouts_of(ip)
            assert place.country is None or (len(place.country) == 2 and place.country.isupper())
            assert place.asn is None or 0 <= place.asn < 2**32
