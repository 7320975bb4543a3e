"""`acrux serve` reads its settings strictly; nothing is started here."""

import pytest
from click.testing import CliRunner

from acrux.cli.serve import command
from acrux.wiring import supervisor
from acrux.wiring.settings import AdapterQuotas, Rate


@pytest.fixture
def served(monkeypatch):
    """What the supervisor would be started with."""
    found = []
    monkeypatch.setattr(supervisor, "serve", lambda settings, _factory, say: found.append(settings))
    return found


def test_settings_of_the_redirect_adapter(served, tmp_path):
    """By flag, and by a file with a list or a text; the proxies' networks are read one by one."""
    for text in (
        'trusted-proxies = ["192.0.2.0/24", "2001:db8::/32"]',
        'trusted_proxies = "192.0.2.0/24,2001:db8::/32"',
    ):
        (tmp_path / "acrux.toml").write_text(text)
        assert CliRunner().invoke(command, ["--config", str(tmp_path / "acrux.toml")]).exit_code == 0
    flags = ["--trusted-proxies", " 192.0.2.0/24, 2001:db8::/32", "--public-url", "https://acrux.example.com/sso"]
    assert CliRunner().invoke(command, [*flags, "--proxy-header", "forwarded", "--help-desk", "Call 1."]).exit_code == 0
    assert {one.trusted_proxies for one in served} == {("192.0.2.0/24", "2001:db8::/32")}
    last = served[-1]
    assert (last.public_url, last.proxy_header, last.help_desk) == (
        "https://acrux.example.com/sso",
        "forwarded",
        "Call 1.",
    )
    assert served[0].public_url is None


def test_quotas(served, tmp_path):
    """By flag, by variable and by file: a rate, a rate with its burst, or `off`; what is not said stays as it is."""
    (tmp_path / "acrux.toml").write_text('quota-sign-ins-by-client = "2.5"\nquota-tokens-by-client = 7\n')
    flags = ["--config", str(tmp_path / "acrux.toml"), "--quota-sign-ins-by-address", "200:3000", "--quota-places", "9"]
    variables = {"ACRUX_QUOTA_TOKENS_BY_ADDRESS": "off"}
    assert CliRunner().invoke(command, flags, env=variables).exit_code == 0
    assert CliRunner().invoke(command, []).exit_code == 0
    assert served[0].quotas == AdapterQuotas(
        sign_ins_by_address=Rate(200, 3000),
        sign_ins_by_client=Rate(2.5, 12.5),
        tokens_by_address=None,
        tokens_by_client=Rate(7, 35),
        places=9,
    )
    assert served[1].quotas == AdapterQuotas()


def test_settings_of_geoip_files(served, tmp_path, monkeypatch):
    """By flag, by variable and by file; none unless said."""
    (tmp_path / "acrux.toml").write_text('geoip-country = "/var/lib/GeoIP/country.mmdb"\n')
    monkeypatch.setenv("ACRUX_GEOIP_ASN", "asn.mmdb")
    assert CliRunner().invoke(command, ["--config", str(tmp_path / "acrux.toml")]).exit_code == 0
    assert CliRunner().invoke(command, ["--geoip-country", "c.mmdb", "--geoip-asn", "a.mmdb"]).exit_code == 0
    monkeypatch.delenv("ACRUX_GEOIP_ASN")
    assert CliRunner().invoke(command, []).exit_code == 0
    assert [(str(one.geoip_country), str(one.geoip_asn)) for one in served] == [
        ("/var/lib/GeoIP/country.mmdb", "asn.mmdb"),
        ("c.mmdb", "a.mmdb"),
        ("None", "None"),
    ]


@pytest.mark.parametrize(
    "flags",
    [
        ("--quota-sign-ins-by-address", "many"),
        ("--quota-sign-ins-by-address", "0"),
        ("--quota-sign-ins-by-client", "-1"),
        ("--quota-tokens-by-client", "20:0"),
        ("--quota-tokens-by-address", "1e9"),
        ("--quota-places", "0"),
        ("--trusted-proxies", "office"),
        ("--trusted-proxies", "10.0.0.5/8"),
        ("--trusted-proxies", "192.0.2.1/24"),
        ("--trusted-proxies", "192.0.2.0/24,0.0.0.0/0"),
        ("--trusted-proxies", "::ffff:0:0/96"),
        ("--public-url", "acrux.example.com"),
        ("--public-url", "https://acrux.example.com/?x"),
        ("--public-url", "https://a b"),
        ("--proxy-header", "x-real-ip"),
    ],
)
def test_wrong_settings(served, flags):
    """What is no network, no address or no quota is refused before anything starts."""
    assert CliRunner().invoke(command, flags).exit_code == 2
    assert served == []
