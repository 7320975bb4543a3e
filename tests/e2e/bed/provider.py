"""The real OpenID Provider (npm `oidc-provider`) as a program, its people, and what it signs."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import pyotp

from bed.programs import Program

PROVIDER_DIRECTORY = Path(__file__).resolve().parent.parent / "provider"
PASSWORD_ACR = "urn:example:loa:1"
CODE_ACR = "urn:example:loa:2"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account; the secret is the one in their authenticator app."""

    username: str
    password: str
    sub: str
    totp_secret: str | None = field(default_factory=pyotp.random_base32)
    groups: tuple[str, ...] = ()

    def code(self) -> str:
        """The code that the authenticator app shows now."""
        assert self.totp_secret is not None
        return pyotp.TOTP(self.totp_secret).now()

    def wrong_code(self) -> str:
        """Six digits that are surely not right: not the code of any step around now."""
        assert self.totp_secret is not None
        totp = pyotp.TOTP(self.totp_secret)
        near = {totp.at(int(time.time()) + drift * totp.interval) for drift in range(-3, 4)}
        return next(code for code in map("{:06d}".format, range(10)) if code not in near)

    def as_json(self) -> dict[str, Any]:
        """This person as the provider's configuration has it."""
        return {
            "username": self.username,
            "password": self.password,
            "sub": self.sub,
            "totp_secret": self.totp_secret,
            "claims": {
                "name": self.username.capitalize(),
                "email": f"{self.username}@example.com",
                "groups": list(self.groups),
            },
        }


@dataclass(slots=True)
class Provider:
    """A running provider."""

    program: Program
    issuer: str
    metadata: dict[str, Any]

    @classmethod
    def start(cls, directory: Path, config: dict[str, Any], *, port: int = 0) -> Provider:
        """Starts the provider with the clients, users and levels of `config`; needs its `node_modules`."""
        path = directory / "provider.json"
        path.write_text(json.dumps(config))
        argv = ["node", str(PROVIDER_DIRECTORY / "provider.mjs"), "--port", str(port), "--config", str(path)]
        program = Program.start("provider", argv, directory)
        try:
            issuer = program.wait_for(lambda: _issuer(program.output))
            metadata = httpx.get(f"{issuer}/.well-known/openid-configuration").raise_for_status().json()
        except BaseException:
            program.stop()
            raise
        return cls(program, issuer, metadata)

    def claims(self, id_token: str, audience: str) -> dict[str, Any]:
        """The claims of an ID token of this provider, its signature, issuer, audience and expiry checked."""
        keys = {key["kid"]: key for key in httpx.get(self.metadata["jwks_uri"]).raise_for_status().json()["keys"]}
        key = jwt.PyJWK(keys[jwt.get_unverified_header(id_token)["kid"]])
        return jwt.decode(id_token, key, algorithms=["RS256"], audience=audience, issuer=self.issuer)


def _issuer(output: Path) -> str | None:
    lines = output.read_text().splitlines()
    return json.loads(lines[-1])["issuer"] if lines and lines[-1].endswith("}") else None
