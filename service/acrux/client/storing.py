"""What outlives the process if a path is given: ceilings, and reports not yet delivered. No network, no judging.

Everything is written with mode 0600: facts of logins are personal. A file that can't be read counts as none; a file
that can't be written is logged, and the client goes on without it.
"""

import contextlib
import errno
import itertools
import json
import logging
import os
import secrets
import sys
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from acrux.client.answers import accept_to_json, read_ceiling, time_from_json, time_to_json
from acrux.client.errors import UnexpectedAnswerError
from acrux.client.values import Ceiling, Json

if sys.platform != "win32":  # pragma: no branch - there, files of dead processes are adopted without a lock
    import fcntl

MAX_REPORTS = 10_000
"""Some hours of an outage of a busy application; about 1 KiB each."""
MAX_CEILINGS = 100
_LOG = logging.getLogger("acrux.client")


class CeilingCache:
    """The ceilings of the clients that this process speaks for.

    Args:
        path: a file to keep them in; None for memory only. Processes may share it: what others know stays in it.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._by_client: dict[str, Ceiling] = {}
        if path is not None:
            self._by_client.update((ceiling.client, ceiling) for ceiling in _read_ceilings(path))

    def get(self, client: str) -> Ceiling | None:
        """The last known ceiling of a client."""
        return self._by_client.get(client)

    def put(self, ceiling: Ceiling) -> None:
        """Keeps a ceiling; on disk, if it is news there, it replaces the file atomically: old or new, never half."""
        self._by_client.pop(ceiling.client, None)
        self._by_client[ceiling.client] = ceiling
        while len(self._by_client) > MAX_CEILINGS:
            self._by_client.pop(next(iter(self._by_client)))
        if self._path is not None:
            self._keep(self._path, ceiling)

    def _keep(self, path: Path, ceiling: Ceiling) -> None:
        """Looks at the file each time: others write it too, and a lost or torn one is made again."""
        kept = {other.client: other for other in _read_ceilings(path)}
        known = kept.get(ceiling.client)
        if known is not None and replace(known, fetched_at=ceiling.fetched_at) == ceiling:
            return
        _write_ceilings(path, list({**kept, **self._by_client}.values())[-MAX_CEILINGS:])


def _read_ceilings(path: Path) -> list[Ceiling]:
    try:
        kept = json.loads(path.read_bytes())
        return [
            read_ceiling(row, client=str(row["client"]), fetched_at=time_from_json(row["fetched_at"]))
            for row in kept["ceilings"]
        ]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UnexpectedAnswerError) as error:
        _LOG.warning("the cached ceilings in %s can't be read: %s", path, error)
        return []


def _write_ceilings(path: Path, ceilings: Iterable[Ceiling]) -> None:
    rows = [
        {
            "client": ceiling.client,
            "level": ceiling.level,
            "authorization_params": dict(ceiling.authorization_params),
            "accept": accept_to_json(ceiling.accept),
            "policy_revision": ceiling.policy_revision,
            "fetched_at": time_to_json(ceiling.fetched_at),
        }
        for ceiling in ceilings
    ]
    beside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"ceilings": rows}, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        _LOG.warning("the ceilings can't be cached in %s: %s", path, error)
        with contextlib.suppress(OSError):
            beside.unlink()


class ReportQueue:
    """What Acrux must still be told of, oldest first; at most `MAX_REPORTS`. Safe to share between threads.

    On disk each process appends to a file of its own and holds its lock while it lives; the files of dead processes
    are adopted. A crash after sending and before truncating sends a report twice: its key, which is kept with it, makes
    that harmless.

    Args:
        directory: where the files are; None for memory only.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._waiting: deque[dict[str, Json]] = deque()
        self._file: int | None = None
        self._adopted: list[tuple[Path, int]] = []
        self._process = os.getpid()
        if directory is not None:
            self._adopt(directory)

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, report: Mapping[str, Json]) -> None:
        """Puts a report at the end; a full queue drops it and says so in the log, which is then the only trace."""
        with self._lock:
            self._leave_to_parent()
            if len(self._waiting) >= MAX_REPORTS:
                _LOG.error("too many unreported decisions; not reported: %s", report.get("id"))
                return
            self._waiting.append(dict(report))
            if self._directory is not None:
                self._append(self._directory, report)

    def first(self, count: int) -> list[dict[str, Json]]:
        """The oldest reports, still in the queue."""
        with self._lock:
            self._leave_to_parent()
            return list(itertools.islice(self._waiting, count))

    def forget(self, reports: Iterable[dict[str, Json]]) -> None:
        """Takes delivered reports out."""
        delivered = {id(report) for report in reports}
        with self._lock:
            self._waiting = deque(report for report in self._waiting if id(report) not in delivered)
            if not self._waiting:
                self._clear_files()

    def close(self) -> None:
        """Gives the files up; what is in them is adopted by the next process."""
        with self._lock:
            for file in (self._file, *(file for _, file in self._adopted)):
                if file is not None:
                    os.close(file)
            self._file, self._adopted = None, []

    def _leave_to_parent(self) -> None:
        """After a fork what waits, and its files, are the parent's to deliver."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._waiting.clear()
            self._file, self._adopted = None, []

    def _append(self, directory: Path, report: Mapping[str, Json]) -> None:
        try:
            if self._file is None:
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._file = _open_locked(directory / f"{secrets.token_hex(8)}.ndjson", os.O_CREAT | os.O_EXCL)
            if self._file is not None:
                _write_line(self._file, json.dumps(report).encode() + b"\n")
        except OSError as error:
            _LOG.warning("a report can't be kept in %s: %s", directory, error)

    def _adopt(self, directory: Path) -> None:
        for path in sorted(directory.glob("*.ndjson")):
            try:
                file = _open_locked(path, 0)
                if file is None:
                    continue  # its process lives
                self._adopted.append((path, file))
                reports = _read_reports(path)
                room_count = MAX_REPORTS - len(self._waiting)
                self._waiting.extend(reports[:room_count])
                for report in reports[room_count:]:
                    _LOG.error("too many unreported decisions; not reported: %s", report.get("id"))
            except OSError as error:
                _LOG.warning("reports in %s can't be read: %s", path, error)
        if not self._waiting:
            self._clear_files()

    def _clear_files(self) -> None:
        """What can't be cleared is reported again by the next process; the keys of reports make that harmless."""
        try:
            if self._file is not None:
                os.ftruncate(self._file, 0)
            for path, _ in self._adopted:
                path.unlink(missing_ok=True)
        except OSError as error:
            _LOG.warning("delivered reports can't be cleared away: %s", error)
        for _, file in self._adopted:
            os.close(file)
        self._adopted = []


def _write_line(file: int, line: bytes) -> None:
    """Writes a whole line or none: half of one would spoil the next one too.

    Raises:
        OSError: the disk is full.
    """
    written_bytes = os.write(file, line)
    if written_bytes != len(line):
        os.ftruncate(file, os.fstat(file).st_size - written_bytes)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _open_locked(path: Path, flags: int) -> int | None:
    """A file open for appending and locked until it is closed; None if another process holds it."""
    file = os.open(path, os.O_RDWR | os.O_APPEND | flags, 0o600)
    if sys.platform == "win32":  # pragma: no cover
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def _read_reports(path: Path) -> list[dict[str, Json]]:
    reports = []
    for line in path.read_bytes().splitlines():
        try:
            report = json.loads(line)
        except ValueError:
            continue  # torn by a crash: only the last line can be
        if isinstance(report, dict):
            reports.append(report)
    return reports


def cache_files(cache_path: str | os.PathLike[str] | None) -> tuple[Path | None, Path | None]:
    """The file of the ceilings and the directory of the reports, beside each other."""
    if cache_path is None:
        return None, None
    path = Path(cache_path)
    return path, path.with_name(f"{path.name}.reports")
