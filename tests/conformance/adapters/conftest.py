"""A small world for adapters: a provider that signs, Acrux's own judging behind its API, and a browser."""

import asyncio
import itertools
import json
import secrets
import sys
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec

from acrux.domain.decision import Accept, DecisionOutcome
from acrux.domain.identifiers import ClientName, DecisionId, LevelName, ProviderName, Revision
from acrux.domain.ladder import AssuranceLadder, Rung
from acrux.domain.profiles import PROFILES
from acrux.oidc.claims import read_claims
from acrux.oidc.fetching import Fetcher
from acrux.oidc.id_tokens import Verifier
from acrux.oidc.judge import judge
from acrux.oidc.jwks import KeyCache, KeysUnavailableError
from acrux.oidc.tickets import Ticket, TicketSealer
from acrux.policy.model import Provider

# Test folders are no packages; the sites are imported by the name of their folder.
sys.path.insert(0, str(Path(__file__).resolve().parent))
from sites.party import PLACES, Party

ISSUER = "https://login.example.com"
CLIENT_ID, CLIENT_SECRET = "jira-sso", "s3cret"
LOA1, LOA2 = "urn:example:loa:1", "urn:example:loa:2"
LADDER = AssuranceLadder((Rung(LevelName("basic")), Rung(LevelName("mfa"))))
PROVIDER = Provider(ProviderName("corp"), ISSUER, PROFILES["generic"], {LevelName("mfa"): (LOA2,)})
KEY = ec.generate_private_key(ec.SECP256R1())
STRANGER = ec.generate_private_key(ec.SECP256R1())


class OpenIDProvider:
    """Signs what it is told to; whatever the browser asked for."""

    def __init__(self) -> None:
        self.tokens: dict[str, dict[str, Any]] = {}
        self.metadata = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/jwks",
            "userinfo_endpoint": f"{ISSUER}/userinfo",
            "id_token_signing_alg_values_supported": ["ES256"],
        }
        self.key = KEY
        self.userinfo: Any = {"sub": "u-1029", "email": "alice@example.com", "email_verified": True}
        self.says: dict[str, httpx.Response | Exception] = {}  # by path; "" for every one

    def sign_in(
        self, authorization_url: str, *, key: Any = None, kid: str | None = "k1", **claims: Any
    ) -> dict[str, str]:
        """A person signs in at this authorization request; the parameters that the callback gets."""
        query = dict(parse_qsl(urlsplit(authorization_url).query))
        now = int(time.time())
        signed = {
            "iss": ISSUER,
            "sub": "u-1029",
            "aud": query["client_id"],
            "iat": now,
            "exp": now + 300,
            "nonce": query["nonce"],
            "auth_time": now,
            "acr": query.get("acr_values", LOA1).split()[0],
            **claims,
        }
        signed = {name: value for name, value in signed.items() if value is not None}
        code = secrets.token_urlsafe(8)
        self.tokens[code] = {
            "id_token": jwt.encode(signed, key or self.key, "ES256", headers={"kid": kid} if kid else {})
        }
        return {"code": code, "state": query["state"]}

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        said = self.says.get(request.url.path, self.says.get(""))
        if isinstance(said, Exception):
            raise said
        if said is not None:
            return httpx.Response(said.status_code, headers=said.headers, content=said.content)
        match request.url.path:
            case "/.well-known/openid-configuration":
                return httpx.Response(200, json=self.metadata)
            case "/jwks":
                public = jwt.get_algorithm_by_name("ES256").to_jwk(self.key.public_key(), as_dict=True)
                return httpx.Response(200, json={"keys": [{**public, "kid": "k1"}]})
            case "/userinfo":
                return httpx.Response(200, json=self.userinfo)
            case _:
                code = parse_qs(request.content.decode())["code"][0]
                found = self.tokens.pop(code, None)
                if found is None:
                    return httpx.Response(400, json={"error": "invalid_grant"})
                return httpx.Response(200, json={"access_token": "at", "token_type": "Bearer", **found})


@dataclass
class Acrux:
    """Acrux's API with a policy of one line, and the service's own tickets and judging."""

    provider: OpenIDProvider
    level: str = "mfa"
    params: dict[str, str] = field(default_factory=lambda: {"acr_values": LOA2, "max_age": "28800"})
    accept: Accept = field(default_factory=lambda: Accept("acr", (LOA2,), 28800))
    ceiling: dict[str, Any] = field(
        default_factory=lambda: {
            "client": "jira",
            "level": "mfa",
            "authorization_params": {"acr_values": LOA2},
            "accept": {"claim": "acr", "values": [LOA2], "max_age_seconds": None},
            "policy_revision": "sha256:" + "0" * 64,
        }
    )
    lifetime_seconds: float = 600
    admins_need_mfa: bool = False
    answers: dict[str, httpx.Response | Exception] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)
    reports: list[dict[str, Any]] = field(default_factory=list)
    _used: set[str] = field(default_factory=set)
    _sealer: TicketSealer = field(default_factory=lambda: TicketSealer(b"k" * 32))
    _numbers: Any = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self._verifier = Verifier(KeyCache(Fetcher(httpx.MockTransport(self.provider))))

    def away(self) -> None:
        """From now on nobody answers."""
        self.answers = dict.fromkeys(("decide", "outcome", "fallback", "fallbacks"), httpx.ConnectError("refused"))

    def back(self) -> None:
        self.answers = {}

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer acrux_t"
        path = request.url.path
        body = json.loads(request.content) if request.content else {}
        name = {"/v1/decisions": "decide", "/v1/fallbacks": "fallbacks"}.get(path, path.rsplit("/", 1)[-1])
        canned = self.answers.get(name)
        if isinstance(canned, Exception):
            raise canned
        if canned is not None:
            return httpx.Response(canned.status_code, headers=canned.headers, content=canned.content)
        match name:
            case "decide":
                self.asked.append(body)
                return httpx.Response(200, json=self.decide(body))
            case "outcome":
                try:
                    return httpx.Response(200, json=await self.outcome(path.split("/")[3], body))
                except KeysUnavailableError:
                    return httpx.Response(503, json={"code": "keys_unavailable", "fallback": "refuse"})
            case "fallback":
                return httpx.Response(200, json=self.ceiling)
            case _:
                known = {report["idempotency_key"] for report in self.reports}
                self.reports += [report for report in body["decisions"] if report["idempotency_key"] not in known]
                return httpx.Response(200, json={"receipts": [{} for _ in body["decisions"]]})

    def decide(self, body: dict[str, Any], level: str | None = None) -> dict[str, Any]:
        level = level or self.level
        now = datetime.now(UTC)
        outcome = {"basic": "baseline", "mfa": "step_up", "deny": "deny"}[level]
        accept = {"baseline": Accept("acr", (), None), "step_up": self.accept, "deny": None}[outcome]
        ticket = Ticket(
            decision_id=DecisionId(str(uuid.UUID(int=next(self._numbers)))),
            client_name=ClientName("jira"),
            client_id=CLIENT_ID,
            provider=PROVIDER.name,
            revision=Revision("sha256:" + "0" * 64),
            decided_at=now,
            expires_at=now + timedelta(seconds=self.lifetime_seconds),
            outcome=DecisionOutcome(outcome),
            level=LevelName(level),
            accept=accept,
            nonce_sha256=body.get("nonce_sha256"),
            user_id=body.get("user", {}).get("id"),
        )
        return {
            "decision_id": ticket.decision_id,
            "outcome": outcome,
            "level": level,
            "authorization_params": self.params if outcome == "step_up" else {},
            "accept": accept
            and {"claim": accept.claim, "values": list(accept.values), "max_age_seconds": accept.max_age_seconds},
            "rules": ["atlassian-sso"],
            "reason": "Because.",
            "requested_level": None,
            "shadow_level": level,
            "policy_revision": ticket.revision,
            "decided_at": now.isoformat(),
            "expires_at": ticket.expires_at.isoformat(),
            "ticket": self._sealer.seal(ticket),
            "receipt": {"stream": "s", "sequence": 1, "leaf_hash": "h"},
        }

    async def outcome(self, decision_id: str, body: dict[str, Any]) -> dict[str, Any]:
        ticket = self._sealer.open(body["ticket"])
        returned = (
            await self._verifier.verify(body["id_token"], PROVIDER)
            if "id_token" in body
            else read_claims(body["claims"])
        )
        found = judge(
            ticket,
            returned,
            decision_id=decision_id,
            provider=PROVIDER,
            client=None,
            ladder=LADDER,
            now=datetime.now(UTC),
            already_used=decision_id in self._used,
        )
        verdict, retry = found.verdict.value, None
        if verdict == "satisfied" and self.admins_need_mfa and found.level == "basic":
            if "admins" in found.user_facts.get("user.groups", ()):
                verdict, retry = "insufficient", self.decide({}, "mfa")
            elif "banned" in found.user_facts.get("user.groups", ()):
                verdict, retry = "insufficient", self.decide({}, "deny")
        if found.verdict.uses_up:
            self._used.add(decision_id)
        self.verdicts.append(verdict)
        return {
            "verdict": verdict,
            "admit": verdict == "satisfied",
            "level": found.level,
            "decision_id": decision_id,
            "retry": retry,
            "receipt": {"stream": "s", "sequence": 2, "leaf_hash": "h"},
        }


@pytest.fixture
def provider() -> OpenIDProvider:
    return OpenIDProvider()


@pytest.fixture
def requests_reach(monkeypatch, provider: OpenIDProvider) -> None:
    """Whatever a library asks for with `requests`, the provider answers."""

    def send(_adapter, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        asked = httpx.Request(
            request.method, request.url, headers=dict(request.headers), content=(request.body or "").encode()
        )
        try:
            answered = asyncio.run(provider(asked))
        except httpx.ConnectError as failure:
            raise requests.ConnectionError(str(failure)) from failure
        response = requests.Response()
        response.status_code, response.url, response.request = answered.status_code, request.url, request
        response.headers.update(answered.headers)
        response._content = answered.content
        return response

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)


@pytest.fixture
def acrux(provider: OpenIDProvider) -> Acrux:
    return Acrux(provider)


@pytest.fixture(params=PLACES)
def adapter(request) -> str:
    return request.param


@pytest.fixture
def make(adapter, provider, acrux):
    parties = []

    def make_party(**settings: Any) -> Party:
        parties.append(Party(adapter, provider, acrux, **settings))
        return parties[-1]

    yield make_party
    for party in reversed(parties):
        party.ends.close()


@pytest.fixture
def party(make) -> Party:
    return make()
