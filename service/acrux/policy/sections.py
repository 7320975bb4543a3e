"""Joins the files of a set into sections: what is said twice is an error that shows both places. Reads no entry."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from acrux.policy import codes
from acrux.policy.diagnostics import Related
from acrux.policy.document import Entry, MappingNode, Node, Scalar
from acrux.policy.reading import Reader, Shape, first_place, inner_place, is_empty
from acrux.policy.suggestions import closest

VERSION: Final = "acrux/v1"
MAP_SECTIONS: Final = ("providers", "clients", "networks", "attributes", "defaults")
LIST_SECTIONS: Final = ("rules", "break_glass", "invariants", "tests")
FILE: Final = Shape("a policy file", ("version", "ladder", *MAP_SECTIONS, *LIST_SECTIONS), ("version",))


@dataclass(slots=True)
class Sections:
    """The joined content of every file that could be read.

    Attributes:
        roots: the mappings of the files, in order of their path.
        ladder: the one ladder's entry.
        maps: the entries of each section that is a mapping, from every file.
        lists: the items of each section that is a list, from every file.
        broken: the sections that could not be read as a whole; nothing may be called unknown because of them.
    """

    roots: tuple[MappingNode, ...]
    ladder: Entry | None = None
    maps: dict[str, dict[str, Entry]] = field(default_factory=lambda: {name: {} for name in MAP_SECTIONS})
    lists: dict[str, list[Node]] = field(default_factory=lambda: {name: [] for name in LIST_SECTIONS})
    broken: set[str] = field(default_factory=set)

    def holder_of(self, *names: str) -> MappingNode | None:
        """The first file that has one of these sections, in their order of preference; else the first file."""
        for name in names:
            for root in self.roots:
                if name in root.by_name:
                    return root
        return self.roots[0] if self.roots else None


def join_sections(roots: Iterable[MappingNode], reader: Reader) -> Sections:
    """Join the sections of all files, in the order given, which must be that of their paths."""
    sections = Sections(tuple(roots))
    for root in sections.roots:
        _check_root(root, sections, reader)
        for entry in root.entries:
            name = entry.key.value
            if name == "ladder":
                if sections.ladder is None:
                    sections.ladder = entry
                else:
                    _repeated(reader, entry.key, sections.ladder.key, "the ladder is given twice")
            elif name in MAP_SECTIONS:
                _join_map(sections, name, entry.value, reader)
            elif name in LIST_SECTIONS:
                _join_list(sections, name, entry.value, reader)
    return sections


def _check_root(root: MappingNode, sections: Sections, reader: Reader) -> None:
    keys = [entry.key for entry in root.entries]
    for key in keys:
        if key.value not in FILE.keys:
            unused = [name for name in FILE.keys if root.get(name) is None]
            close = closest(key.value, unused)
            if close is not None:
                sections.broken.add(close)
            mend = (
                f"did you mean `{close}`?" if close else "a policy file has " + ", ".join(f"`{k}`" for k in FILE.keys)
            )
            reader.findings.add(codes.UNKNOWN_KEY, key.span, f"unknown key `{key.value}` in a policy file", mend=mend)
    version = root.get("version")
    if version is None:
        if not any(closest(key.value, ["version"]) for key in keys if key.value not in FILE.keys):
            mend = f"every file begins with `version: {VERSION}`"
            reader.findings.add(codes.MISSING_KEY, first_place(root), "`version` is missing", mend=mend)
        return
    said = reader.scalar(version.value, "version")
    if said is not None and said.value != VERSION:
        mend = f"this version of Acrux reads `{VERSION}`"
        reader.findings.add(codes.BAD_VERSION, inner_place(said), f"unknown version `{said.value}`", mend=mend)


def _join_map(sections: Sections, name: str, node: Node, reader: Reader) -> None:
    if is_empty(node):
        return
    mapping = reader.mapping(node, name)
    if mapping is None:
        sections.broken.add(name)
        return
    joined = sections.maps[name]
    for entry in mapping.entries:
        first = joined.setdefault(entry.key.value, entry)
        if first is not entry:
            _repeated(reader, entry.key, first.key, f"`{entry.key.value}` is in `{name}` twice")


def _join_list(sections: Sections, name: str, node: Node, reader: Reader) -> None:
    if is_empty(node):
        return
    items = reader.sequence(node, name)
    if items is None:
        sections.broken.add(name)
    else:
        sections.lists[name].extend(items.items)


def _repeated(reader: Reader, second: Scalar, first: Scalar, message: str) -> None:
    reader.findings.add(codes.REPEATED_SECTION, second.span, message, related=[Related(first.span, "first here")])
