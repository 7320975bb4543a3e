"""The asynchronous client, for asyncio. What is said to Acrux stands in `conversation`."""

import asyncio
import os
from collections.abc import Mapping
from types import TracebackType
from typing import Self, TypeVar, Unpack

import httpx

from acrux.client.conversation import (
    TICK_SECONDS,
    Answered,
    Call,
    Conversation,
    Conversations,
    Reply,
    Returned,
    Unreached,
)
from acrux.client.facts import LoginFacts
from acrux.client.storing import CeilingCache, ReportQueue, cache_files
from acrux.client.transport import (
    REFRESH_INTERVAL_SECONDS,
    TIMEOUT_SECONDS,
    UNHURRIED_SECONDS,
    failed,
    headers_of,
    settings,
)
from acrux.client.values import Ceiling, Decision, Json, Verdict

_T = TypeVar("_T")


class AsyncAcruxClient:
    """Asks Acrux before the redirect and after the callback, on one event loop.

    Args:
        base_url: where Acrux is.
        token: a `relying-party` token, bound to the clients that are asked for.
        client: the client's name in the policy set, where a call names none.
        timeout_seconds: for each call as a whole, retry included.
        cache_path: a file to keep ceilings in (and, beside it, a directory for what must still be reported), so that
            a restart during an outage does not refuse every login; None for memory only.
        subject_claim: the claim that is `user_id`, where that is sent; used only when judging here.
        transport: how connections are made; httpx's own by default.
        refresh_interval_seconds: how often ceilings are fetched again and reports are tried.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        client: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        cache_path: str | os.PathLike[str] | None = None,
        subject_claim: str = "sub",
        transport: httpx.AsyncBaseTransport | None = None,
        refresh_interval_seconds: float = REFRESH_INTERVAL_SECONDS,
    ) -> None:
        ceilings, reports = cache_files(cache_path)
        self._conversations = Conversations(CeilingCache(ceilings), ReportQueue(reports), subject_claim)
        self._client = client
        if client is not None:
            self._conversations.remember(client)
        self._timeout_seconds = timeout_seconds
        self._interval_seconds = refresh_interval_seconds
        self._http = httpx.AsyncClient(transport=transport, **settings(base_url, token, timeout_seconds))
        self._refresher: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def client(self) -> str | None:
        """The client's name where a call names none."""
        return self._client

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def decide(self, *, client: str | None = None, **facts: Unpack[LoginFacts]) -> Decision:
        """What this login must ask the provider for.

        Raises:
            AcruxError: the login must be refused.
        """
        name = client or self._client
        if name is None:
            raise ValueError("no client is named, neither here nor when the client was made")
        self.start()
        return await self._hold(self._conversations.decide(name, facts))

    async def outcome(
        self,
        decision: Decision,
        *,
        id_token: str | None = None,
        claims: Mapping[str, Json] | None = None,
        issuer: str | None = None,
        client_id: str | None = None,
    ) -> Verdict:
        """Whether this login is what was decided; `Verdict.admit` alone says so.

        Args:
            decision: from `decide`.
            id_token: the raw ID token; Acrux verifies it.
            claims: its claims as the caller verified them: what is judged here if Acrux can't be reached, and what is
                sent if there is no `id_token`.
            issuer: the expected `iss`, compared when judging here.
            client_id: the expected audience, likewise.

        Raises:
            AcruxError: the login must be refused.
        """
        return await self._hold(self._conversations.judge(decision, Returned(id_token, claims, issuer, client_id)))

    def ceiling(self, client: str | None = None) -> Ceiling | None:
        """What would be demanded now if Acrux could not be reached; None if that is not known."""
        name = client or self._client
        return None if name is None else self._conversations.ceilings.get(name)

    async def refresh(self) -> None:
        """Fetches the ceilings and delivers the reports now.

        Raises:
            AcruxError: something of it failed; what was known stays.
        """
        for client in tuple(self._conversations.clients):
            await self._hold(self._conversations.refresh_ceiling(client))
        while len(self._conversations.reports):
            await self._hold(self._conversations.send_reports())

    def start(self) -> None:
        """Begins to refresh beside the callers, on the running event loop; `decide` does it too."""
        loop = asyncio.get_running_loop()
        if self._closed or (self._refresher is not None and self._refresher.get_loop() is loop):
            return
        self._refresher = loop.create_task(self._keep_fresh(), name="acrux-client")

    async def close(self) -> None:
        """Stops refreshing, tries once more to deliver the reports, and closes the connections."""
        self._closed = True
        if self._refresher is not None and self._refresher.get_loop() is asyncio.get_running_loop():
            self._refresher.cancel()
            await asyncio.gather(self._refresher, return_exceptions=True)
        if len(self._conversations.reports) and not self._http.is_closed:
            await self._hold(self._conversations.deliver())
        self._conversations.reports.close()
        await self._http.aclose()

    async def _keep_fresh(self) -> None:
        while True:
            for conversation in self._conversations.due(self._interval_seconds):
                await self._hold(conversation, max(self._timeout_seconds, UNHURRIED_SECONDS))
            await asyncio.sleep(min(TICK_SECONDS, self._interval_seconds))

    async def _hold(self, conversation: Conversation[_T], timeout_seconds: float | None = None) -> _T:
        deadline_seconds = asyncio.get_running_loop().time() + (timeout_seconds or self._timeout_seconds)
        try:
            call = next(conversation)
            while True:
                call = conversation.send(await self._make(call, deadline_seconds))
        except StopIteration as end:
            found: _T = end.value
            return found

    async def _make(self, call: Call, deadline_seconds: float) -> Reply:
        try:
            async with asyncio.timeout_at(deadline_seconds):
                # The deadline is the one limit: httpx's own are for single steps of the call.
                response = await self._http.request(
                    call.method, call.path, content=call.content(), headers=headers_of(call), timeout=None
                )
        except TimeoutError:
            return Unreached("timed out")
        except httpx.RequestError as error:
            return failed(error)
        return Answered(response.status_code, response.content)
