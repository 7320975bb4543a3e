"""Appending: a bounded queue, one writer thread, one commit for all that wait. No policy, no database.

INVARIANT (nothing is called logged that is not): a caller gets a receipt only after the commit that holds its record
has returned; a failing commit fails exactly the callers that it held.
"""

import asyncio
import concurrent.futures
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from acrux.decisionlog.chain import leaf_hash, next_head
from acrux.decisionlog.errors import LogUnavailable
from acrux.decisionlog.records import Entry, Kind, Receipt, canonical, envelope, event
from acrux.decisionlog.spool import MAX_ROWS_PER_STATEMENT, Row, Spool
from acrux.domain.facts import Json
from acrux.domain.identifiers import StreamId

DEFAULT_MAX_WAITING: Final = 10_000
_LARGEST_TURN: Final = 64
_LONGEST_TURNS: Final = 32
_STEP_TOLERANCE_US: Final = 1_000_000
_DRIFT_PARTS: Final = 1_000  # a slewing clock may stray by 0.1 % of the time since the last record


class WaitShipped(Protocol):
    """Waits until the database has committed a stream up to a sequence (`durability: database`)."""

    def __call__(self, stream: StreamId, sequence: int, timeout_seconds: float, /) -> Awaitable[bool]:
        """True as soon as it has; False after `timeout_seconds`."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Where time comes from.

    Attributes:
        now_us: microseconds since 1970, UTC; may jump.
        monotonic_us: microseconds since some moment; never jumps.
    """

    now_us: Callable[[], int] = lambda: time.time_ns() // 1000
    monotonic_us: Callable[[], int] = lambda: time.monotonic_ns() // 1000


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An entry and who waits for it: a task of `loop`, or a thread where `loop` is None."""

    entry: Entry
    loop: asyncio.AbstractEventLoop | None
    future: "asyncio.Future[Receipt] | concurrent.futures.Future[Receipt]"


_Answer: TypeAlias = "tuple[_Waiting, Receipt | LogUnavailable]"


class LogWriter:
    """The one writer of one stream.

    `append` returns when the spool has committed; with `wait_shipped`, when the database has. Records keep the
    order in which `append` was called. Times of recording never go back.

    Args:
        spool: the stream's file; the writer closes it.
        node: which node this is; logged in `stream_opened`.
        clock: where time comes from.
        max_waiting: how many entries may wait for the writer before new ones are refused.
        wait_shipped: set for `durability: database`.
        ship_timeout_seconds: how long a caller waits for the database.
    """

    def __init__(
        self,
        spool: Spool,
        *,
        node: str,
        clock: Clock | None = None,
        max_waiting: int = DEFAULT_MAX_WAITING,
        wait_shipped: WaitShipped | None = None,
        ship_timeout_seconds: float = 5.0,
    ) -> None:
        self.stream = spool.stream
        self.committed_count = 0
        self.failed_count = 0
        self._spool = spool
        self._node = node
        self._clock = clock or Clock()
        self._max_waiting = max_waiting
        self._wait_shipped = wait_shipped
        self._ship_timeout_seconds = ship_timeout_seconds
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._turn: list[_Waiting] = []  # what the event loop's present turn has appended; touched on the loop only
        self._turn_seen = self._turns = 0
        self._closed = False  # nothing more is admitted
        self._ending = False  # the writer has met the end of the queue
        self._ended = False  # the writer is gone
        self._broken = False
        self._step: Entry | None = None  # a `clock_step` that is not written yet
        self._sequence, self._last_us, self._head = spool.tail()
        self._read_us = self._clock.now_us()
        self._read_monotonic_us = self._clock.monotonic_us()
        self._thread = threading.Thread(target=self._run, name=f"log-writer-{self.stream}", daemon=True)

    @property
    def waiting_count(self) -> int:
        """How many entries wait for the writer."""
        return self._queue.qsize() + len(self._turn)

    @property
    def available(self) -> bool:
        """Whether the last commit succeeded and the writer lives."""
        return not self._broken and not self._closed

    def start(self) -> Receipt:
        """Open the stream with its first record and start the writer.

        Raises:
            LogUnavailable: the first record could not be made durable.
        """
        self._thread.start()
        return self.append_blocking(event(Kind.STREAM_OPENED, {"node": self._node}))

    def submit(self, entry: Entry) -> "asyncio.Future[Receipt]":
        """Put an entry on the queue; the future resolves when the spool has committed it. From the event loop only.

        Raises:
            LogUnavailable: too many wait already, or the writer is closed.
        """
        self._admit()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Receipt] = loop.create_future()
        # Handed over together at the end of the loop's turn: waking the writer for each would have the two threads
        # fight for the interpreter, and make batches of one where all that is ready could be one commit.
        if not self._turn:
            loop.call_soon(self._hand_over)
        self._turn.append(_Waiting(entry, loop, future))
        return future

    async def append(self, entry: Entry) -> Receipt:
        """Append an entry; returns when it is durable.

        Raises:
            LogUnavailable: it could not be made durable, or not in time.
        """
        receipt = await self.submit(entry)
        if self._wait_shipped is not None and not await self._wait_shipped(
            receipt.stream, receipt.sequence, self._ship_timeout_seconds
        ):
            raise LogUnavailable("the database has not committed the record in time")
        return receipt

    def append_blocking(self, entry: Entry, timeout_seconds: float = 30.0) -> Receipt:
        """`append` into the spool, for a thread that has no event loop.

        Raises:
            LogUnavailable: it could not be made durable, or not in time.
        """
        self._admit()
        future: concurrent.futures.Future[Receipt] = concurrent.futures.Future()
        self._put(_Waiting(entry, None, future))
        try:
            return future.result(timeout_seconds)
        except TimeoutError:
            raise LogUnavailable("the spool has not committed the record in time") from None

    def close(self, content: dict[str, Json] | None = None) -> None:
        """Write all that waits, then `stream_closed`, and give the stream up. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        future: concurrent.futures.Future[Receipt] = concurrent.futures.Future()
        self._queue.put(_Waiting(event(Kind.STREAM_CLOSED, {"clean": True, **(content or {})}), None, future))
        self._queue.put(None)
        self._thread.join()
        self._spool.close()

    def _hand_over(self) -> None:
        """Hand over what waits once a turn of the loop has added nothing to it.

        Requests that are ready are worked off first, so that they share one commit; whatever goes on arriving, it is
        at most `_LONGEST_TURNS` turns or `_LARGEST_TURN` records.
        """
        waiting_count = len(self._turn)
        if waiting_count > self._turn_seen and waiting_count < _LARGEST_TURN and self._turns < _LONGEST_TURNS:
            self._turn_seen = waiting_count
            self._turns += 1
            asyncio.get_running_loop().call_soon(self._hand_over)
            return
        turn, self._turn = self._turn, []
        self._turn_seen = self._turns = 0
        for waiting in turn:
            self._put(waiting)

    def _admit(self) -> None:
        if self._closed:
            raise LogUnavailable("the log is closed")
        if self.waiting_count >= self._max_waiting:
            raise LogUnavailable(f"{self._max_waiting} records wait already")

    def _put(self, waiting: _Waiting) -> None:
        self._queue.put(waiting)
        if self._ended:  # between `_admit` and here the writer took its last look at the queue
            self._refuse(self._left())

    def _run(self) -> None:
        batch: list[_Waiting] = []
        try:
            while batch := self._take():
                self._commit(batch)
        finally:
            # Reached with a batch in hand only through a defect: nobody may wait for ever for a writer that is gone.
            self._closed = self._ended = True
            self._refuse([*batch, *self._left()])

    def _take(self) -> list[_Waiting]:
        """All that waits, at least one; empty at the end. No timer: what comes during a commit is the next batch."""
        first = None if self._ending else self._queue.get()
        if first is None:
            return []
        batch = [first]
        while len(batch) < MAX_ROWS_PER_STATEMENT - 1:  # one place is left for a `clock_step`
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                self._ending = True
                break
            batch.append(following)
        return batch

    def _left(self) -> list[_Waiting]:
        left = []
        with contextlib.suppress(queue.Empty):
            while True:
                waiting = self._queue.get_nowait()
                if waiting is not None:
                    left.append(waiting)
        return left

    def _refuse(self, left: list[_Waiting]) -> None:
        self._resolve([(waiting, LogUnavailable("the log is closed")) for waiting in left])

    def _commit(self, batch: list[_Waiting]) -> None:
        try:
            if self._broken:
                self._sequence, self._last_us, self._head = self._spool.recover()
                self._broken = False
            answers = self._write(batch)
        except sqlite3.Error as reason:
            # What the file holds now is unknown; `recover` reads it, so that sequence and chain go on from there.
            self._broken = True
            self.failed_count += len(batch)
            self._resolve([(waiting, LogUnavailable(f"the spool failed: {reason}")) for waiting in batch])
            return
        self.committed_count += len(batch)
        self._resolve(answers)

    def _write(self, batch: list[_Waiting]) -> "list[_Answer]":
        self._step = self._read_clock() or self._step
        stream, sequence, head, last_us = self.stream, self._sequence, self._head, self._last_us
        rows: list[Row] = []
        answers: list[_Answer] = []
        if self._step is not None:
            sequence += 1
            row, _ = make_row(self._step, stream, sequence, last_us, head)
            head = row[10]
            rows.append(row)
        for waiting in batch:
            sequence += 1
            row, leaf = make_row(waiting.entry, stream, sequence, last_us, head)
            head = row[10]
            rows.append(row)
            answers.append((waiting, Receipt(stream, sequence, leaf.hex())))
        self._spool.write(rows)
        self._sequence, self._head, self._step = sequence, head, None
        return answers

    def _read_clock(self) -> Entry | None:
        """Advance the stream's time, never backwards; the entry of a `clock_step` if the clock jumped."""
        now_us, monotonic_us = self._clock.now_us(), self._clock.monotonic_us()
        elapsed_us = monotonic_us - self._read_monotonic_us
        expected_us = self._read_us + elapsed_us
        jumped = now_us < self._read_us or abs(now_us - expected_us) > _STEP_TOLERANCE_US + elapsed_us // _DRIFT_PARTS
        self._read_us, self._read_monotonic_us = now_us, monotonic_us
        self._last_us = max(self._last_us, now_us)
        if not jumped:
            return None
        content: dict[str, Json] = {"clock_us": now_us, "expected_us": expected_us}
        return Entry(Kind.CLOCK_STEP, canonical(content))

    def _resolve(self, answers: "list[_Answer]") -> None:
        """Wake all who wait: each loop once."""
        loops: dict[asyncio.AbstractEventLoop, list[_Answer]] = {}
        for answer in answers:
            waiting, found = answer
            if waiting.loop is not None:
                loops.setdefault(waiting.loop, []).append(answer)
            elif isinstance(found, Receipt):
                waiting.future.set_result(found)
            else:
                waiting.future.set_exception(found)
        for loop, some in loops.items():
            try:
                loop.call_soon_threadsafe(_wake, some)
            except RuntimeError:  # the loop is closed: nobody waits there any more
                continue


def _wake(answers: "list[_Answer]") -> None:
    for waiting, found in answers:
        future = waiting.future
        if future.done():  # its task was cancelled
            continue
        if isinstance(found, Receipt):
            future.set_result(found)
        else:
            future.set_exception(found)


def make_row(entry: Entry, stream: StreamId, sequence: int, recorded_at_us: int, head: bytes) -> tuple[Row, bytes]:
    """The row of an entry after `head`, and its leaf."""
    body = envelope(entry, recorded_at_us=recorded_at_us, sequence=sequence, stream=stream)
    leaf = leaf_hash(body)
    key_hash = request_hash = answer = expires_at_us = None
    if (idempotency := entry.idempotency) is not None:
        key_hash, request_hash = idempotency.key_hash, idempotency.request_hash
        expires_at_us, answer = idempotency.expires_at_us, idempotency.answer
    row = (
        sequence,
        entry.kind.value,
        recorded_at_us if entry.at_us is None else entry.at_us,
        recorded_at_us,
        entry.decision_id,
        1 if entry.uses_up else None,
        key_hash,
        request_hash,
        expires_at_us,
        answer,
        next_head(head, leaf),
        body,
    )
    return row, leaf
