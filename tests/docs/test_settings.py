"""docs/settings.md tells of every setting and every metric, and of none that is not there."""

import re
from pathlib import Path

import click
import pytest

from acrux.cli.serve import command
from acrux.wiring.metrics import Metrics

DOCUMENT = (Path(__file__).parents[2] / "docs" / "settings.md").read_text()


def test_every_setting_is_documented() -> None:
    """Each flag stands in the table with its variable; each flag of the table exists."""
    table = dict(re.findall(r"^\| `(--[a-z-]+)`[^|]*\| `(ACRUX_[A-Z_]+)` \|", DOCUMENT, re.MULTILINE))
    flags = {
        option.opts[0]: option.envvar
        for option in command.params
        if isinstance(option, click.Option) and option.name != "help"
    }
    assert table == flags


def test_every_metric_is_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each metric stands in the table with its labels; each metric of the table exists."""
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    table = {
        name: tuple(re.findall(r"`(\w+)`", labels))
        for name, labels in re.findall(r"^\| `(acrux_\w+)` \|([^|]*)\|", DOCUMENT, re.MULTILINE)
    }
    metrics = Metrics()
    counted = [*metrics._families.values(), *metrics._gauges.values(), metrics._histogram]
    assert table == {
        family.name + ("_total" if family.type == "counter" else ""): one._labelnames
        for one in counted
        for family in one.describe()
    }
