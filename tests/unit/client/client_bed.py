"""What the tests of the clients share: a service that answers as it is told, and both kinds of client."""

import inspect
import json
import time
from datetime import UTC, datetime, timedelta

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

LOA1, LOA2 = "urn:example:loa:1", "urn:example:loa:2"
ACCEPT = {"claim": "acr", "values": [LOA2], "max_age_seconds": None}
CEILING = {
    "client": "jira",
    "level": "mfa",
    "authorization_params": {"acr_values": LOA2},
    "accept": ACCEPT,
    "policy_revision": "sha256:00",
}


def decided(**changes):
    now = datetime.now(UTC)
    return {
        "decision_id": "0199f3c2-0000-7000-8000-000000000001",
        "outcome": "step_up",
        "level": "mfa",
        "authorization_params": {"acr_values": LOA2},
        "accept": ACCEPT,
        "rules": ["atlassian-sso"],
        "reason": "Because.",
        "requested_level": None,
        "shadow_level": "mfa",
        "policy_revision": "sha256:00",
        "decided_at": now.isoformat(),
        "expires_at": (now + timedelta(minutes=10)).isoformat(),
        "ticket": "t",
        "receipt": {"stream": "s", "sequence": 1, "leaf_hash": "h"},
        **changes,
    }


TOKEN = jwt.encode({}, ec.generate_private_key(ec.SECP256R1()), "ES256")


def claims(**changes):
    now = int(time.time())
    return {"iss": "i", "sub": "u", "aud": "jira", "exp": now + 300, "iat": now, "acr": LOA2, "nonce": "n", **changes}


def verdict(name="satisfied", **changes):
    return {
        "verdict": name,
        "admit": name == "satisfied",
        "level": "mfa",
        "decision_id": "0199f3c2-0000-7000-8000-000000000001",
        "retry": None,
        "receipt": {"stream": "s", "sequence": 2, "leaf_hash": "h"},
        **changes,
    }


class Service:
    """Answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers = {"decide": decided(), "outcome": verdict(), "fallback": CEILING, "fallbacks": {"receipts": []}}
        self.calls: list[tuple[str, dict, httpx.Headers]] = []

    def answer_all(self, answer) -> None:
        self.answers = dict.fromkeys(self.answers, answer)

    def count(self, name: str) -> int:
        return sum(called == name for called, _, _ in self.calls)

    def bodies(self, name: str) -> list[dict]:
        return [body for called, body, _ in self.calls if called == name]

    def reports(self) -> list[dict]:
        return [report for name, body, _ in self.calls if name == "fallbacks" for report in body["decisions"]]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        last = request.url.path.rsplit("/", 1)[-1]
        name = "decide" if last == "decisions" else last
        self.calls.append((name, json.loads(request.content) if request.content else {}, request.headers))
        answer = self.answers[name]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):  # a new one each time: a response is read once
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return httpx.Response(200, json=answer)


class Both:
    """A client of either kind, called in the same way."""

    def __init__(self, kind, service, **settings) -> None:
        settings = {"client": "jira", "refresh_interval_seconds": 3600, **settings}
        self.made = kind(
            "https://acrux.example.com/base/", "acrux_t", transport=httpx.MockTransport(service), **settings
        )

    async def __call__(self, name: str, *arguments, **keywords):
        found = getattr(self.made, name)(*arguments, **keywords)
        return await found if inspect.isawaitable(found) else found
