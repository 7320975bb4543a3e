"""Logins through the redirect adapter, step by step, at a provider that signs whatever a test wants it to."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from http_bed import Bed

from acrux.oidc.endpoints import Endpoints
from acrux.oidc.fetching import Fetcher
from acrux.oidc.id_tokens import Verifier
from acrux.oidc.jwks import KeyCache
from acrux.wiring.services import ServiceSettings

if TYPE_CHECKING:
    from pathlib import Path

ISSUER = "https://login.example.com"
CALLBACK = "https://jira.example.com/callback"
OFFICE, CAFE = "203.0.113.9", "198.51.100.9"
MFA, PASSWORD = "urn:example:loa:2", "urn:example:loa:1"
SECRET = "s3cr3t-of-jira"
SERVER = "192.0.2.50"
POLICY = {
    "policy.yaml": b"""version: acrux/v1
ladder:
  - basic
  - {level: mfa, max_age: 12h}
  - {level: phishing-resistant, max_age: 15m}
providers:
  corp:
    issuer: https://login.example.com
    acr: {mfa: urn:example:loa:2, phishing-resistant: [urn:example:loa:3, phr]}
clients:
  jira: {provider: corp, client_id: jira-sso, redirect_uris: [https://jira.example.com/callback, "https://jira.example.com/two?x=1"]}
  wiki: {provider: corp, redirect_uris: [https://wiki.example.com/callback]}
  plain: {provider: corp}
  closed: {provider: corp, redirect_uris: [https://closed.example.com/callback]}
networks:
  office: {cidrs: [203.0.113.0/24], trusted: true, owner: netops@example.com, review_by: 2030-01-01}
defaults: {unregistered_client: basic}
rules:
  - id: outside
    description: Outside of the office a second factor is needed.
    owner: iam@example.com
    when: client.id == "jira" && !network.trusted
    require: mfa
  - id: finance
    description: Finance takes the strongest factor.
    owner: iam@example.com
    when: client.id == "jira" && "user.groups" in known && "finance" in user.groups
    require: phishing-resistant
  - id: closed
    description: This client is closed.
    owner: soc@example.com
    when: client.id == "closed"
    require: deny
"""
}


@dataclass
class SigningProvider:
    """A provider behind a transport: discovery, keys, and a token endpoint that answers what it is told to.

    Attributes:
        asked: the token requests that reached it.
        answers: what it answers next, in order: (status, JSON, bytes or a whole response); when there is none, 400.
        metadata: more members of its discovery document.
    """

    clock: Any
    asked: list[httpx.Request] = field(default_factory=list)
    answers: list[tuple[int, Any]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    away: bool = False
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def transport(self) -> httpx.MockTransport:
        """How a fetcher reaches it."""
        return httpx.MockTransport(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("away")
        match request.url.path:
            case "/.well-known/openid-configuration":
                return httpx.Response(200, json=self.document())
            case "/jwks":
                jwk = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
                return httpx.Response(200, json={"keys": [{**jwk, "kid": "1", "alg": "ES256", "use": "sig"}]})
            case "/token":
                self.asked.append(request)
                status, content = self.answers.pop(0) if self.answers else (400, {"error": "invalid_grant"})
                if isinstance(content, httpx.Response):
                    return content
                if isinstance(content, bytes):
                    return httpx.Response(status, content=content)
                return httpx.Response(status, json=content, headers={"set-cookie": "a=b", "x-secret": "1"})
            case _:
                return httpx.Response(404)

    def document(self) -> dict[str, Any]:
        """Its discovery document."""
        return {
            "issuer": ISSUER,
            "jwks_uri": f"{ISSUER}/jwks",
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            **self.metadata,
        }

    def id_token(self, *, key: Any = None, **claims: Any) -> str:
        """An ID token; a claim that is None is left out."""
        now = int(self.clock().timestamp())
        content = {
            "iss": ISSUER,
            "aud": "jira-sso",
            "sub": "u-1029",
            "iat": now,
            "exp": now + 600,
            "auth_time": now,
            "acr": MFA,
            **claims,
        }
        content = {name: value for name, value in content.items() if value is not None}
        return jwt.encode(content, key or self.key, algorithm="ES256", headers={"kid": "1"})

    def will_answer(self, status: int = 200, *, more: dict[str, Any] | None = None, **claims: Any) -> dict[str, Any]:
        """What it answers next: tokens with these claims."""
        content = {"access_token": "at", "token_type": "Bearer", "id_token": self.id_token(**claims), **(more or {})}
        self.answers.append((status, content))
        return content


class RpBed(Bed):
    """A whole application with a provider behind it."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        super().__init__(directory, settings=ServiceSettings(**settings), files=POLICY)
        self.provider = SigningProvider(self.clock)
        self.fetcher = Fetcher(self.provider.transport())
        self.replace(verifier=Verifier(KeyCache(self.fetcher)), endpoints=Endpoints(self.fetcher))

    def browser(self, address: str = CAFE) -> httpx.AsyncClient:
        """A browser, or a relying party's server, at an address."""
        transport = httpx.ASGITransport(self.app, client=(address, 40000))
        return httpx.AsyncClient(transport=transport, base_url="http://acrux.example.com")

    def records(self, kind: str) -> list[dict[str, Any]]:
        """The contents of the logged records of a kind, in order."""
        self.ship()
        with self.database.connection() as connection:
            rows = connection.exec_driver_sql(
                f"SELECT body FROM records WHERE kind = '{kind}' ORDER BY stream, sequence"  # noqa: S608 - of a test
            ).all()
        return [json.loads(bytes(body))["content"] for (body,) in rows]


@dataclass
class Login:
    """What a confidential client keeps of a login."""

    nonce: str | None = field(default_factory=lambda: secrets.token_urlsafe(16))
    verifier: str | None = field(default_factory=lambda: secrets.token_urlsafe(32))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(8))
    client_id: str = "jira-sso"
    redirect_uri: str = CALLBACK

    @property
    def challenge(self) -> str | None:
        """Its S256 challenge."""
        return None if self.verifier is None else challenge(self.verifier)

    def query(self, **changes: str | None) -> str:
        """Its authorization request; a change of None leaves the parameter out."""
        every = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid profile",
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": self.challenge,
            "code_challenge_method": None if self.challenge is None else "S256",
            **changes,
        }
        return urlencode({name: value for name, value in every.items() if value is not None}, quote_via=quote)

    def form(self, **changes: str | None) -> str:
        """Its token request."""
        every = {
            "grant_type": "authorization_code",
            "code": "c0de",
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
            **changes,
        }
        return urlencode({name: value for name, value in every.items() if value is not None})

    async def begin(self, browser: httpx.AsyncClient, client: str = "jira", more: str = "", **changes: str | None):
        """Opens the authorization request."""
        return await browser.get(f"/rp/{client}/authorize?{self.query(**changes)}{more}")

    async def redeem(self, server: httpx.AsyncClient, client: str = "jira", **changes: str | None):
        """Redeems the code."""
        return await post(server, self.form(**changes), client)


def challenge(verifier: str) -> str:
    """The S256 challenge of a verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


async def post(server: httpx.AsyncClient, form: str, client: str = "jira", auth: Any = ("jira-sso", SECRET), **headers):
    """A token request."""
    return await server.post(
        f"/rp/{client}/token",
        content=form,
        auth=auth,
        headers={"content-type": "application/x-www-form-urlencoded", **headers},
    )


def target(response: httpx.Response) -> tuple[str, dict[str, str]]:
    """Where a redirect leads, and its parameters, each of which is there once."""
    assert response.status_code == 302, response.text
    parts = urlsplit(response.headers["location"])
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    assert len(dict(pairs)) == len(pairs), pairs
    return f"{parts.scheme}://{parts.netloc}{parts.path}", dict(pairs)


async def begun(rp, login=None, address=CAFE, **changes):
    """A login that has gone through the first half."""
    login = login or Login()
    async with rp.browser(address) as browser:
        response = await login.begin(browser, **changes)
    assert response.status_code == 302
    return login


def refused(response, word):
    """Whether a token request was refused, for a reason that has this word in it."""
    assert response.status_code == 400, response.text
    content = response.json()
    assert content["error"] == "invalid_grant"
    assert word in content["error_description"]
    assert response.headers["cache-control"] == "no-store"
    assert "id_token" not in response.text
    return True
