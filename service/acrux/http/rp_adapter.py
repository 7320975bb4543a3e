"""What the redirect adapter's endpoints share: limits, addresses, bindings, and whose endpoint it is. No decisions."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from fastapi import Request

from acrux.adapters.addresses import TrustedProxies
from acrux.domain.identifiers import ClientName
from acrux.engine import Decider
from acrux.http.calls import REQUEST_ID, Call, require_policy
from acrux.http.problems import Code, Problem
from acrux.http.rp_bindings import Bindings
from acrux.http.rp_quotas import Places, Quotas
from acrux.http.rp_unbound import UnboundRequests
from acrux.http.shared import SharedLookups
from acrux.oidc.fetching import FetchFailedError
from acrux.policy.model import Client, Provider
from acrux.wiring.services import Role, Services, Token
from acrux.wiring.settings import Rate

CALLER: Final = "redirect-adapter"
"""What stands in the log where a token's id stands for other calls."""
_WAITING: Final = 256
_WAITING_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Party:
    """A relying party that is served, as the active set knows it.

    Attributes:
        call: the request, and every part that answers it.
        address: the user's, or the relying party's; None where it can't be known.
    """

    call: Call
    decider: Decider
    client: Client
    provider: Provider
    address: str | None


class RedirectAdapter:
    """The state of the redirect adapter in one worker."""

    __slots__ = (
        *("_proxies", "bindings", "mirror_quotas", "redirect_quotas", "services", "shared", "token_quotas"),
        "unbound",
    )

    def __init__(self, services: Services, shared: SharedLookups, clock: Callable[[], float] = time.monotonic) -> None:
        settings = services.settings
        self.services = services
        self.shared = shared
        self.bindings = Bindings(services)
        self._proxies = TrustedProxies(settings.trusted_proxies, settings.proxy_header)
        quotas = settings.quotas

        def limits(by_address: Rate | None, by_client: Rate | None) -> Quotas:
            return Quotas(by_address, by_client, Places(quotas.places, _WAITING, _WAITING_SECONDS), clock)

        self.redirect_quotas = limits(quotas.sign_ins_by_address, quotas.sign_ins_by_client)
        self.mirror_quotas = limits(quotas.sign_ins_by_address, quotas.sign_ins_by_client)
        self.token_quotas = limits(quotas.tokens_by_address, quotas.tokens_by_client)
        self.unbound = UnboundRequests(clock)

    @asynccontextmanager
    async def admitted(
        self, request: Request, name: str, quotas: Quotas, *, by_client: bool = True
    ) -> AsyncIterator[Party]:
        """The party that an endpoint belongs to, while the request has a place to be worked on.

        Without `by_client` the client's quota is left to the caller.

        Raises:
            Problem: `too_many_requests`, `no_policy`; `not_found` for what is no registered client's name.
        """
        address = self._address(request)
        quotas.check_address(address)
        decider = require_policy(self.services)
        checked = decider.compiled.checked
        client = checked.clients.get(ClientName(name))
        if client is None:
            raise Problem(Code.NOT_FOUND, "no client of the policy set has this name")
        if by_client:
            quotas.check_client(client.name)
        token = Token(CALLER, Role.RELYING_PARTY, frozenset({client.name}))
        call = Call(self.services, self.shared, token, request.scope[REQUEST_ID], request)
        places = quotas.places
        async with places.one_for(client.provider) if len(checked.providers) > 1 else places.one():
            yield Party(call, decider, client, checked.providers[client.provider], address)

    def _address(self, request: Request) -> str | None:
        name = self._proxies.header.encode()
        lines = [value.decode("latin-1") for line, value in request.scope["headers"] if line == name]
        peer = request.scope.get("client")
        return self._proxies.user_address(peer[0] if peer else None, lines)


def provider_away(failure: FetchFailedError) -> Problem:
    """The problem of a provider that can't be reached."""
    problem = Problem(Code.PROVIDER_UNAVAILABLE, "the OpenID Provider can't be reached, or its metadata can't be used")
    problem.__cause__ = failure
    return problem
