"""What a listing of decisions is filtered by: from the words of a URL or a command line to conditions. No I/O."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from acrux.decisionlog.errors import FilterInvalid
from acrux.decisionlog.records import microseconds
from acrux.domain.decision import Verdict
from acrux.storage.records import Conditions, Term

NO_OUTCOME: Final = "none"
"""The verdict of a decision whose login never came back."""
_MAX_VALUE_CHARACTERS: Final = 512
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_BOOLEANS: Final = {"true": True, "false": False}
KINDS: Final = ("decision", "fallback")
"""What Acrux decided, and what callers decided in an outage and reported."""
CHOICES: Final = ("client", "app", "level", "rule", "zone", "verdict", "user", "revision", "kind")
"""The filters that take a value, or `!` and a value."""
PARAMETERS: Final = (*CHOICES, "shadow_differs", "from", "to")


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that must fit, or must not.

    Attributes:
        value: the value.
        excluded: whether it must not.
    """

    value: str
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class Filters:
    """Which decisions a listing holds (http-api.md, "Look up"). All must fit.

    Attributes:
        choices: the values by filter name (see `CHOICES`).
        shadow_differs: whether the shadow level must, or must not, differ; None for either.
        from_at: the earliest time of a decision, inclusive.
        to_at: the end of the time, exclusive.
    """

    choices: Mapping[str, Choice]
    shadow_differs: bool | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None

    @classmethod
    def parse(cls, parameters: Mapping[str, str]) -> "Filters":
        """The filters of a listing by name, as in its URL.

        Raises:
            FilterInvalid: a name is unknown or a value makes no sense.
        """
        for name in parameters:
            if name not in PARAMETERS:
                raise FilterInvalid(name, "no such filter")
        shadow = parameters.get("shadow_differs")
        if shadow is not None and shadow not in _BOOLEANS:
            raise FilterInvalid("shadow_differs", "`true` or `false`")
        return cls(
            choices={name: _choice(name, parameters[name]) for name in CHOICES if name in parameters},
            shadow_differs=None if shadow is None else _BOOLEANS[shadow],
            from_at=_time("from", parameters.get("from")),
            to_at=_time("to", parameters.get("to")),
        )

    def digest(self) -> bytes:
        """A hash that two filters share only if they are the same: cursors are bound to it."""
        return hashlib.sha256(
            repr((sorted(self.choices.items()), self.shadow_differs, self.from_at, self.to_at)).encode()
        ).digest()

    def conditions(self, pseudonyms: Callable[[str], tuple[str, ...]]) -> Conditions:
        """The same for the database; `pseudonyms` are what a user may be stored as."""
        terms: list[Term] = []
        has_outcome: bool | None = None
        kinds = set(KINDS)
        for name, choice in self.choices.items():
            match name:
                case "user":
                    terms.append(Term("user_hmac", pseudonyms(choice.value), choice.excluded))
                case "verdict" if choice.value == NO_OUTCOME:
                    has_outcome = choice.excluded
                case "kind":
                    kinds = kinds - {choice.value} if choice.excluded else {choice.value}
                case _:
                    terms.append(Term(name, (choice.value,), choice.excluded))
        return Conditions(
            terms=tuple(terms),
            has_outcome=has_outcome,
            shadow_differs=self.shadow_differs,
            from_us=None if self.from_at is None else microseconds(self.from_at),
            to_us=None if self.to_at is None else microseconds(self.to_at),
            decisions="decision" in kinds,
            fallbacks="fallback" in kinds,
        )


def _choice(name: str, text: str) -> Choice:
    excluded = text.startswith("!")
    value = text[1:] if excluded else text
    if not value:
        raise FilterInvalid(name, "a value is missing")
    if len(value) > _MAX_VALUE_CHARACTERS:
        raise FilterInvalid(name, f"longer than {_MAX_VALUE_CHARACTERS} characters")
    if _UNPRINTABLE.search(value):
        raise FilterInvalid(name, "control characters are not allowed")
    if name == "verdict" and value != NO_OUTCOME and value not in set(Verdict):
        raise FilterInvalid(name, f"one of {', '.join(Verdict)} or {NO_OUTCOME}")
    if name == "kind" and value not in KINDS:
        raise FilterInvalid(name, f"one of {', '.join(KINDS)}")
    return Choice(value, excluded)


def _time(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        # A day alone begins at midnight, UTC; a time of day alone says too little.
        at = at.replace(tzinfo=UTC) if at.tzinfo is None and "T" not in text.upper() and " " not in text else at
        if at.tzinfo is None:
            raise FilterInvalid(name, "a time needs its zone, such as `Z`")
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise FilterInvalid(name, "no time: write it as `2026-11-24T08:00:00Z` or `2026-11-24`") from None
