"""docs/network-facts.md: its sample set is one that works, and what it says of names is so."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from acrux.cli.explain import command as explain
from acrux.cli.group import command
from acrux.policy.addresses import parse_address
from acrux.wiring.metrics import Metrics

DOCUMENT = (Path(__file__).parents[2] / "docs" / "network-facts.md").read_text()


def test_the_sample_set_works(tmp_path) -> None:
    """The set passes `check --strict` and its own tests."""
    (sample,) = re.findall(r"^```yaml\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    (tmp_path / "sample.yaml").write_text(sample)
    for verb in (["check", "--strict"], ["test"]):
        found = CliRunner().invoke(command, [*verb, str(tmp_path)])
        assert found.exit_code == 0, found.output


def test_only_the_unguarded_form_is_warned_of(tmp_path) -> None:
    """Of the three ways to write a rule `check` warns of the first, as the page says."""
    forms = [
        form.replace("\\|", "|") for form in re.findall(r"^\| `(.*network\.country.*DE.*)` \|", DOCUMENT, re.MULTILINE)
    ]
    assert len(forms) == 3
    head = "version: acrux/v1\nladder: [basic, mfa]\nproviders: {p: {issuer: 'https://a.example.com', acr: {mfa: x}}}\n"
    warned = []
    for form in forms:
        rule = f"rules:\n  - {{id: r, owner: o, description: d, require: mfa, when: '{form}'}}\n"
        (tmp_path / "set.yaml").write_text(head + rule)
        warned.append("may be absent" in CliRunner().invoke(command, ["check", str(tmp_path)]).output)
    assert warned == [True, False, False]


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("::ffff:198.51.100.9", "198.51.100.9"),
        ("64:ff9b::198.51.100.9", "198.51.100.9"),
        ("[2001:DB8:0::1]", "2001:db8::1"),
        ("2002:c633:6409::1", "2002:c633:6409::1"),
        ("::198.51.100.9", "::c633:6409"),
        ("010.0.0.1", None),
        ("0x7f.1", None),
        ("3325256713", None),
        ("198.51.100.9/32", None),
    ],
)
def test_addresses_are_read_as_the_page_says(written, normal) -> None:
    """Each form of the table is there, and comes to what the table says."""
    assert f"`{written}`" in DOCUMENT
    assert parse_address(written) == (None if normal is None else parse_address(normal))


def test_names_exist() -> None:
    """The metrics and options that the page names are there."""
    metrics = Metrics()
    shown = metrics.render().decode()
    names = set(re.findall(r"acrux_geoip_[a-z_]+", DOCUMENT))
    assert len(names) == 3
    assert not [name for name in names if name not in shown]
    options = {name for option in explain.params for name in option.opts}
    assert set(re.findall(r"`(--(?:geoip-)?(?:country|asn))\b", DOCUMENT)) <= options
