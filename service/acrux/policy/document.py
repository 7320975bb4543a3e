"""One policy file: from bytes to a tree of nodes, or diagnostics. Nothing is known here of what a policy says."""

import re
import unicodedata
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from typing import Final

from acrux.policy import codes
from acrux.policy.diagnostics import Diagnostic, Span
from acrux.policy.nodes import Entry, MappingNode, Node, Scalar, SequenceNode
from acrux.policy.source import SourceFile
from acrux.policy.yaml_reader import read_nodes

__all__ = [
    "MAX_FILE_BYTES",
    "Entry",
    "MappingNode",
    "Node",
    "Scalar",
    "SequenceNode",
    "SourceFile",
    "read_document",
]

MAX_FILE_BYTES: Final = 10 * 1024 * 1024
# What is shown of a file that is too large: a diagnostic draws its first line.
_SHOWN_BYTES: Final = 4096

# Not printable in YAML 1.1 (5.1); besides NEL, LS and PS, which YAML 1.1 takes for line breaks and 1.2 does not, byte
# order marks within the text, and the marks that turn the direction of writing, with which a rule can be made to read
# as something else than it is.
_FORBIDDEN = re.compile(
    "[^\\t\\n\\r\\x20-\\x7e\\xa0-\\u2027\\u202f-\\u2065\\u206a-\\ud7ff\\ue000-\\ufefe\\uff00-\\ufffd\\U00010000-\\U0010ffff]"
)
_VISIBLE = re.compile(r"^[ \t]*(?!#)\S", re.MULTILINE)


def read_document(file: str, content: bytes) -> tuple[MappingNode | None, SourceFile, list[Diagnostic]]:
    """Reads one file of a policy set.

    Args:
        file: its path relative to the set's directory, POSIX form.
        content: its bytes.

    Returns:
        The mapping at its root, or None if something is wrong that would make every further diagnostic of the file
        doubtful; the text; what is wrong. The list is never empty where there is no mapping.
    """
    refused = _refuse_file(file, content)
    if refused is not None:
        source, diagnostic = refused
        return None, source, [diagnostic]
    try:
        source = SourceFile(file, content.removeprefix(BOM_UTF8).decode())
    except UnicodeDecodeError as error:
        source, diagnostic = _not_utf8(file, error)
        return None, source, [diagnostic]
    forbidden = _FORBIDDEN.search(source.text)
    if forbidden is not None:
        return None, source, [_control_character(source, forbidden)]
    root, found = read_nodes(source)
    if isinstance(root, MappingNode):
        return root, source, found
    if root is None and found:
        return None, source, found
    return None, source, [*found, _no_mapping(source, root)]


def _refuse_file(file: str, content: bytes) -> tuple[SourceFile, Diagnostic] | None:
    """What can be said of a file without reading its text."""
    message: Diagnostic
    place = Span(file, 0, 0)
    if file.endswith(".yml"):
        message = codes.YML_FILE.at(
            place,
            "policy files are named `*.yaml`; this one would be left out",
            help=f"rename it to `{file[:-4]}.yaml`",
        )
    elif len(content) > MAX_FILE_BYTES:
        message = codes.FILE_TOO_LARGE.at(
            place,
            f"the file has {len(content)} bytes; at most {MAX_FILE_BYTES} are read",
            help="divide it into several",
        )
    else:
        return None
    return SourceFile(file, content[:_SHOWN_BYTES].decode(errors="replace").removeprefix("\ufeff")), message


def _not_utf8(file: str, error: UnicodeDecodeError) -> tuple[SourceFile, Diagnostic]:
    content = bytes(error.object)
    # Every byte that is wrong is drawn as U+FFFD, the first at the offset that the prefix is long.
    source = SourceFile(file, content.decode(errors="replace"))
    at = len(content[: error.start].decode())
    encoding = " (it looks like UTF-16)" if content.startswith((BOM_UTF16_BE, BOM_UTF16_LE)) else ""
    return source, codes.NOT_UTF8.at(
        Span(file, at, at + 1),
        f"byte 0x{content[error.start]:02x} is not UTF-8{encoding}",
        help="save the file as UTF-8",
    )


def _control_character(source: SourceFile, match: re.Match[str]) -> Diagnostic:
    char = match[0]
    name = unicodedata.name(char, "a control character").lower()
    escape = f"\\x{ord(char):02x}" if ord(char) <= 0xFF else f"\\u{ord(char):04x}"  # noqa: PLR2004 - one byte
    return codes.CONTROL_CHARACTER.at(
        Span(source.path, match.start(), match.end()),
        f"U+{ord(char):04X} ({name}) is not allowed in a policy file",
        help=f"remove it, or write `{escape}` in double quotes where it is meant",
    )


def _no_mapping(source: SourceFile, root: Node | None) -> Diagnostic:
    if root is None or (isinstance(root, Scalar) and root.start == root.end):
        return codes.EMPTY_FILE.at(
            Span(source.path, 0, 0), "the file is empty", help="a policy file begins with `version: acrux/v1`"
        )
    lines = source.text[root.start : root.end].split("\n", maxsplit=1)[0].rstrip()
    spaceless = isinstance(root, Scalar) and ":" in root.value
    return codes.ROOT_NOT_MAPPING.at(
        Span(source.path, root.start, root.start + len(lines)),
        "a policy file is a mapping of keys and values",
        help="put a space after the colon" if spaceless else "it begins with `version: acrux/v1`",
    )
