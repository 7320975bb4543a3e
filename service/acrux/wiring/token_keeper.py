"""Keeps the tokens that work: read from the database, cached on disk. It authenticates nobody."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from acrux.domain.identifiers import ClientName
from acrux.storage.database import DatabaseUnavailable
from acrux.wiring.services import Role, Token

_log: Final = logging.getLogger(__name__)
_NAME: Final = "tokens.json"


class TokenKeeper:
    """The tokens that work, by the SHA-256 digest of their text.

    Args:
        state: the state directory; the cache in it holds hashes, never a token.
        read: reads the tokens from the database; blocking; raises `DatabaseUnavailable`.
    """

    __slots__ = ("_path", "_reachable", "_read", "tokens")

    def __init__(self, state: Path, read: Callable[[], Mapping[bytes, Token]]) -> None:
        self._path = state / _NAME
        self._read = read
        self._reachable = True
        self.tokens: Mapping[bytes, Token] = _recall(self._path)

    async def refresh(self) -> bool:
        """Reads the tokens anew; True when they are others now. While the database is away the known ones stay.

        Raises:
            DatabaseUnavailable: they could not be read.
        """
        tokens = await asyncio.to_thread(self._read)
        if tokens == self.tokens:
            return False
        self.tokens = tokens
        await asyncio.to_thread(_keep, self._path, tokens)
        return True

    async def try_refresh(self) -> bool:
        """`refresh` for a timer: an unreachable database is said once, and again when it is back."""
        try:
            changed = await self.refresh()
        except DatabaseUnavailable as away:
            if self._reachable:
                _log.warning("tokens can't be read, the known ones stay: %s", away)
            self._reachable = False
            return False
        if not self._reachable:
            _log.info("tokens can be read again")
        self._reachable = True
        return changed


def _keep(path: Path, tokens: Mapping[bytes, Token]) -> None:
    rows = [
        {
            "digest": digest.hex(),
            "id": token.id,
            "role": token.role.value,
            "clients": sorted(token.clients),
            "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
        }
        for digest, token in sorted(tokens.items())
    ]
    aside = path.with_suffix(".new")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        json.dump(rows, out)
        out.flush()
        os.fsync(out.fileno())
    aside.replace(path)


def _recall(path: Path) -> Mapping[bytes, Token]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {bytes.fromhex(row["digest"]): _token(row) for row in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _token(row: Mapping[str, Any]) -> Token:
    ends = row["expires_at"]
    return Token(
        id=row["id"],
        role=Role(row["role"]),
        clients=frozenset(ClientName(name) for name in row["clients"]),
        expires_at=None if ends is None else datetime.fromisoformat(ends).astimezone(UTC),
    )
