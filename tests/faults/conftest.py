"""Fixtures of the fault campaign: a real node that is killed, starved and cut off."""

from __future__ import annotations

import sys
from pathlib import Path

# Test folders are no packages; the end-to-end bed's parts (starting and stopping real programs) serve here too.
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e"), str(HERE.parent / "building")]
