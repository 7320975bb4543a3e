"""What a login remembers, and what a connection says, apart from any framework."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from acrux.adapters.addresses import TrustedProxies
from acrux.adapters.authorization import UnusableRequestError, replaced_url
from acrux.adapters.blocking import Gate, LoginRefusedError
from acrux.adapters.logins import Login, browser_of, connection_of_environ, facts_of, login_from_state
from acrux.client import Accept, AcruxClient, Decision

DECISION = Decision(
    id="d-1",
    client="jira",
    outcome="step_up",
    level="mfa",
    authorization_params={},
    accept=Accept("acr", ("a",), None),
    decided_at=datetime.now(UTC),
    expires_at=datetime.now(UTC) + timedelta(minutes=10),
    ticket="t",
)
ENVIRON = {"REMOTE_ADDR": "203.0.113.7", "HTTP_HOST": "jira.example.com:8443", "wsgi.url_scheme": "https"}


def test_round_trip() -> None:
    """A login comes back from its state as it went in; the nonce is the framework's to keep."""
    login = Login(DECISION, "n", again=True, params={"login_hint": "eve"})
    state = login.to_state()
    assert "n" not in state.values()
    assert login_from_state(state, "n") == login
    assert login_from_state(Login(DECISION, "n").to_state(), "n") == Login(DECISION, "n")


@pytest.mark.parametrize(
    ("kept", "nonce"),
    [
        (None, "n"),
        ([], "n"),
        ({}, "n"),
        ({"decision": "d-1"}, "n"),
        ({"decision": {"id": "d-1"}}, "n"),
        (Login(DECISION, "n").to_state(), ""),
        (Login(DECISION, "n").to_state(), None),
    ],
)
def test_no_login(kept, nonce) -> None:
    """State that no adapter has made is no login: it is refused like one that is not under way."""
    assert login_from_state(kept, nonce) is None


@pytest.mark.parametrize(
    ("changes", "scheme", "host"),
    [
        ({}, "https", "jira.example.com"),
        ({"wsgi.url_scheme": "http", "HTTP_HOST": "[::1]:80"}, "http", "::1"),
        ({"wsgi.url_scheme": "", "SERVER_PORT": "443"}, "https", "jira.example.com"),
        ({"wsgi.url_scheme": "", "SERVER_PORT": "80"}, "http", "jira.example.com"),
        ({"HTTP_HOST": "", "SERVER_NAME": "localhost"}, "https", "localhost"),
        ({"HTTP_HOST": "[", "SERVER_NAME": "localhost"}, "https", None),
    ],
)
def test_environment(changes, scheme, host) -> None:
    """Scheme and host come from where WSGI and Django have them; a host that is none is unknown."""
    connection = connection_of_environ({**ENVIRON, **changes}, "x-forwarded-for", {})
    assert (connection.scheme, connection.host) == (scheme, host)


def test_connection_facts() -> None:
    """Without an address, a browser's words or a cookie they are unknown, but for a new id."""
    connection = connection_of_environ({"wsgi.url_scheme": "https"}, "forwarded", {})
    browser = browser_of(connection, "b")
    facts = facts_of(connection, TrustedProxies(header="forwarded"), browser)
    assert facts == {"ip": None, "user_agent": None, "browser_id": browser.id}
    assert browser.is_new
    known = connection_of_environ(ENVIRON, "forwarded", {"__Host-b": browser.id})
    assert not browser_of(known, "b").is_new
    line = {**ENVIRON, "REMOTE_ADDR": "10.0.0.1", "HTTP_FORWARDED": "for=198.51.100.9"}
    proxies = TrustedProxies(["10.0.0.0/8"], "forwarded")
    assert facts_of(connection_of_environ(line, "forwarded", {}), proxies, browser)["ip"] == "198.51.100.9"


@pytest.fixture
def gate():
    client = AcruxClient(
        "https://acrux.example.com",
        "acrux_t",
        client="jira",
        transport=httpx.MockTransport(lambda _: httpx.Response(404, json={"code": "unknown"})),
    )
    yield Gate(client, lambda environ, header: connection_of_environ(environ, header, {}))
    client.close()


@pytest.mark.parametrize("query", ["scope=openid", "scope=openid&nonce=a&nonce=b", "scope=profile&nonce=a", "nonce=a"])
def test_requests_that_bind_nothing(gate, query) -> None:
    """Without one nonce and an ID token nothing could be judged, so nobody is sent anywhere."""
    with pytest.raises(UnusableRequestError):
        gate.begin(ENVIRON, f"https://login.example.com/authorize?{query}", "jira-sso")


def test_nothing_unjudged(gate) -> None:
    """Without a login, a token or its claims, and where Acrux refuses, the gate lets nobody through."""
    keywords = {"issuer": None, "client_id": "jira-sso"}
    login = Login(DECISION, "n")
    for given in (None, login):
        for id_token in (None, "", "jwt"):
            for claims in (None, {}, {"sub": "u"}):
                with pytest.raises(LoginRefusedError):
                    gate.judge(given, id_token=id_token, claims=claims, **keywords)


def test_replacing() -> None:
    """A parameter is replaced wherever it is, and added where it is not; an empty one goes."""
    url = "https://login.example.com/authorize?a=1&nonce=x&a=2&b=3"
    assert replaced_url(url, {"a": "4", "b": "", "c": "5 6"}) == (
        "https://login.example.com/authorize?nonce=x&a=4&c=5%206"
    )
