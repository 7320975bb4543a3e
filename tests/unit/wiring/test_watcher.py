"""When a change of the policy directory counts."""

from pathlib import Path

from acrux.wiring.watcher import PolicyWatcher


def looks(watcher: PolicyWatcher, times: int) -> list[bool]:
    return [watcher.settled_change() for _ in range(times)]


def test_an_edit_in_place_counts_only_when_asked_for(tmp_path: Path) -> None:
    """Half a `git pull` is a valid set with rules missing: edits in place are noticed with `--watch` alone."""
    (tmp_path / "a.yaml").write_text("1")
    swaps, edits = PolicyWatcher(tmp_path, in_place=False), PolicyWatcher(tmp_path, in_place=True)
    (tmp_path / "a.yaml").write_text("22")
    assert looks(swaps, 3) == [False, False, False]
    assert looks(edits, 4) == [False, True, False, False]
    (tmp_path / "b.yaml").write_text("new")
    assert looks(edits, 3) == [False, True, False]


def test_a_swapped_directory_counts(tmp_path: Path) -> None:
    """git-sync: the directory itself is a symbolic link that is replaced."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    link = tmp_path / "policies"
    link.symlink_to("one")
    watcher = PolicyWatcher(link, in_place=False)
    assert looks(watcher, 2) == [False, False]
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").replace(link)
    assert looks(watcher, 3) == [False, True, False]


def test_a_kubernetes_swap_counts(tmp_path: Path) -> None:
    """A ConfigMap volume: the files are links through `..data`, which is replaced."""
    for name in ("..1", "..2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.yaml").write_text(name)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    watcher = PolicyWatcher(tmp_path, in_place=False)
    (tmp_path / "..tmp").symlink_to("..2")
    (tmp_path / "..tmp").replace(tmp_path / "..data")
    assert looks(watcher, 3) == [False, True, False]


def test_a_change_must_settle(tmp_path: Path) -> None:
    """While the directory goes on changing between two looks nothing is read; then once."""
    watcher = PolicyWatcher(tmp_path, in_place=True)
    seen = []
    for number in range(3):
        (tmp_path / f"{number}.yaml").write_text("x")
        seen.append(watcher.settled_change())
    assert [*seen, *looks(watcher, 2)] == [False, False, False, True, False]


def test_a_directory_that_goes_away_is_a_change_and_no_error(tmp_path: Path) -> None:
    """A missing directory is noticed like any other change: whoever reads it says what is wrong."""
    place = tmp_path / "policies"
    place.mkdir()
    watcher = PolicyWatcher(place, in_place=False)
    place.rmdir()
    assert looks(watcher, 3) == [False, True, False]


def test_a_broken_link_is_passed_over(tmp_path: Path) -> None:
    """A dangling link is no file yet."""
    watcher = PolicyWatcher(tmp_path, in_place=True)
    (tmp_path / "a.yaml").symlink_to("nowhere")
    assert looks(watcher, 2) == [False, True]
