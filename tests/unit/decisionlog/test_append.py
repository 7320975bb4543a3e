"""Appending: a receipt means a committed record; sequence and chain are dense whatever fails in between."""

import asyncio
import sqlite3
import threading

import orjson
import pytest
from uuid_utils.compat import uuid7

from acrux.decisionlog.append import Clock, LogWriter
from acrux.decisionlog.chain import FIRST_HEAD, leaf_hash, next_head
from acrux.decisionlog.errors import LogUnavailable
from acrux.decisionlog.reading import SpoolReader
from acrux.decisionlog.records import Entry, Kind
from acrux.decisionlog.spool import Spool, StreamTaken, stream_path

ENTRY = Entry(Kind.FALLBACK, b'{"client":"jira"}')
BIG = Entry(Kind.FALLBACK, b'{"client":"' + b"x" * 200_000 + b'"}')


class Hands:
    """A clock that is set by hand."""

    def __init__(self):
        self.now_us = 1_000_000_000
        self.monotonic_us = 0

    def clock(self):
        return Clock(now_us=lambda: self.now_us, monotonic_us=lambda: self.monotonic_us)

    def pass_us(self, wall_us, monotonic_us=None):
        self.now_us += wall_us
        self.monotonic_us += wall_us if monotonic_us is None else monotonic_us


class Bed:
    """A spool directory and its writers."""

    def __init__(self, path):
        self.path = path
        self.writers = []

    def writer(self, *, start=True, max_bytes=None, **changes):
        spool = Spool(self.path, str(uuid7()), max_bytes=max_bytes)
        writer = LogWriter(spool, node="node-1", **changes)
        self.writers.append(writer)
        if start:
            writer.start()
        return writer

    def rows(self, writer):
        with SpoolReader(stream_path(self.path, writer.stream)) as reader:
            return reader.rows(0, 100_000)


@pytest.fixture
def bed(tmp_path):
    """A spool directory; its writers are closed at the end."""
    made = Bed(tmp_path / "spool")
    yield made
    for writer in made.writers:
        if writer._thread.ident is not None:
            writer.close()


def assert_whole(rows):
    """The rows are dense from 1, chained, in canonical form, and their times never go back."""
    assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
    head = FIRST_HEAD
    for row in rows:
        head = next_head(head, leaf_hash(row.body))
        assert row.head == head
        record = orjson.loads(row.body)
        assert (record["sequence"], record["recorded_at_us"], record["kind"]) == (
            row.sequence,
            row.recorded_at_us,
            row.kind,
        )
    times = [row.recorded_at_us for row in rows]
    assert times == sorted(times)


async def test_a_stream_opens_holds_what_was_appended_and_closes(bed):
    """The first record opens the stream, the last closes it, and in between is what was appended, in order."""
    writer = bed.writer()
    contents = [b'{"number":%d}' % number for number in range(300)]
    receipts = await asyncio.gather(*(writer.append(Entry(Kind.FALLBACK, content)) for content in contents))
    assert writer.available
    writer.close()
    writer.close()
    rows = bed.rows(writer)
    assert_whole(rows)
    records = [orjson.loads(row.body) for row in rows]
    assert (records[0]["kind"], records[0]["content"]) == ("stream_opened", {"node": "node-1"})
    assert (records[-1]["kind"], records[-1]["content"]) == ("stream_closed", {"clean": True})
    assert [record["content"]["number"] for record in records[1:-1]] == list(range(300))
    for receipt, row in zip(receipts, rows[1:-1], strict=True):
        assert (receipt.sequence, receipt.leaf_hash) == (row.sequence, leaf_hash(row.body).hex())
    assert not writer.available
    with pytest.raises(LogUnavailable):
        await writer.append(ENTRY)


async def test_what_has_a_receipt_is_committed(bed):
    """When a receipt is there, another connection sees the record."""
    writer = bed.writer()
    for _ in range(20):
        receipt = await writer.append(ENTRY)
        assert bed.rows(writer)[-1].sequence == receipt.sequence


async def test_those_who_wait_share_a_commit(bed):
    """What is appended together is committed together, in more than one statement where it is much."""
    writer = bed.writer()
    commits = 0
    write = writer._spool.write

    class Counting:
        def __getattr__(self, name):
            return getattr(spool, name)

        def write(self, rows):
            nonlocal commits
            commits += 1
            write(rows)

    spool, writer._spool = writer._spool, Counting()
    await asyncio.gather(*(writer.append(ENTRY) for _ in range(120)))
    writer._spool = spool
    assert commits <= 2
    assert writer.waiting_count == 0


async def test_too_many_waiting_are_refused(bed):
    """A full queue refuses at once, and only those beyond it."""
    writer = bed.writer(start=False, max_waiting=3)
    futures = [writer.submit(ENTRY) for _ in range(3)]
    with pytest.raises(LogUnavailable, match="3 records wait"):
        writer.submit(ENTRY)
    assert writer.waiting_count == 3
    writer._thread.start()
    assert [(await future).sequence for future in futures] == [1, 2, 3]


async def test_a_failing_commit_fails_those_it_held_and_no_other(bed):
    """When the disk is full nobody gets a receipt; the chain goes on where it was when there is space again."""
    writer = bed.writer(max_bytes=200_000)
    before = await writer.append(ENTRY)
    results = await asyncio.gather(*(writer.append(BIG) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(result, LogUnavailable) for result in results)
    assert not writer.available
    with pytest.raises(LogUnavailable):
        await writer.append(BIG)
    after = await writer.append(ENTRY)  # small enough for what is left
    assert after.sequence == before.sequence + 1
    assert writer.available
    assert (writer.committed_count, writer.failed_count) == (3, 4)
    writer._spool.allow_bytes(None)
    with pytest.raises(LogUnavailable):
        await writer.append(BIG)  # the limit was in force still; from the recovery on it is not
    await writer.append(BIG)
    assert_whole(bed.rows(writer))


async def test_failed_but_persisted_keeps_the_chain(bed):
    """A commit that reports failure but took place: nobody has a receipt for it, and the chain goes on after it."""
    writer = bed.writer()
    spool = writer._spool

    class Lying:
        def __getattr__(self, name):
            return getattr(spool, name)

        def write(self, rows):
            spool.write(rows)
            raise sqlite3.OperationalError("disk I/O error")

    writer._spool = Lying()
    with pytest.raises(LogUnavailable, match="disk I/O error"):
        await writer.append(ENTRY)
    writer._spool = spool
    receipt = await writer.append(ENTRY)
    assert receipt.sequence == 3
    assert_whole(bed.rows(writer))


async def test_a_reader_that_holds_up_the_recovery_keeps_it_waiting(bed, monkeypatch):
    """After a failure nothing is acknowledged until all that the WAL holds is in the file and synced."""
    monkeypatch.setattr("acrux.decisionlog.spool.BUSY_TIMEOUT_MS", 1)
    writer = bed.writer()
    await writer.append(ENTRY)
    writer._broken = True
    with SpoolReader(stream_path(bed.path, writer.stream)) as reader:
        reader._connection.execute("BEGIN")
        reader._connection.execute("SELECT * FROM records LIMIT 1").fetchone()
        with pytest.raises(LogUnavailable):
            await writer.append(ENTRY)
        reader._connection.execute("COMMIT")
    assert (await writer.append(ENTRY)).sequence == 3
    assert_whole(bed.rows(writer))


async def test_time_in_a_stream_never_goes_back(bed):
    """When the clock jumps back, or ahead of the time that passed, a record says so; times never go back."""
    hands = Hands()
    writer = bed.writer(clock=hands.clock())
    await writer.append(ENTRY)
    hands.pass_us(-50_000_000, 0)
    await writer.append(ENTRY)
    hands.pass_us(1_000)
    await writer.append(ENTRY)
    hands.pass_us(90_000_000, 1_000)
    await writer.append(ENTRY)
    hands.pass_us(3_600_000_000, 3_597_000_000)  # a clock that is slewed strays a little
    await writer.append(ENTRY)
    rows = bed.rows(writer)
    assert_whole(rows)
    assert [row.kind for row in rows] == [
        "stream_opened", "fallback", "clock_step", "fallback", "fallback", "clock_step", "fallback", "fallback",
    ]  # fmt: skip
    assert orjson.loads(rows[2].body)["content"] == {"clock_us": 950_000_000, "expected_us": 1_000_000_000}


async def test_a_clock_step_is_not_lost_in_a_failing_commit(bed):
    """A jump that was noticed in a commit that failed is recorded with the next."""
    hands = Hands()
    writer = bed.writer(clock=hands.clock(), max_bytes=200_000)
    hands.pass_us(-5_000_000, 0)
    with pytest.raises(LogUnavailable):
        await writer.append(BIG)
    await writer.append(ENTRY)
    assert [row.kind for row in bed.rows(writer)] == ["stream_opened", "clock_step", "fallback"]


@pytest.mark.parametrize("shipped", [True, False])
async def test_with_the_durability_of_the_database_receipts_wait_for_it(bed, shipped):
    """A caller gets its receipt only when the database has committed; else it is told that the log is unavailable."""
    asked = []

    async def wait_shipped(stream, sequence, timeout_seconds):
        asked.append((stream, sequence, timeout_seconds))
        return shipped

    writer = bed.writer(wait_shipped=wait_shipped, ship_timeout_seconds=3)
    if shipped:
        assert (await writer.append(ENTRY)).sequence == 2
    else:
        with pytest.raises(LogUnavailable, match="database"):
            await writer.append(ENTRY)
    assert asked == [(writer.stream, 2, 3)]


async def test_a_cancelled_caller_disturbs_nobody(bed):
    """A caller that goes away gets no receipt; the others get theirs."""
    writer = bed.writer(start=False)
    gone, staying = writer.submit(ENTRY), writer.submit(ENTRY)
    gone.cancel()
    writer._thread.start()
    assert (await staying).sequence == 2


def test_a_loop_that_is_closed_disturbs_nobody(bed):
    """Records whose loop has ended are written all the same."""
    writer = bed.writer(start=False)

    async def leave():
        future = writer.submit(ENTRY)
        await asyncio.sleep(0)
        return future

    asyncio.run(leave())
    writer._thread.start()
    assert writer.append_blocking(ENTRY).sequence == 2


def test_a_thread_waits_for_its_time_only(bed):
    """A blocking caller is told when the spool did not commit in time, or can't."""
    writer = bed.writer(start=False)
    with pytest.raises(LogUnavailable, match="in time"):
        writer.append_blocking(ENTRY, timeout_seconds=0)
    writer._thread.start()
    assert writer.append_blocking(ENTRY).sequence == 2
    writer._broken = True
    writer._spool._max_bytes = 1
    with pytest.raises(LogUnavailable, match="spool failed"):
        writer.append_blocking(BIG)


async def test_a_defect_in_the_writer_leaves_nobody_waiting(bed, monkeypatch):
    """If the writer's thread ends by a defect, all who wait are told, and those who come later too."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    writer = bed.writer()

    class Broken:
        def __getattr__(self, name):
            return getattr(spool, name)

        def write(self, rows):
            raise ZeroDivisionError

    spool, writer._spool = writer._spool, Broken()
    results = await asyncio.gather(*(writer.append(ENTRY) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(result, LogUnavailable) for result in results)
    assert not writer.available
    with pytest.raises(LogUnavailable):
        await writer.append(ENTRY)
    writer._closed = False  # between a caller's look and its entry the writer ended
    with pytest.raises(LogUnavailable):
        await writer.append(ENTRY)
    writer._spool = spool
    writer._closed = True
    spool.close()


async def test_a_stream_has_one_writer(bed):
    """A second writer of a stream is refused while the first lives."""
    writer = bed.writer()
    with pytest.raises(StreamTaken):
        Spool(bed.path, writer.stream)


def test_a_spool_that_can_not_be_made_gives_its_stream_up(bed, monkeypatch):
    """A spool whose file can't be opened leaves no lock behind, and a closed one writes nothing."""
    bed.path.mkdir()
    stream = str(uuid7())
    stream_path(bed.path, stream).mkdir()
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError):
            Spool(bed.path, stream)
    stream_path(bed.path, stream).rmdir()
    stream_path(bed.path, stream).write_bytes(b"no database" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        Spool(bed.path, stream)
    stream_path(bed.path, stream).unlink()
    spool = Spool(bed.path, stream)
    spool.close()
    with pytest.raises(sqlite3.OperationalError, match="closed"):
        spool.tail()


def test_more_rows_than_a_statement_holds_are_one_transaction(bed):
    """Rows beyond one statement's are committed with it or not at all."""
    spool = Spool(bed.path, str(uuid7()))

    def row(sequence):
        return (sequence, "fallback", 1, 1, None, None, None, None, None, None, b"", b"")

    spool.write([row(sequence) for sequence in range(1, 301)])
    assert spool.tail()[0] == 300
    with pytest.raises(sqlite3.IntegrityError):
        spool.write([row(sequence) for sequence in range(301, 600)] + [row(1)])
    assert spool.recover()[0] == 300
    spool.close()
