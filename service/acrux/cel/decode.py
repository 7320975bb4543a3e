"""From a serialized `cel.expr.CheckedExpr` (or `ParsedExpr`) to the tree. Field numbers: cel-spec, proto/cel/expr."""

import struct
from typing import Final

from acrux.cel.lexer import Tokens
from acrux.cel.tree import (
    Call,
    Comprehension,
    Constant,
    ConstantValue,
    Entry,
    ListNode,
    Name,
    Node,
    Select,
    StructNode,
)
from acrux.cel.wire import entry, fields, signed, varint

_PRIMITIVES: Final = ("dyn", "bool", "int", "uint", "double", "string", "bytes")
_WELL_KNOWN: Final = ("dyn", "any", "timestamp", "duration")
_COMMON_TYPES: Final = {
    b"\x12\x02\x18\x01": "bool",
    b"\x12\x02\x18\x05": "string",
    b"\x12\x06\x32\x04\x0a\x02\x18\x05": "list(string)",
}
"""The types that conditions are made of, as the bytes of their field."""
_MESSAGES: Final = {"google.protobuf.Timestamp": "timestamp", "google.protobuf.Duration": "duration"}
_CONSTANT_KINDS: Final = ("", "null", "bool", "int", "uint", "double", "string", "bytes")


def decode(serialized: bytes, text: str) -> Node:
    """The tree of an expression.

    Args:
        serialized: what `Expression.serialize()` gives: a `google.protobuf.Any`.
        text: the expression's text, for the end of each node.

    Raises:
        ValueError: the bytes are not what they should be.
    """
    outer = fields(serialized, 0, len(serialized))
    start, end = next((low, high) for number, low, high in outer if number == 2)  # noqa: PLR2004 - Any.value
    name_start, name_end = next((low, high) for number, low, high in outer if number == 1)
    checked = serialized[name_start:name_end].endswith(b"CheckedExpr")
    return _Decoder(serialized, start, end, Tokens(text), checked=checked).root()


class _Decoder:
    """One decoding: the maps beside the tree, and the tree."""

    def __init__(self, data: bytes, start: int, end: int, tokens: Tokens, *, checked: bool) -> None:
        self._data = data
        self._tokens = tokens
        self._types: dict[int, str] = {}
        self._names: dict[int, str] = {}
        self._overloads: dict[int, tuple[str, ...]] = {}
        self._positions: dict[int, int] = {}
        # CheckedExpr: 2 references, 3 types, 4 expression, 5 source. ParsedExpr: 2 expression, 3 source.
        expression, source = (4, 5) if checked else (2, 3)
        self._expression = (start, start)
        for number, low, high in fields(data, start, end):
            if number == expression:
                self._expression = (low, high)
            elif number == source:
                self._read_positions(low, high)
            elif number == 2:  # noqa: PLR2004 - reference_map
                self._read_reference(low)
            elif number == 3:  # noqa: PLR2004 - type_map
                self._read_type(low, high)

    def root(self) -> Node:
        return self._node(*self._expression, frozenset())

    def _text(self, low: int, high: int) -> str:
        return self._data[low:high].decode("utf-8")

    def _read_positions(self, low: int, high: int) -> None:
        data = self._data
        for number, first, last in fields(data, low, high):
            if number == 4:  # noqa: PLR2004 - SourceInfo.positions
                node, at = entry(data, first)
                self._positions[node] = varint(data, at + 1)[0] if at < last else 0

    def _read_reference(self, low: int) -> None:
        data = self._data
        node, at = entry(data, low)
        length, at = varint(data, at + 1)
        overloads: list[str] = []
        for part, start, end in fields(data, at, at + length):
            if part == 1:
                self._names[node] = data[start:end].decode()
            elif part == 3:  # noqa: PLR2004 - Reference.overload_id
                overloads.append(data[start:end].decode())
        self._overloads[node] = tuple(overloads)

    def _read_type(self, low: int, high: int) -> None:
        node, at = entry(self._data, low)
        key = self._data[at:high]
        found = _COMMON_TYPES.get(key)
        if found is None:
            length, at = varint(self._data, at + 1)
            found = self._type(at, at + length)
        self._types[node] = found

    def _type(self, low: int, high: int) -> str:  # noqa: PLR0911 - one return a sort of type
        inner = fields(self._data, low, high)
        if not inner:
            return "dyn"
        number, first, last = inner[0]
        match number:
            case 2:
                return "null"
            case 3 | 4:
                if last == -1:
                    return _PRIMITIVES[first]
                return "dyn"
            case 5:
                return _WELL_KNOWN[first]
            case 6:
                return f"list({self._parameters(first, last)})"
            case 7:
                return f"map({self._parameters(first, last)})"
            case 9:
                name = self._text(first, last)
                return _MESSAGES.get(name, name)
            case 11:
                return f"type({self._type(first, last)})"
            case _:
                return "dyn"

    def _parameters(self, low: int, high: int) -> str:
        return ", ".join(self._type(first, last) for _, first, last in fields(self._data, low, high)) or "dyn"

    def _node(self, low: int, high: int, scope: frozenset[str]) -> Node:  # noqa: PLR0911 - one return a sort of node
        node = 0
        number, first, last = 0, low, low
        for part, start, end in fields(self._data, low, high):
            if part == 2:  # noqa: PLR2004 - Expr.id
                node = start
            else:
                number, first, last = part, start, end
        at = self._positions.get(node, 0)
        kind = self._types.get(node, "dyn")
        match number:
            case 3:
                return self._constant(first, last, at, kind)
            case 4:
                return self._name(node, first, last, at, kind, scope)
            case 5:
                return self._select(first, last, at, kind, scope)
            case 6:
                return self._call(node, first, last, at, kind, scope)
            case 7:
                elements = tuple(self._node(a, b, scope) for part, a, b in fields(self._data, first, last) if part == 1)
                return ListNode(at, self._closing(at), kind, elements)
            case 8:
                return self._struct(first, last, at, kind, scope)
            case 9:
                return self._comprehension(first, last, at, kind, scope)
            case _:
                raise ValueError(f"unknown expression {number}")

    def _constant(self, low: int, high: int, at: int, kind: str) -> Constant:
        number, first, last = fields(self._data, low, high)[0]
        value: ConstantValue
        match number:
            case 1:
                value = None
            case 2:
                value = bool(first)
            case 3:
                value = signed(first)
            case 4:
                value = first
            case 5:
                value = struct.unpack("<d", self._data[first:last])[0]
            case 6:
                value = self._text(first, last)
            case 7:
                value = self._data[first:last]
            case _:
                raise ValueError(f"unknown constant {number}")
        place = self._tokens.index.get(at)
        end = at if place is None else self._tokens.ends[place]
        if place is not None and self._tokens.word(place) == "-":
            end = self._tokens.ends[min(place + 1, len(self._tokens.ends) - 1)]
        return Constant(at, end, kind, value, _CONSTANT_KINDS[number])

    def _name(self, node: int, low: int, high: int, at: int, kind: str, scope: frozenset[str]) -> Name:
        name = self._names.get(node)
        if name is None:
            name = next((self._text(a, b) for part, a, b in fields(self._data, low, high) if part == 1), "")
        local = name in scope
        name = name.removeprefix(".")
        start, end = self._name_span(at)
        return Name(start, end, kind, name, local)

    def _name_span(self, at: int) -> tuple[int, int]:
        tokens = self._tokens
        place = tokens.index.get(at)
        if place is None:
            return at, at
        if tokens.word(place) == "." and tokens.is_name(place + 1):
            place += 1
        first = tokens.chain_start(place) if tokens.is_name(place) else place
        return tokens.starts[first], tokens.ends[place]

    def _select(self, low: int, high: int, at: int, kind: str, scope: frozenset[str]) -> Select:
        operand: Node | None = None
        field, test_only = "", False
        for part, first, last in fields(self._data, low, high):
            if part == 1:
                operand = self._node(first, last, scope)
            elif part == 2:  # noqa: PLR2004 - Select.field
                field = self._text(first, last)
            else:
                test_only = bool(first)
        if operand is None:
            raise ValueError("a selection without operand")
        if test_only:
            return Select(at, self._closing(at), kind, operand, field, test_only)
        place = self._tokens.index.get(at)
        end = at if place is None else self._tokens.ends[min(place + 1, len(self._tokens.ends) - 1)]
        return Select(operand.start, end, kind, operand, field, test_only)

    def _call(self, node: int, low: int, high: int, at: int, kind: str, scope: frozenset[str]) -> Call:
        target: Node | None = None
        function = ""
        args: list[Node] = []
        for part, first, last in fields(self._data, low, high):
            if part == 1:
                target = self._node(first, last, scope)
            elif part == 2:  # noqa: PLR2004 - Call.function
                function = self._text(first, last)
            else:
                args.append(self._node(first, last, scope))
        start, end = self._call_span(at, target, args)
        return Call(start, end, kind, function, target, tuple(args), self._overloads.get(node, ()))

    def _call_span(self, at: int, target: Node | None, args: list[Node]) -> tuple[int, int]:
        tokens = self._tokens
        place = tokens.index.get(at)
        if place is None:
            return at, at
        start, end = at, self._closing(at)
        if target is not None:
            start = target.start
        elif tokens.word(place) == "(" and tokens.is_name(place - 1):
            start = tokens.starts[tokens.chain_start(place - 1)]
        for arg in args:
            start, end = min(start, arg.start), max(end, arg.end)
        return tokens.balanced(start, end) if tokens.partner else (start, end)

    def _closing(self, at: int) -> int:
        """The end of the bracketed text that opens at an offset, or of the token there."""
        place = self._tokens.index.get(at)
        if place is None:
            return at
        return self._tokens.ends[self._tokens.partner.get(place, place)]

    def _struct(self, low: int, high: int, at: int, kind: str, scope: frozenset[str]) -> StructNode:
        message, entries = "", []
        for part, first, last in fields(self._data, low, high):
            if part == 1:
                message = self._text(first, last)
            else:
                entries.append(self._entry(first, last, scope))
        return StructNode(at, self._closing(at), kind, message, tuple(entries))

    def _entry(self, low: int, high: int, scope: frozenset[str]) -> Entry:
        key: Node | str = ""
        value: Node | None = None
        for part, first, last in fields(self._data, low, high):
            match part:
                case 2:
                    key = self._text(first, last)
                case 3:
                    key = self._node(first, last, scope)
                case 4:
                    value = self._node(first, last, scope)
        if value is None:
            raise ValueError("an entry without value")
        return Entry(key, value)

    def _comprehension(self, low: int, high: int, at: int, kind: str, scope: frozenset[str]) -> Comprehension:
        parts = {part: (first, last) for part, first, last in fields(self._data, low, high)}
        text = {part: self._text(*parts[part]) if part in parts else "" for part in (1, 3, 8)}
        variable, accumulator, second = text[1], text[3], text[8]
        inner = scope | {variable, accumulator, second} - {""}
        source = self._node(*parts[2], scope)
        return Comprehension(
            start=min(source.start, at),
            end=self._closing(at),
            type=kind,
            variable=variable,
            second_variable=second,
            source=source,
            accumulator=accumulator,
            initial=self._node(*parts[4], scope),
            condition=self._node(*parts[5], inner),
            step=self._node(*parts[6], inner),
            result=self._node(*parts[7], inner),
        )
