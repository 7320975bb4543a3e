"""The committed OpenAPI document is the application's own, is valid, and its examples are what it says."""

from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from acrux.http.app import ROUTERS
from acrux.http.openapi import document, to_yaml
from acrux.http.operations import OPERATIONS

COMMITTED = Path(__file__).resolve().parents[2] / "openapi" / "openapi.yaml"
DOCUMENT = document()
REGISTRY = Registry().with_resource("urn:openapi", Resource(DOCUMENT, DRAFT202012))


def test_the_committed_document_is_the_app_s():
    """`openapi/openapi.yaml` is what `python -m acrux.http.openapi` writes; if this fails, write it anew."""
    assert COMMITTED.read_text(encoding="utf-8") == to_yaml(DOCUMENT)


def test_every_operation_is_described():
    """Each route has a row in the table of operations, and each row a route."""
    routed = {route.operation_id for router in ROUTERS for route in router.routes}
    assert routed == set(OPERATIONS)


def test_every_parameter_is_described():
    """Whoever reads the document or the page learns what each parameter is for."""
    silent = [
        (path, parameter["name"])
        for path, methods in DOCUMENT["paths"].items()
        for operation in methods.values()
        for parameter in operation.get("parameters", [])
        if "$ref" not in parameter and not parameter.get("description")
    ]
    assert silent == []


def test_no_reference_dangles():
    """Every `$ref` of the document leads somewhere."""
    for reference in _references(DOCUMENT):
        target = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]


def _references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for member in node.values():
            yield from _references(member)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)


def _media(node, where=""):
    if isinstance(node, dict):
        if "schema" in node and ("example" in node or "examples" in node):
            examples = [node["example"]] if "example" in node else [one["value"] for one in node["examples"].values()]
            yield from ((where, node["schema"], example) for example in examples)
        for name, member in node.items():
            yield from _media(member, f"{where}/{name}")
    elif isinstance(node, list):
        for number, item in enumerate(node):
            yield from _media(item, f"{where}/{number}")


@pytest.mark.parametrize(("where", "schema", "example"), list(_media(DOCUMENT)))
def test_examples_are_valid(where, schema, example):
    """Every example of a body, an answer, a problem or a parameter fits its own schema."""
    rooted = yaml.safe_load(yaml.safe_dump(schema).replace("#/components", "urn:openapi#/components"))
    try:
        Draft202012Validator(rooted, registry=REGISTRY).validate(example)
    except ValidationError as invalid:
        pytest.fail(f"{where}: {invalid.message}")


def test_every_operation_has_an_example():
    """http-api.md: an example for every operation."""
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            if "302" in operation["responses"]:  # a redirect has nothing to show
                continue
            (media,) = operation["responses"]["200"]["content"].values()
            assert "example" in media
            if "requestBody" in operation:
                (media,) = operation["requestBody"]["content"].values()
                assert "example" in media
