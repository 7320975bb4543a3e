"""Country and AS on the command line: a what-if by a file or by word, tests by word alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from geoip_files import write_countries, write_systems

from acrux.cli.group import command

SET = """\
version: acrux/v1
ladder: [basic, mfa]
providers: {corp: {issuer: https://login.example.com, acr: {mfa: "urn:2"}}}
rules:
  - id: abroad
    description: Not from here.
    owner: soc@example.com
    when: '!("network.country" in known) || network.country != "NO" || network.asn == 64500'
    require: mfa
tests:
  - {name: Norway is no boolean, given: {client: x, network: {country: NO, asn: 1}}, expect: {level: basic}}
  - {name: by AS, given: {client: x, network: {ip: 198.51.100.9, country: NO, asn: 64500}}, expect: {level: mfa}}
  - {name: a file says nothing here, given: {client: x, network: {ip: 198.51.100.9}}, expect: {level: mfa}}
"""


@pytest.fixture
def policies(tmp_path: Path) -> str:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.yaml").write_text(SET)
    return str(tmp_path / "policies")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """The settings of two files, as the environment has them."""
    return {
        "ACRUX_GEOIP_COUNTRY": str(
            write_countries(tmp_path / "c.mmdb", {"198.51.100.0/24": "NO", "192.0.2.0/24": "DE"})
        ),
        "ACRUX_GEOIP_ASN": str(write_systems(tmp_path / "a.mmdb", {"192.0.2.0/24": 64_500})),
    }


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(command, arguments, env={"ACRUX_GEOIP_COUNTRY": "", "ACRUX_GEOIP_ASN": "", **environment})


def level(*arguments: str, **environment: str) -> str:
    found = run("explain", *arguments, "--client", "x", "--json", **environment)
    assert found.exit_code == 0, found.output
    return str(json.loads(found.output)["decision"]["level"])


def test_tests_do_not_depend_on_files(policies, files):
    """A test says its own country: it passes or fails alike with files and without, whatever they say."""
    for environment in ({}, files):
        found = run("test", policies, **environment)
        assert (found.exit_code, found.output.splitlines()[-1]) == (0, "3 passed, 0 failed")


def test_explain_by_file(policies, files):
    """The service's files, by setting or by flag."""
    assert level(policies, "--ip", "198.51.100.9", **files) == "basic"
    assert level(policies, "--ip", "192.0.2.1", **files) == "mfa"
    assert level(policies, "--ip", "198.51.100.9") == "mfa"
    flags = ("--geoip-country", files["ACRUX_GEOIP_COUNTRY"], "--geoip-asn", files["ACRUX_GEOIP_ASN"])
    assert level(policies, "--ip", "::ffff:198.51.100.9", *flags) == "basic"


def test_explain_by_word(policies, files):
    """What is said wins over the files; a file of facts can say it too."""
    assert level(policies, "--country", "NO", "--asn", "1") == "basic"
    assert level(policies, "--ip", "198.51.100.9", "--country", "DE", **files) == "mfa"
    assert level(policies, "--ip", "198.51.100.9", "--asn", "64500", **files) == "mfa"
    text = json.dumps({"client": "x", "network": {"country": "NO", "asn": 1}})
    found = CliRunner().invoke(command, ["explain", policies, "--facts", "-", "--json"], input=text)
    assert json.loads(found.output)["decision"]["level"] == "basic"


def test_eval_by_word(tmp_path):
    """`eval` takes country and AS in its facts."""
    (tmp_path / "facts.json").write_text(json.dumps({"network": {"country": "NO", "asn": 64500}}))
    expression = 'network.country == "NO" && network.asn == 64500 && "network.asn" in known'
    found = CliRunner().invoke(command, ["eval", "--facts", str(tmp_path / "facts.json"), "--json", expression])
    assert json.loads(found.output)["value"] is True


def test_what_can_t_be_used_is_said(policies, tmp_path, files):
    """A file that is none, or of the other kind, ends the verb with exit code 3; a word that is none, with 2."""
    (tmp_path / "text").write_text("x")
    for flag, path, words in (
        ("--geoip-country", tmp_path / "nowhere", "can't be read: No such file or directory"),
        ("--geoip-country", tmp_path / "text", "is no MaxMind-format file"),
        ("--geoip-country", files["ACRUX_GEOIP_ASN"], "of type `GeoLite2-ASN`, which says no country"),
        ("--geoip-asn", files["ACRUX_GEOIP_COUNTRY"], "which says no autonomous system"),
    ):
        found = run("explain", policies, "--client", "x", flag, str(path))
        assert found.exit_code == 3
        assert found.output.startswith(f"acrux: the GeoIP file `{path}` ({flag}) ")
        assert words in found.output
        assert found.output.count("\n") == 1
    for arguments in (("--country", "no"), ("--asn", "AS1"), ("--asn", "4294967296")):
        assert run("explain", policies, "--client", "x", *arguments).exit_code == 2
