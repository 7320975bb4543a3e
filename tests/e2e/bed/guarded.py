"""Relying parties that nobody changed, behind the redirect adapter: a provider, two nodes over one database, programs.

The first node redirects, the second guards, so that every login shows that a decision is found on another node.
"""

from __future__ import annotations

import json
import secrets
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import httpx
import pytest

from acrux.storage.database import Database
from bed.programs import Program, listening_socket
from bed.provider import PASSWORD_ACR, Person, Provider
from bed.service import Service, free_port, policies_for

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bed.agent import Agent, Page

ALICE = Person("alice", "correct horse", "u-1029", groups=("design",))
LOG_SECONDS = 20.0

LOWERED = {
    "stripped": (("acr_values",), ""),
    "lowered": (("acr_values",), f"&acr_values={PASSWORD_ACR}"),
    "unknown": (("acr_values",), "&acr_values=urn:example:unknown"),
    "moved to claims": (("acr_values",), '&claims={"id_token":{"acr":{"value":"' + PASSWORD_ACR + '"}}}'),
}
"""What a user does to the request on its way to the provider: the parameters taken out, and what is put behind."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """An application that knows nothing of Acrux: its program, and how it is set up.

    `environment` is what its program reads beside the settings that all of them get (see `unchanged.py`). A program
    that takes no listening socket gets a port, `RP_PORT`.
    """

    name: str
    argv: tuple[str, ...]
    auth_method: str = "client_secret_basic"
    tags: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    takes_socket: bool = True

    @property
    def client_id(self) -> str:
        """What the provider calls the client."""
        return f"{self.name}-sso"

    def registration(self, url: str) -> dict[str, Any]:
        """The client as the provider has it."""
        return {
            "client_id": self.client_id,
            "client_secret": secrets.token_urlsafe(32),
            "redirect_uris": [f"{url}/callback"],
            "token_endpoint_auth_method": self.auth_method,
            "grant_types": ["authorization_code", "refresh_token"],
        }


@dataclass(slots=True)
class Site:
    """The provider, two nodes, and the applications: where they are, and how the provider has them registered."""

    provider: Provider
    first: Service
    second: Service
    urls: dict[str, str]
    registered: dict[str, dict[str, Any]]
    database: Database
    _ends: ExitStack

    @classmethod
    def start(
        cls,
        directory: Path,
        database_url: str,
        parties: Sequence[Unchanged],
        *,
        policy: str = "",
        start_provider: Callable[[Path, dict[str, Any]], Provider] = Provider.start,
    ) -> Self:
        """Starts it all; `policy` is put behind the company's own file of the policy set."""
        with ExitStack() as stack:
            sockets = {one.name: stack.enter_context(listening_socket()) for one in parties if one.takes_socket}
            ports = {name: bound.getsockname()[1] for name, bound in sockets.items()}
            ports |= {one.name: free_port() for one in parties if not one.takes_socket}
            urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
            registered = {party.name: party.registration(urls[party.name]) for party in parties}
            provider = start_provider(directory, {"clients": [*registered.values()], "users": [ALICE.as_json()]})
            stack.callback(provider.program.stop)
            company = {"company.yaml": _company(provider.issuer, parties, urls) + policy}
            policies = policies_for(provider.issuer, directory, company)
            nodes = []
            for number in (1, 2):
                place = directory / f"node-{number}"
                place.mkdir()
                shared = ("--database", database_url, "--service-key", str(directory / "service-key"))
                nodes.append(Service.start(place, policies, *shared))
                stack.callback(nodes[-1].stop)
            database = Database(database_url)
            stack.callback(database.close)
            site = cls(provider, nodes[0], nodes[1], urls, registered, database, stack)
            for party in parties:
                site._start_party(party, sockets.get(party.name), directory)
            site._ends = stack.pop_all()
            return site

    def _start_party(self, party: Unchanged, bound: socket.socket | None, directory: Path) -> None:
        name, registered = party.name, self.registered[party.name]
        handed_over = [] if bound is None else [bound.fileno()]
        environment = {
            "RP_CLIENT_ID": registered["client_id"],
            "RP_CLIENT_SECRET": registered["client_secret"],
            "RP_DISCOVERY_URL": f"{self.first.url}/rp/{name}/.well-known/openid-configuration",
            "RP_AUTHORIZATION_URL": f"{self.first.url}/rp/{name}/authorize",
            "RP_TOKEN_URL": f"{self.second.url}/rp/{name}/token",
            "RP_ISSUER": self.provider.issuer,
            "RP_PROVIDER_METADATA": json.dumps(self.provider.metadata),
            "RP_AUTH_METHOD": party.auth_method,
            "RP_FD": ",".join(map(str, handed_over)),
            "RP_PORT": str(httpx.URL(self.urls[name]).port),
            "RP_DIRECTORY": str(directory),
            **party.environment,
        }
        program = Program.start(name, party.argv, directory, env=environment, pass_fds=handed_over)
        self._ends.callback(program.stop)
        program.wait_for(lambda: _answers(self.urls[name]))

    def stop(self) -> None:
        """Ends every program."""
        self._ends.close()

    def logged(self, kind: str, since_us: int) -> dict[str, Any]:
        """The first record of a kind that was made since a time, once it is shipped."""
        query = (
            f"SELECT body FROM records WHERE kind = '{kind}' AND recorded_at_us > {since_us} ORDER BY recorded_at_us"  # noqa: S608
        )
        deadline = time.monotonic() + LOG_SECONDS
        while time.monotonic() < deadline:
            with self.database.connection() as connection:
                found = [json.loads(bytes(body))["content"] for (body,) in connection.exec_driver_sql(query)]
            if found:
                return found[0]
            time.sleep(0.05)
        pytest.fail(f"no record of kind {kind}")


def _answers(url: str) -> bool | None:
    try:
        return httpx.get(f"{url}/healthz", timeout=30).is_success or None
    except httpx.TransportError:
        return None


def now_us() -> int:
    """The time in microseconds."""
    return time.time_ns() // 1000


def sign_in(agent: Agent, page: Page) -> Page:
    """Passes the provider's pages that come as Alice, up to the application's own."""
    page = agent.submit(page, username=ALICE.username, password=ALICE.password)
    return agent.submit(page, code=ALICE.code()) if page.title == "Second factor" else page


def edited(url: httpx.URL, *without: str, more: str = "") -> str:
    """An address without some parameters, and with more of them."""
    kept = [pair for pair in url.query.decode().split("&") if pair.partition("=")[0] not in without]
    return f"{str(url).partition('?')[0]}?{'&'.join(kept)}{more}"


def _company(issuer: str, parties: Sequence[Unchanged], urls: Mapping[str, str]) -> str:
    clients = "".join(
        f'  {one.name}: {{provider: corp, client_id: {one.client_id}, redirect_uris: ["{urls[one.name]}/callback"]'
        f"{', tags: [' + ', '.join(one.tags) + ']' if one.tags else ''}}}\n"
        for one in parties
    )
    return (
        "version: acrux/v1\n"
        "ladder: [basic, {level: mfa, max_age: 12h}]\n"
        f"providers: {{corp: {{issuer: {issuer}, acr: {{mfa: urn:example:loa:2}}}}}}\n"
        f"clients:\n{clients}"
        "defaults: {require: basic, unregistered_client: mfa}\n"
    )
