"""What the doctor finds in what a provider says of itself: each check alone, from documents as providers write them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from built_sets import policy, rule
from hypothesis import given
from hypothesis import strategies as st
from provider_keys import RSA_KEY

from acrux.domain.ladder import AssuranceLadder, Rung
from acrux.domain.profile_notes import NOTES
from acrux.domain.profiles import PROFILES, AskForm, AuthTime
from acrux.oidc.doctor import Examined, Grade, client_outlook, findings
from acrux.oidc.keys import read_key_set
from acrux.policy.model import CheckedPolicy, Client

ISSUER = "https://login.example.com"
DOCUMENT: dict[str, Any] = {
    "issuer": ISSUER,
    "authorization_endpoint": ISSUER + "/authorize",
    "token_endpoint": ISSUER + "/token",
    "jwks_uri": ISSUER + "/keys",
    "response_types_supported": ["code"],
    "grant_types_supported": ["authorization_code", "refresh_token"],
    "id_token_signing_alg_values_supported": ["RS256"],
    "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    "code_challenge_methods_supported": ["S256"],
    "acr_values_supported": ["urn:2", "urn:3"],
    "claims_supported": ["sub", "acr", "amr", "acrs", "aal", "auth_time"],
    "claims_parameter_supported": True,
    "authorization_response_iss_parameter_supported": True,
}
JIRA = Client("jira", "corp", "jira-sso", redirect_uris=("https://jira.example.com/callback",))


def a_set(profile: str = "generic", *, max_age: int | None = 3600, **changes: Any) -> CheckedPolicy:
    """A set of one provider, with members of its profile changed."""
    made = policy(profile=profile, clients=[JIRA])
    ladder = AssuranceLadder((Rung("basic"), Rung("mfa", max_age), Rung("phr", max_age)))
    corp = made.providers["corp"]
    words = changes.pop("words", corp.acr)
    corp = replace(corp, profile=replace(corp.profile, **changes), acr=words)
    return replace(made, ladder=ladder, providers={"corp": corp})


def examined(made: CheckedPolicy, *, keys: Any = (RSA_KEY,), **members: Any) -> Examined:
    """A provider that says what `DOCUMENT` says, with changes; None takes a member out."""
    document = {name: value for name, value in (DOCUMENT | members).items() if value is not None}
    return Examined(made.providers["corp"], "https://...", document=document, keys=read_key_set({"keys": list(keys)}))


def grades(made: CheckedPolicy, **members: Any) -> dict[str, Grade]:
    """The worst grade of each check."""
    worst: dict[str, Grade] = {}
    order = [Grade.OK, Grade.WARNING, Grade.ERROR]
    for finding in findings(examined(made, **members), made):
        worst[finding.check] = max(worst.get(finding.check, Grade.OK), finding.grade, key=order.index)
    return worst


def test_nothing_speaks_against_a_good_provider() -> None:
    """Every check is there, and all of them are good."""
    found = grades(a_set())
    assert set(found.values()) == {Grade.OK}
    assert set(found) == {
        "discovery", "issuer", "endpoints", "flows", "request-objects", "pkce", "response-iss", "id-token-algorithms",
        "keys", "acr-values", "claim", "auth-time", "unmet", "floor",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("members", "check", "grade"),
    [
        ({"issuer": ISSUER + "/"}, "issuer", Grade.ERROR),
        ({"issuer": None}, "issuer", Grade.ERROR),
        ({"issuer": [ISSUER]}, "issuer", Grade.ERROR),
        ({"authorization_endpoint": "https://evil.example.net/authorize"}, "endpoints", Grade.ERROR),
        ({"token_endpoint": "http://login.example.com/token"}, "endpoints", Grade.ERROR),
        ({"token_endpoint": "https://user:pass@login.example.com/token"}, "endpoints", Grade.ERROR),
        ({"token_endpoint": None}, "endpoints", Grade.ERROR),
        ({"jwks_uri": 7}, "endpoints", Grade.ERROR),
        ({"response_types_supported": ["id_token"]}, "flows", Grade.ERROR),
        ({"response_types_supported": None}, "flows", Grade.OK),
        ({"grant_types_supported": ["implicit"]}, "flows", Grade.ERROR),
        ({"grant_types_supported": None}, "flows", Grade.OK),
        ({"require_pushed_authorization_requests": True}, "request-objects", Grade.ERROR),
        ({"require_signed_request_object": True}, "request-objects", Grade.ERROR),
        ({"require_signed_request_object": "false"}, "request-objects", Grade.OK),
        ({"pushed_authorization_request_endpoint": ISSUER + "/par"}, "request-objects", Grade.OK),
        ({"code_challenge_methods_supported": ["plain"]}, "pkce", Grade.WARNING),
        ({"code_challenge_methods_supported": None}, "pkce", Grade.WARNING),
        # One provider alone: nothing can be mixed up.
        ({"authorization_response_iss_parameter_supported": None}, "response-iss", Grade.OK),
        ({"id_token_signing_alg_values_supported": ["HS256"]}, "id-token-algorithms", Grade.ERROR),
        ({"id_token_signing_alg_values_supported": ["none"]}, "id-token-algorithms", Grade.ERROR),
        ({"id_token_signing_alg_values_supported": ["RS256", "HS256"]}, "id-token-algorithms", Grade.WARNING),
        ({"id_token_signing_alg_values_supported": None}, "id-token-algorithms", Grade.WARNING),
        ({"keys": ()}, "keys", Grade.ERROR),
        ({"keys": ({**RSA_KEY, "use": "enc"},)}, "keys", Grade.ERROR),
        ({"keys": ({**RSA_KEY, "alg": "RS512"},)}, "keys", Grade.ERROR),
        ({"keys": ({**RSA_KEY, "n": "x"},)}, "keys", Grade.ERROR),
        ({"keys": (RSA_KEY, {"kty": "oct", "k": "c2VjcmV0"})}, "keys", Grade.OK),
        ({"id_token_signing_alg_values_supported": ["ES256"]}, "keys", Grade.ERROR),
        ({"acr_values_supported": ["urn:3"]}, "acr-values", Grade.WARNING),
        ({"acr_values_supported": ["urn:2", "urn:3", "urn:4"]}, "acr-values", Grade.OK),
        ({"acr_values_supported": None}, "acr-values", Grade.OK),
        ({"acr_values_supported": "urn:2 urn:3"}, "acr-values", Grade.OK),
        ({"claims_supported": ["sub", "auth_time"]}, "claim", Grade.WARNING),
        ({"claims_supported": None}, "claim", Grade.WARNING),
        ({"claims_supported": ["sub", "acr"]}, "auth-time", Grade.WARNING),
    ],
)  # fmt: skip
def test_one_thing_that_a_provider_says(members: dict[str, Any], check: str, grade: Grade) -> None:
    """Each member is read by itself, and says what to do where it is not good."""
    made = a_set()
    assert grades(made, **members)[check] is grade
    if grade is not Grade.OK:
        told = [one for one in findings(examined(made, **members), made) if one.check == check and one.grade is grade]
        assert all(one.message for one in told)


def test_a_missing_issuer_in_answers_matters_where_there_are_several_providers() -> None:
    """RFC 9207: mixing providers up takes two of them."""
    made = a_set()
    made = replace(made, providers={**made.providers, "other": replace(made.providers["corp"], name="other")})
    assert grades(made, authorization_response_iss_parameter_supported=False)["response-iss"] is Grade.WARNING


@pytest.mark.parametrize(
    ("ask", "said", "grade"),
    [
        (AskForm.CLAIMS, True, Grade.OK),
        (AskForm.CLAIMS, False, Grade.ERROR),
        (AskForm.CLAIMS, None, Grade.ERROR),  # Discovery 3: left out it means false
        (AskForm.ACRS, None, Grade.OK),  # Entra ID's document has never had it
        (AskForm.ACRS, False, Grade.ERROR),
    ],
)
def test_the_claims_parameter_matters_where_it_is_used(ask: AskForm, said: Any, grade: Grade) -> None:
    """A profile that asks in `claims` needs a provider that reads it."""
    assert grades(a_set(ask=ask), claims_parameter_supported=said)["claims-parameter"] is grade
    assert "claims-parameter" not in grades(a_set(), claims_parameter_supported=said)


def test_a_word_that_proves_nothing_is_told_of() -> None:
    """A usual mistake: Okta's `ifpossible` and a cookie's `0` stand for no second factor."""
    trap = "urn:okta:loa:2fa:any:ifpossible"
    made = a_set("okta", words={"mfa": (trap,), "phr": ("phr", "0")})
    told = [one for one in findings(examined(made), made) if one.check == "weak-word"]
    assert [(one.grade, trap in one.message or "`0`" in one.message) for one in told] == [(Grade.WARNING, True)] * 2
    assert "one factor is enough" in told[0].message
    assert "urn:okta:loa:2fa:any" in told[0].mend
    mfa, phr = outlook(made).levels
    assert [caution.split("`")[1] for caution in mfa.cautions] == [trap, "0"]
    assert [caution.split("`")[1] for caution in phr.cautions] == ["0"]
    assert all(not level.cautions for level in outlook(a_set("okta")).levels)


def test_levels_that_nothing_can_be_done_for() -> None:
    """No word, a provider that can't act, a `max_age` without `auth_time`: errors, each by its own name."""
    assert grades(a_set(words={"phr": ("urn:3",)}))["acr-map"] is Grade.ERROR
    assert grades(a_set(acts=False))["acts"] is Grade.ERROR
    assert grades(a_set(auth_time=AuthTime.NEVER))["auth-time"] is Grade.ERROR
    assert grades(a_set(auth_time=AuthTime.NEVER, max_age=None))["auth-time"] is Grade.OK
    with_rule = replace(a_set(auth_time=AuthTime.NEVER, max_age=None), rules=(rule("r", "true", max_age_seconds=60),))
    assert grades(with_rule)["auth-time"] is Grade.ERROR


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_profile_says_where_its_floor_is_and_what_a_failure_looks_like(profile: str) -> None:
    """The notes are data beside the profile, for each of them."""
    made = a_set(profile, max_age=None)
    found = {one.check: one for one in findings(examined(made), made)}
    assert NOTES[profile].unmet in found["unmet"].mend
    assert all(code in found["unmet"].mend for code in PROFILES[profile].errors)
    assert found["floor"].mend == NOTES[profile].floor
    silently = "silently ignores" in found["unmet"].message
    assert silently is PROFILES[profile].ignores_unknown


def test_long_lists_and_odd_members_are_cut_and_skipped() -> None:
    """A provider may write anything: what is shown of it stays short, and what is no text is no word."""
    made = a_set()
    many = ["x" * 5000, 7, None, *(f"urn:{number}" for number in range(100, 900))]
    (told, *_) = [one for one in findings(examined(made, acr_values_supported=many), made) if one.check == "acr-values"]
    assert len(told.mend) < 400
    assert "and 793 more" in told.mend


def outlook(made: CheckedPolicy, client: Client = JIRA, **members: Any) -> Any:
    return client_outlook(examined(made, **members), made, client)


def test_a_client_s_levels_say_what_is_asked_and_accepted() -> None:
    """Above the lowest level, in order, with the words of this level and of higher ones."""
    found = outlook(a_set())
    assert (found.lowest, [level.level for level in found.levels]) == ("basic", ["mfa", "phr"])
    mfa, phr = found.levels
    assert dict(mfa.asked) == {"acr_values": "urn:2", "max_age": "3600"}
    assert (mfa.claim, mfa.accepted, mfa.max_age_seconds) == ("acr", ("urn:2", "urn:3", "phr"), 3600)
    assert phr.accepted == ("urn:3", "phr")
    assert all(level.adapters.enforced and level.guard.enforced for level in found.levels)


@pytest.mark.parametrize(
    ("changes", "members", "adapters", "guard"),
    [
        ({}, {}, True, True),
        ({}, {"issuer": ISSUER + "/x"}, False, False),
        ({}, {"require_pushed_authorization_requests": True}, False, False),
        ({}, {"require_signed_request_object": True}, False, False),
        ({}, {"id_token_signing_alg_values_supported": ["HS256"]}, False, False),
        ({}, {"keys": ()}, False, False),
        ({}, {"id_token_signing_alg_values_supported": ["ES256"]}, False, False),
        ({}, {"id_token_signing_alg_values_supported": None}, True, True),
        ({"acts": False}, {}, False, False),
        ({"auth_time": AuthTime.NEVER}, {}, False, False),
        ({"words": {}}, {}, False, False),
        ({}, {"token_endpoint": "https://tokens.example.net/"}, True, False),
        ({}, {"token_endpoint_auth_methods_supported": ["private_key_jwt", "none"]}, True, False),
        ({}, {"token_endpoint_auth_methods_supported": None}, True, True),
        ({}, {"response_types_supported": ["id_token"]}, True, False),
        ({}, {"grant_types_supported": ["implicit"]}, True, False),
    ],
)  # fmt: skip
def test_what_is_and_is_not_enforced(
    changes: dict[str, Any], members: dict[str, Any], adapters: Any, guard: Any
) -> None:
    """What stands in the way of an adapter stands in the guard's way too; the guard has more that can."""
    (level, _) = outlook(a_set(**changes), **members).levels
    assert (level.adapters.enforced, level.guard.enforced) == (adapters, guard)
    assert bool(level.adapters.reasons) is not adapters
    assert bool(level.guard.reasons) is not guard
    assert set(level.adapters.reasons) <= set(level.guard.reasons)


def test_a_client_without_redirect_uris_is_none_of_the_guard_s() -> None:
    """The redirect adapter serves only what is registered."""
    found = outlook(a_set(), replace(JIRA, redirect_uris=()))
    assert not found.guarded
    assert [level.guard.enforced for level in found.levels] == [False, False]
    assert "redirect_uris" in found.levels[0].guard.reasons[0]


def test_without_a_document_nothing_is_enforced() -> None:
    """Keys come from there, so no login at all can be judged."""
    made = a_set()
    gone = Examined(made.providers["corp"], "https://...", failure="gone", reached=False)
    assert [(one.check, one.grade) for one in findings(gone, made)] == [("discovery", Grade.ERROR)]
    assert not any(level.adapters.enforced for level in client_outlook(gone, made, JIRA).levels)


def test_the_guard_s_needs_name_what_this_provider_offers_besides() -> None:
    """What hands out tokens past the guard is named, so that it can be switched off for the client."""
    offered = {
        "grant_types_supported": ["authorization_code", "password", "urn:ietf:params:oauth:grant-type:device_code"],
        "response_types_supported": ["code", "code id_token", "none"],
        "code_challenge_methods_supported": [],
    }
    here = " ".join(outlook(a_set("keycloak"), **offered).guard_here)
    for word in ("`password`", "`urn:ietf:params:oauth:grant-type:device_code`", "`code id_token`", "`nonce`"):
        assert word in here
    assert NOTES["keycloak"].guard[0] in here
    # Discovery 3: a document that lists no grants means these two.
    assert "`implicit`" in " ".join(outlook(a_set(), grant_types_supported=None).guard_here)
    assert outlook(a_set()).guard_here == ()


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(
        [
            ISSUER,
            ISSUER + "/x",
            "https://[::1",
            "//",
            "code",
            "S256",
            "RS256",
            "verify",
            "RSA",
            "EC",
            "sig",
            "\x00\u202e",
        ]
    )
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
members = st.dictionaries(
    st.sampled_from([*DOCUMENT, "require_signed_request_object", "require_pushed_authorization_requests"]), anything
)
rows = st.lists(
    st.dictionaries(st.sampled_from(["kty", "use", "alg", "key_ops", "kid", "n", "e", "crv", "x", "y"]), anything)
    | anything
)


@given(members, rows, st.sampled_from(sorted(PROFILES)))
def test_whatever_a_provider_says_is_told_of(said: dict[str, Any], keys: Any, profile: str) -> None:
    """No document and no key set, however malformed, is more than a finding."""
    made = a_set(profile)
    for document in (DOCUMENT | said, said):
        key_set = read_key_set({"keys": keys})
        seen = Examined(made.providers["corp"], "https://...", document=document, keys=key_set)
        told = findings(seen, made)
        assert all(isinstance(one.message, str) and one.message for one in told)
        assert client_outlook(seen, made, JIRA).levels
