"""The provider of the test bed does what real ones do, so that a journey on it proves something."""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING, Any

import httpx
import pyotp
import pytest
from bed.agent import Agent, Page
from bed.provider import CODE_ACR, PASSWORD_ACR, Person, Provider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.external

# Nobody listens there: the tests stop at the redirect. RFC 5737 keeps the address free.
CALLBACK = "http://192.0.2.1/callback"
SECRET = secrets.token_urlsafe(32)
ALICE = Person("alice", "correct horse", "u-1029", groups=("design", "everybody"))
BOB = Person("bob", "battery staple", "u-2048", totp_secret=None)


@pytest.fixture(scope="module")
def provider(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    clients = [
        {"client_id": name, "client_secret": SECRET, "redirect_uris": [CALLBACK]} for name in ("first", "second")
    ]
    started = Provider.start(
        tmp_path_factory.mktemp("provider"), {"clients": clients, "users": [ALICE.as_json(), BOB.as_json()]}
    )
    yield started
    started.program.stop()


@pytest.fixture
def agent() -> Iterator[Agent]:
    with Agent(CALLBACK) as agent:
        yield agent


def ask(provider: Provider, client_id: str = "first", **parameters: str) -> httpx.URL:
    """The address of an authorization request."""
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": CALLBACK,
        "scope": "openid profile email",
        "state": secrets.token_urlsafe(8),
        **parameters,
    }
    return httpx.URL(provider.metadata["authorization_endpoint"], params=query)


def redeem(provider: Provider, page: Page, client_id: str = "first") -> dict[str, Any]:
    """The verified claims behind the code that came back."""
    assert "code" in page.query, page.query
    assert page.query["iss"] == provider.issuer
    answer = httpx.post(
        provider.metadata["token_endpoint"],
        data={"grant_type": "authorization_code", "code": page.query["code"], "redirect_uri": CALLBACK},
        auth=(client_id, SECRET),
    )
    return provider.claims(answer.raise_for_status().json()["id_token"], client_id)


def sign_in(agent: Agent, provider: Provider, person: Person = ALICE, **parameters: str) -> Page:
    """Opens the request and passes the password page; what comes next."""
    page = agent.open(ask(provider, **parameters))
    assert page.title == "Sign in"
    assert page.labels["username"] == "User name"
    assert page.labels["password"] == "Password"
    return agent.submit(page, username=person.username, password=person.password)


def test_password_alone(agent: Agent, provider: Provider) -> None:
    """Without acr_values a password is enough, and the ID token says so, with the user's groups."""
    before = int(time.time())
    claims = redeem(provider, sign_in(agent, provider))
    assert claims["acr"] == PASSWORD_ACR
    assert claims["amr"] == ["pwd"]
    assert before <= claims["auth_time"] <= time.time()
    assert claims["sub"] == "u-1029"
    assert claims["groups"] == ["design", "everybody"]
    assert claims["email"] == "alice@example.com"


@pytest.mark.parametrize(
    "parameters",
    [
        {"acr_values": CODE_ACR},
        {"acr_values": f"urn:example:unknown {CODE_ACR} {PASSWORD_ACR}"},
        {"claims": json.dumps({"id_token": {"acr": {"essential": True, "values": [CODE_ACR]}}})},
        {"claims": json.dumps({"id_token": {"acr": {"essential": True, "value": CODE_ACR}}})},
    ],
    ids=["acr_values", "first known value", "essential values", "essential value"],
)
def test_second_factor(agent: Agent, provider: Provider, parameters: dict[str, str]) -> None:
    """Each way to ask for the level of the second factor brings its page, and the level into the ID token."""
    page = sign_in(agent, provider, **parameters)
    assert page.title == "Second factor"
    assert page.labels["code"] == "6-digit code"
    claims = redeem(provider, agent.submit(page, code=ALICE.code()))
    assert claims["acr"] == CODE_ACR
    assert claims["amr"] == ["pwd", "otp", "mfa"]


def test_unknown_acr_is_ignored(agent: Agent, provider: Provider) -> None:
    """A voluntary value that the provider does not know changes nothing, as the standard allows and most do."""
    assert redeem(provider, sign_in(agent, provider, acr_values="urn:example:unknown"))["acr"] == PASSWORD_ACR


def test_unknown_essential_acr_is_refused(agent: Agent, provider: Provider) -> None:
    """An essential value that the provider does not know ends in the error that the standard names."""
    claims = json.dumps({"id_token": {"acr": {"essential": True, "values": ["urn:example:unknown"]}}})
    assert agent.open(ask(provider, claims=claims)).query["error"] == "unmet_authentication_requirements"


def test_wrong_password(agent: Agent, provider: Provider) -> None:
    """A wrong password gets the page again with an error, and the right one then passes."""
    page = agent.open(ask(provider))
    page = agent.submit(page, username="alice", password="wrong")
    assert (page.response.status_code, page.title) == (401, "Sign in")
    assert page.alert == "The user name or the password is wrong."
    page = agent.submit(page, username="nobody", password=ALICE.password)
    assert page.response.status_code == 401
    assert redeem(provider, agent.submit(page, username="alice", password=ALICE.password))["sub"] == "u-1029"


def test_wrong_code(agent: Agent, provider: Provider) -> None:
    """A wrong code gets the page again with an error, and the right one then passes."""
    page = sign_in(agent, provider, acr_values=CODE_ACR)
    page = agent.submit(page, code=ALICE.wrong_code())
    assert (page.response.status_code, page.title) == (401, "Second factor")
    assert page.alert
    assert redeem(provider, agent.submit(page, code=ALICE.code()))["acr"] == CODE_ACR


def test_code_of_long_ago(agent: Agent, provider: Provider) -> None:
    """The code is bound to the time: the one of five minutes ago is refused."""
    page = sign_in(agent, provider, acr_values=CODE_ACR)
    assert ALICE.totp_secret is not None
    totp = pyotp.TOTP(ALICE.totp_secret)
    now = int(time.time())
    near = {totp.at(now + drift * totp.interval) for drift in range(-2, 3)}
    # Codes repeat by chance, once in a million: take an old one that is not also a present one.
    old = next(code for code in (totp.at(now - step * totp.interval) for step in range(10, 20)) if code not in near)
    assert agent.submit(page, code=old).response.status_code == 401


def test_factor_fails_for_good(agent: Agent, provider: Provider) -> None:
    """Three wrong codes end the login with the error that the standard names."""
    page = sign_in(agent, provider, acr_values=CODE_ACR)
    for _ in range(3):
        page = agent.submit(page, code=ALICE.wrong_code())
    assert page.query["error"] == "unmet_authentication_requirements"


@pytest.mark.parametrize(
    ("parameters", "error"),
    [({}, "access_denied"), ({"acr_values": CODE_ACR}, "unmet_authentication_requirements")],
)
def test_cancel(agent: Agent, provider: Provider, parameters: dict[str, str], error: str) -> None:
    """Cancelling is an answer of its own at each page, and the next login starts from the beginning."""
    page = sign_in(agent, provider, **parameters) if parameters else agent.open(ask(provider))
    assert agent.submit(page, cancel="yes").query["error"] == error
    assert agent.open(ask(provider)).title == "Sign in"


def test_user_without_a_second_factor(agent: Agent, provider: Provider) -> None:
    """Nobody without a factor reaches the level that takes one."""
    page = sign_in(agent, provider, BOB, acr_values=CODE_ACR)
    assert page.query["error"] == "unmet_authentication_requirements"


def test_session_is_shared(agent: Agent, provider: Provider) -> None:
    """A second application asks for nothing; when it asks for more, it is the code alone, and the level stays."""
    redeem(provider, sign_in(agent, provider))
    second = agent.open(ask(provider, "second"))
    assert redeem(provider, second, "second")["acr"] == PASSWORD_ACR
    page = agent.open(ask(provider, "second", acr_values=CODE_ACR))
    assert page.title == "Second factor"
    raised = redeem(provider, agent.submit(page, code=ALICE.code()), "second")
    assert (raised["acr"], raised["sub"]) == (CODE_ACR, "u-1029")
    # Voluntarily, more than what was asked for is fine.
    assert redeem(provider, agent.open(ask(provider, acr_values=PASSWORD_ACR)))["acr"] == CODE_ACR


def test_max_age(agent: Agent, provider: Provider) -> None:
    """A session that is older than max_age takes the password again, and auth_time moves."""
    first = redeem(provider, sign_in(agent, provider, acr_values=PASSWORD_ACR))
    # The provider counts whole seconds: wait until the session is surely older than none.
    while time.time() < first["auth_time"] + 2:
        time.sleep(0.1)
    assert agent.open(ask(provider, max_age="3600")).redirect is not None
    page = agent.open(ask(provider, max_age="1"))
    assert page.title == "Sign in"
    assert page.values["username"] == "alice"
    again = redeem(provider, agent.submit(page, password=ALICE.password))
    assert again["auth_time"] > first["auth_time"]


@pytest.mark.parametrize(
    ("signed_in", "error"), [(False, "login_required"), (True, "unmet_authentication_requirements")]
)
def test_prompt_none(agent: Agent, provider: Provider, *, signed_in: bool, error: str) -> None:
    """Where nothing may be shown, an unmet level is an error and never a lower login."""
    if signed_in:
        redeem(provider, sign_in(agent, provider))
    assert agent.open(ask(provider, prompt="none", acr_values=CODE_ACR)).query["error"] == error


def test_duplicated_acr_values(agent: Agent, provider: Provider) -> None:
    """A repeated parameter is refused, so an adapter must replace and never append."""
    url = str(ask(provider, acr_values=CODE_ACR)) + f"&acr_values={PASSWORD_ACR}"
    assert agent.open(url).query["error"] == "invalid_request"


def test_provider_that_knows_no_acr(node_modules: Path, tmp_path: Path, agent: Agent) -> None:
    """A provider without levels ignores what it is asked and returns no acr."""
    clients = [{"client_id": "first", "client_secret": SECRET, "redirect_uris": [CALLBACK]}]
    started = Provider.start(tmp_path, {"clients": clients, "users": [ALICE.as_json()], "levels": []})
    try:
        claims = redeem(started, sign_in(agent, started, acr_values=CODE_ACR))
    finally:
        started.program.stop()
    assert "acr" not in claims
    assert claims["amr"] == ["pwd"]


def test_login_in_chromium(chromium: Browser, provider: Provider, tmp_path: Path) -> None:
    """A real browser gets through both pages by their labels and arrives with the level."""
    context = chromium.new_context()
    page = context.new_page()
    arrived: list[str] = []

    def arrive(route):
        arrived.append(route.request.url)
        route.fulfill(body="arrived")

    page.route(f"{CALLBACK}**", arrive)
    page.goto(str(ask(provider, acr_values=CODE_ACR)))
    page.screenshot(path=tmp_path / "password.png")
    page.get_by_label("User name").fill("alice")
    page.get_by_label("Password").fill(ALICE.password)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("heading", name="Second factor").wait_for()
    page.get_by_label("6-digit code").fill(ALICE.wrong_code())
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("alert").wait_for()
    page.screenshot(path=tmp_path / "code.png")
    page.get_by_label("6-digit code").fill(ALICE.code())
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{CALLBACK}**")
    context.close()
    returned = Page(httpx.Response(302), redirect=httpx.URL(arrived[0]))
    assert redeem(provider, returned)["acr"] == CODE_ACR
