"""Every key of the full set misspelt, every value made something else, one at a time: one mistake, one diagnostic."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from acrux.policy.diagnostics import Severity
from acrux.policy.document import MappingNode, Scalar, SequenceNode, read_document
from acrux.policy.load import check_files, read_directory

FILES = read_directory(Path(__file__).parent / "policies")
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
NAMED = {"providers", "clients", "networks", "attributes"}
"""Sections whose keys are names that the author chooses: other places speak of them."""


def entries(node, path=()):
    """Each entry below a node with its path; the position in a list is `*`."""
    if isinstance(node, MappingNode):
        for entry in node.entries:
            below = (*path, entry.key.value)
            yield below, entry
            yield from entries(entry.value, below)
    elif isinstance(node, SequenceNode):
        for item in node.items:
            yield from entries(item, (*path, "*"))


def first_of_each_shape():
    """From the path's shape to the file and the first entry that has it."""
    found = {}
    for file, content in FILES.items():
        root = read_document(file, content)[0]
        for path, entry in entries(root):
            shape = tuple("<name>" if index == 1 and path[0] in NAMED else part for index, part in enumerate(path))
            if "claims" not in shape[:-1] and len(shape) > 1:
                found.setdefault(shape, (file, entry))
    return found


SHAPES = first_of_each_shape()
KEYS = sorted(
    shape
    for shape in SHAPES
    if shape[-1] != "<name>" and "attributes" not in shape[-2:-1] and "acr" not in shape[-2:-1]
)


def errors_of(file, text):
    checked = check_files({**FILES, file: text.encode()}, now=NOW)
    return [(one.code, one.span.file, one.span.start) for one in checked.diagnostics if one.severity is Severity.ERROR]


@pytest.mark.parametrize("shape", KEYS, ids="/".join)
def test_a_misspelt_key_is_one_mistake(shape):
    """What the key was meant to say is not called missing, and what depends on it is not called wrong."""
    file, entry = SHAPES[shape]
    text, key = FILES[file].decode(), entry.key
    end = key.end - (key.style != "plain")
    assert errors_of(file, text[:end] + "qz" + text[end:]) == [("ACX0301", file, key.start)]


@pytest.mark.parametrize("shape", sorted(SHAPES), ids="/".join)
def test_a_value_of_the_wrong_kind_is_one_mistake(shape):
    """A list in a list is right nowhere, and `[x]` no mapping: that is said once, at the value."""
    file, entry = SHAPES[shape]
    text, value = FILES[file].decode(), entry.value
    if isinstance(value, Scalar) and value.style in {"literal", "folded"}:
        return
    wrong = "[x]" if isinstance(value, MappingNode) else "[[x]]"
    in_block = not isinstance(value, Scalar) and text[value.start] not in "[{"
    found = errors_of(file, text[: value.start] + wrong + "\n" * in_block + text[value.end :])
    assert [(code, where) for code, where, _ in found] == [("ACX0303", file)]
    assert value.start <= found[0][2] <= value.start + 1


@pytest.mark.parametrize("file", sorted(FILES))
def test_a_file_that_cannot_be_read_is_one_mistake(file):
    """What it may define is unknown to nobody: a syntax error costs that file's diagnostics, not the others'."""
    text = FILES[file].decode() + '\nx: "\n'
    assert errors_of(file, text) == [("ACX0119", file, len(text) - 2)]
