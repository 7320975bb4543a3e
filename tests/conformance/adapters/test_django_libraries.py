"""What only one of Django's libraries has: other ways in, and other ways to be set up wrongly."""

import inspect
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sites.django_site import application
from sites.party import ISSUER, Party
from social_core.exceptions import AuthConfigurationError

from acrux.adapters.blocking import GATE_SETTINGS, Gate

pytestmark = pytest.mark.usefixtures("requests_reach")
THE_LIBRARYS = "mozilla_django_oidc.auth.OIDCAuthenticationBackend"


@pytest.fixture
def make(provider, acrux):
    parties = []

    def make_party(adapter: str, **settings: Any) -> Party:
        parties.append(Party(adapter, provider, acrux, **settings))
        return parties[-1]

    yield make_party
    for party in reversed(parties):
        party.ends.close()


def test_mozilla_with_the_librarys_backend(make, provider, acrux) -> None:
    """The callback view signs nobody in whom no backend has had judged."""
    provider.userinfo["email"] = "alice@example.com"
    party = make(
        "mozilla_django_oidc",
        settings={"AUTHENTICATION_BACKENDS": [THE_LIBRARYS], "OIDC_RP_SCOPES": "openid email"},
    )
    response = party.come_back(party.begin())
    assert (response.status_code, acrux.verdicts) == (403, [])
    assert not party.is_signed_in()


def test_mozilla_backend_alone(make) -> None:
    """The backend takes no token of a login that was not begun and ended by the adapter's own views."""
    party = make("mozilla_django_oidc")
    from django.core.exceptions import SuspiciousOperation  # noqa: PLC0415 - needs the settings

    from acrux.adapters.mozilla_django_oidc import AcruxBackend  # noqa: PLC0415 - same

    with pytest.raises(SuspiciousOperation):
        AcruxBackend().get_or_create_user("at", None, None)
    assert not party.is_signed_in()


def test_mozilla_next(make) -> None:
    """Where the user wanted to go survives the second trip."""
    party = make("mozilla_django_oidc")
    url = party.start(query={"next": "/me?page=7"}).headers["location"]
    again = party.come_back(url, acr="urn:example:loa:1").headers["location"]
    assert party.come_back(again).headers["location"] == "/me?page=7"


def test_mozilla_needs_the_issuer(make) -> None:
    """Without the issuer nothing could be compared with `iss`, so nobody is signed in."""
    party = make("mozilla_django_oidc", issuer="")
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415 - needs the settings

    url = party.begin()
    with pytest.raises(ImproperlyConfigured, match="issuer"):
        party.come_back(url)
    assert not party.is_signed_in()


@pytest.fixture
def refreshing(make) -> Party:
    """Somebody signed in whose session must be renewed at each request."""
    from sites import django_settings  # noqa: PLC0415 - only these tests change it

    middleware = [*django_settings.MIDDLEWARE, "acrux.adapters.mozilla_django_oidc.AcruxSessionRefresh"]
    party = make("mozilla_django_oidc", settings={"OIDC_RENEW_ID_TOKEN_EXPIRY_SECONDS": -1})
    party.come_back(party.begin())
    assert party.is_signed_in()
    return make_again(party, middleware)


def make_again(party: Party, middleware: list[str]) -> Party:
    """The same browser at the same site with another middleware."""
    from django.core.wsgi import get_wsgi_application  # noqa: PLC0415 - needs the settings
    from django.test import override_settings  # noqa: PLC0415 - same

    party.ends.enter_context(override_settings(MIDDLEWARE=middleware))
    transport = httpx.WSGITransport(get_wsgi_application(), remote_addr="203.0.113.7")
    cookies = party.browser.cookies
    party.browser = party.ends.enter_context(
        httpx.Client(transport=transport, base_url="https://jira.example.com", cookies=cookies)
    )
    return party


def test_mozilla_silent_login(refreshing, acrux) -> None:
    """A silent login is decided on and judged like any other; one at a lower level becomes a visible one."""
    response = refreshing.browser.get("/me")
    asked = parse_qs(urlsplit(response.headers["location"]).query)
    assert (asked["prompt"], asked["acr_values"]) == (["none"], ["urn:example:loa:2"])
    assert acrux.asked[-1]["request"]["prompt"] == "none"
    again = refreshing.come_back(response.headers["location"], acr="urn:example:loa:1")
    assert again.headers["location"].startswith(f"{ISSUER}/authorize?")
    assert "prompt" not in parse_qs(urlsplit(again.headers["location"]).query)
    assert acrux.verdicts[-1] == "downgraded"


def test_mozilla_silent_login_by_a_script(refreshing, acrux) -> None:
    """A script is told where to go instead of being sent there."""
    response = refreshing.browser.get("/me", headers={"X-Requested-With": "XMLHttpRequest"})
    assert response.status_code == 403
    url = response.json()["refresh_url"]
    assert (response.headers["refresh_url"], "acr_values=" in url) == (url, True)


def test_mozilla_silent_login_denied(refreshing, acrux) -> None:
    """A policy that denies the silent login ends it with the page."""
    acrux.level = "deny"
    response = refreshing.browser.get("/me")
    assert (response.status_code, "denied" in response.text) == (403, True)


def test_mozilla_silent_login_without_a_session(refreshing) -> None:
    """Where nobody is signed in at the provider any more, the library signs out and goes where it goes."""
    response = refreshing.browser.get("/me")
    (state,) = parse_qs(urlsplit(response.headers["location"]).query)["state"]
    response = refreshing.back(state=state, error="login_required")
    assert (response.status_code, response.headers["location"]) == (302, "/me")
    assert refreshing.browser.get("/me").json() is None


def test_allauth_token_from_elsewhere(make, provider) -> None:
    """A token that is handed in belongs to no decision: allauth's own interface for that is closed."""
    make("allauth")
    from allauth.socialaccount.adapter import get_adapter  # noqa: PLC0415 - needs the settings
    from django.core.exceptions import ValidationError  # noqa: PLC0415 - same
    from django.test import RequestFactory  # noqa: PLC0415 - same

    request = RequestFactory().get("/")
    found = get_adapter().get_provider(request, "corp")
    assert not found.supports_token_authentication
    with pytest.raises(ValidationError):
        found.verify_token(request, {"id_token": "jwt"})


def test_allauth_next(make) -> None:
    """Where the user wanted to go survives the second trip."""
    party = make("allauth")
    url = party.start(query={"next": "/me?page=7"}).headers["location"]
    again = party.come_back(url, acr="urn:example:loa:1").headers["location"]
    assert party.come_back(again).headers["location"] == "/me?page=7"


def test_allauth_unknown_provider(make) -> None:
    """An address without a registration is none."""
    party = make("allauth")
    assert party.browser.get("/accounts/oidc/other/login/").status_code == 404


def test_social_token_from_elsewhere(make) -> None:
    """A backend that is handed an access token signs nobody in: there is no login that it belongs to."""
    make("social_core")
    from django.test import RequestFactory  # noqa: PLC0415 - needs the settings
    from social_django.utils import load_backend, load_strategy  # noqa: PLC0415 - same

    from acrux.adapters.blocking import LoginRefusedError  # noqa: PLC0415 - beside them

    request = RequestFactory().get("/")
    request.session = {}
    backend = load_backend(load_strategy(request), "oidc", redirect_uri="/")
    with pytest.raises(LoginRefusedError):
        backend.do_auth("at")


@pytest.mark.parametrize("adapter", ["mozilla_django_oidc", "allauth", "social_core"])
def test_without_the_setting(make, adapter) -> None:
    """Without `ACRUX` nobody is sent anywhere."""
    party = make(adapter, settings={"ACRUX": None})
    with pytest.raises(Exception, match=r"ACRUX|configuration"):
        party.start()


def test_mozilla_tokens_of_a_refused_login(make, provider) -> None:
    """The library stores tokens before anybody has looked at them: of a refused login none is in the session."""
    party = make("mozilla_django_oidc", settings={"OIDC_STORE_ACCESS_TOKEN": True, "OIDC_STORE_ID_TOKEN": True})
    again = party.come_back(party.begin(), acr="urn:example:loa:1").headers["location"]
    assert stored() == []
    party.come_back(again, acr="urn:example:loa:1")
    assert stored() == []
    party.come_back(party.begin())
    assert party.is_signed_in()
    assert stored() == ["oidc_access_token", "oidc_id_token"]


def stored() -> list[str]:
    """The tokens in any session of the site."""
    from django.contrib.sessions.models import Session  # noqa: PLC0415 - needs the settings

    names = {name for session in Session.objects.all() for name in session.get_decoded()}
    return sorted(names & {"oidc_access_token", "oidc_id_token"})


def test_mozilla_renewal_refused(refreshing, acrux) -> None:
    """A session that had to be renewed and is refused that is over: the library asks at GET only, and would go on."""
    silent = refreshing.browser.get("/me").headers["location"]
    again = refreshing.come_back(silent, acr="urn:example:loa:1").headers["location"]
    assert refreshing.come_back(again, acr="urn:example:loa:1").status_code == 403
    assert refreshing.browser.post("/me").json() is None


def test_mozilla_renewal_denied(refreshing, acrux) -> None:
    """So is one whose renewal the policy denies; not one that Acrux could not be asked about."""
    acrux.answers = {"decide": httpx.Response(500)}
    assert refreshing.browser.get("/me").status_code == 503
    assert refreshing.browser.post("/me").json() is not None
    acrux.back()
    acrux.level = "deny"
    assert refreshing.browser.get("/me").status_code == 403
    assert refreshing.browser.post("/me").json() is None


def test_mozilla_answer_to_nobody_signs_nobody_out(refreshing) -> None:
    """Anybody can send a made-up answer: it ends no session."""
    assert refreshing.back(code="c", state="s").status_code == 403
    assert refreshing.browser.post("/me").json() is not None


def test_mozilla_another_login_refused(make) -> None:
    """Somebody signed in who begins another login and is refused keeps the session that was admitted."""
    party = make("mozilla_django_oidc")
    party.come_back(party.begin())
    again = party.come_back(party.begin(), acr="urn:example:loa:1").headers["location"]
    assert party.come_back(again, acr="urn:example:loa:1").status_code == 403
    assert party.is_signed_in()


@pytest.mark.parametrize(("engine", "kept_count"), [("signed_cookies", 1), ("db", 5)])
def test_room_for_logins(make, engine, kept_count) -> None:
    """Django with sessions in cookies keeps the newest login alone, if it is a long one."""
    make("django")
    from django.test import RequestFactory  # noqa: PLC0415 - needs the settings
    from django.utils.module_loading import import_string  # noqa: PLC0415 - same

    from acrux.adapters.authlib_rules import COOKIE_CHARACTERS, SESSION_CHARACTERS, make_room  # noqa: PLC0415 - same
    from acrux.adapters.django import _is_cookie  # noqa: PLC0415 - same

    request = RequestFactory().get("/")
    request.session = import_string(f"django.contrib.sessions.backends.{engine}.SessionStore")()
    request.session["_state_jira_foreign"] = {"data": {"nonce": "n"}, "exp": 0}
    for number in range(5):
        decision = {"id": "d", "client": "jira", "outcome": "baseline", "level": "basic", "ticket": "t" * 2048}
        decision |= {"decided_at": "2026-11-24T08:00:00Z", "expires_at": "2026-11-24T08:10:00Z"}
        kept = {"nonce": "n", "acrux": {"decision": decision}}
        make_room(request.session, "jira", kept, COOKIE_CHARACTERS if _is_cookie(request) else SESSION_CHARACTERS)
        request.session[f"_state_jira_{number}"] = {"data": kept, "exp": number}
    names = sorted(request.session.keys())
    assert names == [f"_state_jira_{number}" for number in range(5 - kept_count, 5)] + ["_state_jira_foreign"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"trusted_proxy": ["10.0.0.5"]}, "unknown key `trusted_proxy`; there are client, cookie, facts, "),
        ({"trusted_proxies": ["office"]}, "`office` is no address of a proxy"),
        ({"proxy_header": "x-real-ip"}, "no header that proxies write"),
    ],
)
def test_a_setting_that_means_nothing_is_said(more, words):
    """A mistyped key of `ACRUX` would leave a protection off in silence: it is named."""
    application()
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415 - needs the settings
    from django.test import override_settings  # noqa: PLC0415 - same

    from acrux.adapters.django_answers import gate_of_settings  # noqa: PLC0415 - same

    with override_settings(ACRUX={"client": object(), **more}), pytest.raises(ImproperlyConfigured, match=words):
        gate_of_settings()


def test_settings_of_the_gate_are_its_arguments():
    """What may stand in `ACRUX` is what a gate takes, no more and no less."""
    parameters = inspect.signature(Gate).parameters.values()
    assert {one.name for one in parameters if one.kind is one.KEYWORD_ONLY} == GATE_SETTINGS


def test_social_core_knows_its_settings(make):
    """The same for social-core, in its own words, where the login begins."""
    party = make("social_core", trusted_proxy=["10.0.0.5"])
    with pytest.raises(AuthConfigurationError) as wrong:
        party.begin()
    (note,) = wrong.value.__notes__
    assert note.startswith('the setting `ACRUX["trusted_proxy"]`: unknown; there are client, cookie, facts, ')
