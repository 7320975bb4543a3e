"""Requests, cookies, pages and messages of adapters, apart from any framework."""

import builtins
import importlib
import sys
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrux.adapters.authorization import merged_url, read_asked
from acrux.adapters.browsers import browser_cookie, known_id, new_id
from acrux.adapters.refusals import Cause, Refusal, of_failure, of_provider_error, of_verdict
from acrux.client import AcruxError, Decision, UnavailableError, Verdict, VerdictName

DECISION = Decision(
    id="d-1",
    client="jira",
    outcome="step_up",
    level="mfa",
    authorization_params={"acr_values": "a b", "max_age": "5", "claims": ""},
    accept=None,
    decided_at=datetime.now(UTC),
    expires_at=datetime.now(UTC),
)
NAMES = st.sampled_from(["acr_values", "max_age", "claims", "state", "nonce", "scope", "x"])


@given(st.lists(st.tuples(NAMES, st.text(max_size=10).map(lambda text: text.encode("utf-8", "replace").decode()))))
@settings(max_examples=200)
def test_merging(pairs) -> None:
    """Merged parameters appear once, with their value; every other one stays, in its order; empty ones are gone."""
    import urllib.parse  # noqa: PLC0415

    url = f"https://login.example.com/authorize?{urllib.parse.urlencode(pairs)}"
    found = parse_qsl(urlsplit(merged_url(url, DECISION)).query, keep_blank_values=True)
    merged = set(DECISION.authorization_params)
    kept = [pair for pair in pairs if pair[0] not in merged]
    assert found == [*kept, ("acr_values", "a b"), ("max_age", "5")]


def test_others_byte_for_byte() -> None:
    """What is not merged is not written anew; a name that is encoded is still found."""
    url = "https://login.example.com/authorize?tenant=a%2fb&state=%7E&acr%5Fvalues=low&redirect_uri=https%3A//a#f"
    assert merged_url(url, replace(DECISION, authorization_params={"acr_values": "high"})) == (
        "https://login.example.com/authorize?tenant=a%2fb&state=%7E&redirect_uri=https%3A//a&acr_values=high#f"
    )
    assert merged_url("https://login.example.com/authorize", replace(DECISION, authorization_params={})) == (
        "https://login.example.com/authorize"
    )


def test_claims_that_are_no_objects_stay_in_a_fallback() -> None:
    """A ceiling takes the place of the level in `claims` and leaves what it does not know."""
    url = 'https://login.example.com/authorize?claims={"userinfo":5,"id_token":7}'
    fallback = replace(
        DECISION, fallback=True, authorization_params={"claims": '{"id_token":{"acr":{"essential":true}}}'}
    )
    claims = dict(parse_qsl(urlsplit(merged_url(url, fallback)).query))["claims"]
    assert claims == '{"userinfo":5,"id_token":{"acr":{"essential":true}}}'


def test_nothing_asked() -> None:
    """A bare request asks for nothing."""
    asked = read_asked("https://login.example.com/authorize?client_id=jira")
    assert (asked.acr_values, asked.scopes, asked.prompt, asked.max_age_seconds, asked.claims) == (
        (),
        (),
        "",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("scheme", "host", "name", "secure"),
    [
        ("https", "jira.example.com", "__Host-b", True),
        ("https", "localhost", "__Host-b", True),
        ("http", "jira.example.com", "__Host-b", True),
        ("http", "localhost", "b", False),
        ("http", "jira.localhost", "b", False),
        ("http", "127.0.0.1", "b", False),
        ("http", "::1", "b", False),
        ("http", "10.0.0.1", "__Host-b", True),
        ("http", None, "__Host-b", True),
    ],
)
def test_browser_cookie(scheme, host, name, secure) -> None:
    """The cookie is pinned to its host and to https, but for http on this machine."""
    cookie = browser_cookie("b", scheme, host)
    assert (cookie.name, cookie.secure) == (name, secure)


def test_browser_ids() -> None:
    """New ids are random and known again; other values are none."""
    one, other = new_id(), new_id()
    assert one != other
    assert known_id(one) == one
    for value in (None, "", "short", "x" * 65, "a" * 30 + "\n", "ä" * 30):
        assert known_id(value) is None


def test_page_escapes() -> None:
    """Whatever a page shows is text."""
    page = Refusal(Cause.DENIED, "<b>", "<i>", "<u>").page()
    assert not {"<b>", "<i>", "<u>"} & {page[place : place + 3] for place in range(len(page))}


def test_page_is_for_phones_and_help_desks() -> None:
    """One box that a tap selects has what a help desk asks for; it follows the device's colours; nothing is fetched."""
    page = Refusal(Cause.NOT_SATISFIED, "downgraded", "d-1", "Call 4242.").page()
    assert "<code>Code for the help desk: downgraded, decision d-1.</code>" in page
    assert "<p>Call 4242.</p>" in page
    for words in ("user-select:all", "color-scheme:light dark", 'name="viewport"'):
        assert words in page
    assert not [word for word in ("<script", "http:", "https:", "url(") if word in page]
    assert "send what is in the box to your help desk" in Refusal(Cause.DENIED).page()


@pytest.mark.parametrize(
    ("refusal", "cause", "status", "text"),
    [
        (of_provider_error("access_denied", "d-1", ""), Cause.PROVIDER, 403, "access_denied, decision d-1."),
        (of_provider_error("unmet_authentication_requirements", "", ""), Cause.UNMET, 403, "second factor"),
        (of_provider_error("call 555-1234 now", "", ""), Cause.PROVIDER, 403, "help desk: error."),
        (of_provider_error("", "", ""), Cause.PROVIDER, 403, "help desk: error."),
        (of_failure(AcruxError(), "", ""), Cause.UNAVAILABLE, 503, "help desk: unavailable."),
        (of_failure(UnavailableError("", code="no_policy"), "", "Call."), Cause.UNAVAILABLE, 503, "Call.\n"),
        (of_verdict(Verdict(VerdictName.DENIED, False, None, "d-1"), ""), Cause.DENIED, 403, "denied, decision d-1"),
        (of_verdict(Verdict(VerdictName.STALE, False, None, "d-1"), ""), Cause.NOT_SATISFIED, 403, "stale"),
    ],
)
def test_refusals(refusal, cause, status, text) -> None:
    """Each refusal has a cause, a status and words for the user and for the help desk."""
    assert (refusal.cause, refusal.status) == (cause, status)
    assert text in refusal.text


ADAPTERS = {
    "acrux.adapters.starlette": ("starlette", ("authlib", "starlette", "joserfc")),
    "acrux.adapters.flask": ("flask", ("flask", "werkzeug")),
    "acrux.adapters.django": ("django", ("django",)),
    "acrux.adapters.mozilla_django_oidc": ("mozilla-django-oidc", ("mozilla_django_oidc",)),
    "acrux.adapters.allauth": ("allauth", ("allauth",)),
    "acrux.adapters.social_core": ("social", ("social_core",)),
}


@pytest.mark.parametrize("module", ADAPTERS)
def test_missing_framework(module, monkeypatch) -> None:
    """Importing an adapter without its framework says which extra to install."""
    extra, libraries = ADAPTERS[module]
    real = builtins.__import__

    def without(name, *arguments, **keywords):
        if name.partition(".")[0] in libraries:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return real(name, *arguments, **keywords)

    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=rf"pip install 'acrux\[{extra}\]'"):
        importlib.import_module(module)
