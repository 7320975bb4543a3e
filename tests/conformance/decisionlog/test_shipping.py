"""Shipping: what the spool has, the database gets, once, in order, whatever happens in between."""

import sqlite3
import threading
from datetime import UTC, datetime

import orjson
import pytest
from sqlalchemy import delete, func, select, update
from uuid_utils.compat import uuid7

from acrux.decisionlog.append import Clock
from acrux.decisionlog.chain import FIRST_HEAD, leaf_hash, next_head
from acrux.decisionlog.locks import FileLock
from acrux.decisionlog.records import Entry, Idempotency, Kind, microseconds
from acrux.decisionlog.shipper import Shipper
from acrux.decisionlog.streams import SpooledStream
from acrux.domain.decision import Verdict
from acrux.storage import consumptions, idempotency, migrate, records, streams
from acrux.storage.database import RowRefused
from acrux.storage.tables import LABELS, RECORDS, STREAMS

START = datetime(2026, 11, 24, 8, tzinfo=UTC)


def count(database, table=RECORDS):
    return database.read(lambda transaction: transaction.execute(select(func.count()).select_from(table)).scalar_one())


def all_records(database):
    statement = select(RECORDS).order_by(RECORDS.c.stream, RECORDS.c.sequence)
    return database.read(lambda transaction: transaction.execute(statement).all())


def test_every_record_arrives_whole_and_in_chain(node, database):
    """The database holds each spooled record once; its body hashes to its leaf, and the leaves chain to the head."""
    receipts = [node.decide()[1] for _ in range(20)]
    node.writer.close()
    node.ship()
    rows = all_records(database)
    assert [row.sequence for row in rows] == list(range(1, 23))
    assert [row.kind for row in rows] == ["stream_opened", *["decision"] * 20, "stream_closed"]
    head = FIRST_HEAD
    for row in rows:
        assert row.searchable
        assert leaf_hash(row.body) == row.leaf_hash
        record = orjson.loads(row.body)
        assert (record["stream"], record["sequence"]) == (row.stream, row.sequence)
        assert orjson.dumps(record, option=orjson.OPT_SORT_KEYS) == row.body
        head = next_head(head, row.leaf_hash)
    stream = database.read(lambda transaction: streams.find(transaction, node.stream))
    assert (stream.position, stream.head, stream.node) == (22, head, "node-1")
    assert stream.closed_at_us == rows[-1].recorded_at_us
    assert [receipt.leaf_hash for receipt in receipts] == [row.leaf_hash.hex() for row in rows[1:-1]]
    assert node.shipped[-1] == (node.stream, 22)


def test_shipping_twice_changes_nothing(node, make_node, database):
    """Shipping what is there already adds no row, even when a second shipper believes that nothing was shipped."""
    node.decide()
    node.ship()
    before = (all_records(database), count(database, LABELS))
    second = Shipper(database, node.directory / "spool")
    while second.ship_once():
        pass
    second.close()
    assert (all_records(database), count(database, LABELS)) == before


def test_a_restored_backup_is_filled_up_again(node, database):
    """When the database goes back to an older state, upkeep ships again what it lacks, of ended streams too."""
    for _ in range(5):
        node.decide()
    node.writer.close()
    node.ship()
    whole = all_records(database)

    def restore(transaction):
        transaction.execute(delete(RECORDS).where(RECORDS.c.sequence > 3))
        transaction.execute(delete(LABELS).where(LABELS.c.sequence > 3))
        head = whole[2].leaf_hash
        transaction.execute(update(STREAMS).values(position=3, head=head, closed_at_us=None))

    database.write(restore)
    node.ship()
    assert all_records(database) == whole
    database.write(lambda transaction: transaction.execute(delete(RECORDS)) and transaction.execute(delete(STREAMS)))
    node.ship()
    assert all_records(database) == whole


def test_a_position_that_moved_meanwhile_is_followed(node, database):
    """A compare-and-swap that fails makes the shipper go on from where the database is."""
    node.decide()
    node.ship()
    node.decide()
    database.write(lambda transaction: transaction.execute(update(STREAMS).values(position=1)))
    while node.shipper.ship_once(upkeep=False):
        pass
    assert [row.sequence for row in all_records(database)] == [1, 2, 3]
    assert database.read(lambda transaction: streams.positions(transaction, [node.stream])) == {node.stream: 3}


def test_a_record_that_can_not_be_searched_enters_whole(node, database):
    """A body that can't be indexed, by its shape or by a value, enters with its leaf and does not stop the others."""
    strange = [
        Entry(Kind.DECISION, b'{"not":"a decision"}'),
        Entry(Kind.POLICY_ACTIVATED, b'{"client":"nul\\u0000"}'),
        Entry(Kind.POLICY_ACTIVATED, b'{"client":"' + b"x" * 5000 + b'"}'),
        Entry(Kind.POLICY_ACTIVATED, b'{"client":7}'),
    ]
    for entry in strange:
        node.writer.append_blocking(entry)
    decision_id, _ = node.decide()
    node.ship()
    rows = all_records(database)
    assert [row.searchable for row in rows] == [True, False, False, False, False, True]
    assert all(leaf_hash(row.body) == row.leaf_hash for row in rows)
    assert rows[-1].decision_id == decision_id


def test_a_dead_writer_s_stream_is_closed(node, make_node, database, tmp_path):
    """A stream whose writer is gone without `stream_closed` gets one from the shipper, marked as not clean."""
    node.decide()
    node.writer._spool._lock.release()  # as the kernel does for a killed process
    node.ship()
    rows = all_records(database)
    last = orjson.loads(rows[-1].body)
    assert (last["kind"], last["content"]) == ("stream_closed", {"clean": False})
    assert [row.sequence for row in rows] == [1, 2, 3]
    node.writer._spool._lock = FileLock.try_acquire(tmp_path / "spare.lock")  # so that it can be given up again


def test_what_is_shipped_leaves_the_spool_after_the_retention(make_node, database):
    """Shipped records older than the retention are deleted: rows of a living stream, the files of an ended one."""
    now = [microseconds(START)]
    clock = Clock(now_us=lambda: now[0], monotonic_us=lambda: now[0])
    node = make_node(clock=clock)
    for _ in range(5):
        node.decide()
    node.ship()
    spool = node.directory / "spool"
    now[0] += 25 * 3600 * 1_000_000
    node.ship()
    assert node.spools.find_records("none") == ()
    reader = next(iter(node.spools._readers.values()))
    assert reader.extent().first == 6  # the last row stays: the chain goes on from it
    node.decide()
    node.writer.close()
    node.ship()
    assert list(spool.glob("*.db"))
    now[0] += 25 * 3600 * 1_000_000
    node.ship()
    assert list(spool.iterdir()) == []
    assert count(database) == 8
    assert node.spools.find_records("none") == ()


def test_records_that_the_spool_lost_are_counted(make_node, database):
    """When the database is older than the retention, what is still spooled is shipped and the gap is counted."""
    now = [microseconds(START)]
    clock = Clock(now_us=lambda: now[0], monotonic_us=lambda: now[0])
    node = make_node(clock=clock)
    for _ in range(3):
        node.decide()
    node.ship()
    now[0] += 25 * 3600 * 1_000_000
    node.ship()  # deletes 1 to 3 from the spool
    database.write(lambda transaction: transaction.execute(delete(STREAMS)))
    database.write(lambda transaction: transaction.execute(delete(RECORDS)))
    node.ship()
    assert [row.sequence for row in all_records(database)] == [4]
    assert node.shipper.missing_count == 3


def test_used_up_twice_is_found_and_told(make_node, database):
    """Two outcomes that used up one decision on two nodes: the second is told as a clash, with a record of it."""
    one, two = make_node("one"), make_node("two")
    decision_id, _ = one.decide()
    one.judge(decision_id, Verdict.SATISFIED, outcome_id="outcome-1")
    two.judge(decision_id, Verdict.SATISFIED, outcome_id="outcome-2")
    one.ship()
    two.ship()
    assert one.clashes == []
    [clash] = two.clashes
    assert (clash.decision_id, clash.first, clash.second) == (decision_id, "outcome-1", "outcome-2")
    assert two.shipper.clash_count == 1
    two.writer.append_blocking(clash.entry)
    two.ship()
    assert one.queries.find(decision_id, open_facts=False).outcomes[-1]["verdict"] == "replayed"
    assert two.shipper.clash_count == 1


def test_an_outcome_that_was_claimed_first_is_no_clash(node, database):
    """The claim in the database and the spooled outcome are the same use."""
    decision_id, _ = node.decide()
    claim = {"decision_id": decision_id, "outcome_id": "outcome-1", "claimant": None, "at_us": 1}
    assert database.write(lambda transaction: consumptions.claim(transaction, **claim))
    node.judge(decision_id, Verdict.SATISFIED, outcome_id="outcome-1")
    node.ship()
    assert node.clashes == []


def test_a_decision_is_claimed_once(database):
    """Only the first claim of a decision succeeds."""
    decision_id = str(uuid7())

    def claim(outcome_id, claimant=None):
        values = {"decision_id": decision_id, "outcome_id": outcome_id, "claimant": claimant, "at_us": 1}
        return database.write(lambda transaction: consumptions.claim(transaction, **values))

    assert claim("outcome-1", b"me")
    assert not claim("outcome-2")
    assert not claim("outcome-2", b"you")
    assert database.read(lambda transaction: consumptions.find(transaction, decision_id)) == ("outcome-1", b"me")
    assert database.read(lambda transaction: consumptions.find(transaction, "none")) is None


def test_the_same_claimant_may_claim_again_until_its_outcome_is_recorded(node, database):
    """A retry after a crash between claim and record is the same use; after the record it is a replay."""
    decision_id, _ = node.decide()

    def claim(outcome_id):
        values = {"decision_id": decision_id, "outcome_id": outcome_id, "claimant": b"me", "at_us": 1}
        return database.write(lambda transaction: consumptions.claim(transaction, **values))

    assert claim("outcome-1")
    assert claim("outcome-2")
    node.judge(decision_id, Verdict.SATISFIED, outcome_id="outcome-2")
    node.ship()
    assert node.clashes == []
    assert not claim("outcome-3")


def test_answers_are_found_on_every_node_once_shipped(node, database):
    """A shipped answer is found by its key until it expires, with its receipt; the later of two answers wins."""
    key, end_us = b"k" * 32, microseconds(datetime(2100, 1, 1, tzinfo=UTC))
    first = Idempotency(key, b"r" * 32, end_us, b'{"answer":1}')
    _, receipt = node.decide(idempotency=first)
    node.ship()

    def find(now_us):
        return database.read(lambda transaction: idempotency.find(transaction, key, now_us=now_us))

    found = find(end_us - 1)
    assert (found.answer, found.request_hash) == (b'{"answer":1}', b"r" * 32)
    assert (found.stream, found.sequence, found.leaf_hash.hex()) == (
        receipt.stream,
        receipt.sequence,
        receipt.leaf_hash,
    )
    assert find(end_us) is None
    node.decide(idempotency=Idempotency(key, b"s" * 32, end_us + 2, b'{"answer":2}'))
    node.decide(idempotency=Idempotency(key, b"t" * 32, end_us + 1, b'{"answer":3}'))
    node.ship()
    assert find(end_us).answer == b'{"answer":2}'
    assert database.write(lambda transaction: idempotency.delete_expired(transaction, before_us=end_us + 3)) == 1
    assert find(0) is None


def test_flush_returns_when_all_is_there(node, database):
    """`flush` returns True once everything that was spooled before is in the database; stopping ships the rest."""
    stop = threading.Event()
    thread = threading.Thread(target=node.shipper.run, args=(stop,))
    thread.start()
    for _ in range(30):
        node.decide()
    assert node.shipper.flush(30)
    assert count(database) == 31
    assert node.shipper.lag().row_count == 0
    node.writer.close()
    stop.set()
    node.shipper.wake()
    thread.join(30)
    assert count(database) == 32


def test_lag_says_what_waits(make_node, database):
    """Lag is the number of unshipped records and the age of the oldest."""
    now = [microseconds(START)]
    clock = Clock(now_us=lambda: now[0], monotonic_us=lambda: now[0])
    node = make_node(clock=clock)
    node.ship()
    assert node.shipper.lag().row_count == 0
    node.decide()
    now[0] += 7_000_000
    lag = node.shipper.lag()
    assert (lag.row_count, lag.oldest_age_seconds) == (1, 7.0)


def test_many_batches_arrive_in_order(node, database, run):
    """More rows than one batch holds arrive densely, and the spool's WAL is written back on the way."""

    async def many():
        entries = [Entry(Kind.UNBOUND, b'{"client":"jira"}') for _ in range(2_500)]
        futures = [node.writer.submit(entry) for entry in entries]
        return [await future for future in futures]

    receipts = run(many())
    node.ship()
    assert [receipt.sequence for receipt in receipts] == list(range(2, 2_502))
    assert [row.sequence for row in all_records(database)] == list(range(1, 2_502))


def test_shipping_waits_for_a_database_without_tables(node, database):
    """While the database can't take records nothing is lost: they are shipped when it can."""
    node.decide()
    migrate.downgrade(database, "base")
    stop = threading.Event()
    thread = threading.Thread(target=node.shipper.run, args=(stop,))
    thread.start()
    assert not node.shipper.flush(0.3)
    assert node.shipper.failure is not None
    migrate.upgrade(database)
    assert node.shipper.flush(30)
    assert node.shipper.failure is None
    assert count(database) == 2
    stop.set()
    thread.join(30)


def test_one_transaction_holds_rows_and_position(node, database, monkeypatch):
    """A batch that fails in its middle leaves neither rows nor a moved position."""
    node.decide()

    def broken(*_):
        raise RuntimeError("in the middle")

    with monkeypatch.context() as patch:
        patch.setattr(records, "insert_labels", broken)
        with pytest.raises(RuntimeError, match="in the middle"):
            node.ship()
    assert count(database) == 0
    assert count(database, STREAMS) == 0
    node.ship()
    assert count(database) == 2


def test_a_row_that_the_database_refuses_enters_bare(node, database, monkeypatch):
    """A row that only the database finds fault with enters without searchable columns; its neighbours keep theirs."""
    names = ["a", "b", "poison", "c", "d"]
    for name in names:
        node.writer.append_blocking(Entry(Kind.UNBOUND, b'{"client":"%b"}' % name.encode()))
    insert = records.insert_records

    def refusing(transaction, rows):
        if any(row["client"] == "poison" for row in rows):
            raise RowRefused("a value can't be stored")
        insert(transaction, rows)

    monkeypatch.setattr(records, "insert_records", refusing)
    node.ship()
    rows = all_records(database)
    assert [row.client for row in rows] == [None, "a", "b", None, "c", "d"]
    assert [row.searchable for row in rows] == [True, True, True, False, True, True]
    assert leaf_hash(rows[3].body) == rows[3].leaf_hash


def test_a_stream_in_trouble_does_not_hold_up_the_others(make_node, database, tmp_path):
    """A stream whose records are refused for good, or whose file is broken, is told; the others are shipped."""
    good, bad = make_node("one"), make_node("two")
    bad_path = next((tmp_path / "two" / "spool").glob("*.db"))
    good.decide()
    shipper = Shipper(database, tmp_path / "one" / "spool")
    shipper.ship_once()
    assert count(database) == 2
    bad.decide()
    shipper._directory._streams["broken"] = broken = SpooledStream(bad_path)
    broken.reader.close()
    good.decide()
    assert shipper.ship_once(upkeep=False) == 1
    assert count(database) == 3
    with pytest.raises(sqlite3.Error):
        shipper.ship_once(upkeep=False)
    good.decide()
    assert shipper.ship_once(upkeep=True) == 1
    assert shipper.lag().row_count == 0
    shipper.close()


def test_a_failure_at_the_end_ends_the_shipper(node, database):
    """When it is told to stop while the database is away, the shipper stops: what is spooled stays spooled."""
    node.decide()
    migrate.downgrade(database, "base")
    stop = threading.Event()
    stop.set()
    node.shipper.run(stop)
    assert node.shipper.failure is not None
    migrate.upgrade(database)
    node.shipper.run(stop)
    assert count(database) == 2
