"""The whole company: provider, service and three relying parties, each a program of its own on loopback."""

from __future__ import annotations

import secrets
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from bed.agent import Agent, Page
from bed.programs import Program, listening_socket
from bed.provider import Person, Provider
from bed.service import Service, policies_for

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

PROGRAMS = Path(__file__).resolve().parent.parent / "relying_parties"


@dataclass(frozen=True, slots=True)
class Application:
    """What a relying party is made of: its name in the policy set, its program, and where its callback is."""

    name: str
    program: str = "app.py"
    callback: str = "/callback"

    @property
    def client_id(self) -> str:
        """What the provider calls the client."""
        return f"{self.name}-sso"


APPLICATIONS = (Application("jira"), Application("confluence"), Application("intranet"))


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """One application."""

    name: str
    url: str
    program: Program

    def signed_in(self, agent: Agent) -> dict[str, Any] | None:
        """Whom this agent is signed in as, or `None`."""
        answer = agent.client.get(f"{self.url}/me")
        return answer.json() if answer.status_code == httpx.codes.OK else None


@dataclass(slots=True)
class Company:
    """Everything that a journey passes through."""

    provider: Provider
    service: Service
    parties: dict[str, RelyingParty]
    alice: Person
    _ends: ExitStack

    @classmethod
    def start(
        cls,
        directory: Path,
        *,
        levels: list[dict[str, Any]] | None = None,
        policy_files: dict[str, str] | None = None,
        groups: tuple[str, ...] = ("design",),
        applications: tuple[Application, ...] = APPLICATIONS,
        start_provider: Callable[[Path, dict[str, Any]], Provider] = Provider.start,
    ) -> Self:
        """Starts it all. `levels` are the provider's (default: password, code); `policy_files` join the policy set."""
        alice = Person("alice", "correct horse", "u-1029", groups=groups)
        with ExitStack() as stack:
            sockets = {application.name: stack.enter_context(listening_socket()) for application in applications}
            registered = {made.name: _registration(made, sockets[made.name]) for made in applications}
            config: dict[str, Any] = {"clients": list(registered.values()), "users": [alice.as_json()]}
            provider = start_provider(directory, config if levels is None else {**config, "levels": levels})
            stack.callback(provider.program.stop)
            service = Service.start(directory, policies_for(provider.issuer, directory, policy_files))
            stack.callback(service.stop)
            # One token for all of them, since each costs a run of the command line.
            token = service.token(*registered)
            parties = {}
            for application in applications:
                name, bound = application.name, sockets[application.name]
                environment = {
                    "RP_NAME": name,
                    "RP_CLIENT_ID": registered[name]["client_id"],
                    "RP_CLIENT_SECRET": registered[name]["client_secret"],
                    "RP_ISSUER": provider.issuer,
                    "RP_FD": str(bound.fileno()),
                    "TMPDIR": str(directory),
                    "RP_ACRUX_URL": service.url,
                    "RP_ACRUX_TOKEN": token,
                    # A slow machine must not turn a decision into a fallback behind a test's back.
                    "RP_ACRUX_TIMEOUT_SECONDS": "10",
                    "RP_ACRUX_REFRESH_SECONDS": "0.5",
                }
                parties[name] = _relying_party(application, bound, directory, environment)
                stack.callback(parties[name].program.stop)
            for party in parties.values():
                party.program.wait_for(lambda party=party: _answers(party))
            return cls(provider, service, parties, alice, stack.pop_all())

    def stop(self) -> None:
        """Ends every program."""
        self._ends.close()

    def agent(self) -> Agent:
        """A browser without history."""
        return Agent()

    def pass_password(self, agent: Agent, page: Page) -> Page:
        """Passes the password page as Alice; what comes next."""
        assert page.title == "Sign in", f"{page.response.status_code} {page.response.url}: {page.response.text[:500]}"
        return agent.submit(page, username=self.alice.username, password=self.alice.password)

    def pass_code(self, agent: Agent, page: Page) -> Page:
        """Passes the page of the second factor as Alice; what comes next."""
        assert page.title == "Second factor", (
            f"{page.response.status_code} {page.response.url}: {page.response.text[:500]}"
        )
        return agent.submit(page, code=self.alice.code())


def _registration(application: Application, bound: socket.socket) -> dict[str, Any]:
    return {
        "client_id": application.client_id,
        "client_secret": secrets.token_urlsafe(32),
        "redirect_uris": [f"{_url(bound)}{application.callback}"],
    }


def _url(bound: socket.socket) -> str:
    return f"http://127.0.0.1:{bound.getsockname()[1]}"


def _relying_party(
    application: Application, bound: socket.socket, directory: Path, environment: dict[str, str]
) -> RelyingParty:
    argv = [sys.executable, str(PROGRAMS / application.program)]
    program = Program.start(application.name, argv, directory, env=environment, pass_fds=[bound.fileno()])
    return RelyingParty(application.name, _url(bound), program)


def _answers(party: RelyingParty) -> bool | None:
    # The socket listens before the program does, so a request waits in its queue rather than being refused.
    try:
        return httpx.get(f"{party.url}/healthz", timeout=1).status_code == httpx.codes.OK or None
    except httpx.TransportError:
        return None
