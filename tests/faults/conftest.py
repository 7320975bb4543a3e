"""Fixtures of the fault campaign: a real node that is killed, starved and cut off."""

from __future__ import annotations

import sys
from pathlib import Path

# Test folders are no packages; the end-to-end bed's parts (starting and stopping real programs) serve here too.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
