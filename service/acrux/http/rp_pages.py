"""What a person sees where a login can't go on: one page, readable on a phone, with what a help desk asks for."""

import base64
import hashlib
from html import escape
from typing import Final

from fastapi import Response

from acrux.http.problems import Code, Problem

_STYLE: Final = (
    ":root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:12vh auto;"
    "padding:0 1rem}h1{font-size:1.5rem}dt{font-size:.85rem}dd{margin:0 0 .6rem;font:1rem/1.4 ui-monospace,monospace;"
    "overflow-wrap:anywhere}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS: Final = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
}
DENIED: Final = "denied"
_OURS: Final = "You can't sign in at the moment. Please try again in a few minutes."
_THEIRS: Final = (
    "You can't sign in: the application's sign-in link is not right. Please start again from the application."
)
_SENTENCES: Final = {
    DENIED: "You can't sign in to this application from here.",
    str(Code.TOO_MANY_REQUESTS): "There are too many sign-ins from here at the moment. Please try again in a minute.",
    str(Code.NOT_FOUND): "This sign-in address does not belong to any application.",
    str(Code.DEFECT): _OURS,
}
_DETAILS: Final = {
    str(Code.UNMAPPED_REQUESTED_ACR): "the application asks for an `acr` that the provider's map does not know",
}
"""Whoever makes a link chooses its parameters: none of them may stand on our page."""
DEFAULT_HELP_DESK: Final = "If that does not help, show this page to your help desk."
_BAD_REQUEST: Final = 400
_UNPROCESSABLE: Final = 422
_SERVER_ERRORS: Final = 500


def problem_page(problem: Problem, request_id: str, help_desk: str) -> Response:
    """The page of a problem; its detail is for whoever set the application up, and repeats nothing that was sent."""
    status = _BAD_REQUEST if problem.status == _UNPROCESSABLE else problem.status
    sentence = _SENTENCES.get(str(problem.code), _OURS if status >= _SERVER_ERRORS else _THEIRS)
    detail = _DETAILS.get(str(problem.code), problem.detail)
    shown = {"What is wrong": detail, "Code": str(problem.code), "Request": request_id}
    return page(status, sentence, shown, help_desk)


def denied_page(decision_id: str, help_desk: str) -> Response:
    """The page of a login that the policy refuses, where the application can't be told by a redirect."""
    return page(403, _SENTENCES[DENIED], {"Code": DENIED, "Decision": decision_id}, help_desk)


def page(status: int, sentence: str, shown: dict[str, str], help_desk: str) -> Response:
    """A page: a sentence for the person, and rows for the help desk. No script, nothing fetched."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in shown.items() if value)
    body = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Not signed in</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><main><h1>Not signed in</h1><p>{escape(sentence)}</p>"
        f"<p>{escape(help_desk or DEFAULT_HELP_DESK)}</p><dl>{rows}</dl></main></body></html>"
    )
    return Response(body, status, headers=HEADERS, media_type="text/html; charset=utf-8")
