"""Reading a policy directory while its links move."""

import os
from pathlib import Path

import pytest

from acrux.policy.load import read_directory


def configmap(root: Path, *versions: str) -> None:
    """A volume as Kubernetes makes it: files are links through `..data`, which names one of the versions."""
    for version in versions:
        (root / f"..{version}").mkdir()
        for name in ("a.yaml", "b.yaml"):
            (root / f"..{version}" / name).write_text(f"{version} {name}")
    (root / "..data").symlink_to(f"..{versions[0]}")
    for name in ("a.yaml", "b.yaml"):
        (root / name).symlink_to(f"..data/{name}")


def swap(root: Path, version: str) -> None:
    (root / "..next").symlink_to(f"..{version}")
    (root / "..next").replace(root / "..data")


def test_a_swap_during_the_reading_gives_one_set_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `..data` that moves after the first file was read: all of the new set, never half of each."""
    configmap(tmp_path, "one", "two")
    read_bytes, reads = Path.read_bytes, []

    def reading(path: Path) -> bytes:
        reads.append(path)
        if len(reads) == 1:
            content = read_bytes(path)
            swap(tmp_path, "two")
            return content
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", reading)
    assert read_directory(tmp_path) == {"a.yaml": b"two a.yaml", "b.yaml": b"two b.yaml"}


def test_links_that_never_rest_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory whose links change at every look is not read in part: it is an error that says so."""
    configmap(tmp_path, "one", "two")
    read_bytes, turns = Path.read_bytes, iter(range(1000))

    def reading(path: Path) -> bytes:
        content = read_bytes(path)
        if path.name == "b.yaml":
            swap(tmp_path, ("two", "one")[next(turns) % 2])
        return content

    monkeypatch.setattr(Path, "read_bytes", reading)
    with pytest.raises(OSError, match="change all the time"):
        read_directory(tmp_path)


def test_what_is_no_regular_file_is_an_error(tmp_path: Path) -> None:
    """A pipe named like a policy file is refused at once, not waited for."""
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(OSError, match="no regular file"):
        read_directory(tmp_path)


def test_a_dangling_link_is_an_error(tmp_path: Path) -> None:
    """A policy file that is a link to nowhere is an error, not a set with rules missing."""
    (tmp_path / "a.yaml").symlink_to("nowhere.yaml")
    with pytest.raises(FileNotFoundError):
        read_directory(tmp_path)
