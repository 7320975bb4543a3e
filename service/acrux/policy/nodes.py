"""The YAML tree of a policy file: scalars, mappings, sequences that know their place. No parsing, no policy words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from acrux.policy.diagnostics import Span
from acrux.policy.scalar_map import ScalarMap, Style, map_scalar
from acrux.policy.source import SourceFile


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text of the file; what type it has, its place in the policy language says.

    An empty value (`key:` with nothing after it) is a plain scalar `""` with an empty span just after the colon.

    Attributes:
        value: the text that it stands for, unquoted, unescaped, unfolded.
        start: code-point offset of its first character: an opening quote, or the `|` or `>` of a block scalar.
        end: code-point offset after its last visible character.
        style: how it is written.
        source: the file.
    """

    value: str
    start: int
    end: int
    style: Style
    source: SourceFile = field(repr=False, compare=False)

    @property
    def span(self) -> Span:
        """Where the scalar is written, quotes and header included."""
        return Span(self.source.path, self.start, self.end)

    def part(self, start: int, end: int) -> Span:
        """Where `value[start:end]` is written, in every style.

        A character that is escaped has the whole escape as its place; a folded space the line break it stands for. An
        empty part is an empty span before its character; at or after the last visible character, just after that.

        Args:
            start: code-point offset in `value`; kept within it.
            end: code-point offset in `value`, exclusive; kept within it.
        """
        start = max(0, min(start, len(self.value)))
        end = max(start, min(end, len(self.value)))
        if start == end:
            start = end = min(start, len(self.value.rstrip()))
        places = self._places()
        if places is None:
            return self.span
        if start < len(places.starts):
            first = places.starts[start]
        else:
            first = places.ends[-1] if places.ends else self._place_of_nothing()
        return Span(self.source.path, first, places.ends[end - 1] if end > start else first)

    def _place_of_nothing(self) -> int:
        """Where the text of an empty value would begin: after the opening quote, or after the header of a block."""
        return self.start + (0 if self.style == "plain" else 1)

    def _places(self) -> ScalarMap | None:
        cache = self.source.scalar_maps
        if self.start not in cache:
            places = map_scalar(self.source.text, self.start, self.end, self.style, self.value)
            if places is None:
                return None
            cache[self.start] = places
        return cache[self.start]


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a mapping, and its value."""

    key: Scalar
    value: "Node"


@dataclass(frozen=True, slots=True)
class MappingNode:
    """A mapping; its keys are scalars, each there once.

    Attributes:
        entries: in the order of the file.
        start: offset of its first key, or of its `{`.
        end: offset after its last value, or after its `}`.
        source: the file.
        by_name: the entries by the text of their key.
    """

    entries: tuple[Entry, ...]
    start: int
    end: int
    source: SourceFile = field(repr=False, compare=False)
    by_name: Mapping[str, Entry] = field(repr=False, compare=False)

    @property
    def span(self) -> Span:
        """From the first key or the brace to the end."""
        return Span(self.source.path, self.start, self.end)

    def get(self, name: str) -> Entry | None:
        """The entry with this key, or None."""
        return self.by_name.get(name)


@dataclass(frozen=True, slots=True)
class SequenceNode:
    """A list.

    Attributes:
        items: in the order of the file.
        start: offset of its first `-`, or of its `[`.
        end: offset after its last item, or after its `]`.
        source: the file.
    """

    items: "tuple[Node, ...]"
    start: int
    end: int
    source: SourceFile = field(repr=False, compare=False)

    @property
    def span(self) -> Span:
        """From the first dash or the bracket to the end."""
        return Span(self.source.path, self.start, self.end)


Node: TypeAlias = Scalar | MappingNode | SequenceNode
