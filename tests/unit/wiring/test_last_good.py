"""The last good set on disk."""

from pathlib import Path

import pytest

from acrux.wiring.last_good import LastGoodPolicy

FILES = {"a.yaml": b"version: acrux/v1\n", "teams/b.yaml": bytes(range(256))}


def test_what_is_kept_is_recalled(tmp_path: Path) -> None:
    """The kept files come back byte for byte, the newest set only, readable by their owner alone."""
    LastGoodPolicy(tmp_path).keep({"old.yaml": b""})
    LastGoodPolicy(tmp_path).keep(FILES)
    assert LastGoodPolicy(tmp_path).recall() == FILES
    (kept,) = tmp_path.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_nothing_kept(tmp_path: Path) -> None:
    """A node that never had a good set recalls none."""
    assert LastGoodPolicy(tmp_path).recall() is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a.yaml": "not base64!"}', '{"a.yaml": 3}', "é"])
def test_a_torn_file_is_no_set(tmp_path: Path, content: str) -> None:
    """Whatever is not what `keep` wrote is no set, and no traceback."""
    (tmp_path / "last-good-policy.json").write_text(content)
    assert LastGoodPolicy(tmp_path).recall() is None
