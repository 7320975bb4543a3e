"""Protocol buffer wire format, as far as a checked expression needs it. Knows no message."""

from typing import Final

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_SIGN_BIT: Final = 1 << 63
_KEY_FIELD: Final = 1 << 3
_CONTINUES: Final = 0x80

Field = tuple[int, int, int]
"""Field number, then (value, -1) for a number, (first offset, last offset) for bytes."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at an offset, and the offset after it."""
    byte = data[at]
    at += 1
    if byte < _CONTINUES:
        return byte, at
    value, shift = byte & 0x7F, 7
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < _CONTINUES:
            return value, at
        shift += 7


def fields(data: bytes, at: int, end: int) -> list[Field]:
    """The fields of a message between two offsets.

    Raises:
        ValueError: the bytes are no message.
    """
    found: list[Field] = []
    while at < end:
        key = data[at]
        at += 1
        if key >= _CONTINUES:
            key, at = varint(data, at - 1)
        wire_type = key & 7
        if wire_type == _BYTES:
            length = data[at]
            at += 1
            if length >= _CONTINUES:
                length, at = varint(data, at - 1)
            found.append((key >> 3, at, at + length))
            at += length
        elif wire_type == _VARINT:
            value = data[at]
            at += 1
            if value >= _CONTINUES:
                value, at = varint(data, at - 1)
            found.append((key >> 3, value, -1))
        elif wire_type in (_FIXED64, _FIXED32):
            length = 8 if wire_type == _FIXED64 else 4
            found.append((key >> 3, at, at + length))
            at += length
        else:
            raise ValueError(f"unknown wire type {wire_type}")
    if at != end:
        raise ValueError("a field runs over its message")
    return found


def entry(data: bytes, at: int) -> tuple[int, int]:
    """An entry of a map from numbers: its key, and the offset after it, where the value's field begins.

    Written out because a checked expression is mostly such maps, and a set has tens of thousands of expressions.
    """
    if data[at] != _KEY_FIELD:
        return 0, at  # zero is not written
    key = data[at + 1]
    return varint(data, at + 1) if key >= _CONTINUES else (key, at + 2)


def signed(value: int) -> int:
    """A number of 64 bits read as two's complement."""
    return value - (1 << 64) if value & _SIGN_BIT else value
