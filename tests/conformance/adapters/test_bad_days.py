"""Bad days of Acrux, and of the provider: the ceiling where it may stand in, else the page; nobody unjudged."""

from typing import Any

import httpx
import pytest
from sites.laws import admitted, query, refused, sent_again
from sites.party import AUTHLIB

LOA1, LOA2 = "urn:example:loa:1", "urn:example:loa:2"
EVIL = "evil.example.com"
pytestmark = pytest.mark.usefixtures("requests_reach")


GARBAGE: dict[str, tuple[str, Any]] = {
    "a token response that is a page": ("/token", httpx.Response(200, text="<html>")),
    "a token response that is a list": ("/token", httpx.Response(200, json=[1])),
    "a token response that is null": ("/token", httpx.Response(200, json=None)),
    "a token endpoint that fails": ("/token", httpx.Response(500, text="x")),
    "an ID token that is a number": ("/token", httpx.Response(200, json={"access_token": "at", "id_token": 5})),
    "an ID token that is none": ("/token", httpx.Response(200, json={"access_token": "at", "id_token": "a.b.c"})),
    "an ID token without dots": ("/token", httpx.Response(200, json={"access_token": "at", "id_token": "abc"})),
    "keys that are a page": ("/jwks", httpx.Response(200, text="<html>")),
    "keys that are a list": ("/jwks", httpx.Response(200, json=[])),
    "keys that are none": ("/jwks", httpx.Response(200, json={"keys": ["x", {"kty": "XX", "kid": "k1"}]})),
    "keys that fail": ("/jwks", httpx.Response(500)),
    "a provider that is away": ("", httpx.ConnectError("refused")),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_from_the_provider(party, provider, acrux, name) -> None:
    """Whatever a provider answers, the user sees the page, and nobody is signed in."""
    url = party.begin()
    answer = provider.sign_in(url)
    place, said = GARBAGE[name]
    provider.says[place] = said
    response = party.back(**answer)
    assert response.status_code in {403, 503}, response.text
    assert "<h1>Not signed in</h1>" in response.text
    assert not party.is_signed_in()
    assert "satisfied" not in acrux.verdicts


@pytest.mark.parametrize("said", [[1], None, {"sub": "u-2"}, {"email": "root@example.com"}])
def test_garbage_of_the_user(party, provider, adapter, said) -> None:
    """What is said of the user must be of the user who signed in, and of a form that can be read."""
    if adapter in AUTHLIB:
        pytest.skip("does not ask for it")
    if adapter == "social_core" and said in (None, {"email": "root@example.com"}):
        pytest.skip("the library takes the claims of the ID token then, and its subject")
    provider.userinfo = said
    refused(party, party.come_back(party.begin()), "answered with an error")


@pytest.mark.parametrize("adapter", ["starlette", "flask", "django", "allauth", "social_core"])
def test_provider_away_at_the_door(make, provider) -> None:
    """Where nobody knows the provider's addresses the user is told to come again later."""
    provider.says[""] = httpx.ConnectError("refused")
    refused(make(), make().start(), "try again", status=503)


PROBLEMS = [
    (httpx.Response(400, json={"code": "malformed"}), False),
    (httpx.Response(401, json={"code": "unauthenticated"}), False),
    (httpx.Response(403, text="no"), False),
    (httpx.Response(404), False),
    (httpx.Response(409, json={"code": "idempotency_conflict"}), False),
    (httpx.Response(429, headers={"Retry-After": "1"}), False),
    (httpx.Response(500), False),
    (httpx.Response(302, headers={"Location": f"https://{EVIL}"}), False),
    (httpx.Response(200, text="<html>"), False),
    (httpx.Response(200, json={}), False),
    (httpx.Response(200, json=[]), False),
    (httpx.Response(204), False),
    (httpx.Response(200, json={"verdict": "satisfied", "admit": "true", "decision_id": "x"}), False),
    (httpx.Response(503), False),
    (httpx.Response(503, text="<html>"), False),
    (httpx.Response(503, json={"code": "log_unavailable", "fallback": "refuse"}), False),
    (httpx.Response(503, json={"code": "log_unavailable", "fallback": "Ceiling"}), False),
    (httpx.Response(503, json={"code": "log_unavailable", "fallback": "ceiling"}), True),
    (httpx.Response(502), True),
    (httpx.Response(504, text="<html>"), True),
    (httpx.ConnectError("refused"), True),
    (httpx.ReadTimeout("slow"), True),
    (httpx.ReadError("reset"), True),
]


@pytest.mark.parametrize(("answered", "may_stand_in"), PROBLEMS)
def test_bad_day_at_the_door(party, acrux, answered, may_stand_in) -> None:
    """The ceiling stands in for Acrux where nobody answers or the operator says so; every other answer refuses."""
    party.client.refresh()
    acrux.answers = {"decide": answered}
    if not may_stand_in:
        refused(party, party.start(), "try again", status=503)
        return
    url = party.begin()
    assert query(url)["acr_values"] == [LOA2]
    again = sent_again(party, party.come_back(url, acr=LOA1))
    admitted(party, party.come_back(again))


@pytest.mark.parametrize(("answered", "may_stand_in"), PROBLEMS)
def test_bad_day_at_the_callback(party, acrux, answered, may_stand_in) -> None:
    """The same where Acrux is asked for the verdict: who was lowered is never let in, whoever judges."""
    url = party.begin()
    acrux.answers = {"outcome": answered}
    if not may_stand_in:
        refused(party, party.come_back(url), "try again", status=503)
        return
    again = sent_again(party, party.come_back(url, acr=LOA1))
    admitted(party, party.come_back(again))
    acrux.back()
    party.client.refresh()
    assert [report["verdict"] for report in acrux.reports] == ["downgraded", "satisfied"]


def test_ceiling_that_denies(party, acrux) -> None:
    """Where the ceiling is `deny` nobody is sent anywhere while Acrux is away, and that is reported."""
    acrux.ceiling |= {"level": "deny", "authorization_params": {}, "accept": None}
    party.client.refresh()
    acrux.away()
    refused(party, party.start(), "denied")
    acrux.back()
    party.client.refresh()
    assert [(report["level"], report["accept"]) for report in acrux.reports] == [("deny", None)]


def test_outage_replay(party, acrux) -> None:
    """A decision that was used up while Acrux was away is not used again in the same process."""
    party.client.refresh()
    acrux.away()
    url = party.begin()
    copy = httpx.Cookies(party.browser.cookies)
    admitted(party, party.come_back(url))
    party.browser.cookies = copy
    assert party.come_back(url).status_code == 403
    acrux.back()
    party.client.refresh()
    assert [report["verdict"] for report in acrux.reports][1:] in (["satisfied"], ["satisfied", "replayed"])
