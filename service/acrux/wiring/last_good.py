"""The last good policy set, kept across restarts. Files only; whoever keeps them decides whether they are good."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Final

_NAME: Final = "last-good-policy.json"


class LastGoodPolicy:
    """The files of the last set that was active on this node, in the state directory."""

    __slots__ = ("_path",)

    def __init__(self, state: Path) -> None:
        self._path = state / _NAME

    def keep(self, files: dict[str, bytes]) -> None:
        """Keeps a set in place of the one before: written aside, flushed, renamed, so that a crash leaves one whole."""
        content = json.dumps({path: base64.b64encode(body).decode("ascii") for path, body in sorted(files.items())})
        aside = self._path.with_suffix(".new")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        aside.replace(self._path)

    def recall(self) -> dict[str, bytes] | None:
        """The files of the kept set; None if there is none, or the file is not one that `keep` wrote."""
        try:
            content = json.loads(self._path.read_text(encoding="ascii"))
            return {str(path): base64.b64decode(body, validate=True) for path, body in content.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return None
