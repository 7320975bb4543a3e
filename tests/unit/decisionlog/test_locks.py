"""Locks: one name is held once on a node, and by nobody after its holder is gone."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from acrux.decisionlog.errors import LockTimeout
from acrux.decisionlog.locks import FileLock, NameLocks


async def test_a_name_is_held_once(tmp_path):
    """Tasks that want the same name take turns, also through different sets of locks on one directory."""
    locks = (NameLocks(tmp_path / "locks"), NameLocks(tmp_path / "locks"))
    inside, most = 0, 0

    async def use(number):
        nonlocal inside, most
        async with locks[number % 2].hold("decision", b"name"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(use(number) for number in range(10)))
    assert most == 1


async def test_classes_do_not_wait_for_each_other(tmp_path):
    """The same name may be held in both classes, in their order."""
    locks = NameLocks(tmp_path)
    async with locks.hold("idempotency", b"name"), locks.hold("decision", b"name", timeout_seconds=0):
        pass


async def test_waiting_ends(tmp_path):
    """Who waits for too long is told so; the holder is not disturbed, and the name is free afterwards."""
    locks = NameLocks(tmp_path)
    async with locks.hold("decision", b"name"):
        with pytest.raises(LockTimeout):
            async with locks.hold("decision", b"name", timeout_seconds=0.01):
                pass
    with pytest.raises(ZeroDivisionError):
        async with locks.hold("decision", b"name", timeout_seconds=0):
            raise ZeroDivisionError
    async with locks.hold("decision", b"name", timeout_seconds=0):
        pass


async def test_files_are_made_beforehand(tmp_path):
    """Every lock file is there before anybody waits for one: making one may wait for the file system."""
    locks = NameLocks(tmp_path)
    made = set(tmp_path.iterdir())
    for number in range(100):
        async with locks.hold("decision", str(number).encode()), locks.hold("idempotency", str(number).encode()):
            pass
    assert set(tmp_path.iterdir()) == made
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}


async def test_a_disk_that_is_full_at_the_start(tmp_path, monkeypatch):
    """Where they can't be made then, nothing ends: whoever needs one makes it, or is told that it can't be."""

    def full(*_anything, **_more):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "touch", full)
        locks = NameLocks(tmp_path)
        assert list(tmp_path.iterdir()) == []
    async with locks.hold("decision", b"a"):
        assert len(list(tmp_path.iterdir())) == 1


def test_a_killed_holder_holds_nothing(tmp_path):
    """The kernel gives the lock of a killed process to the next."""
    path = tmp_path / "lock"
    program = (
        "import sys, time; from pathlib import Path; from acrux.decisionlog.locks import FileLock; "
        "lock = FileLock.try_acquire(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        assert FileLock.try_acquire(path) is None
        holder.kill()
        holder.wait()
    lock = FileLock.try_acquire(path)
    assert lock is not None
    lock.release()
