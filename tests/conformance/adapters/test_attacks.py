"""Attacks on every adapter: nobody gets in, each leaves its verdict, and honest logins beside them succeed."""

import json
import secrets

import httpx
import jwt
import pytest
from sites.laws import ISSUER, admitted, query, refused, sent_again
from sites.party import AUTHLIB

from acrux.adapters.authorization import UnusableRequestError

LOA1, LOA2 = "urn:example:loa:1", "urn:example:loa:2"
EVIL = "evil.example.com"
pytestmark = pytest.mark.usefixtures("requests_reach")


def test_everything_else_is_untouched(party, acrux) -> None:
    """The request is the library's own, byte for byte, but for the decision's parameters behind it."""
    acrux.level = "basic"
    plain = party.begin()
    acrux.level = "mfa"
    stepped = party.begin()
    own = {"state", "nonce", "code_challenge"}
    assert own <= query(plain).keys()
    for name in query(plain).keys() - own:
        assert query(stepped)[name] == query(plain)[name]
    assert stepped.endswith("&acr_values=urn%3Aexample%3Aloa%3A2&max_age=28800")
    assert query(stepped).keys() - query(plain).keys() == {"acr_values", "max_age"}
    assert query(stepped)["code_challenge_method"] == ["S256"]


def test_swapped_codes(party, acrux) -> None:
    """The code of one login does not end another one of the same browser, not even a stronger one's."""
    acrux.level = "basic"
    weak = party.begin()
    acrux.level = "mfa"
    strong = party.begin()
    code = party.provider.sign_in(weak, acr=LOA2)["code"]
    refused(party, party.back(code=code, state=query(strong)["state"][0]), "were not signed in")
    assert acrux.verdicts == ["mismatched"]


def test_another_browsers_answer(party, make, acrux) -> None:
    """An answer belongs to the browser that began: in another one it ends nothing, whoever is lured there."""
    answer = party.provider.sign_in(party.begin())
    cookies = httpx.Cookies(party.browser.cookies)
    party.browser.cookies.clear()
    party.begin()
    refused(party, party.back(**answer), "not under way")
    assert acrux.verdicts == []
    party.browser.cookies = cookies
    admitted(party, party.back(**answer))


def test_bypass(party, provider, acrux) -> None:
    """A code of a login that never went through Acrux ends none that did, and none that did not."""
    url = party.begin()
    bare = str(httpx.URL(url).copy_remove_param("acr_values").copy_remove_param("max_age").copy_set_param("nonce", "n"))
    refused(party, party.come_back(bare), "were not signed in")
    assert acrux.verdicts == ["mismatched"]
    made_up = f"{ISSUER}/authorize?client_id=jira-sso&nonce=n&state=s"
    refused(party, party.come_back(made_up), "not under way")
    assert acrux.verdicts == ["mismatched"]


def test_older_token(party, provider, acrux) -> None:
    """An ID token of an earlier login of the same user at the same client is refused, though it was good then."""
    first = party.begin()
    answer = provider.sign_in(first)
    old = dict(provider.tokens[answer["code"]])
    admitted(party, party.back(**answer))
    party.browser.cookies.clear()
    answer = provider.sign_in(party.begin())
    provider.tokens[answer["code"]] = old
    refused(party, party.back(**answer), "were not signed in")
    assert acrux.verdicts == ["satisfied", "mismatched"]


@pytest.mark.parametrize(
    "added",
    [
        '"x": ' + "[" * 1500 + "]" * 1500,
        '"sub": "u-1029"',
        '"iat": "1795507200"',
        '"iat": 1e999',
        '"nbf": {}',
        '"exp": [1]',
    ],
)
def test_claims_that_a_library_stumbles_over(party, provider, acrux, added) -> None:
    """Claims that the provider signed and a library does not expect end on a page, with their verdict, not in a 500."""
    url = party.begin()
    answer = provider.sign_in(url)
    token = provider.tokens[answer["code"]]
    claims = jwt.decode(token["id_token"], options={"verify_signature": False})
    kept = {name: value for name, value in claims.items() if name == "sub" or f'"{name}"' not in added}
    payload = json.dumps(kept)[:-1] + f", {added}}}"
    token["id_token"] = jwt.api_jws.encode(payload.encode(), provider.key, "ES256", headers={"kid": "k1"})
    refused(party, party.back(**answer), "were not signed in")
    assert acrux.verdicts == ["invalid"]


@pytest.mark.parametrize("character", ["\n", "\x00", " ", "!"])
def test_characters_of_no_token(party, provider, acrux, character) -> None:
    """A token with what readers of base64 skip, or do not, is refused, and the log has the verdict."""
    answer = provider.sign_in(party.begin())
    token = provider.tokens[answer["code"]]
    head, claims, signature = token["id_token"].split(".")
    token["id_token"] = f"{head}.{claims[:9]}{character}{claims[9:]}.{signature}"
    refused(party, party.back(**answer), "were not signed in")
    assert acrux.verdicts == ["invalid"]


def test_back_button(party, acrux) -> None:
    """Going back and forth ends in one login: the callback again is refused or replayed, a new login is a new one."""
    url = party.begin()
    answer = party.provider.sign_in(url)
    admitted(party, party.back(**answer))
    assert party.back(**answer).status_code == 403
    admitted(party, party.come_back(party.begin()))
    assert acrux.verdicts == ["satisfied", "satisfied"]


def test_two_tabs(party, adapter, acrux) -> None:
    """Logins that one browser began beside each other both end, where the library keeps both."""
    first, second = party.begin(), party.begin()
    assert query(first)["state"] != query(second)["state"]
    admitted(party, party.come_back(second))
    response = party.come_back(first)
    if adapter == "starlette":  # Authlib keeps the newest alone there
        assert "not under way" in response.text
    else:
        admitted(party, response)
        assert acrux.verdicts == ["satisfied", "satisfied"]


def test_one_restart_for_each_login(party, adapter, acrux) -> None:
    """However many tabs there are, a provider that never delivers is asked twice for each login, and then no more."""
    for _ in range(3):
        again = sent_again(party, party.come_back(party.begin(), acr=LOA1))
        refused(party, party.come_back(again, acr=LOA1), "downgraded")
    assert acrux.verdicts == ["downgraded"] * 6
    assert len(acrux.asked) == 6


def test_cleared_cookies_do_not_loop(party) -> None:
    """A browser that keeps no cookies is told so, rather than sent round."""
    for _ in range(3):
        url = party.begin()
        party.browser.cookies.clear()
        refused(party, party.come_back(url), "not under way")


def test_abandoned_logins(party, adapter, acrux, monkeypatch) -> None:
    """Who began many logins and ended none can still end the newest: a session that is a cookie keeps fitting one."""
    decide, longest = acrux.decide, secrets.token_urlsafe(1536)
    monkeypatch.setattr(acrux, "decide", lambda body: {**decide(body), "ticket": longest})
    for _ in range(12):
        url = party.begin()
        assert all(len(f"{cookie.name}={cookie.value}") < 4000 for cookie in party.browser.cookies.jar)
    party.back(state=query(url)["state"][0], error="access_denied")


@pytest.mark.parametrize("adapter", AUTHLIB)
def test_newest_of_many_logins(make, acrux) -> None:
    """The same, ended, with tickets of the ordinary length."""
    party = make()
    for _ in range(30):
        url = party.begin()
    admitted(party, party.come_back(url))
    assert acrux.verdicts == ["satisfied"]


def test_errors_are_one_line_of_the_log(party, caplog) -> None:
    """What somebody puts into a link can't write lines of its own into the application's log."""
    state = query(party.begin())["state"][0]
    forged = "x\r\nERROR acrux: decision 1: satisfied\x1b[2K\u2028"
    refused(party, party.back(state=state, error=forged, error_description=forged), "help desk: error")
    written = [message for message in caplog.messages if "satisfied" in message]
    assert len(written) == 1
    assert written[0].isprintable()


def test_answers_to_nobody_are_logged(party, caplog) -> None:
    """An answer that belongs to no login, such as of one that never went through Acrux, is in the application's log."""
    refused(party, party.back(code="c", state="s"), "not under way")
    assert "belongs to none that is under way" in caplog.text


@pytest.mark.parametrize("adapter", ["starlette", "flask", "django", "allauth", "social_core"])
def test_provider_that_should_say_who_it_is(make, provider, acrux) -> None:
    """A provider that announces `iss` in its answers (RFC 9207) and one that comes without are not the same."""
    provider.metadata["authorization_response_iss_parameter_supported"] = True
    party = make()
    refused(party, party.come_back(party.begin()), "missing_iss")
    admitted(party, party.back(**provider.sign_in(party.begin()), iss=ISSUER))
    assert acrux.verdicts == ["satisfied"]


def test_key_without_an_id(party, provider, acrux, adapter) -> None:
    """A provider with one key need not name it (OpenID Connect Core 10.1): an honest login succeeds."""
    if adapter == "mozilla_django_oidc":
        pytest.skip("the library needs `kid`, unless OIDC_VERIFY_KID says otherwise")
    answer = provider.sign_in(party.begin(), kid=None)
    admitted(party, party.back(**answer))
    assert acrux.verdicts == ["satisfied"]


def test_no_nonce(make, adapter, acrux) -> None:
    """A request without a nonce, whose answer could belong to another login, is a mistake of the configuration."""
    if adapter in AUTHLIB:
        registration = {"client_kwargs": {"scope": "profile", "code_challenge_method": "S256"}}
        party = make(registration=registration)
    elif adapter == "mozilla_django_oidc":
        party = make(settings={"OIDC_USE_NONCE": False})
    else:
        pytest.skip("always sends one")
    with pytest.raises(UnusableRequestError):
        party.start()
    assert acrux.asked == []


@pytest.mark.parametrize("adapter", AUTHLIB)
def test_the_same_nonce_twice(make, acrux) -> None:
    """Where an application gives two logins one nonce, each is still held to its own decision."""
    party = make(static={"nonce": "n-1"})
    acrux.level = "basic"
    weak = party.begin()
    acrux.level = "mfa"
    strong = party.begin()
    assert query(weak)["nonce"] == query(strong)["nonce"] == ["n-1"]
    code = party.provider.sign_in(weak)["code"]
    sent_again(party, party.back(code=code, state=query(strong)["state"][0]))
    assert acrux.verdicts == ["downgraded"]


@pytest.mark.parametrize("at", [1, 2**62, -1, None, True])
def test_time_of_the_login(party, acrux, at) -> None:
    """A login of long ago, of the future, or of no time is `stale`."""
    again = sent_again(party, party.come_back(party.begin(), auth_time=at))
    refused(party, party.come_back(again, auth_time=at), "stale")
    assert acrux.verdicts == ["stale", "stale"]


@pytest.mark.parametrize("at", ["now", [1], {}])
def test_time_that_is_none(party, acrux, at) -> None:
    """A time that is no number is `stale` too, or nothing to the library; the log has it all the same."""
    response = party.come_back(party.begin(), auth_time=at)
    if response.status_code == 302:
        sent_again(party, response)
    else:
        refused(party, response, "were not signed in")
    assert acrux.verdicts == ["stale"]


@pytest.mark.parametrize("form", ["acr_values", "claims"])
@pytest.mark.parametrize(
    "acr", [LOA1, LOA2.upper(), f" {LOA2}", f"{LOA2}\n", f"{LOA1} {LOA2}", [LOA2], {"x": LOA2}, True]
)
def test_words_that_are_not_the_level(party, acrux, acr, form) -> None:
    """However the level was stripped, lowered, doubled or moved, only its own word, exactly, is the level."""
    if form == "claims":
        acrux.params = {"claims": json.dumps({"id_token": {"acr": {"essential": True, "values": [LOA2]}}})}
    response = party.come_back(party.begin(), acr=acr)
    if response.status_code == 302:
        response = party.come_back(sent_again(party, response), acr=acr)
    refused(party, response, "stronger sign-in")
    assert set(acrux.verdicts) <= {"downgraded", "missing"}


@pytest.mark.parametrize("adapter", AUTHLIB)
def test_registration_that_names_no_issuer(make, provider, acrux) -> None:
    """Without an issuer another provider's token could not be told from this one's while Acrux is away."""
    endpoints = {
        "server_metadata_url": None,
        "authorize_url": f"{ISSUER}/authorize",
        "access_token_url": f"{ISSUER}/token",
        "jwks_uri": f"{ISSUER}/jwks",
        "id_token_signing_alg_values_supported": ["ES256"],
    }
    with pytest.raises(UnusableRequestError, match="issuer"):
        make(registration=endpoints).start()
    assert acrux.asked == []
    party = make(registration={**endpoints, "issuer": ISSUER})
    party.client.refresh()
    acrux.away()
    refused(party, party.come_back(party.begin(), iss=f"https://{EVIL}"), "were not signed in")
    admitted(party, party.come_back(party.begin()))


class StrictCache:
    """A cache that takes no key but a decent one, as memcached does."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        return self.kept.get(self._decent(key))

    def set(self, key: str, value: str, _expires_in: int) -> None:
        self.kept[self._decent(key)] = value

    def delete(self, key: str) -> None:
        self.kept.pop(self._decent(key), None)

    def _decent(self, key: str) -> str:
        if len(key) > 250 or not key.isascii() or not key.isprintable() or " " in key:
            raise ValueError("no key")
        return key


class StrictAsyncCache:
    """The same for asyncio."""

    def __init__(self) -> None:
        self.inner = StrictCache()

    async def get(self, key: str) -> str | None:
        return self.inner.get(key)

    async def set(self, key: str, value: str, expires_in: int) -> None:
        self.inner.set(key, value, expires_in)

    async def delete(self, key: str) -> None:
        self.inner.delete(key)


@pytest.mark.parametrize("adapter", AUTHLIB)
def test_states_that_no_cache_takes(make, adapter, acrux) -> None:
    """Where logins are kept in a cache, what somebody calls a state is no key that it is asked for."""
    party = make(registration={"cache": StrictAsyncCache() if adapter == "starlette" else StrictCache()})
    for state in ("a b", "\n", "x" * 4000, "\u00e4", "", "\x00"):
        refused(party, party.back(code="c", state=state), "not under way")
    admitted(party, party.come_back(party.begin()))


def test_library_before_acrux() -> None:
    """A backend of social-core in which Acrux comes second would judge nobody: it can't be made."""
    from sites import django_site  # noqa: PLC0415 - the backends need the settings

    django_site.application()
    from social_core.backends.okta_openidconnect import OktaOpenIdConnect  # noqa: PLC0415 - same

    from acrux.adapters.social_core import AcruxLogins  # noqa: PLC0415 - same

    with pytest.raises(TypeError, match="before the backend"):
        type("Okta", (OktaOpenIdConnect, AcruxLogins), {})
    assert type("Okta", (AcruxLogins, OktaOpenIdConnect), {})


def test_session_fixation(party, adapter) -> None:
    """A session that somebody else had before the login is not the one that the user is signed in with."""
    if adapter in AUTHLIB:
        pytest.skip("whose the session is after a login is the application's to say")
    url = party.begin()
    before = party.browser.cookies["sessionid"]
    admitted(party, party.come_back(url))
    assert party.browser.cookies["sessionid"] != before
    party.browser.cookies = httpx.Cookies({"sessionid": before})
    assert not party.is_signed_in()


@pytest.mark.parametrize("adapter", AUTHLIB)
def test_swapped_registrations(make, acrux) -> None:
    """A login that one registration began is none of another one's, whose client it was not decided for."""
    begun, other = make(), make(registration={"client_id": "wiki-sso"})
    url = begun.begin()
    other.begin()
    answer = begun.provider.sign_in(url)
    refused(other, other.back(**answer), "not under way")
    assert acrux.verdicts == []
