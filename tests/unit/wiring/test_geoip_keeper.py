"""Which GeoIP files a node uses: new ones whole or not at all, the last good ones else, also after a restart."""

from __future__ import annotations

import logging
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from geoip_files import BUILT_AT, damaged, put, write_countries, write_records, write_systems

from acrux.wiring import geoip_copies
from acrux.wiring.geography import Atlas
from acrux.wiring.geoip import GeoipFact, open_table
from acrux.wiring.geoip_keeper import REMINDER, GeoipKeeper, GeoipUnusable

COUNTRY, ASN = GeoipFact.COUNTRY, GeoipFact.ASN
NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)


class Clock:
    """A clock that a test sets."""

    at = NOW

    def __call__(self) -> datetime:
        return self.at


def keeper_of(tmp_path: Path, clock: Clock | None = None, **sources: Path) -> GeoipKeeper:
    configured = {GeoipFact(fact): source for fact, source in sources.items()}
    return GeoipKeeper(configured, tmp_path / "state", clock=clock or Clock())


def country(keeper: GeoipKeeper, ip: str = "198.51.100.9") -> str | None:
    """What a worker that takes the offer says."""
    tables = [open_table(Path(state.copy), fact) for fact, state in keeper.offer.states.items()]
    return Atlas(tables).whereabouts_of(ip).country


def copies(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "state" / "geoip").iterdir()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_countries(tmp_path / "country.mmdb")


@pytest.fixture
def newer(tmp_path: Path) -> bytes:
    """Another file, in which the address has moved."""
    return write_countries(tmp_path / "newer", {"198.51.100.0/24": "NO"}).read_bytes()


def test_without_files_nothing_happens(tmp_path: Path) -> None:
    """No file configured: no copy is made, nothing is offered, nothing ever changes."""
    keeper = keeper_of(tmp_path)
    keeper.start()
    assert dict(keeper.offer.states) == {}
    assert not keeper.settled_change()
    assert not keeper.reload()
    assert not (tmp_path / "state").exists()


def test_what_is_offered_is_a_copy(tmp_path: Path, source: Path) -> None:
    """What workers read is the node's own: whatever becomes of the source, they go on."""
    keeper = keeper_of(tmp_path, country=source, asn=write_systems(tmp_path / "asn.mmdb"))
    keeper.start()
    states = keeper.offer.states
    assert {fact: state.database_type for fact, state in states.items()} == {
        COUNTRY: "GeoLite2-Country",
        ASN: "GeoLite2-ASN",
    }
    assert {(state.built_at, state.loaded_at, state.failure) for state in states.values()} == {(BUILT_AT, NOW, None)}
    source.write_bytes(b"")
    assert country(keeper) == "DE"
    assert Path(states[COUNTRY].copy).stat().st_mode & 0o777 == 0o400


@pytest.mark.parametrize("swap", ["rename", "in place", "link"])
def test_a_new_file_is_taken(tmp_path: Path, source: Path, newer: bytes, swap: str) -> None:
    """However a file is replaced, it is noticed when it has settled, and the old copy is gone when nobody needs it."""
    link = tmp_path / "link.mmdb"
    link.symlink_to(source)
    keeper = keeper_of(tmp_path, country=link)
    keeper.start()
    assert [keeper.settled_change() for _ in range(2)] == [False, False]
    match swap:
        case "rename":
            put(source, newer)
        case "in place":
            source.write_bytes(newer)
        case _:
            (tmp_path / "next").symlink_to(tmp_path / "newer")
            (tmp_path / "next").replace(link)
    assert [keeper.settled_change() for _ in range(3)] == [False, True, False]
    number = keeper.offer.number
    assert keeper.reload()
    assert keeper.offer.number == number + 1
    assert country(keeper) == "NO"
    assert len(copies(tmp_path)) == 3
    keeper.forget_old_copies()
    assert copies(tmp_path) == {"last-good.json", Path(keeper.offer.states[COUNTRY].copy).name}
    assert not keeper.reload()


@pytest.mark.parametrize("breakage", ["missing", "torn", "text", "other type", "damaged", "directory", "pipe"])
def test_a_broken_file_keeps_the_last_good_one(
    tmp_path: Path, source: Path, newer: bytes, breakage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken file is said with its name and what is wrong, and is not taken; mended or taken back, all is well."""
    keeper = keeper_of(tmp_path, country=source)
    keeper.start()
    whole = source.read_bytes()
    source.unlink()
    match breakage:
        case "torn":
            source.write_bytes(newer[:-100])
        case "text":
            source.write_text("country\n")
        case "other type":
            write_systems(source)
        case "damaged":
            source.write_bytes(damaged(newer, b"NO"))
        case "directory":
            source.mkdir()
        case "pipe":
            os.mkfifo(source)
    with caplog.at_level(logging.ERROR):
        assert keeper.reload()
    failure = keeper.offer.states[COUNTRY].failure
    assert failure is not None
    assert failure.at == NOW
    assert failure.summary.startswith(f"`{source}` ")
    assert failure.summary in caplog.text
    assert country(keeper) == "DE"
    assert not [name for name in copies(tmp_path) if name.startswith(".new")]
    if source.is_dir():
        source.rmdir()
    put(source, whole)
    assert keeper.reload()
    assert keeper.offer.states[COUNTRY].failure is None
    put(source, newer)
    assert keeper.reload()
    assert country(keeper) == "NO"


def test_a_file_that_is_written_to_meanwhile_is_not_taken(
    tmp_path: Path, source: Path, newer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that changes while it is copied may be half old and half new: it is refused, and taken once it rests."""
    keeper = keeper_of(tmp_path, country=source)
    keeper.start()
    source.write_bytes(newer)
    sizes = iter([1, 2, 3, 3])
    monkeypatch.setattr(geoip_copies, "_state_of", lambda _: (next(sizes), 0))
    assert keeper.reload()
    failure = keeper.offer.states[COUNTRY].failure
    assert failure is not None
    assert "while it was read" in failure.summary
    assert country(keeper) == "DE"
    monkeypatch.undo()
    assert keeper.reload()
    assert country(keeper) == "NO"


def test_a_full_disk_keeps_the_last_good_one(
    tmp_path: Path, source: Path, newer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no copy can be made, that is said to be the state directory's fault, and the old copy is used."""
    keeper = keeper_of(tmp_path, country=source)
    keeper.start()
    put(source, newer)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "state" / "geoip" / ".new-country"))

    monkeypatch.setattr(geoip_copies, "_copy", full)
    assert keeper.reload()
    failure = keeper.offer.states[COUNTRY].failure
    assert failure is not None
    assert "can't be copied into the state directory: No space left on device" in failure.summary
    assert country(keeper) == "DE"


def test_the_last_good_file_survives_a_restart(tmp_path: Path, source: Path) -> None:
    """A node that finds its file broken at the start uses the last good copy, and says so."""
    keeper_of(tmp_path, country=source).start()
    source.write_bytes(b"torn")
    again = keeper_of(tmp_path, country=source)
    again.start()
    assert country(again) == "DE"
    failure = again.offer.states[COUNTRY].failure
    assert failure is not None
    assert "is no MaxMind-format file" in failure.summary
    write_countries(source)
    assert again.reload()
    assert again.offer.states[COUNTRY].failure is None


def test_without_a_good_file_ever_nothing_starts(tmp_path: Path, source: Path) -> None:
    """Absent facts would open what rules guard with `in known`: a node without a good file says why, and ends."""
    source.write_bytes(b"torn")
    with pytest.raises(
        GeoipUnusable, match=rf"the GeoIP file `{source}` \(--geoip-country\) is no MaxMind-format file"
    ):
        keeper_of(tmp_path, country=source).start()


@pytest.mark.parametrize("loss", ["another path", "copy gone", "copy damaged", "manifest gone", "manifest torn"])
def test_what_is_no_last_good_copy_is_not_used(tmp_path: Path, source: Path, loss: str) -> None:
    """Only a whole copy of the very file that is configured stands in for it: another path may mean another file."""
    keeper = keeper_of(tmp_path, country=source)
    keeper.start()
    copy = Path(keeper.offer.states[COUNTRY].copy)
    manifest = copy.with_name("last-good.json")
    source.write_bytes(b"torn")
    match loss:
        case "another path":
            source = tmp_path / "typo.mmdb"
        case "copy gone":
            copy.unlink()
        case "copy damaged":
            put(copy, damaged(copy.read_bytes()))
        case "manifest gone":
            manifest.unlink()
        case _:
            manifest.write_text("[")
    with pytest.raises(GeoipUnusable):
        keeper_of(tmp_path, country=source).start()


def test_equal_files_are_one_copy(tmp_path: Path) -> None:
    """Where one file says both facts there is one copy of it."""
    records = {"198.51.100.0/24": {"country_code": "DE", "asn": "AS64500"}}
    both = write_records(tmp_path / "both.mmdb", records, kind="ipinfo lite")
    keeper = keeper_of(tmp_path, country=both, asn=both)
    keeper.start()
    assert keeper.offer.states[COUNTRY].copy == keeper.offer.states[ASN].copy
    keeper.forget_old_copies()
    assert country(keeper) == "DE"


def test_a_lost_state_directory_is_no_end(tmp_path: Path, source: Path, newer: bytes) -> None:
    """Somebody empties the directory of copies while the node runs: the next file is taken all the same."""
    keeper = keeper_of(tmp_path, country=source)
    keeper.start()
    shutil.rmtree(tmp_path / "state" / "geoip")
    put(source, newer)
    assert keeper.reload()
    assert country(keeper) == "NO"


def test_what_a_killed_run_left_is_removed(tmp_path: Path, source: Path) -> None:
    """A start removes the copies that are not in use, also where no file is configured any more."""
    keeper_of(tmp_path, country=source).start()
    (tmp_path / "state" / "geoip" / "left.mmdb").write_bytes(b"")
    keeper_of(tmp_path, country=source).start()
    assert len(copies(tmp_path)) == 2
    keeper_of(tmp_path).start()
    assert copies(tmp_path) == {"last-good.json"}


def test_a_state_directory_by_a_relative_name(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.acrux`, the default, is as good as an absolute name: the copy in use is not taken for an old one."""
    monkeypatch.chdir(tmp_path)
    keeper = GeoipKeeper({GeoipFact.COUNTRY: source}, Path(".acrux"), clock=Clock())
    keeper.start()
    assert country(keeper) == "DE"
    keeper.forget_old_copies()
    assert country(keeper) == "DE"
    again = GeoipKeeper({GeoipFact.COUNTRY: source}, Path(".acrux"), clock=Clock())
    source.write_bytes(b"broken")
    again.start()
    assert country(again) == "DE"


def test_an_old_file_is_said_once_a_day(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file older than 60 days is warned of at the start and daily, until there is a younger one."""
    clock = Clock()
    source = write_countries(tmp_path / "c.mmdb", built_at=NOW - timedelta(days=61))
    keeper = keeper_of(tmp_path, clock, country=source)
    with caplog.at_level(logging.WARNING):
        keeper.start()
        keeper.warn_of_old_files()
        assert [record.message for record in caplog.records] == [
            f"the GeoIP file {source} was built 61 days ago, on 2026-09-24: is its updater running?"
        ]
        clock.at += REMINDER
        keeper.warn_of_old_files()
        assert len(caplog.records) == 2
        put(source, write_countries(tmp_path / "n", built_at=NOW).read_bytes())
        assert keeper.reload()
        clock.at += REMINDER
        keeper.warn_of_old_files()
        assert len(caplog.records) == 2
