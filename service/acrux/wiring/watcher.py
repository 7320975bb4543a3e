"""Notices that the policy directory is another one, or in development that it was edited. It reads no policy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeAlias

Fingerprint: TypeAlias = tuple[tuple[str, ...], ...]


def symlink_fingerprint(directory: Path) -> Fingerprint:
    """What changes when a directory is swapped by a symbolic link, and only then.

    Covers both customs: the directory itself is a link (git-sync), or what is directly in it are links, `..data` among
    them (Kubernetes' ConfigMap volumes). Edits in place don't show: half a `git pull` is a valid set.
    """
    found: list[tuple[str, ...]] = [("", os.path.realpath(directory))]
    try:
        with os.scandir(directory) as entries:
            found.extend((entry.name, os.path.realpath(entry.path)) for entry in entries if entry.is_symlink())
    except OSError as error:
        found.append(("unreadable", error.strerror or ""))
    return tuple(sorted(found))


def content_fingerprint(directory: Path) -> Fingerprint:
    """What changes with any edit below a directory: every file's path, size and time of change."""
    found = list(symlink_fingerprint(directory))
    for folder, folders, names in os.walk(directory, followlinks=True):
        folders.sort()
        for name in names:
            path = os.path.join(folder, name)  # noqa: PTH118 - os.walk speaks in text
            try:
                status = os.stat(path)  # noqa: PTH116 - same
            except OSError:
                continue
            found.append((path, str(status.st_size), str(status.st_mtime_ns), str(status.st_ino)))
    return tuple(sorted(found))


class PolicyWatcher:
    """Says when a change of the policy directory has settled.

    Args:
        directory: the policy directory.
        in_place: whether edits in place count.
    """

    __slots__ = ("_directory", "_fingerprint", "_last", "_settled")

    def __init__(self, directory: Path, *, in_place: bool) -> None:
        self._directory = directory
        self._fingerprint = content_fingerprint if in_place else symlink_fingerprint
        self._settled = self._last = self._fingerprint(directory)

    def settled_change(self) -> bool:
        """Looks once; True when there is a change that the look before saw too, so that nobody reads half a swap."""
        now = self._fingerprint(self._directory)
        unmoved, self._last = now == self._last, now
        if unmoved and now != self._settled:
            self._settled = now
            return True
        return False
