"""The few lines of each page, taken from the page and run: an honest login is admitted, the attack is not."""

import asyncio
import re
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sites import django_site, starlette_site
from sites.laws import admitted, refused, sent_again
from sites.party import ISSUER, Party

from acrux import client as acrux_client
from acrux.client import Accept, AcruxClient, AsyncAcruxClient, Decision

PAGES = Path(__file__).resolve().parents[3] / "docs" / "relying-parties"
LOA1, LOA2 = "urn:example:loa:1", "urn:example:loa:2"
REGISTRATION: dict[str, Any] = {
    "client_id": "jira-sso",
    "client_secret": "s3cret",
    "server_metadata_url": f"{ISSUER}/.well-known/openid-configuration",
    "client_kwargs": {"scope": "openid profile", "code_challenge_method": "S256"},
}
pytestmark = pytest.mark.usefixtures("requests_reach")


def code_of(page: str, number: int = 0) -> str:
    """One of a page's pieces of Python."""
    return re.findall(r"```python\n(.*?)```", (PAGES / page).read_text(), re.DOTALL)[number]


def run(page: str, number: int = 0, **known: Any) -> dict[str, Any]:
    """Runs it where these names are known; what it defines."""
    names = {"__name__": "page", **known}
    exec(compile(code_of(page, number), page, "exec"), names)  # noqa: S102 - the page's own code is what is tested
    return names


@pytest.fixture(autouse=True)
def ends(monkeypatch, acrux):
    """What a page makes a client of speaks to the Acrux of the test; what it makes is closed."""
    stack = ExitStack()

    def blocking(url: str, token: str, **settings: Any) -> AcruxClient:
        transport = httpx.MockTransport(lambda request: asyncio.run(acrux(request)))
        made = AcruxClient(url, token, transport=transport, timeout_seconds=30, **settings)
        stack.callback(made.close)
        return made

    def asynchronous(url: str, token: str, **settings: Any) -> AsyncAcruxClient:
        return AsyncAcruxClient(url, token, transport=httpx.MockTransport(acrux), timeout_seconds=30, **settings)

    monkeypatch.setattr(acrux_client, "AcruxClient", blocking)
    monkeypatch.setattr(acrux_client, "AsyncAcruxClient", asynchronous)
    with stack:
        yield stack


class Site(Party):
    """A relying party that a page has made, and a browser at it."""

    def __init__(self, transport: httpx.BaseTransport, provider: Any, ends: ExitStack) -> None:
        self.adapter, self.provider = "page", provider
        self.method, self.login_path, self.callback_path = "GET", "/login", "/callback"
        self.browser = ends.enter_context(httpx.Client(transport=transport, base_url="https://jira.example.com"))


def login_and_attack(party: Party, acrux: Any) -> None:
    """The attack fails after one more trip, with the page; an honest login gets in."""
    again = sent_again(party, party.come_back(party.begin(), acr=LOA1))
    refused(party, party.come_back(again, acr=LOA1), "downgraded, decision")
    admitted(party, party.come_back(party.begin()))
    assert acrux.verdicts == ["downgraded", "downgraded", "satisfied"]
    assert acrux.asked[0]["client"]["id"] in {"jira", "wiki", "jira-sso"}


def test_starlette(provider, acrux, ends) -> None:
    """authlib.md."""
    from authlib.integrations.starlette_client import OAuth  # noqa: PLC0415 - each page has its own framework
    from starlette.applications import Starlette  # noqa: PLC0415 - same
    from starlette.middleware import Middleware  # noqa: PLC0415 - same
    from starlette.middleware.sessions import SessionMiddleware  # noqa: PLC0415 - same
    from starlette.responses import JSONResponse, RedirectResponse  # noqa: PLC0415 - same
    from starlette.routing import Route  # noqa: PLC0415 - same

    oauth = OAuth()
    client_kwargs = {**REGISTRATION["client_kwargs"], "transport": httpx.MockTransport(provider)}
    oauth.register("jira", **{**REGISTRATION, "client_kwargs": client_kwargs})
    made = run(
        "authlib.md",
        oauth=oauth,
        token="acrux_t",
        secret_key="k",
        Starlette=Starlette,
        Route=Route,
        Middleware=Middleware,
        SessionMiddleware=SessionMiddleware,
        RedirectResponse=RedirectResponse,
    )
    made["app"].add_route("/me", lambda request: JSONResponse(request.session.get("user")))
    login_and_attack(Site(starlette_site.Transport(made["app"], "203.0.113.7"), provider, ends), acrux)


def test_flask(provider, acrux, ends) -> None:
    """flask.md."""
    from authlib.integrations.flask_client import OAuth  # noqa: PLC0415 - each page has its own framework
    from flask import Flask, jsonify, redirect, session, url_for  # noqa: PLC0415 - same

    app = Flask("jira")
    app.secret_key = "k"
    oauth = OAuth(app)
    oauth.register("jira", **REGISTRATION)
    run("flask.md", app=app, oauth=oauth, token="acrux_t", url_for=url_for, session=session, redirect=redirect)
    app.add_url_rule("/me", view_func=lambda: jsonify(session.get("user")), endpoint="me")
    login_and_attack(Site(httpx.WSGITransport(app), provider, ends), acrux)


def test_django(provider, acrux, ends, monkeypatch) -> None:
    """django.md: its views at the site's own addresses, its middleware among the site's."""
    app = django_site.application()
    django_site.forget_everybody()
    from authlib.integrations.django_client import OAuth  # noqa: PLC0415 - needs the settings
    from django.conf import settings  # noqa: PLC0415 - same
    from django.http import HttpResponseRedirect  # noqa: PLC0415 - same
    from sites import django_urls  # noqa: PLC0415 - same

    oauth = OAuth()
    oauth.register("jira", **REGISTRATION)
    made = run("django.md", MIDDLEWARE=[], oauth=oauth, token="acrux_t", reverse=lambda _: "/authlib/callback")
    assert set(made["MIDDLEWARE"]) <= set(settings.MIDDLEWARE)

    def callback(request):
        assert made["callback"](request) is None  # the page leaves the rest to its reader
        request.session["user"] = "u-1029"
        return HttpResponseRedirect("/")

    monkeypatch.setattr(django_urls.urlpatterns[0], "callback", made["login"])
    monkeypatch.setattr(django_urls.urlpatterns[1], "callback", callback)
    party = Site(httpx.WSGITransport(app), provider, ends)
    party.login_path, party.callback_path = "/authlib/login", "/authlib/callback"
    login_and_attack(party, acrux)


@pytest.mark.parametrize(
    ("page", "adapter"),
    [
        ("mozilla-django-oidc.md", "mozilla_django_oidc"),
        ("allauth.md", "allauth"),
        ("social-core.md", "social_core"),
    ],
)
def test_settings_of_django(provider, acrux, ends, page, adapter) -> None:
    """The pages whose lines are settings: what they say, and nothing of the test's own in its place."""
    django_site.application()
    from django.conf import settings  # noqa: PLC0415 - needs the application

    said = run(page, token="acrux_t", AcruxClient=acrux_client.AcruxClient)
    changed = {name: value for name, value in said.items() if name.isupper()}
    if "SOCIALACCOUNT_PROVIDERS" in changed:
        own = changed["SOCIALACCOUNT_PROVIDERS"]["openid_connect"]
        assert own["APPS"] == [...]
        before = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]
        changed["SOCIALACCOUNT_PROVIDERS"] = {"openid_connect": {**before, **own, "APPS": before["APPS"]}}
        changed["AUTHENTICATION_BACKENDS"] = ["allauth.account.auth_backends.AuthenticationBackend"]
    party = Party(adapter, provider, acrux, settings=changed)
    ends.callback(party.ends.close)
    login_and_attack(party, acrux)


def test_other_backends_of_social_core() -> None:
    """social-core.md: another OpenID Connect backend of the library."""
    django_site.application()
    from social_core.backends.okta_openidconnect import OktaOpenIdConnect  # noqa: PLC0415 - needs the settings

    from acrux.adapters.social_core import AcruxLogins  # noqa: PLC0415 - same

    made = run("social-core.md", 1, AcruxLogins=AcruxLogins, OktaOpenIdConnect=OktaOpenIdConnect)
    assert made["Okta"].__mro__[1:3] == (AcruxLogins, OktaOpenIdConnect)


def test_step_up(acrux) -> None:
    """step-up.md: the challenge of an API, the application's own request, and what a 401 of an API becomes."""
    client = acrux_client.AcruxClient("https://acrux.example.com", "acrux_t", client="jira")
    begun = run("step-up.md", 0, client=client, address="198.51.100.9")
    assert isinstance(begun["decision"], Decision)
    assert (acrux.asked[0]["attributes"], acrux.asked[0]["session"]) == ({"action": "delete"}, {"level": "basic"})
    now = int(datetime.now(UTC).timestamp())
    decision = Decision(
        id="d",
        client="jira",
        outcome="step_up",
        level="mfa",
        authorization_params={"acr_values": LOA2, "max_age": "300"},
        accept=Accept("acr", (LOA2,), 300),
        decided_at=datetime.now(UTC),
        expires_at=datetime.now(UTC) + timedelta(minutes=10),
    )
    answered, sent = [], []
    known = {"step_up": begun["step_up"], "decision": decision}
    text = code_of("step-up.md", 1).replace("return Response", "answered = Response")
    names = {**known, "claims": {"acr": LOA1, "auth_time": now}, "Response": lambda **said: answered.append(said)}
    exec(text, names)  # noqa: S102 - as in `run`
    header = answered[0]["headers"]["WWW-Authenticate"]
    assert header in re.sub(r"\n\s+", " ", (PAGES / "step-up.md").read_text())

    class Adapter:
        def authorize_redirect(self, *_: Any, **params: str) -> None:
            sent.append(params)

    session: dict[str, Any] = {"claims": {"acr": LOA1, "auth_time": now}}
    names = {**known, "session": session, "acrux": Adapter(), "oauth": type("OAuth", (), {"jira": None})}
    names |= {"redirect_uri": "u", "response": type("R", (), {"headers": {"WWW-Authenticate": header}})}
    for number in (2, 3):
        exec(code_of("step-up.md", number).replace("return ", ""), names)  # noqa: S102 - as in `run`
    assert sent == [{"acr_values": LOA2, "max_age": "300"}] * 2
    client.close()


@pytest.mark.parametrize("page", ["authlib", "flask", "django", "mozilla-django-oidc", "allauth", "social-core"])
def test_lines_are_few(page) -> None:
    """What a page asks of its user is numbered, and at most five lines; the page says how many."""
    marked = re.findall(r"# ([0-9])$", code_of(f"{page}.md"), re.MULTILINE)
    assert marked == [str(number + 1) for number in range(len(marked))]
    assert 1 < len(marked) <= 5
    word = ("two", "three", "four", "five")[len(marked) - 2]
    assert re.search(rf"^{word} (lines|settings)[:;]", (PAGES / f"{page}.md").read_text(), re.MULTILINE | re.IGNORECASE)
