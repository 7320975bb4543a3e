"""The OpenAPI document: FastAPI's paths and parameters, completed with what each operation takes and answers.

`python -m acrux.http.openapi` writes it to standard output; `openapi/openapi.yaml` is that. No route lives here.
"""

import copy
import sys
from typing import Any, Final, Literal

import yaml
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

import acrux
from acrux.http import answers, schemas
from acrux.http.app import ROUTERS
from acrux.http.operations import OPERATIONS, Operation
from acrux.http.problems import KINDS, MEDIA_TYPE, TYPE_PREFIX, Code
from acrux.policy.request import request_json_schema

DESCRIPTION: Final = (
    "Acrux decides which assurance level a login needs, says how to ask the OpenID Provider for it, judges what came "
    "back, and logs both. Every answer carries `X-Request-ID` (the caller's own, if it sent one) and "
    "`Cache-Control: no-store`. Every problem is RFC 9457 JSON; its `code` is listed in docs/errors.md. Bodies are "
    "JSON of at most 64 KiB; unknown fields and unknown query parameters are refused."
)
_REF: Final = "#/components/schemas/{model}"
_BASES: Final = (schemas.Shape, schemas.Open)
_JSON: Final = "application/json"
_EVERY_HEADER: Final = ("X-Request-ID", "Cache-Control")
_OK: Final = "200"
_UNAUTHENTICATED: Final = 401
_TOO_MANY: Final = 429
_UNAVAILABLE: Final = 503


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    routes = [route for router in ROUTERS for route in router.routes]
    made = get_openapi(
        title="Acrux",
        version=acrux.__version__,
        description=DESCRIPTION,
        routes=routes,
        openapi_version="3.1.0",
        servers=[{"url": "/"}],
    )
    made["components"] = {
        "securitySchemes": made["components"]["securitySchemes"],
        "headers": _headers(),
        "responses": _problems(),
        "schemas": _schemas(),
    }
    for methods in made["paths"].values():
        for operation in methods.values():
            _complete(operation, OPERATIONS[operation["operationId"]])
    return made


def _complete(operation: dict[str, Any], described: Operation) -> None:
    operation["summary"] = described.summary
    if described.request is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {
                described.request_media: {"schema": _reference(described.request), "example": described.request_example}
            },
        }
    for parameter in operation.get("parameters", []):
        _tidy(parameter["schema"])
        if parameter["name"] in described.parameter_examples:
            parameter["example"] = described.parameter_examples[parameter["name"]]
    operation["parameters"] = [*operation.get("parameters", []), *described.header_parameters]
    if not operation["parameters"]:
        del operation["parameters"]
    if described.public:
        operation.pop("security", None)
    elif described.token_optional:
        operation["security"] = [{}, *operation["security"]]
    responses = {described.success: _success(described), **copy.deepcopy(dict(described.more_responses))}
    for response in responses.values():
        response["headers"] = _header_references(*response.get("headers", ()))
    for code in described.problems:
        status = str(int(KINDS[code].status))
        responses.setdefault(status, _otherwise(status, described.otherwise))
    operation["responses"] = dict(sorted(responses.items()))


def _otherwise(status: str, media_type: str | None) -> dict[str, Any]:
    """A problem; as a page for a person, or as OAuth has it, where an operation is no call of the API."""
    if media_type is None:
        return {"$ref": f"#/components/responses/Problem{status}"}
    more = ("Retry-After",) if status in {str(_TOO_MANY), str(_UNAVAILABLE)} else ()
    if media_type == _JSON:
        schema, example = _reference("OAuthError"), {"error": "invalid_grant", "error_description": "..."}
        return {
            "description": "No tokens (RFC 6749 section 5.2).",
            "headers": _header_references(*more),
            "content": {media_type: {"schema": schema, "example": example}},
        }
    return {
        "description": "A page that says why the login can't go on.",
        "headers": _header_references(*more),
        "content": {media_type: {"schema": {"type": "string"}, "example": "<!doctype html>"}},
    }


def _header_references(*more: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*_EVERY_HEADER, *more)}


def _success(described: Operation) -> dict[str, Any]:
    made: dict[str, Any] = {"description": described.answer_description}
    if described.success == _OK:
        schema = {"type": "string"} if described.answer is None else _reference(described.answer)
        made["content"] = {described.media_type: {"schema": schema, "example": described.answer_example}}
    return {**made, "headers": described.also}


def _problems() -> dict[str, Any]:
    """A response for each status, with an example for each of its codes."""
    documented = [code for code in Code if code is not Code.DEFECT]
    statuses = sorted({int(KINDS[code].status) for code in documented})
    return {
        f"Problem{status}": _problem(status, [code for code in documented if KINDS[code].status == status])
        for status in statuses
    }


def _problem(status: int, codes: list[Code]) -> dict[str, Any]:
    model = "Unavailable" if status == _UNAVAILABLE else "Problem"
    more = {_UNAUTHENTICATED: ("WWW-Authenticate",), _TOO_MANY: ("Retry-After",), _UNAVAILABLE: ("Retry-After",)}
    return {
        "description": " / ".join(f"`{code}`: {KINDS[code].title}." for code in codes),
        "headers": _header_references(*more.get(status, ())),
        "content": {
            MEDIA_TYPE: {
                "schema": _reference(model),
                "examples": {str(code): {"value": _example(status, code)} for code in codes},
            }
        },
    }


def _example(status: int, code: Code) -> dict[str, Any]:
    example: dict[str, Any] = {
        "type": TYPE_PREFIX + code,
        "title": KINDS[code].title,
        "status": status,
        "detail": KINDS[code].title,
        "code": str(code),
        "request_id": "0199f3c2-6f6e-7cc3-98c4-dc0c0c07398f",
        "errors": [{"pointer": "/network/ip", "message": "expected a string"}] if code is Code.INVALID_REQUEST else [],
    }
    if status == _UNAVAILABLE:
        example["fallback"] = "refuse"
    return example


def _reference(name: str) -> dict[str, str]:
    return {"$ref": _REF.format(model=name)}


def _schemas() -> dict[str, Any]:
    models: list[tuple[type[BaseModel], Literal["validation", "serialization"]]] = [
        (model, "validation")
        for model in (*vars(schemas).values(), *vars(answers).values())
        if isinstance(model, type) and issubclass(model, schemas.Shape | schemas.Open) and model not in _BASES
    ]
    _, made = models_json_schema(models, ref_template=_REF)
    found: dict[str, Any] = made["$defs"]
    found["OutcomeRequest"] = TypeAdapter(schemas.OutcomeRequest).json_schema(ref_template=_REF)
    found["OutcomeRequest"].pop("$defs", None)
    decide = request_json_schema(_REF)
    found.update(decide.pop("$defs"))
    found["DecideRequest"] = decide
    found["SupposedRequest"] = request_json_schema(_REF, supposed=True)
    del found["SupposedRequest"]["$defs"]
    for schema in found.values():
        _tidy(schema)
    return dict(sorted(found.items()))


def _tidy(schema: Any) -> None:
    """Resolves the references that were left for later, and drops titles, which only repeat names."""
    if isinstance(schema, dict):
        if schemas.LATER in schema:
            schema["$ref"] = _REF.format(model=schema.pop(schemas.LATER))
        if isinstance(schema.get("title"), str):
            del schema["title"]
        if not schema.get("default", True):
            del schema["default"]  # stands for "not sent"
        if "patternProperties" in schema:
            # pydantic's way to say what keys must look like leaves other keys open; they are refused.
            ((pattern, member),) = schema.pop("patternProperties").items()
            schema["additionalProperties"] = member
            schema.setdefault("propertyNames", {})["pattern"] = pattern
        for member in schema.values():
            _tidy(member)
    elif isinstance(schema, list):
        for item in schema:
            _tidy(item)


def _headers() -> dict[str, Any]:
    def line(description: str, **schema: Any) -> dict[str, Any]:
        return {"description": description, "required": True, "schema": {"type": "string", **schema}}

    return {
        "X-Request-ID": line(
            "The caller's own, if it sent 1 to 128 printable characters; else a new one.", minLength=1
        ),
        "Cache-Control": line("Nothing is ever stored.", const="no-store"),
        "Location": line("Where the browser goes on.", format="uri"),
        "Retry-After": line("Seconds to wait.", pattern="^[0-9]+$"),
        "WWW-Authenticate": line("How to authenticate (RFC 6750).", const="Bearer"),
    }


def to_yaml(made: dict[str, Any]) -> str:
    """The document as YAML."""
    return yaml.dump(made, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


class _Dumper(yaml.SafeDumper):
    """Without anchors: tools differ on them."""

    def ignore_aliases(self, data: Any) -> bool:
        """Writes a value twice rather than once with an alias."""
        del data
        return True


if __name__ == "__main__":
    sys.stdout.write(to_yaml(document()))
