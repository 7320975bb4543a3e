"""A provider that ignores what it is asked: PyPI `oidc-provider-mock`, whose ID tokens have no acr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import httpx

from bed.programs import Program
from bed.provider import Provider
from bed.service import free_port

if TYPE_CHECKING:
    from pathlib import Path


def start_mock(directory: Path, config: dict[str, Any]) -> Provider:
    """Starts it for the users of `config`. Its clients need no registration: it takes any id, secret and address."""
    port = free_port()
    users = [word for user in config["users"] for word in ("--user", user["sub"])]
    argv = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), *users]
    program = Program.start("mock-provider", argv, directory)
    issuer = f"http://127.0.0.1:{port}"

    def metadata() -> dict[str, Any] | None:
        try:
            answer = httpx.get(f"{issuer}/.well-known/openid-configuration", timeout=5)
        except httpx.TransportError:
            return None
        return answer.raise_for_status().json()

    try:
        found = program.wait_for(metadata)
    except BaseException:
        program.stop()
        raise
    assert found["issuer"] == issuer
    return Provider(program, issuer, found)
