"""From YAML events to the tree of nodes, and the strictness of the policy language. No policy words, no CEL.

The parser is libyaml's where PyYAML was built with it (10 MB in about two seconds), else PyYAML's own. What YAML allows
and policy files don't (anchors, aliases, tags, merge keys, ...) is collected to the end of the file; an error of syntax
ends the reading.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from acrux.policy import codes
from acrux.policy.diagnostics import Diagnostic, Related, Span
from acrux.policy.nodes import Entry, MappingNode, Node, Scalar, SequenceNode
from acrux.policy.scalar_map import Style
from acrux.policy.source import SourceFile
from acrux.policy.yaml_errors import directive_diagnostic, surrogate_diagnostic, syntax_diagnostic, tag_diagnostic
from acrux.policy.yaml_stop import Trail

# The format needs nine; what is deeper is a mistake or an attack (each level costs libyaml time).
MAX_DEPTH: Final = 64

# `None` is libyaml's plain style, "" the other parser's.
_STYLES: Final[dict[str | None, Style]] = {
    None: "plain", "": "plain", "'": "single", '"': "double", "|": "literal", ">": "folded",
}  # fmt: skip
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")
_COLON = re.compile(r"\s*:")
_SURROGATE = re.compile("[\ud800-\udfff]")
_EXPLICIT_KEY = re.compile(r"(?:^|[\s{,\[-])\?(?:\s|$)", re.MULTILINE)


@dataclass(slots=True)
class _Frame:
    """A collection that is still open."""

    is_mapping: bool
    flow: bool
    start: int
    braced: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    key: Scalar | None = None
    end: int = 0


class _TooDeepError(Exception):
    """Ends the reading of a file that is nested too deep."""


def event_parser(text: str) -> Any:
    """The parser's `get_event`, for one text: the C parser where there is one."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return loader(text)


def read_nodes(source: SourceFile, parser: Callable[[str], Any] = event_parser) -> tuple[Node | None, list[Diagnostic]]:
    """Reads the one document of a file.

    Args:
        source: the file; its text holds no character that YAML forbids.
        parser: makes an object with `get_event()`.

    Returns:
        The root, and what is wrong. The root is None where the file is empty or something is wrong that would make
        every further diagnostic of the file doubtful; after an anchor or a duplicate key it is there.
    """
    reader = _Reader(source)
    try:
        events = parser(source.text)
        while (event := events.get_event()) is not None and reader.take(event):
            pass
    except _TooDeepError:
        pass
    except yaml.YAMLError as error:
        reader.stop(syntax_diagnostic(source, error, reader.trail()))
    return (None if reader.refused else reader.root), reader.found


class _Reader:
    """The state of one reading."""

    def __init__(self, source: SourceFile) -> None:
        self.source = source
        self.text = source.text
        self.found: list[Diagnostic] = []
        self.refused = False
        self.root: Node | None = None
        self._stack: list[_Frame] = []
        self._last: Scalar | None = None
        self._last_end = 0
        self._documents = 0
        self._has_explicit_keys = _EXPLICIT_KEY.search(source.text) is not None
        self._takers: dict[type[yaml.Event], Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._open,
            yaml.SequenceStartEvent: self._open,
            yaml.MappingEndEvent: self._close_mapping,
            yaml.SequenceEndEvent: self._close_sequence,
            yaml.AliasEvent: self._alias,
        }

    def take(self, event: Any) -> bool:
        """Takes one event; False if there is nothing more to read."""
        taker = self._takers.get(type(event))
        if taker is not None:
            taker(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            return self._document(event)
        return True

    def refuse(self, diagnostic: Diagnostic) -> None:
        """Notes what leaves no tree worth checking."""
        self.found.append(diagnostic)
        self.refused = True

    def stop(self, diagnostic: Diagnostic) -> None:
        """Notes the error that ended the reading: one diagnostic a mistake."""
        opens = diagnostic.code in {codes.UNCLOSED_BRACKET.id, codes.UNCLOSED_QUOTE.id}
        if opens:
            # What was found behind the opening was read as something that it is not.
            self.found = [found for found in self.found if found.span < diagnostic.span]
        line = self.source.position(diagnostic.span.start)[0]
        if self.refused and self.found and self.source.position(self.found[-1].span.start)[0] == line:
            # `[a: b: c]` is refused at its first colon, and stops the parser at its second.
            return
        self.refuse(diagnostic)

    def trail(self) -> Trail:
        """How far the reading came, for the explanation of a syntax error."""
        frame = self._stack[-1] if self._stack else None
        key = frame.key.value if frame is not None and frame.key is not None else None
        flow = [open_frame.start for open_frame in self._stack if open_frame.flow and open_frame.braced]
        return Trail(self._last, self._last_end, key, flow[-1] if flow else None, self._documents)

    def _span(self, start: int, end: int) -> Span:
        return Span(self.source.path, start, end)

    def _document(self, event: Any) -> bool:
        self._documents += 1
        if self._documents == 1:
            if event.version is not None or event.tags:
                self.refuse(directive_diagnostic(self.source))
            return True
        start = event.start_mark.index
        self.refuse(
            codes.SEVERAL_DOCUMENTS.at(
                self._span(start, start + 3),
                "a second document begins here",
                help="a policy file holds one document: put the second into a file of its own",
            )
        )
        return False

    def _scalar(self, event: Any) -> None:
        start: int = event.start_mark.index
        end: int = event.end_mark.index
        if event.anchor is not None or event.tag is not None:
            start = min(end, self._properties(event, start))
        style = _STYLES[event.style]
        if style in {"literal", "folded"}:
            end = start + len(self.text[start:end].rstrip())
        elif start == end:
            self._attach_empty(start)
            return
        node = Scalar(event.value, start, end, style, self.source)
        if style == "double" and _SURROGATE.search(node.value):
            # libyaml refuses these itself; the other parser would hand on what can't be encoded.
            self.refuse(surrogate_diagnostic(node))
        self._last = node
        self._last_end = end
        self._attach(node)

    def _attach_empty(self, start: int) -> None:
        """A value (or key) that is not written. libyaml marks it where the next token is; it stands after the colon."""
        frame = self._stack[-1] if self._stack else None
        if frame is not None and frame.is_mapping and frame.key is not None:
            colon = _COLON.match(self.text, frame.key.end)
            start = colon.end() if colon else frame.key.end
            if not colon and ":" in frame.key.value and frame.key.style == "plain":
                at = frame.key.start + frame.key.value.index(":")
                self.refuse(
                    codes.COLON_IN_BRACKETS.at(
                        self._span(frame.key.start, frame.key.end),
                        f"`{frame.key.value}` inside brackets is a key without a value",
                        help=f"put a space after the colon in column {self.source.position(at)[1]}, or quote the text",
                    )
                )
        self._attach(Scalar("", start, start, "plain", self.source))

    def _attach(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        frame = self._stack[-1]
        frame.end = node.end
        if not frame.is_mapping:
            frame.items.append(node)
        elif frame.key is None:
            self._key(frame, node)
        else:
            first = frame.entries.get(frame.key.value)
            if first is None:
                frame.entries[frame.key.value] = Entry(frame.key, node)
            else:
                self._duplicate(first.key, frame.key)
            frame.key = None

    def _key(self, frame: _Frame, node: Node) -> None:
        if not isinstance(node, Scalar):
            self._complex_key(node.start, node.end, "a key is a list or a mapping here")
            node = Scalar("", node.start, node.end, "plain", self.source)
        elif node.style == "plain" and node.value == "<<":
            self.refuse(
                codes.MERGE_KEY.at(node.span, "merge keys (`<<`) are not allowed", help="write the entries out")
            )
        elif self._has_explicit_keys and (mark := self._question_mark(node.start)) is not None:
            self._complex_key(mark, mark + 1, "keys written with `?` are not allowed")
        frame.key = node

    def _question_mark(self, start: int) -> int | None:
        """The `?` before a key that is written `? key`, or None."""
        at = start - 1
        while at >= 0 and self.text[at] in " \t\r\n":
            at -= 1
        line, column = self.source.position(at)
        before = self.source.line_text(line)[: column - 1]
        # A comment above the key may end in a question mark.
        return at if self.text[at] == "?" and "#" not in before and before[-1:] in " \t{,[-" else None

    def _complex_key(self, start: int, end: int, message: str) -> None:
        self.refuse(codes.COMPLEX_KEY.at(self._span(start, end), message, help="a key is a plain text: `key: value`"))

    def _duplicate(self, first: Scalar, second: Scalar) -> None:
        if second.value == "<<":
            return
        self.found.append(
            codes.DUPLICATE_KEY.at(
                second.span,
                f"duplicate key `{second.value}`",
                help="each key stands once in a mapping: join the two, or rename one",
                related=(Related(first.span, "the first is here"),),
            )
        )

    def _open(self, event: Any) -> None:
        start: int = event.start_mark.index
        if event.anchor is not None or event.tag is not None:
            start = self._properties(event, start)
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        braced = self.text[start : start + 1] in ("{", "[")
        if len(self._stack) >= MAX_DEPTH:
            self.refuse(codes.TOO_DEEP.at(self._span(start, start + 1), f"nested deeper than {MAX_DEPTH} levels"))
            raise _TooDeepError
        self._stack.append(_Frame(is_mapping, bool(event.flow_style), start, braced, end=start))
        self._last = None
        if event.flow_style:
            self._last_end = start + braced

    def _close(self, event: Any) -> _Frame:
        frame = self._stack.pop()
        if frame.flow and frame.braced:
            self._last = None
            frame.end = self._last_end = event.end_mark.index
        return frame

    def _close_sequence(self, event: Any) -> None:
        frame = self._close(event)
        self._attach(SequenceNode(tuple(frame.items), frame.start, frame.end, self.source))

    def _close_mapping(self, event: Any) -> None:
        frame = self._close(event)
        if frame.flow and not frame.braced:
            # `[a: b]` is a mapping of one entry to YAML; an address such as `fe80::` gets there unmeant.
            words = self.text[frame.start : frame.end]
            self.refuse(
                codes.COLON_IN_BRACKETS.at(
                    self._span(frame.start, max(frame.end, frame.start + 1)),
                    f"the colon makes a key and a value of `{words}`",
                    help="quote it; a mapping inside a list has braces of its own",
                )
            )
        entries = tuple(frame.entries.values())
        self._attach(MappingNode(entries, frame.start, frame.end, self.source, frame.entries))

    def _alias(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        frame = self._stack[-1] if self._stack else None
        self._last_end = end
        node = Scalar("", start, end, "plain", self.source)
        if frame is None or not frame.is_mapping or frame.key is None or frame.key.value != "<<":
            self.refuse(
                codes.ALIAS.at(
                    self._span(start, end),
                    f"aliases are not allowed: `*{event.anchor}`",
                    help="write the value out",
                )
            )
        self._attach(node)

    def _properties(self, event: Any, start: int) -> int:
        """Reports the anchor and the tag before a node; where the node itself begins."""
        match = _PROPERTIES.match(self.text, start)
        after = match.end() if match else start
        written = self.text[start : max(after, event.end_mark.index)]
        if event.anchor is not None:
            at = start + max(0, written.find(f"&{event.anchor}"))
            self.found.append(
                codes.ANCHOR.at(
                    self._span(at, at + 1 + len(event.anchor)),
                    f"anchors are not allowed: `&{event.anchor}`",
                    help="write the value out wherever it is needed; quote a text that begins with `&`",
                )
            )
        if event.tag is not None:
            key = self._stack[-1].key if self._stack else None
            flow = bool(self._stack and self._stack[-1].flow)
            at = start + max(0, written.find("!"))
            self.refuse(tag_diagnostic(self.source, at, key.value if key else None, flow=flow))
        return after
