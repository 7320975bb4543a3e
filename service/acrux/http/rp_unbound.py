"""Token requests that belong to no decision: refused, counted, and recorded, but not so often as to fill the log.

Anybody can send one, with any secret: whether a secret is right is the provider's to say. Nothing is judged here.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NoReturn

import acrux
from acrux.decisionlog.records import Kind, event
from acrux.http.deciding import append
from acrux.http.problems import Problem
from acrux.http.rp_forms import OAuthRefusal, TokenRequest
from acrux.http.rp_quotas import Buckets, site_of
from acrux.wiring.settings import Rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from acrux.domain.facts import Json
    from acrux.domain.identifiers import DecisionId
    from acrux.http.rp_adapter import Party

UNBOUND: Final = "unbound"
# More than any relying party has by mistake. Its own server's address is another one than a flood's.
_BY_ADDRESS: Final = Rate(per_second=1, burst=200)
_BY_CLIENT: Final = Rate(per_second=10, burst=1000)


class UnboundRequests:
    """What is recorded of token requests that belong to no decision, in one worker.

    Args:
        clock: a monotonic clock in seconds.
    """

    __slots__ = ("_by_address", "_by_client", "_unrecorded")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._by_address = Buckets(_BY_ADDRESS, clock)
        self._by_client = Buckets(_BY_CLIENT, clock)
        self._unrecorded: defaultdict[str, int] = defaultdict(int)

    async def refuse(self, party: Party, request: TokenRequest, reason: str, *, was_accepted: bool = False) -> NoReturn:
        """Counts and refuses a token request; one of a flood is counted in the next record only.

        One that the provider has accepted (`was_accepted`) is nobody's guess, and always recorded.

        Raises:
            OAuthRefusal: `invalid_grant`.
            Problem: `log_unavailable`.
        """
        name = party.client.name
        place = f"{name} {site_of(party.address)}"
        if was_accepted or (self._by_address.take(place) and self._by_client.take(name)):
            unrecorded_count = self._unrecorded.pop(name, 0)
            try:
                await record(party, request, reason, None, unrecorded_count=unrecorded_count)
            except Problem:
                self._unrecorded[name] += unrecorded_count  # nobody has been told of them
                raise
        else:
            self._unrecorded[name] += 1
        party.call.services.metrics.verdicts[UNBOUND] += 1
        raise OAuthRefusal(
            "invalid_grant",
            f"this sign-in did not go through Acrux, or long ago ({UNBOUND}); request {party.call.request_id}",
        )


async def record(
    party: Party, request: TokenRequest, reason: str, decision_id: DecisionId | None, *, unrecorded_count: int = 0
) -> None:
    """Records one token request that belongs to no decision, or no more to the one that it did.

    Raises:
        Problem: `log_unavailable`.
    """
    content: dict[str, Json] = {
        "acrux": acrux.__version__,
        "client": party.client.name,
        "decision_id": decision_id,
        "grant_type": request.grant_type,
        "policy_revision": party.decider.compiled.checked.revision,
        "provider": party.provider.name,
        "reason": reason,
        "request_id": party.call.request_id,
        "token_id": party.call.token.id,
        "unrecorded_count": unrecorded_count,
    }
    await append(party.call.services, event(Kind.UNBOUND, content))
