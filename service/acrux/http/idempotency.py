"""`Idempotency-Key`: a retry has the first answer. On its node at once, on every node once shipped. Decides nothing."""

import hashlib
import hmac
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from acrux.decisionlog.errors import LockTimeout, LogUnavailable
from acrux.decisionlog.node import StoredAnswer
from acrux.decisionlog.records import Receipt, microseconds
from acrux.domain.identifiers import StreamId
from acrux.http.deciding import Retries, with_receipt
from acrux.http.problems import Code, Problem, field_problem
from acrux.http.shared import Away, SharedLookups
from acrux.storage import idempotency
from acrux.wiring.services import Services, Token

KEY_PATTERN: Final = r"^[\x21-\x7e]([\x20-\x7e]{0,126}[\x21-\x7e])?$"
_KEY: Final = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?")


def key_hash(token: Token, operation: str, key: bytes) -> bytes:
    """The hash under which an answer is kept: scoped to the token and the route.

    Raises:
        Problem: `invalid_request`: the key is empty, too long or not printable ASCII.
    """
    if _KEY.fullmatch(key) is None:
        raise field_problem("/header/Idempotency-Key", "1 to 128 printable ASCII characters")
    return hashlib.sha256(b"\n".join((token.id.encode(), operation.encode(), key))).digest()


class Retried:
    """Finds the answers that keys already have."""

    __slots__ = ("_services", "_shared")

    def __init__(self, services: Services, shared: SharedLookups) -> None:
        self._services = services
        self._shared = shared

    @asynccontextmanager
    async def answer(self, retries: Retries) -> AsyncIterator[bytes | None]:
        """The answer that the key has, or None: then it is the caller's to make, and no other request of the node can.

        Raises:
            Problem: `idempotency_conflict`, `log_unavailable`.
        """
        try:
            async with self._services.node.locked("idempotency", retries.key_hash):
                found = await self._find(retries)
                yield None if found is None else with_receipt(found.answer, found.receipt)
        except (LockTimeout, LogUnavailable, OSError) as failure:
            # Deciding anew could give the retry another decision than the first answer.
            raise Problem(
                Code.LOG_UNAVAILABLE,
                "the answer that the key may have can't be looked up",
                fallback=self._services.settings.on_log_failure,
            ) from failure

    async def _find(self, retries: Retries) -> StoredAnswer | None:
        now_us = microseconds(self._services.clock())
        found = self._services.node.find_answer(retries.key_hash, now_us=now_us)
        if found is None:
            found = await self._find_shared(retries, now_us)
        if found is not None and not hmac.compare_digest(found.request_hash, retries.request_hash):
            raise Problem(Code.IDEMPOTENCY_CONFLICT, "the key was used with another body")
        return found

    async def _find_shared(self, retries: Retries, now_us: int) -> StoredAnswer | None:
        """What another node has answered, once it is shipped; while the database is away, nothing."""
        database = self._services.database
        try:
            row = await self._shared.ask(
                lambda: database.read(
                    lambda transaction: idempotency.find(transaction, retries.key_hash, now_us=now_us)
                )
            )
        except Away:
            return None
        if row is None:
            return None
        receipt = Receipt(StreamId(row.stream), row.sequence, row.leaf_hash.hex())
        return StoredAnswer(row.request_hash, row.expires_at_us, row.answer, receipt)
