"""`POST /v1/decisions` as plain ASGI, in front of FastAPI: bytes in, one pass, bytes out. No decision is made here."""

import hashlib
from time import perf_counter
from typing import Final
from urllib.parse import unquote

from acrux.decisionlog.recorder import Caller
from acrux.http.authentication import RELYING_PARTIES, authenticate, require_client
from acrux.http.calls import query_pointer, require_policy
from acrux.http.deciding import Retries, build_facts, decide_built, log_and_answer, login_of
from acrux.http.envelope import (
    JSON,
    NO_STORE,
    Disconnected,
    Receive,
    Scope,
    Send,
    check_length,
    check_media_type,
    problem_headers,
    read_body,
    send_answer,
    valid_request_id,
)
from acrux.http.idempotency import Retried, key_hash
from acrux.http.problems import Code, Problem, field_problem, from_invalid
from acrux.policy.request import RequestInvalid, parse_request
from acrux.wiring.services import Services, Token

OPERATION: Final = "decide"


class DecideRoute:
    """The one route that every login waits for."""

    __slots__ = ("_retried", "_services")

    def __init__(self, services: Services, retried: Retried) -> None:
        self._services = services
        self._retried = retried

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; whatever is wrong with it is answered as a problem."""
        started_at_seconds = perf_counter()
        services = self._services
        headers = dict(scope["headers"])
        sent_id = headers.get(b"x-request-id")
        request_id = sent_id.decode() if sent_id is not None and valid_request_id(sent_id) else services.new_id()
        status, lines = 200, [JSON, NO_STORE, (b"x-request-id", request_id.encode())]
        try:
            body = await self._decide(scope, headers, receive, request_id)
        except Disconnected:
            return
        except Problem as problem:
            status, body = problem.status, problem.body(request_id)
            lines[0:1] = problem_headers(problem, services.settings.retry_after_seconds)
            services.metrics.problems[problem.code] += 1
        except Exception:
            defect = Problem(Code.DEFECT)
            lines[0:1] = problem_headers(defect, services.settings.retry_after_seconds)
            await send_answer(send, defect.status, lines, defect.body(request_id))
            raise
        services.metrics.requests[OPERATION, status] += 1
        services.metrics.observe_decide(perf_counter() - started_at_seconds)
        await send_answer(send, status, lines, body)

    async def _decide(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, request_id: str) -> bytes:
        services = self._services
        token = await authenticate(services, headers.get(b"authorization"), RELYING_PARTIES)
        if scope["query_string"]:
            name, _, _ = scope["query_string"].partition(b"&")[0].partition(b"=")
            pointer = query_pointer(unquote(name.decode("ascii", "replace")))
            raise field_problem(pointer, "unknown query parameter")
        check_length(headers.get(b"content-length"))
        check_media_type(headers.get(b"content-type"))
        body = await read_body(receive)
        key = headers.get(b"idempotency-key")
        if key is None:
            return await self._decide_once(body, token, request_id, None)
        retries = Retries(key_hash(token, OPERATION, key), hashlib.sha256(body).digest())
        async with self._retried.answer(retries) as known:
            return known if known is not None else await self._decide_once(body, token, request_id, retries)

    async def _decide_once(self, body: bytes, token: Token, request_id: str, retries: Retries | None) -> bytes:
        services = self._services
        decider = require_policy(services)
        try:
            request = parse_request(body)
        except RequestInvalid as invalid:
            raise from_invalid(invalid) from None
        now = services.clock()
        built = build_facts(decider, request, now)
        # Before deciding: what a set says of a client is nobody else's business.
        require_client(token, str(built.facts.values["client.id"]))
        decision = decide_built(decider, built, now)
        services.metrics.ignored_attributes_count += built.ignored_attributes
        return await log_and_answer(
            services,
            decision,
            built.facts,
            login_of(decider, built, request, decision),
            Caller(request_id, request.correlation_id, token.id),
            retries,
        )
