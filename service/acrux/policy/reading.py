"""Typed reading of YAML nodes: what a scalar is, its place says. Every fault becomes a diagnostic; no policy words."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Final, Generic, TypeVar

import acrux.policy.times as times_of_text
from acrux.policy import codes
from acrux.policy.codes import Code
from acrux.policy.diagnostics import Diagnostic, Related, Severity, Span
from acrux.policy.document import Entry, MappingNode, Node, Scalar, SequenceNode
from acrux.policy.suggestions import closest

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

BOOLEANS: Final = {"true": True, "false": False}
_YAML_BOOLEANS: Final = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
MAX_TEXT: Final = 4096
# C0 but for the tab and the line feed, DEL, C1.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Written(Generic[T]):
    """A value and where it is written: a scalar, whose inner place is worked out when it is asked for."""

    value: T
    place: Scalar | Span

    @property
    def span(self) -> Span:
        """The characters of the value."""
        return self.place if isinstance(self.place, Span) else inner_place(self.place)


@dataclass(slots=True)
class Findings:
    """All that is wrong with a set, as it is found.

    Attributes:
        diagnostics: errors and warnings.
        error_count: how many errors were noted by checks, those of YAML aside.
    """

    diagnostics: list[Diagnostic] = field(default_factory=list)
    error_count: int = 0

    def add(
        self, code: Code, span: Span, message: str, *, mend: str | None = None, related: Iterable[Related] = ()
    ) -> None:
        """Note a mistake; `mend` is its help."""
        self.diagnostics.append(code.at(span, message, help=mend, related=tuple(related)))
        self.error_count += code.severity is Severity.ERROR


def inner_place(scalar: Scalar) -> Span:
    """Where a scalar's text stands: without its quotes, or the `|` or `>` above it, or the blanks around it."""
    text = scalar.value.strip()
    if scalar.style == "plain" or not text:
        return scalar.span
    start = scalar.value.index(text)
    return scalar.part(start, start + len(text))


def first_place(node: MappingNode) -> Span:
    """Where a missing key is shown: at the first key of its mapping, or at the empty mapping itself."""
    return node.entries[0].key.span if node.entries else node.span


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """The help for an unknown word: the closest that there is, or None."""
    close = closest(word, candidates)
    return None if close is None else f"did you mean `{close}`?"


def kind_of(node: Node) -> str:
    """What a node is, in words."""
    match node:
        case MappingNode():
            return "a mapping"
        case SequenceNode():
            return "a list"
        case Scalar(value=""):
            return "nothing"
        case Scalar():
            return "text"


def is_empty(node: Node) -> bool:
    """Whether nothing is written after a key: `tags:`."""
    return isinstance(node, Scalar) and node.value == "" and node.start == node.end


class Reader:
    """Reads nodes as the types of the language; a fault is noted, and None is the answer."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings

    def _wrong_kind(self, node: Node, name: str, wanted: str) -> None:
        if is_empty(node):
            self.findings.add(codes.EMPTY_VALUE, node.span, f"`{name}` has no value", mend=f"it takes {wanted}")
        else:
            self.findings.add(codes.WRONG_KIND, node.span, f"expected {wanted}, found {kind_of(node)}")

    def scalar(self, node: Node, name: str, wanted: str = "text") -> Scalar | None:
        """A scalar that is not empty."""
        if isinstance(node, Scalar) and node.value.strip():
            return node
        if isinstance(node, Scalar) and not is_empty(node):
            self.findings.add(codes.EMPTY_VALUE, node.span, f"`{name}` is blank", mend=f"it takes {wanted}")
            return None
        self._wrong_kind(node, name, wanted)
        return None

    def mapping(self, node: Node, name: str) -> MappingNode | None:
        """A mapping."""
        if isinstance(node, MappingNode):
            return node
        self._wrong_kind(node, name, "a mapping")
        return None

    def sequence(self, node: Node, name: str) -> SequenceNode | None:
        """A list."""
        if isinstance(node, SequenceNode):
            return node
        self._wrong_kind(node, name, "a list")
        return None

    def text(self, node: Node, name: str, most: int = MAX_TEXT) -> Written[str] | None:
        """A text without control characters; line breaks are fine, blanks around it are dropped."""
        scalar = self.scalar(node, name)
        if scalar is None:
            return None
        fault = text_fault(scalar.value, most)
        if fault is not None:
            self.findings.add(codes.OUT_OF_BOUNDS, inner_place(scalar), f"`{name}` {fault}")
            return None
        return Written(scalar.value.strip(), scalar)

    def texts(self, node: Node, name: str) -> tuple[Written[str], ...]:
        """A list of texts."""
        items = self.sequence(node, name)
        found = () if items is None else (self.text(item, name) for item in items.items)
        return tuple(item for item in found if item is not None)

    def boolean(self, node: Node, name: str) -> Written[bool] | None:
        """`true` or `false`; nothing else is a boolean."""
        scalar = self.scalar(node, name, "`true` or `false`")
        if scalar is None:
            return None
        if scalar.value in BOOLEANS:
            return Written(BOOLEANS[scalar.value], scalar)
        meant = _YAML_BOOLEANS.get(scalar.value.lower()) or closest(scalar.value, BOOLEANS)
        mend = f"write `{meant}`" if meant else "it takes `true` or `false`"
        self.findings.add(codes.BAD_BOOLEAN, inner_place(scalar), f"`{scalar.value}` is no boolean", mend=mend)
        return None

    def choice(self, node: Node, name: str, options: type[E]) -> Written[E] | None:
        """One of the words of an enumeration."""
        listed = [f"`{option}`" for option in options]
        wanted = ", ".join(listed[:-1]) + " or " + listed[-1]
        scalar = self.scalar(node, name, wanted)
        if scalar is None:
            return None
        try:
            return Written(options(scalar.value), scalar)
        except ValueError:
            mend = did_you_mean(scalar.value, list(options)) or f"it takes {wanted}"
            self.findings.add(codes.BAD_CHOICE, inner_place(scalar), f"`{name}` can't be `{scalar.value}`", mend=mend)
            return None

    def parsed(
        self, node: Node, name: str, parse: Callable[[str], T | None], code: Code, noun: str, mend: str
    ) -> Written[T] | None:
        """A scalar that a function reads, or a diagnostic of that code."""
        scalar = self.scalar(node, name, noun)
        if scalar is None:
            return None
        value = parse(scalar.value)
        if value is None:
            self.findings.add(code, inner_place(scalar), f"`{scalar.value}` is not {noun}", mend=mend)
            return None
        return Written(value, scalar)

    def duration(self, node: Node, name: str) -> Written[int] | None:
        """Seconds, written as `12h` or `1h30m`."""
        mend = "write numbers with `d`, `h`, `m` or `s`, for example `8h` or `1h30m`"
        return self.parsed(node, name, times_of_text.parse_duration, codes.BAD_DURATION, "a duration", mend)

    def date(self, node: Node, name: str) -> Written[date] | None:
        """A day, written as `2026-12-31`."""
        mend = "write a day that exists as year, month and day, for example `2026-12-31`"
        return self.parsed(node, name, times_of_text.parse_date, codes.BAD_DATE, "a date", mend)

    def timestamp(self, node: Node, name: str) -> Written[datetime] | None:
        """A moment with its zone, written as `2026-11-01T00:00:00Z`."""
        mend = "write date, `T`, time and zone (RFC 3339), for example `2026-11-01T00:00:00Z`"
        return self.parsed(node, name, times_of_text.parse_timestamp, codes.BAD_TIMESTAMP, "a timestamp", mend)


def text_fault(text: str, most: int) -> str | None:
    """What keeps a text from being printed in answers and logs, or None."""
    if len(text) > most:
        return f"is longer than {most} characters"
    if not text.isprintable() and _CONTROL.search(text):
        return "has a control character"
    return None


@dataclass(frozen=True, slots=True)
class Shape:
    """The keys of a kind of mapping.

    Attributes:
        noun: what it is, for messages: `a rule`.
        keys: every key that it may have.
        required: those that it must have.
    """

    noun: str
    keys: tuple[str, ...]
    required: tuple[str, ...] = ()


class Block:
    """One mapping of a known shape, read key by key."""

    def __init__(self, node: MappingNode, shape: Shape, reader: Reader) -> None:
        """Look at the keys at once: an unknown or a missing one is noted here."""
        self.node = node
        self.first = first_place(node)
        self._reader = reader
        self._entries: Mapping[str, Node] = {entry.key.value: entry.value for entry in node.entries}
        unknown = [entry for entry in node.entries if entry.key.value not in shape.keys]
        self._after_comma = _after_comma(node, unknown)
        missing = [key for key in shape.required if key not in self._entries]
        mistaken: set[str | None] = set()
        for entry in unknown:
            key = entry.key
            before = self._after_comma.get(key.value)
            if before in self._after_comma:
                continue  # the same text, cut by its second comma
            unused = [known for known in shape.keys if known not in self._entries]
            close = closest(key.value, unused)
            mistaken.add(close)
            mend = f"did you mean `{close}`?" if close else f"{shape.noun} takes {_listed(shape.keys)}"
            if before is not None:
                mend = f"inside brackets a comma ends a value: if this belongs to `{before}`, quote the whole"
            reader.findings.add(codes.UNKNOWN_KEY, key.span, f"unknown key `{key.value}` in {shape.noun}", mend=mend)
        # A misspelt key is one mistake: what it was meant to be is not missing as well.
        for name in missing:
            if name not in mistaken:
                mend = f"{shape.noun} needs {_listed(shape.required)}"
                reader.findings.add(codes.MISSING_KEY, self.first, f"`{name}` is missing", mend=mend)

        self._mistaken = mistaken

    def misspells(self, *names: str) -> bool:
        """Whether an unknown key was probably meant to be one of these."""
        return not self._mistaken.isdisjoint(names)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def node_of(self, name: str) -> Node | None:
        """The value of a key as it stands."""
        return self._entries.get(name)

    def _read(self, name: str, read: Callable[[Node, str], T | None]) -> T | None:
        node = self._entries.get(name)
        return None if node is None else read(node, name)

    def expression(self, name: str) -> Scalar | None:
        """A scalar with its inner places; None too where a comma has cut it in two, which is noted already."""
        node = self._entries.get(name)
        if node is None or name in self._after_comma.values():
            return None
        return self._reader.scalar(node, name, "a CEL expression")

    def number(self, name: str) -> Scalar | None:
        """A scalar that should be a number."""
        node = self._entries.get(name)
        return None if node is None else self._reader.scalar(node, name, "a number")

    def text(self, name: str) -> Written[str] | None:
        """A text."""
        return self._read(name, self._reader.text)

    def words(self, name: str) -> str:
        """A text where only its words matter; empty if there is none."""
        found = self.text(name)
        return "" if found is None else found.value

    def texts(self, name: str) -> tuple[Written[str], ...]:
        """A list of texts; empty if there is none."""
        return self._read(name, self._reader.texts) or ()

    def boolean(self, name: str) -> Written[bool] | None:
        """A boolean."""
        return self._read(name, self._reader.boolean)

    def choice(self, name: str, options: type[E]) -> Written[E] | None:
        """One of several words."""
        node = self._entries.get(name)
        return None if node is None else self._reader.choice(node, name, options)

    def duration(self, name: str) -> Written[int] | None:
        """A duration in seconds."""
        return self._read(name, self._reader.duration)

    def date(self, name: str) -> Written[date] | None:
        """A day."""
        return self._read(name, self._reader.date)

    def timestamp(self, name: str) -> Written[datetime] | None:
        """A moment in UTC."""
        return self._read(name, self._reader.timestamp)

    def block(self, name: str, shape: Shape) -> "Block | None":
        """A mapping inside."""
        node = self._read(name, self._reader.mapping)
        return None if node is None else Block(node, shape, self._reader)

    def blocks(self, name: str, shape: Shape) -> "Iterator[Block]":
        """The mappings of a list inside."""
        items = self._read(name, self._reader.sequence)
        for item in () if items is None else items.items:
            node = self._reader.mapping(item, name)
            if node is not None:
                yield Block(node, shape, self._reader)


def _after_comma(node: MappingNode, unknown: Iterable[Entry]) -> dict[str, str]:
    """The unknown keys that no colon follows, each with the key before it, whose value it probably is a part of.

    Such is `t == "a")` in `{when: x.exists(t, t == "a")}`.
    """
    cut = {entry.key.value for entry in unknown if is_empty(entry.value) and entry.value.start == entry.key.end}
    if not cut:
        return {}
    return {entry.key.value: before.key.value for before, entry in pairwise(node.entries) if entry.key.value in cut}


def _listed(names: tuple[str, ...]) -> str:
    quoted = [f"`{name}`" for name in names]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + " and " + quoted[-1]
