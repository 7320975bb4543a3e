"""Findings as values, and reading what a provider says of itself without trusting its form. No fetching."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from acrux.domain.facts import Json

_SHOWN: Final = 8
_LONGEST: Final = 80


class Grade(StrEnum):
    """How good a finding is. `error`: something of the policy can't be enforced, or no login can work."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: its name, stable, for programs.
        grade: how it is.
        message: what was found, in plain words.
        mend: what to do, or ''.
    """

    check: str
    grade: Grade
    message: str
    mend: str = ""


def listed(document: Mapping[str, Json], member: str) -> tuple[str, ...] | None:
    """The texts in a member of a document; None where it has no such list."""
    value = document.get(member)
    if not isinstance(value, list):
        return None
    return tuple(item for item in value if isinstance(item, str))


def shown(words: Iterable[str]) -> str:
    """Words for a sentence, a few of them: a provider's list may have any length."""
    every = tuple(words)
    cut = [word if len(word) <= _LONGEST else word[:_LONGEST] + "..." for word in every[:_SHOWN]]
    more = len(every) - len(cut)
    return ", ".join(f"`{word}`" for word in cut) + (f" and {more} more" if more else "")
