"""Step-up inside a session in real frameworks: what goes round for ever ends with the page of a refused login."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from django.http import HttpRequest, HttpResponse
from flask import Flask, session
from sites.django_site import application
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from acrux.adapters import django, flask, starlette
from acrux.adapters.step_up import StepUp
from acrux.client import Accept, Decision

NOW = datetime.now(UTC)
DECISION = Decision(
    id="d-1",
    client="jira",
    outcome="step_up",
    level="mfa",
    authorization_params={"acr_values": "urn:example:loa:2"},
    accept=Accept("acr", ("urn:example:loa:2",), None),
    decided_at=NOW,
    expires_at=NOW + timedelta(minutes=10),
)
WEAK = {"acr": "urn:example:loa:1"}
PROVIDER = "https://login.example.com/authorize"


def ended(answers: list[tuple[int, str]]) -> None:
    """Two trips, then the page, with what a help desk asks for."""
    assert [status for status, _ in answers] == [302, 302, 403]
    assert "<h1>Not signed in</h1>" in answers[-1][1]
    assert "downgraded, decision d-1." in answers[-1][1]
    assert "Call 4242." in answers[-1][1]


def made(raises: Callable[..., Exception]) -> StepUp:
    """As docs/relying-parties/step-up.md makes it."""
    return StepUp(raises=raises, help_desk="Call 4242.")


def test_flask() -> None:
    """Flask answers the adapter's exception with the page."""
    app, step_up = Flask(__name__), made(flask.LoginRefused)
    app.secret_key = "k"

    @app.get("/secret")
    def secret() -> object:
        lacking = step_up.lacking(DECISION, WEAK, session)
        assert lacking is not None
        return "", 302, {"Location": PROVIDER}

    browser = app.test_client()
    ended([(answer.status_code, answer.text) for answer in (browser.get("/secret") for _ in range(3))])


@pytest.mark.anyio
async def test_starlette() -> None:
    """Starlette does with its handler `refusal_page`."""
    step_up = made(starlette.LoginRefused)

    async def secret(request: Request) -> Response:
        lacking = step_up.lacking(DECISION, WEAK, request.session)
        assert lacking is not None
        return RedirectResponse(PROVIDER, 302)

    app = Starlette(
        routes=[Route("/secret", secret)],
        middleware=[Middleware(SessionMiddleware, secret_key="k")],
        exception_handlers={starlette.LoginRefused: starlette.refusal_page},
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app.example.com") as browser:
        ended([(answer.status_code, answer.text) for answer in [await browser.get("/secret") for _ in range(3)]])


def test_django() -> None:
    """Django does with `LoginAnswersMiddleware`."""
    application()
    step_up, kept, answers = made(django.LoginRefused), {}, []
    middleware = django.LoginAnswersMiddleware(lambda _request: HttpResponse())
    for _ in range(3):
        try:
            step_up.lacking(DECISION, WEAK, kept)
            answers.append((302, ""))
        except django.LoginRefused as refused:
            page = middleware.process_exception(HttpRequest(), refused)
            assert page is not None
            answers.append((page.status_code, page.content.decode()))
    ended(answers)
