"""What a person sees where a login can't go on: one page, readable on a phone, with what a help desk asks for."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Final

from fastapi import Response

from acrux.http.problems import Code, Problem

_STYLE: Final = (
    ":root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:10vh auto;"
    "padding:0 1.2rem}h1{font-size:1.6rem;line-height:1.2}small{display:block;margin:2rem 0 .4rem;font-size:.9rem}"
    # One tap or click selects all of it: no script is needed to copy it.
    "dl{margin:0;padding:.8rem 1rem;border:1px solid;border-color:color-mix(in srgb,currentColor 35%,transparent);"
    "border-radius:.6rem;font-size:.95rem;overflow-wrap:anywhere;-webkit-user-select:all;user-select:all}"
    "dl div+div{margin-top:.3rem}dt,dd{display:inline;margin:0}dd{font-family:ui-monospace,monospace;font-weight:600}"
    "a{display:inline-block;padding:.6rem 1.4rem;border:2px solid;border-radius:.6rem;color:inherit;font-weight:600;"
    "text-decoration:none}a:focus-visible{outline:3px solid;outline-offset:3px}"
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
    str(
        Code.NOT_FOUND
    ): "This sign-in address does not belong to any application. Please start again from the application.",
    str(Code.DEFECT): _OURS,
}
_DETAILS: Final = {
    str(Code.UNMAPPED_REQUESTED_ACR): "the application asks for an `acr` that the provider's map does not know",
}
"""Whoever makes a link chooses its parameters: none of them may stand on our page."""
DEFAULT_HELP_DESK: Final = "If that does not help, send what is in the box to your help desk."
_NO_OTHER_WAY: Final = "If you should be able to, send what is in the box to your help desk."
_IN_THE_BOX: Final = "For the help desk. Tap to select all of it, then copy."
_AGAIN: Final = '<p><a href="">Try again</a></p>'
"""The same address once more."""
_BAD_REQUEST: Final = 400
_UNPROCESSABLE: Final = 422
_SERVER_ERRORS: Final = 500
_TEMPORARY: Final = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Sign:
    """What a help desk finds a login by.

    Attributes:
        request_id: of the request that is answered.
        at: when.
        application: the client's name in the policy set; '' where nobody knows whose login it is.
        decision_id: the decision that is recorded for it; '' if there is none.
    """

    request_id: str
    at: datetime
    application: str = ""
    decision_id: str = ""

    def rows(self) -> dict[str, str]:
        """What to show of it, by name; '' for what there is not."""
        return {
            "Application": self.application,
            "Decision": self.decision_id,
            "Request": self.request_id,
            "Time": f"{self.at:%Y-%m-%d %H:%M:%S} UTC",
        }


def problem_page(problem: Problem, sign: Sign, help_desk: str, *, may_repeat: bool) -> Response:
    """The page of a problem; its detail is for whoever set the application up, and repeats nothing that was sent.

    Args:
        problem: what is wrong.
        sign: what to look it up by.
        help_desk: the operator's own sentence, or ''.
        may_repeat: whether the same address, opened again, is the same request.
    """
    status = _BAD_REQUEST if problem.status == _UNPROCESSABLE else problem.status
    sentence = _SENTENCES.get(str(problem.code), _OURS if status >= _SERVER_ERRORS else _THEIRS)
    detail = _DETAILS.get(str(problem.code), problem.detail)
    shown = {"What is wrong": detail, "Code": str(problem.code), **sign.rows()}
    again = _AGAIN if may_repeat and status in _TEMPORARY else ""
    return page(status, sentence, shown, help_desk or DEFAULT_HELP_DESK, again)


def denied_page(sign: Sign, help_desk: str) -> Response:
    """The page of a login that the policy refuses, where the application can't be told by a redirect."""
    return page(403, _SENTENCES[DENIED], {"Code": DENIED, **sign.rows()}, help_desk or _NO_OTHER_WAY)


def page(status: int, sentence: str, shown: dict[str, str], help_desk: str, again: str = "") -> Response:
    """A page: a sentence for the person, and rows for the help desk. No script, nothing fetched."""
    rows = "\n".join(
        f"<div><dt>{escape(name)}:</dt> <dd>{escape(value)}</dd></div>" for name, value in shown.items() if value
    )
    body = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Not signed in</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><main><h1>Not signed in</h1><p>{escape(sentence)}</p>{again}"
        f"<p>{escape(help_desk)}</p><small>{_IN_THE_BOX}</small><dl>{rows}</dl></main></body></html>"
    )
    return Response(body, status, headers=HEADERS, media_type="text/html; charset=utf-8")
