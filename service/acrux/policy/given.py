"""The facts of a test, typed by their places, become the request that a caller would send. No checks of policy."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from acrux.domain.facts import FactType, FactValue, Json, fact_to_json
from acrux.domain.request import DecideRequest
from acrux.policy import codes
from acrux.policy.check_context import CheckContext
from acrux.policy.check_networks import typed_value
from acrux.policy.diagnostics import Span
from acrux.policy.document import MappingNode, Node, Scalar, SequenceNode
from acrux.policy.model import Attribute
from acrux.policy.reading import Block, Shape, Written, inner_place
from acrux.policy.request import RequestInvalid, supposed_from_json

_PARTS: Final[Mapping[str, Mapping[str, FactType]]] = {
    "app": {"id": FactType.STRING},
    "network": {"ip": FactType.STRING, "country": FactType.STRING, "asn": FactType.INT},
    "user": {"id": FactType.STRING, "domain": FactType.STRING, "groups": FactType.STRING_LIST},
    "browser": {"id": FactType.STRING},
    "device": {"managed": FactType.BOOL, "platform": FactType.STRING, "user_agent": FactType.STRING},
    "session": {"level": FactType.STRING, "age_seconds": FactType.INT},
    "request": {
        "acr_values": FactType.STRING_LIST,
        "scopes": FactType.STRING_LIST,
        "prompt": FactType.STRING,
        "max_age": FactType.INT,
    },
}
_TEXTS: Final = ("nonce_sha256", "correlation_id")
GIVEN: Final = Shape("`given`", ("client", *_PARTS, "attributes", *_TEXTS))
_JSON_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_JSON_WORDS: Final[Mapping[str, Json]] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Leaf:
    """A fact of a test, as JSON, and where it is written."""

    value: Json
    span: Span


GivenTree: TypeAlias = "dict[str, GivenTree | Leaf]"


def read_given(context: CheckContext, attributes: Mapping[str, Attribute], node: MappingNode) -> GivenTree:
    """The facts of one `given`, each typed by its place; what is wrong is noted."""
    block = Block(node, GIVEN, context.reader)
    tree: GivenTree = {}
    client = block.node_of("client")
    if client is not None:
        tree["client"] = _client(context, client)
    for part, members in _PARTS.items():
        inner = block.node_of(part)
        mapping = None if inner is None else context.reader.mapping(inner, part)
        if mapping is not None:
            tree[part] = _part(context, part, mapping, members)
    sent = block.node_of("attributes")
    mapping = None if sent is None else context.reader.mapping(sent, "attributes")
    if mapping is not None:
        tree["attributes"] = _attributes(context, attributes, mapping)
    for key in _TEXTS:
        text = block.text(key)
        if text is not None:
            tree[key] = Leaf(text.value, text.span)
    return tree


def _client(context: CheckContext, node: Node) -> GivenTree:
    """The client, by name or as an object; one that can't be read is there all the same, so that it is not missing."""
    if isinstance(node, MappingNode):
        tree = _part(context, "client", node, {"id": FactType.STRING})
        return tree if tree or node.get("id") is None else {"id": Leaf("unreadable", node.span)}
    name = context.reader.text(node, "client")
    return {"id": Leaf("unreadable", node.span) if name is None else Leaf(name.value, name.span)}


def _part(context: CheckContext, part: str, node: MappingNode, members: Mapping[str, FactType]) -> GivenTree:
    extra = ("claims",) if part == "request" else ()
    block = Block(node, Shape(f"`{part}`", (*members, *extra)), context.reader)
    tree: GivenTree = {}
    for name, kind in members.items():
        value = block.node_of(name)
        if value is not None:
            _add(tree, name, value, _typed(context, value, name, kind))
    claims = block.node_of("claims") if extra else None
    if claims is not None and context.reader.mapping(claims, "claims") is not None:
        tree["claims"] = Leaf(_json(claims), claims.span)
    return tree


def _typed(context: CheckContext, node: Node, name: str, kind: FactType) -> FactValue | None:
    # `ip: ""` is a fact that a caller may send; only in `given` is an empty text a value.
    if kind is FactType.STRING and isinstance(node, Scalar) and node.value == "" and node.end > node.start:
        return ""
    return typed_value(context.reader, node, name, kind)


def _add(tree: GivenTree, name: str, node: Node, value: FactValue | None) -> None:
    if value is not None:
        tree[name] = Leaf(fact_to_json(value), inner_place(node) if isinstance(node, Scalar) else node.span)


def _attributes(context: CheckContext, attributes: Mapping[str, Attribute], node: MappingNode) -> GivenTree:
    tree: GivenTree = {}
    for entry in node.entries:
        name = entry.key.value
        if name in attributes:
            _add(tree, name, entry.value, _typed(context, entry.value, name, attributes[name].type))
        elif name not in context.sections.maps["attributes"]:
            context.unknown(codes.UNKNOWN_ATTRIBUTE, "attributes", Written(name, entry.key), "attribute", attributes)
    return tree


def _json(node: Node) -> Json:
    """A node as JSON reads it: the `claims` of OpenID Connect are JSON."""
    match node:
        case MappingNode(entries=entries):
            return {entry.key.value: _json(entry.value) for entry in entries}
        case SequenceNode(items=items):
            return [_json(item) for item in items]
        case Scalar(value=text, style="plain"):
            if text in _JSON_WORDS:
                return _JSON_WORDS[text]
            if not _JSON_NUMBER.fullmatch(text):
                return text
            return float(text) if set(text) & set(".eE") else int(text)
        case Scalar(value=text):
            return text


def merge_given(below: GivenTree, above: GivenTree) -> GivenTree:
    """A case's facts over its group's, object by object."""
    merged = dict(below)
    for name, value in above.items():
        beneath = merged.get(name)
        merged[name] = merge_given(beneath, value) if isinstance(beneath, dict) and isinstance(value, dict) else value
    return merged


def request_of(context: CheckContext, tree: GivenTree, whole: Span, *, is_whole: bool) -> DecideRequest | None:
    """The request that these facts make; what the service would refuse is noted where it is written.

    Args:
        context: where to note it.
        tree: the facts.
        whole: where a missing fact is shown.
        is_whole: False where some of what is written could not be read, which is then not missing.
    """
    try:
        return supposed_from_json(_plain(tree))
    except RequestInvalid as invalid:
        for error in invalid.errors:
            steps = [step.replace("~1", "/").replace("~0", "~") for step in error.pointer.split("/")[1:]]
            if error.message == "required" and not is_whole:
                continue
            name = ".".join(steps) or "given"
            message = f"`{name}` is missing" if error.message == "required" else f"`{name}`: {error.message}"
            context.findings.add(codes.BAD_GIVEN, _place_of(tree, steps, whole), message)
        return None


def _plain(tree: GivenTree) -> dict[str, Json]:
    return {name: value.value if isinstance(value, Leaf) else _plain(value) for name, value in tree.items()}


def _place_of(tree: GivenTree, steps: list[str], whole: Span) -> Span:
    node: GivenTree | Leaf | None = tree
    for step in steps:
        if not isinstance(node, dict):
            break
        node = node.get(step)
    return node.span if isinstance(node, Leaf) else whole
