"""`acrux serve` reads its settings strictly; nothing is started here."""

import pytest
from click.testing import CliRunner

from acrux.cli.serve import command
from acrux.wiring import supervisor


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


@pytest.mark.parametrize(
    "flags",
    [
        ("--trusted-proxies", "office"),
        ("--trusted-proxies", "192.0.2.1/24"),
        ("--trusted-proxies", "192.0.2.0/24,0.0.0.0/0"),
        ("--trusted-proxies", "::ffff:10.0.0.0/104"),
        ("--public-url", "acrux.example.com"),
        ("--public-url", "https://acrux.example.com/?x"),
        ("--public-url", "https://a b"),
        ("--proxy-header", "x-real-ip"),
    ],
)
def test_wrong_settings(served, flags):
    """What is no network or no address is refused before anything starts."""
    assert CliRunner().invoke(command, flags).exit_code == 2
    assert served == []
