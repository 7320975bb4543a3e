"""What every check needs: where to note a mistake, what names there are, and which may stand in an unreadable file."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from acrux.domain.identifiers import LevelName
from acrux.domain.ladder import DENY, AssuranceLadder
from acrux.policy import codes
from acrux.policy.codes import Code
from acrux.policy.diagnostics import Related, Span
from acrux.policy.document import Scalar, SourceFile
from acrux.policy.model import Place
from acrux.policy.reading import Findings, Reader, Written, did_you_mean
from acrux.policy.sections import Sections

# Names stand in URLs, records, reports and rollout hashes: no blank, no slash, nothing that a shell minds.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NAME_HELP: Final = (
    "a name begins with a letter or digit and goes on with letters, digits, `.`, `_` and `-`, 128 characters at most"
)


TAGS: Final = "tags"
"""Stands among the broken sections where some client's tags could not be read."""


@dataclass(slots=True)
class CheckContext:
    """The state of one check of one set.

    Attributes:
        sections: the joined files.
        reader: reads nodes and notes faults.
        sources: the text of every file.
        unread: the texts of the files that could not be read: what stands there may be defined there.
        now: the time for what depends on it; None leaves such checks out.
        ladder: None until it is read, and where there is none that can be used.
        rung_places: where each level of the ladder is written.
        max_age_places: where each `max_age` of a level above the lowest is written.
    """

    sections: Sections
    reader: Reader
    sources: Mapping[str, SourceFile]
    unread: tuple[str, ...]
    now: datetime | None
    ladder: AssuranceLadder | None = None
    rung_places: dict[str, Span] = field(default_factory=dict)
    max_age_places: list[Span] = field(default_factory=list)

    @property
    def findings(self) -> Findings:
        """Where mistakes are noted."""
        return self.reader.findings

    def place(self, span: Span) -> Place:
        """A span for people."""
        line, column = self.sources[span.file].position(span.start)
        return Place(span.file, line, column)

    def may_exist(self, section: str, name: str) -> bool:
        """Whether a name that is not known may be defined where nothing could be read: then silence is right."""
        broken = self.sections.broken
        if section in broken or (section == TAGS and "clients" in broken):
            return True
        return any(name in text for text in self.unread)

    def unknown(self, code: Code, section: str, word: Written[str], noun: str, known: Iterable[str]) -> None:
        """Note an unknown name of a section, with the closest that there is."""
        if not self.may_exist(section, word.value):
            self.findings.add(
                code,
                word.span,
                f"unknown {noun} `{word.value}`",
                mend=did_you_mean(word.value, known) or _listing(known),
            )

    def level(self, word: Written[str] | None, *, or_deny: bool = False) -> LevelName | None:
        """A level of the ladder, or `deny` where that may stand; an unknown one is noted."""
        if word is None or self.ladder is None:
            return None
        if word.value in self.ladder or (or_deny and word.value == DENY):
            return LevelName(word.value)
        if word.value == DENY:
            mend = "it takes a level of the ladder"
            self.findings.add(codes.UNKNOWN_LEVEL, word.span, "`deny` is no level", mend=mend)
            return None
        known = [*self.ladder.levels, *([DENY] if or_deny else [])]
        self.unknown(codes.UNKNOWN_LEVEL, "ladder", word, "level", known)
        return None

    def name(self, key: Scalar, noun: str, reserved: Iterable[str] = ()) -> bool:
        """Whether a key or id may be a name; if not, that is noted."""
        return self.check_name(Written(key.value, key), noun, reserved)

    def check_name(self, word: Written[str], noun: str, reserved: Iterable[str] = ()) -> bool:
        """As `name`, for a text that has been read."""
        if word.value in reserved:
            self.findings.add(
                codes.RESERVED_NAME, word.span, f"`{word.value}` is reserved", mend=f"choose another name for {noun}"
            )
            return False
        if not _NAME.fullmatch(word.value):
            self.findings.add(codes.BAD_NAME, word.span, f"`{word.value}` can't be the name of {noun}", mend=_NAME_HELP)
            return False
        return True


@dataclass(slots=True)
class Ids:
    """The ids of one kind of entry: each once in a set."""

    context: CheckContext
    noun: str
    first: dict[str, Written[str]] = field(default_factory=dict)

    def take(self, word: Written[str] | None) -> str | None:
        """The id if it is a name and new; else that is noted."""
        if word is None or not self.context.check_name(word, self.noun):
            return None
        first = self.first.setdefault(word.value, word)
        if first is not word:
            self.context.findings.add(
                codes.DUPLICATE_ID,
                word.span,
                f"the id `{word.value}` is taken",
                mend=f"{self.noun} has an id of its own",
                related=[Related(first.span, "first here")],
            )
            return None
        return word.value


def _listing(known: Iterable[str]) -> str | None:
    """What there is, where that is few enough to say."""
    names = sorted(set(known))
    return "there is " + ", ".join(f"`{name}`" for name in names) if 0 < len(names) <= 8 else None  # noqa: PLR2004 - a line
