"""Judging without Acrux: what the shared table of verdicts does not hold. See `test_verdict_table` for the rows."""

import base64
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from acrux.client import Accept, AcruxClient, Decision
from acrux.client.facts import sha256_base64url
from acrux.client.judging import ALGORITHMS, OTHER_KINDS, judge_locally, unsigned
from acrux.oidc import id_tokens, keys
from acrux.oidc.claims import InvalidToken

NOW = datetime.now(UTC)


def token(header) -> str:
    """A token with this header, and nothing else that is of use."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode() + ".e30.c2ln"


def decision(**more) -> Decision:
    """A decision that any acr satisfies."""
    made = {
        "id": "5f1c4a52-0f5b-4c6e-9f0d-3b1f5a7c9e21",
        "client": "jira",
        "outcome": "baseline",
        "level": "basic",
        "authorization_params": {},
        "accept": Accept("acr", (), None),
        "decided_at": NOW,
        "expires_at": NOW + timedelta(minutes=10),
        **more,
    }
    return Decision(**made)


def claims(**more):
    """The claims of an ID token that is as it should be."""
    at = int(time.time())
    return {"iss": "i", "sub": "u", "aud": "jira", "iat": at, "exp": at + 300, **more}


def test_the_services_lists() -> None:
    """What may sign an ID token, and what is none, is the same here as at the service."""
    assert set(keys.ALGORITHMS) == ALGORITHMS
    assert id_tokens._OTHER_KINDS == OTHER_KINDS


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_signed(algorithm) -> None:
    """A token that is signed with a key of the provider's alone may be judged."""
    found = judge_locally(decision(), claims(), NOW, id_token=token({"alg": algorithm, "typ": "JWT", "kid": "k"}))
    assert found.admit


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "HS256"},
        {"alg": ["ES256"]},
        {},
        [],
        b"\xff",
        b"[" * 3000,
        b"",
        {"alg": "ES256", "crit": ["x"], "x": 1},
        {"alg": "ES256", "b64": False},
        {"alg": "ES256", "typ": "application/logout+jwt"},
        {"alg": "ES256", "typ": "AT+JWT"},
        {"alg": "ES256", "typ": 5},
        {"alg": "ES256", "kid": "k" * 5000},
    ],
)
def test_unsigned(header) -> None:
    """Whatever a library would take, a token without a signature of the provider's own is `invalid`, as at Acrux."""
    assert unsigned(token(header))
    found = judge_locally(decision(), claims(), NOW, id_token=token(header))
    assert (found.name, found.admit) == ("invalid", False)


@pytest.mark.parametrize(
    "text",
    ['{"alg":"ES256"}.{"acr":"1","acr":"2"}', '{"alg":"none","alg":"ES256"}.{}', '{"alg":"ES256"}.{"a":{"b":1,"b":1}}'],
)
def test_two_readings(text) -> None:
    """A token with a member twice is `invalid`, as at Acrux: the library that read it need not have read the same."""
    found = judge_locally(decision(), claims(), NOW, id_token=in_base64(text))
    assert (found.name, found.admit) == ("invalid", False)


@pytest.mark.parametrize(
    "payload",
    [
        "",
        ".\xff",
        "." + "[" * 3000,
        ".[]",
        '.{"x":NaN}',
        ".\xef\xbb\xbf{}",
        r'.{"sub":"\ud800"}',
        r'.{"\ud800":1}',
        '.{"x":1}}',
    ],
)
def test_claims_that_acrux_could_not_read(payload) -> None:
    """What Acrux reads as no JSON is `invalid` here too, whatever a library makes of it."""
    found = judge_locally(decision(), claims(), NOW, id_token=in_base64('{"alg":"ES256"}' + payload))
    assert (found.name, found.admit) == ("invalid", False)
    text = base64.urlsafe_b64decode(in_base64(payload.removeprefix(".")) + "===")
    assert isinstance(id_tokens._read_payload(text), InvalidToken)


@pytest.mark.parametrize("beside", ["\n", " ", "!", "\x00", "\u00e9", "+", "/"])
def test_characters_of_no_token(beside) -> None:
    """What readers of base64 skip, or do not, is in no token."""
    found = judge_locally(decision(), claims(), NOW, id_token=token({"alg": "ES256"}).replace(".", f"{beside}.", 1))
    assert (found.name, found.admit) == ("invalid", False)


def in_base64(text: str) -> str:
    """The parts of a token, without its signature."""
    return ".".join(base64.urlsafe_b64encode(part.encode("latin-1")).rstrip(b"=").decode() for part in text.split("."))


def test_surrogates() -> None:
    """A nonce that no UTF-8 has is another nonce, not a crash."""
    found = judge_locally(decision(nonce_sha256=sha256_base64url("n")), claims(nonce="\ud800"), NOW)
    assert found.name == "mismatched"


class Slow(dict):
    """Claims that other threads get a turn to read."""

    def get(self, *arguments):
        time.sleep(0.001)
        return super().get(*arguments)


def test_the_same_answer_at_once() -> None:
    """Threads that judge the same decision at the same time admit one login together."""
    client = AcruxClient("https://acrux.example.com", "acrux_t", client="jira", transport=httpx.MockTransport(refuse))
    together = threading.Barrier(8)

    def judge(_: int) -> bool:
        together.wait()
        found = client.outcome(decision(fallback=True), id_token=token({"alg": "ES256"}), claims=Slow(claims()))
        return found.admit

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(judge, range(8))) == 1
    client.close()


def refuse(_: httpx.Request) -> httpx.Response:
    """Nobody answers."""
    raise httpx.ConnectError("refused")
