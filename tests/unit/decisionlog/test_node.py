"""What a node finds by itself: every record that one of its writers was told is durable."""

import sqlite3

import pytest
from uuid_utils.compat import uuid7

from acrux.decisionlog.append import Clock, LogWriter
from acrux.decisionlog.errors import LogUnavailable
from acrux.decisionlog.node import NodeSpools
from acrux.decisionlog.records import Entry, Idempotency, Kind
from acrux.decisionlog.spool import Spool
from acrux.decisionlog.streams import SpoolDirectory


@pytest.fixture
def spools(tmp_path):
    """Look-ups over a state directory."""
    made = NodeSpools(tmp_path)
    yield made
    made.close()


@pytest.fixture
def write(spools):
    """Starts writers; a writer appends entries and returns receipts."""
    writers = []

    def start():
        writer = LogWriter(Spool(spools.spool_directory, str(uuid7())), node="node-1")
        writers.append(writer)
        writer.start()
        return writer

    yield start
    for writer in writers:
        writer.close()


def test_a_record_is_found_as_soon_as_it_is_durable(spools, write):
    """Records of every writer are found at once, those of writers that began later and of ended ones too."""
    first = write()
    assert spools.find_records("d") == ()
    decision = first.append_blocking(Entry(Kind.DECISION, b'{"a":1}', decision_id="d"))
    first.append_blocking(Entry(Kind.OUTCOME, b'{"a":2}', decision_id="d"))
    assert spools.find_outcome("d") is None
    first.close()
    outcome = write().append_blocking(Entry(Kind.OUTCOME, b'{"a":3}', decision_id="d", uses_up=True))
    found = spools.find_records("d")
    assert [(record.kind, record.uses_up) for record in found] == [
        ("decision", False),
        ("outcome", False),
        ("outcome", True),
    ]
    assert found[0].receipt == decision
    assert spools.find_outcome("d").receipt == outcome
    assert b'"content":{"a":3}' in found[2].body
    assert spools.find_records("other") == ()


def test_an_answer_is_found_until_it_expires(spools, write):
    """The answer under a key is found with its receipt until it expires; a later one replaces it."""
    writer = write()
    key = b"k" * 32

    def append(answer, expires_at_us):
        return writer.append_blocking(
            Entry(Kind.DECISION, b"{}", idempotency=Idempotency(key, b"r" * 32, expires_at_us, answer))
        )

    assert spools.find_answer(key, now_us=0) is None
    receipt = append(b"1", 10)
    found = spools.find_answer(key, now_us=9)
    assert (found.answer, found.request_hash, found.expires_at_us, found.receipt) == (b"1", b"r" * 32, 10, receipt)
    assert spools.find_answer(key, now_us=10) is None
    append(b"2", 20)
    assert spools.find_answer(key, now_us=10).answer == b"2"


def test_files_that_come_and_go_are_noticed(spools, write, tmp_path):
    """A deleted file is let go; one that is not finished holds nothing; a closed look-up opens again."""
    write().append_blocking(Entry(Kind.DECISION, b"{}", decision_id="d"))
    assert len(spools.find_records("d")) == 1
    unfinished = spools.spool_directory / "unfinished.db"
    sqlite3.connect(unfinished).close()
    unfinished.touch()
    assert len(spools.find_records("d")) == 1
    assert len(spools._readers) == 2
    unfinished.unlink()
    spools._seen_ns = -1
    assert len(spools.find_records("d")) == 1
    assert len(spools._readers) == 1
    spools.close()
    assert len(spools.find_records("d")) == 1


def test_a_file_that_vanishes_under_a_look_up_holds_nothing(spools, write):
    """The shipper deletes files whose records every look-up has in the database."""
    write().append_blocking(Entry(Kind.DECISION, b"{}", decision_id="d"))
    assert spools.find_records("d")
    [(path, reader)] = spools._readers.items()
    path.unlink()
    reader.close()
    spools._seen_ns = spools.spool_directory.stat().st_mtime_ns
    assert spools.find_records("d") == ()


def test_what_can_not_be_read_is_not_taken_for_empty(spools, write):
    """A spool file or directory that can't be read makes the log unavailable: single use can't be told then."""
    (spools.spool_directory / "broken.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(LogUnavailable, match=r"broken\.db"):
        spools.find_records("d")
    (spools.spool_directory / "broken.db").unlink()
    (spools.spool_directory / "directory.db").mkdir()
    with pytest.raises(LogUnavailable, match=r"directory\.db"):
        spools.find_answer(b"", now_us=0)
    (spools.spool_directory / "directory.db").rmdir()
    spools.close()
    spools.spool_directory.rename(spools.spool_directory.with_name("away"))
    with pytest.raises(LogUnavailable, match="spool directory"):
        spools.find_records("d")


async def test_names_are_locked_node_wide(spools, tmp_path):
    """Two look-ups on one state directory exclude each other by name."""
    async with spools.locked("decision", b"d"):
        with pytest.raises(Exception, match="holds this decision"):
            async with NodeSpools(tmp_path).locked("decision", b"d", timeout_seconds=0):
                pass


def test_a_directory_of_streams_passes_over_what_it_can_not_read(tmp_path):
    """Files that are no spool, or not finished, are left alone."""
    (tmp_path / "broken.db").write_bytes(b"no database at all" * 100)
    (tmp_path / "directory.db").mkdir()
    sqlite3.connect(tmp_path / "empty.db").close()
    (tmp_path / "empty.db").touch()
    directory = SpoolDirectory(tmp_path, Clock())
    directory.notice()
    assert directory.streams() == []
    assert directory.unshipped() == (0, None)


def test_an_empty_file_of_a_dead_writer_is_closed(tmp_path):
    """A writer that died before its first record leaves a file that is ended like any other."""
    Spool(tmp_path, "0199f3c2-0000-7000-8000-000000000000").close()
    directory = SpoolDirectory(tmp_path, Clock())
    directory.notice()
    [stream] = directory.streams()
    assert stream.reader.extent() == (0, 0, 0, "")
    directory.close_dead_streams()
    assert stream.reader.extent().last_kind == "stream_closed"
    directory.close()


def test_a_dead_stream_that_can_not_be_closed_is_left_for_later(tmp_path, monkeypatch, caplog):
    """A full disk does not keep the shipper from going on: the stream is closed another time."""
    Spool(tmp_path, "0199f3c2-0000-7000-8000-000000000000").close()
    directory = SpoolDirectory(tmp_path, Clock())
    directory.notice()

    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "write", full)
        directory.close_dead_streams()
    with monkeypatch.context() as patch:
        patch.setattr(Spool, "_open", full)
        directory.close_dead_streams()
    assert caplog.text.count("gives trouble") == 2
    directory.close_dead_streams()
    [stream] = directory.streams()
    assert stream.reader.extent().last_kind == "stream_closed"
    directory.close()
