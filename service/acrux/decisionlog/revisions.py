"""The policy sets that ever decided, kept by revision. What is in them is not looked at here."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson

from acrux.decisionlog.records import canonical, from_microseconds, microseconds
from acrux.domain.identifiers import Revision
from acrux.storage import revisions
from acrux.storage.database import Database


@dataclass(frozen=True, slots=True)
class KeptRevision:
    """A set that is kept.

    Attributes:
        revision: its revision.
        first_at: when it was first active.
    """

    revision: Revision
    first_at: datetime


def keep_revision(database: Database, revision: str, files: Mapping[str, bytes], at: datetime) -> None:
    """Keep a set's files under its revision; one that is kept stays as it is.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    content = canonical({path: base64.b64encode(text).decode() for path, text in files.items()})
    database.write(
        lambda transaction: revisions.insert(
            transaction, revision=revision, content=content, first_at_us=microseconds(at)
        )
    )


def load_revision(database: Database, revision: str) -> dict[str, bytes] | None:
    """The files of a set by path, or None for a revision that never decided.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    content = database.read(lambda transaction: revisions.find(transaction, revision))
    if content is None:
        return None
    return {path: base64.b64decode(text) for path, text in orjson.loads(content).items()}


def list_revisions(database: Database, limit: int = 500) -> tuple[KeptRevision, ...]:
    """The sets that were active, the newest first.

    Raises:
        DatabaseUnavailable: the database is away.
    """
    found = database.read(lambda transaction: revisions.newest(transaction, limit))
    return tuple(KeptRevision(Revision(revision), from_microseconds(at_us)) for revision, at_us in found)
