"""The blocking client: threads, for Flask and Django. What is said to Acrux stands in `conversation`."""

import os
import threading
import time
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
from acrux.client.deadlines import hurried, hurry
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


class _Remaining(dict[str, float]):
    """httpcore's time-outs of one operation, by phase: all of them take from one budget."""

    def __init__(self, deadline_seconds: float) -> None:
        super().__init__()
        self._deadline_seconds = deadline_seconds

    def get(self, _phase: str, _default: float | None = None) -> float:  # type: ignore[override]
        """What is left, whatever the phase; never 0, which would mean "at once" to some transports."""
        return max(0.001, self._deadline_seconds - time.monotonic())


class AcruxClient:
    """Asks Acrux before the redirect and after the callback. Safe to share between threads, and across a fork.

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
        transport: httpx.BaseTransport | None = None,
        refresh_interval_seconds: float = REFRESH_INTERVAL_SECONDS,
    ) -> None:
        ceilings, reports = cache_files(cache_path)
        self._conversations = Conversations(CeilingCache(ceilings), ReportQueue(reports), subject_claim)
        self._client = client
        if client is not None:
            self._conversations.remember(client)
        self._timeout_seconds = timeout_seconds
        self._interval_seconds = refresh_interval_seconds
        self._http = httpx.Client(transport=transport, **settings(base_url, token, timeout_seconds))
        hurry(self._http)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._refresher: threading.Thread | None = None
        self._refresher_process = 0

    @property
    def client(self) -> str | None:
        """The client's name where a call names none."""
        return self._client

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def decide(self, *, client: str | None = None, **facts: Unpack[LoginFacts]) -> Decision:
        """What this login must ask the provider for.

        Raises:
            AcruxError: the login must be refused.
        """
        name = client or self._client
        if name is None:
            raise ValueError("no client is named, neither here nor when the client was made")
        self.start()
        return self._hold(self._conversations.decide(name, facts))

    def outcome(
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
        return self._hold(self._conversations.judge(decision, Returned(id_token, claims, issuer, client_id)))

    def ceiling(self, client: str | None = None) -> Ceiling | None:
        """What would be demanded now if Acrux could not be reached; None if that is not known."""
        name = client or self._client
        return None if name is None else self._conversations.ceilings.get(name)

    def refresh(self) -> None:
        """Fetches the ceilings and delivers the reports now.

        Raises:
            AcruxError: something of it failed; what was known stays.
        """
        for client in tuple(self._conversations.clients):
            self._hold(self._conversations.refresh_ceiling(client))
        while len(self._conversations.reports):
            self._hold(self._conversations.send_reports())

    def start(self) -> None:
        """Begins to refresh beside the callers; `decide` does it too. After a fork it begins again in the child."""
        if self._refresher_process == os.getpid():
            return
        with self._lock:
            if self._refresher_process == os.getpid() or self._stop.is_set():
                return
            self._refresher_process = os.getpid()
            self._refresher = threading.Thread(target=self._keep_fresh, name="acrux-client", daemon=True)
            self._refresher.start()

    def close(self) -> None:
        """Stops refreshing, tries once more to deliver the reports, and closes the connections."""
        self._stop.set()
        if self._refresher is not None and self._refresher_process == os.getpid():
            self._refresher.join()
        if len(self._conversations.reports) and not self._http.is_closed:
            self._hold(self._conversations.deliver())
        self._conversations.reports.close()
        self._http.close()

    def _keep_fresh(self) -> None:
        while True:
            for conversation in self._conversations.due(self._interval_seconds):
                self._hold(conversation, max(self._timeout_seconds, UNHURRIED_SECONDS))
                if self._stop.is_set():
                    return
            if self._stop.wait(min(TICK_SECONDS, self._interval_seconds)):
                return

    def _hold(self, conversation: Conversation[_T], timeout_seconds: float | None = None) -> _T:
        deadline_seconds = time.monotonic() + (timeout_seconds or self._timeout_seconds)
        try:
            call = next(conversation)
            while True:
                call = conversation.send(self._make(call, deadline_seconds))
        except StopIteration as end:
            found: _T = end.value
            return found

    def _make(self, call: Call, deadline_seconds: float) -> Reply:
        request = self._http.build_request(call.method, call.path, content=call.content(), headers=headers_of(call))
        request.extensions = {**request.extensions, "timeout": _Remaining(deadline_seconds)}
        if time.monotonic() >= deadline_seconds:
            return Unreached("timed out")
        try:
            with hurried(deadline_seconds):
                response = self._http.send(request)
        except httpx.RequestError as error:
            return failed(error)
        return Answered(response.status_code, response.content)
