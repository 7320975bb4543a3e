"""The OpenAPI document, and a page that people read it on: one static file, no script, nothing fetched."""

import base64
import hashlib
import re
from functools import cache
from html import escape
from typing import Any, Final

import orjson
from fastapi import APIRouter, Response

from acrux.http.calls import NO_QUERY

router: Final = APIRouter(tags=["operation"])
_STYLE: Final = """
:root{color-scheme:light dark;--line:#8884}
body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:0 auto;padding:1rem}
h1{margin-bottom:0}nav div{display:flex;flex-wrap:wrap;align-items:baseline;gap:0 .8rem;padding:.25rem 0}
nav a{text-decoration:none;overflow-wrap:anywhere}nav span{font-size:.9rem;opacity:.8}
article{border-top:1px solid var(--line);margin-top:2rem}
h2{font-size:1.2rem;overflow-wrap:anywhere}h3{font-size:1rem}
b.method{font-size:.8rem;padding:.1rem .4rem;border:1px solid;border-radius:.3rem}
pre{overflow-x:auto;padding:.75rem;border:1px solid var(--line);border-radius:.4rem;font-size:.85rem}
code{font-size:.9em;padding:.05rem .25rem;border-radius:.25rem;background:#8882}
table{border-collapse:collapse;width:100%;table-layout:fixed}
td,th{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;overflow-wrap:anywhere}
th{width:4rem}.parameters th{width:9rem}.parameters td:nth-child(2){width:4rem}
""".strip()
_CODE: Final = re.compile(r"`([^`]+)`")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@router.get("/openapi.yaml", operation_id="openapi", dependencies=NO_QUERY)
async def openapi() -> Response:
    """This document."""
    return Response(_yaml(), media_type="application/yaml")


@router.get("/docs", operation_id="docs", dependencies=NO_QUERY)
async def docs() -> Response:
    """This document as a page."""
    return Response(_page(), media_type="text/html; charset=utf-8", headers=_HEADERS)


@cache
def _yaml() -> bytes:
    from acrux.http.openapi import document, to_yaml  # noqa: PLC0415 - the document is made of all routes, these too

    return to_yaml(document()).encode()


@cache
def _page() -> bytes:
    from acrux.http.openapi import document  # noqa: PLC0415 - see above

    return render(document()).encode()


def render(document: dict[str, Any]) -> str:
    """An OpenAPI document as one HTML page."""
    operations = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    contents = "".join(
        f'<div><a href="#{escape(operation["operationId"])}"><b class="method">{method}</b> {escape(path)}</a> '
        f"<span>{escape(operation['summary'])}</span></div>"
        for method, path, operation in operations
    )
    articles = "".join(_article(*operation, document["components"]["responses"]) for operation in operations)
    title = escape(f"{document['info']['title']} {document['info']['version']}")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"{_paragraphs(document['info']['description'])}"
        f'<p><a href="openapi.yaml">openapi.yaml</a></p><nav>{contents}</nav>{articles}</body></html>'
    )


def _article(method: str, path: str, operation: dict[str, Any], shared: dict[str, Any]) -> str:
    parts = [
        f'<article id="{escape(operation["operationId"])}">',
        f'<h2><b class="method">{method}</b> {escape(path)}</h2>',
        _paragraphs(operation.get("description", "")),
        _parameters(operation.get("parameters", [])),
    ]
    if "requestBody" in operation:
        parts.append("<h3>Request</h3>" + _examples(operation["requestBody"]["content"]))
    parts.append("<h3>Answers</h3><table>")
    for status, given in operation["responses"].items():
        response = shared[given["$ref"].rpartition("/")[2]] if "$ref" in given else given
        shown = _examples(response.get("content", {}))
        parts.append(f"<tr><th>{status}</th><td>{_text(response['description'])}{shown}</td></tr>")
    parts.append("</table></article>")
    return "".join(parts)


def _parameters(parameters: list[dict[str, Any]]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"<tr><th>{escape(parameter['name'])}</th><td>{escape(parameter['in'])}</td>"
        f"<td>{_text(parameter.get('description', ''))}</td></tr>"
        for parameter in parameters
    )
    return f'<h3>Parameters</h3><table class="parameters">{rows}</table>'


def _paragraphs(text: str) -> str:
    """A description: an empty line parts two paragraphs, as in CommonMark."""
    return "".join(f"<p>{_text(paragraph)}</p>" for paragraph in text.split("\n\n") if paragraph)


def _text(text: str) -> str:
    """A description's text; what stands between backticks is code, which is all of CommonMark that is used."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def _examples(content: dict[str, Any]) -> str:
    shown = []
    for media in content.values():
        if "example" in media:
            example = media["example"]
            text = example if isinstance(example, str) else orjson.dumps(example, option=orjson.OPT_INDENT_2).decode()
            shown.append(f"<pre>{escape(text)}</pre>")
    return "".join(shown)
