"""A node's own copies of its GeoIP files, in the state directory: nobody writes to them, and they outlive the process.

What is in use is mapped into memory by every worker: were it the updater's own file, one that is written to in place
would say nonsense, and one that is cut short would end the workers.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from acrux.wiring.geoip import GeoipFact, GeoipInvalid, GeoipTable, open_table

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_MANIFEST: Final = "last-good.json"
_CHUNK_BYTES: Final = 1 << 20
_MOST_BYTES: Final = 2 << 30
"""The largest file on offer has a quarter of this."""


class GeoipCopies:
    """The copies of one node. A copy's name is its SHA-256, so that equal files are one, and a damaged one is seen."""

    __slots__ = ("_directory",)

    def __init__(self, state: Path) -> None:
        # Absolute, as what is offered is: the two are compared, and workers need not be where the supervisor is.
        self._directory = state.absolute() / "geoip"

    def take(self, source: Path, fact: GeoipFact) -> tuple[Path, GeoipTable]:
        """Copies a file and checks the copy, so that what was checked is what is used.

        Raises:
            GeoipInvalid: the file can't be read or copied, is damaged, or does not say this fact.
        """
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            aside = self._directory / f".new-{fact}"
            digest = _copy(source, aside)
        except OSError as failure:
            where = "" if failure.filename in {str(source), None} else " into the state directory"
            verb = "copied" if where else "read"
            raise GeoipInvalid(f"can't be {verb}{where}: {failure.strerror or failure}") from failure
        try:
            table = open_table(aside, fact)
            table.check()
        except GeoipInvalid:
            aside.unlink(missing_ok=True)
            raise
        copy = self._path(digest)
        aside.replace(copy)
        return copy, table

    def recall(self, source: Path, fact: GeoipFact) -> tuple[Path, GeoipTable] | None:
        """The last good copy of this very source, if there is one and it is whole."""
        kept = self._manifest().get(fact.value)
        if kept is None or kept[0] != str(source.absolute()):
            return None
        copy = self._path(kept[1])
        try:
            with copy.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != kept[1]:
                    return None
            table = open_table(copy, fact)
            table.check()
        except (OSError, GeoipInvalid):
            return None
        return copy, table

    def keep(self, sources: Mapping[GeoipFact, Path], copies: Mapping[GeoipFact, Path]) -> None:
        """Remembers what is in use for the next start: written aside, flushed, renamed, so that a crash leaves one."""
        kept = {fact.value: [str(sources[fact].absolute()), copy.stem] for fact, copy in copies.items()}
        aside = self._directory / ".manifest"
        with aside.open("w", encoding="utf-8") as out:
            json.dump(kept, out)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(self._directory / _MANIFEST)

    def forget(self, used: Collection[Path]) -> None:
        """Removes the copies that nobody uses any more."""
        for copy in self._directory.glob("*.mmdb"):
            if copy not in used:
                copy.unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        return self._directory / f"{digest}.mmdb"

    def _manifest(self) -> dict[str, tuple[str, str]]:
        try:
            content = json.loads((self._directory / _MANIFEST).read_text(encoding="utf-8"))
            return {str(fact): (str(source), str(digest)) for fact, (source, digest) in content.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}


def _copy(source: Path, aside: Path) -> str:
    """Copies, and says the copy's digest.

    Raises:
        GeoipInvalid: it is no file, too large, or was written to meanwhile: then it may be half old and half new.
        OSError: it can't be read or written.
    """
    if not stat.S_ISREG(source.stat().st_mode):  # before it is opened: a pipe would never end
        raise GeoipInvalid("is no file")
    with source.open("rb") as file:
        before = _state_of(file)
        if before[0] > _MOST_BYTES:
            raise GeoipInvalid(f"is larger than {_MOST_BYTES >> 30} GiB")
        aside.unlink(missing_ok=True)
        digest = hashlib.sha256()
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(descriptor, "wb") as out:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        if _state_of(file) != before:
            raise GeoipInvalid("was written to while it was read: replace it by renaming, as geoipupdate does")
    return digest.hexdigest()


def _state_of(file: IO[bytes]) -> tuple[int, int]:
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns
