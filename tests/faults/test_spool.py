"""The spool under faults: killed writers, full disks, a database that comes and goes. What has a receipt stays."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import orjson
import pytest

from acrux.decisionlog.chain import FIRST_HEAD, leaf_hash, next_head
from acrux.decisionlog.reading import SpoolReader
from acrux.decisionlog.shipper import Shipper
from acrux.storage import migrate
from acrux.storage.database import Database

PROGRAM = Path(__file__).with_name("spool_writer.py")


def start_writer(directory, mode):
    """A program of its own that appends as fast as it can and prints each receipt as it gets it."""
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(directory), mode], stdout=subprocess.PIPE, text=True, bufsize=1
    )


def read_whole(path):
    """The rows of a spool file by sequence, after checking that they are dense and chained."""
    with SpoolReader(path) as reader:
        rows = reader.rows(0, 1_000_000)
    head = FIRST_HEAD
    for sequence, row in enumerate(rows, start=1):
        head = next_head(head, leaf_hash(row.body))
        assert (row.sequence, row.head) == (sequence, head)
    return {row.sequence: leaf_hash(row.body).hex() for row in rows}


@pytest.mark.parametrize("acknowledged_count", [1, 10, 100, 400, 800])
def test_a_killed_writer_loses_nothing_that_has_a_receipt(tmp_path, acknowledged_count):
    """Killed with -9 at any moment: whoever saw a receipt finds its record there, whole and in chain."""
    spool = tmp_path / "spool"
    with start_writer(spool, "run") as writer:
        lines = [writer.stdout.readline() for _ in range(acknowledged_count)]
        os.kill(writer.pid, signal.SIGKILL)
        lines += writer.stdout.readlines()
        writer.wait()
    receipts = [json.loads(line) for line in lines if line.endswith("\n")]
    assert len(receipts) >= acknowledged_count
    [path] = spool.glob("*.db")
    found = read_whole(path)
    assert all(found[receipt["sequence"]] == receipt["leaf_hash"] for receipt in receipts)

    database = Database(f"sqlite:///{tmp_path / 'acrux.db'}")
    migrate.upgrade(database)
    shipper = Shipper(database, spool)
    while shipper.ship_once():
        pass
    shipper.close()
    shipped = database.read(
        lambda transaction: transaction.exec_driver_sql("SELECT kind, body FROM records ORDER BY sequence").all()
    )
    database.close()
    assert len(shipped) == len(found) + 1
    assert (shipped[-1].kind, orjson.loads(shipped[-1].body)["content"]) == ("stream_closed", {"clean": False})


def test_a_full_disk_takes_no_receipt_back_and_gives_none_away(tmp_path):
    """When files can't grow callers are refused; what had a receipt is there, and it goes on when there is space."""
    with start_writer(tmp_path, "fill") as writer:
        said = [json.loads(line) for line in writer.stdout]
    assert writer.returncode == 0
    [summary] = [line for line in said if "refused_count" in line]
    receipts = [line for line in said if "sequence" in line]
    assert summary["refused_count"] > 0
    [path] = tmp_path.glob("*.db")
    found = read_whole(path)
    assert all(found[receipt["sequence"]] == receipt["leaf_hash"] for receipt in receipts)
    assert receipts[-1]["sequence"] > summary["last_before"]


def test_a_database_that_is_gone_for_a_while_lacks_nothing_afterwards(tmp_path, postgresql_url):
    """While the database's tables are gone records wait in the spool; when they are back all of them are shipped."""
    database = Database(postgresql_url, retry_after_seconds=0.05)
    stop = threading.Event()
    shipper = Shipper(database, tmp_path)
    thread = threading.Thread(target=shipper.run, args=(stop,))
    thread.start()
    with start_writer(tmp_path, "some") as writer:
        receipts = [json.loads(line) for line in writer.stdout]
    assert not shipper.flush(0.2)
    migrate.upgrade(database)
    assert shipper.flush(60)
    stop.set()
    shipper.wake()
    thread.join(60)
    rows = database.read(
        lambda transaction: transaction.exec_driver_sql("SELECT sequence, leaf_hash FROM records").all()
    )
    database.close()
    found = {row.sequence: bytes(row.leaf_hash).hex() for row in rows}
    assert all(found[receipt["sequence"]] == receipt["leaf_hash"] for receipt in receipts)
    assert sorted(found) == list(range(1, len(receipts) + 3))
