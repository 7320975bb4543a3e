"""Questions to the shared database that a login must not wait for: short, few at a time, given up while it is away."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from acrux.storage.database import DatabaseUnavailable
from acrux.wiring.services import Services

TIMEOUT_SECONDS: Final = 0.5
"""A database that answers later than this is as good as away: the login's own time-out is not much longer."""
REST_SECONDS: Final = 2.0
"""How long a database that was away is left alone."""
THREADS: Final = 8
_Found = TypeVar("_Found")


class Away(Exception):  # noqa: N818 - a state, and every caller has a way to go on
    """The shared database can't be asked at the moment: what holds per node must do."""


class SharedLookups:
    """Asks the shared database in a few threads of its own, and stops asking for a while when it is away.

    INVARIANT (a lost database costs nothing): while it is away, at most one question in `REST_SECONDS` waits for it.
    """

    __slots__ = ("_pool", "_rest_until_seconds", "_services")

    def __init__(self, services: Services) -> None:
        self._services = services
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="shared")
        self._rest_until_seconds = float("-inf")

    async def ask(self, question: Callable[[], _Found], *, timeout_seconds: float = TIMEOUT_SECONDS) -> _Found:
        """What a blocking question finds.

        Raises:
            Away: nothing was found out.
        """
        loop = asyncio.get_running_loop()
        if loop.time() < self._rest_until_seconds:
            self._services.metrics.unshared_lookups_count += 1
            raise Away
        try:
            async with asyncio.timeout(timeout_seconds):
                return await loop.run_in_executor(self._pool, question)
        except (DatabaseUnavailable, TimeoutError) as failure:
            self._rest_until_seconds = loop.time() + REST_SECONDS
            self._services.metrics.unshared_lookups_count += 1
            raise Away from failure
