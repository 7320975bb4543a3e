"""The bed of the HTTP room's tests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "building"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from http_bed import Bed
from rp_bed import RpBed

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    """A whole application."""
    made = Bed(tmp_path)
    yield made
    made.close()


@pytest.fixture
def rp(tmp_path: Path) -> Iterator[RpBed]:
    """A whole application with a provider behind it."""
    made = RpBed(tmp_path)
    yield made
    made.close()
