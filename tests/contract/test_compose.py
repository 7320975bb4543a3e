"""docker-compose.yml and the Dockerfile are held to what they build and start: no Docker runs where the tests run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from acrux.cli.group import VERBS
from acrux.cli.serve import command as serve

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
# The Compose specification's names, as far as this file uses them.
KNOWN_KEYS = {
    *("build", "image", "restart", "depends_on", "environment", "read_only", "tmpfs", "cap_drop", "security_opt"),
    *("stop_grace_period", "ports", "volumes", "healthcheck", "command", "entrypoint", "profiles", "network_mode"),
    *("user", "working_dir"),
}


def settings() -> set[str]:
    return {option.envvar for option in serve.params if isinstance(option, click.Option) and option.name != "help"}


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_what_the_specification_knows(name: str) -> None:
    """Keys are known; what a service depends on exists and can reach the condition; volumes are declared or real."""
    service = SERVICES[name]
    assert service.keys() <= KNOWN_KEYS
    for other, how in service.get("depends_on", {}).items():
        if how["condition"] == "service_healthy":
            own = SERVICES[other].get("healthcheck")
            assert own is None or "test" in own
            assert own is not None or "HEALTHCHECK" in DOCKERFILE
        else:
            assert how["condition"] == "service_completed_successfully"
            assert SERVICES[other]["restart"] == "no"
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        assert (ROOT / source).exists() if source.startswith("./") else source in COMPOSE["volumes"]
    shared = service.get("network_mode", "none")
    assert shared == "none" or shared.removeprefix("service:") in SERVICES


def test_only_loopback_is_published() -> None:
    """Ports are published on loopback alone, each once."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert len(ports) == len(set(ports))


@pytest.mark.parametrize("name", SERVICES)
def test_settings_are_real(name: str) -> None:
    """Every ACRUX_ variable is a setting of `acrux serve`, every RP_ and PROVIDER_ one is read by its program."""
    own = {"RP_": "relying_parties/app.py", "PROVIDER_": "provider/provider.mjs"}
    for variable in SERVICES[name].get("environment", {}):
        if variable.startswith("ACRUX_"):
            assert variable in settings()
        for prefix, program in own.items():
            assert not variable.startswith(prefix) or variable in (ROOT / "tests" / "e2e" / program).read_text()


def test_commands_are_verbs() -> None:
    """What runs in the image is a verb of `acrux`."""
    commands = [service["command"] for service in SERVICES.values() if service.get("build") and "command" in service]
    assert [command[0] for command in commands if command[0] not in VERBS] == []
    assert re.search(r'ENTRYPOINT \["acrux"\]\nCMD \["serve"\]', DOCKERFILE)


def test_no_credential_stands_in_the_file() -> None:
    """Every secret comes from the environment of whoever starts it."""
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET", variable):
                assert re.fullmatch(r"\$\{\w+(:[-?].*)?\}", value)


def test_the_demo_is_one_company() -> None:
    """The demo's clients, addresses and issuer are those of the policy set that its Acrux serves."""
    text = (ROOT / "tests" / "e2e" / "policies" / "company.yaml").read_text()
    company = yaml.safe_load(text)
    provider = SERVICES["demo-provider"]["environment"]
    assert provider["PROVIDER_ISSUER"] == company["providers"]["corp"]["issuer"]
    registered = {
        client["client_id"]: client["redirect_uris"]
        for client in json.loads(re.sub(r"\$\{\w+:-\}", "x", provider["PROVIDER_CONFIG"]))["clients"]
    }
    for name, client in company["clients"].items():
        own = SERVICES[f"demo-{name}"]["environment"]
        assert own["RP_NAME"] == name
        assert own["RP_CLIENT_ID"] == client["client_id"]
        assert own["RP_ISSUER"] == provider["PROVIDER_ISSUER"]
        assert registered[client["client_id"]] == [f"{own['RP_URL']}/callback"]
        assert own["RP_URL"].endswith(f":{own['RP_PORT']}")
        assert f"127.0.0.1:{own['RP_PORT']}:{own['RP_PORT']}" in SERVICES["demo-provider"]["ports"]


def test_the_image_is_honest() -> None:
    """What is copied exists and is not kept out of the context, the user is not root, and health is looked at."""
    ignored = (ROOT / ".dockerignore").read_text().split()
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored
    assert re.findall(r"^USER (\S+)$", DOCKERFILE, re.MULTILINE) == ["acrux"]
    assert "HEALTHCHECK" in DOCKERFILE
    assert "--require-hashes" in DOCKERFILE
