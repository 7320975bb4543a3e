"""Each supported profile against its provider's own documentation: what is asked for, and what each answer is worth.

The sources are named in the table; the pages in docs/providers/ say where each is found. Names, addresses and times
are examples of ours; the forms are theirs. Nothing here says that a provider keeps to its documentation.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from acrux.client.answers import read_accept
from acrux.client.judging import judge_locally
from acrux.client.values import Decision
from acrux.domain.asking import AcrMap, accept, ask, asked_values, read_requested
from acrux.domain.decision import DecisionOutcome, Verdict
from acrux.domain.identifiers import ClientName, DecisionId, LevelName, ProviderName, Revision
from acrux.domain.ladder import AssuranceLadder, Rung
from acrux.domain.profiles import PROFILES, AuthTime
from acrux.oidc.claims import ReturnedClaims, read_claims, verified_user_facts
from acrux.oidc.judge import judge
from acrux.oidc.tickets import Ticket
from acrux.policy.model import Client, Provider

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
LADDER = AssuranceLadder(tuple(Rung(LevelName(level)) for level in ("basic", "mfa", "strong")))
MFA, STRONG = 1, 2
MAX_AGE_SECONDS = 900
PAPE_MFA = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
AAL2 = "http://idmanagement.gov/ns/assurance/aal/2"
AD_FS_PASSWORD = "http://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/password"
AD_FS_MFA = "http://schemas.microsoft.com/claims/multipleauthn"


@dataclass(frozen=True)
class Documented:
    """What a provider's documentation shows.

    Attributes:
        words: the map of a policy for this provider.
        own: what the relying party's own request has, of what counts here.
        asked: the parameters that its documentation sends for `mfa`; JSON in them is compared as JSON.
        issuer, claims: an ID token of a login with the second factor.
        lower: the claims that differ where the second factor did not take place, each with the verdict.
        user: the facts on the user that the ID token proves.
    """

    words: dict[str, tuple[str, ...]]
    asked: dict[str, Any]
    issuer: str
    claims: dict[str, Any]
    lower: list[tuple[dict[str, Any], Verdict]]
    user: dict[str, Any]
    own: dict[str, Any] = field(default_factory=dict)


DOCUMENTED = {
    # OpenID Connect Core 1.0: section 3.1.2.1 (`acr_values`), section 2 (the ID token and its `acr`).
    "generic": Documented(
        words={"mfa": ("urn:mace:incommon:iap:silver",), "strong": ("phr",)},
        asked={"acr_values": "urn:mace:incommon:iap:silver"},
        issuer="https://server.example.com",
        claims={"sub": "24400320", "aud": "s6BhdRkqt3", "acr": "urn:mace:incommon:iap:silver"},
        lower=[({"acr": "0"}, Verdict.DOWNGRADED), ({"acr": None}, Verdict.MISSING)],
        user={"user.id": "24400320"},
    ),
    # Keycloak, Server Administration Guide, "Creating a browser login flow with step-up mechanism", "Request a certain
    # authentication level" and "Flow logic" (`acr` is 0 where the level has expired).
    "keycloak": Documented(
        words={"mfa": ("gold",), "strong": ("platinum",)},
        asked={"claims": {"id_token": {"acr": {"essential": True, "values": ["gold"]}}}},
        issuer="https://keycloak.example.com/realms/corp",
        claims={
            "sub": "f:7e1c:alice",
            "aud": "jira",
            "azp": "jira",
            "acr": "gold",
            "groups": ["/design"],
            "sid": "s-1",
        },
        lower=[
            ({"acr": "0"}, Verdict.DOWNGRADED),
            ({"acr": "1"}, Verdict.DOWNGRADED),
            ({"acr": None}, Verdict.MISSING),
        ],
        user={"user.id": "f:7e1c:alice", "user.groups": ("/design",)},
    ),
    # Okta Developer, "Step-up authentication using ACR values": "Predefined parameter values", the ID token of "Add the
    # parameter value to the auth request".
    "okta": Documented(
        words={"mfa": ("urn:okta:loa:2fa:any",), "strong": ("phr", "phrh")},
        asked={"acr_values": "urn:okta:loa:2fa:any"},
        issuer="https://corp.okta.example.com/oauth2/default",
        claims={
            "sub": "00u47ijy7sRLaeSdC0g7",
            "ver": 1,
            "aud": "0oa48e74ox4t7mQJX0g7",
            "jti": "ID.dz6",
            "amr": ["pwd", "mfa"],
            "acr": "urn:okta:loa:2fa:any",
            "idp": "00o47ijbqfgnq5gj00g7",
            "at_hash": "w6BLQV3642TKWvaVwTAJuw",
        },
        lower=[
            ({"acr": "urn:okta:loa:1fa:any", "amr": ["pwd"]}, Verdict.DOWNGRADED),
            ({"acr": "urn:okta:loa:2fa:any:ifpossible"}, Verdict.DOWNGRADED),
            ({"acr": None}, Verdict.MISSING),
        ],
        user={"user.id": "00u47ijy7sRLaeSdC0g7"},
    ),
    # Microsoft Learn, "Claims challenges, claims requests and client capabilities", "Claims request" (`acrs`,
    # essential, one `value`; the member is `id_token` where the ID token is to have it); "Developer guide to
    # Conditional Access authentication context", "Authentication context [ACRs] in Conditional Access expected
    # behavior" (several come back).
    "entra": Documented(
        words={"mfa": ("c1",), "strong": ("c2",)},
        asked={"claims": {"id_token": {"acrs": {"essential": True, "value": "c1"}}}},
        issuer="https://login.microsoftonline.example/11111111-2222-3333-4444-555555555555/v2.0",
        claims={
            "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
            "aud": "00001111-aaaa-2222-bbbb-3333cccc4444",
            "acrs": ["c1", "c3"],
            "oid": "00000000-0000-0000-66f3-3332eca7ea81",
            "ver": "2.0",
            "groups": ["0760b6cf-170e-4a14-91b3-4b78e0739963"],
        },
        lower=[({"acrs": ["c3"]}, Verdict.DOWNGRADED), ({"acrs": None}, Verdict.MISSING)],
        user={
            "user.id": "00000000-0000-0000-66f3-3332eca7ea81",
            "user.groups": ("0760b6cf-170e-4a14-91b3-4b78e0739963",),
        },
    ),
    # Auth0 Docs, "Configure Step-up Authentication for Web Apps": the request of "Configure app", the ID tokens of
    # "Validate ID tokens for MFA".
    "auth0": Documented(
        words={"mfa": (PAPE_MFA, "mfa")},
        asked={"acr_values": PAPE_MFA},
        issuer="https://corp.auth0.example.com/",
        claims={"sub": "auth0|1a2b3c4d5e6f7g8h9i", "aud": "jira", "acr": PAPE_MFA, "amr": ["mfa"]},
        lower=[({"acr": None, "amr": None}, Verdict.MISSING), ({"amr": ["pwd"]}, Verdict.DOWNGRADED)],
        user={"user.id": "auth0|1a2b3c4d5e6f7g8h9i"},
    ),
    # PingFederate Server, "Configuring the Requested AuthN Context Authentication Selector": `acr_values` picks a
    # path, and the selector puts its result value into the authentication context.
    "pingfederate": Documented(
        words={"mfa": ("urn:example:pf:mfa",), "strong": ("urn:example:pf:fido",)},
        asked={"acr_values": "urn:example:pf:mfa"},
        issuer="https://sso.example.com",
        claims={"sub": "joe", "aud": "ac_client", "jti": "j-1", "acr": "urn:example:pf:mfa", "pi.sri": "s-1"},
        lower=[
            ({"acr": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"}, Verdict.DOWNGRADED),
            ({"acr": None}, Verdict.MISSING),
        ],
        user={"user.id": "joe"},
    ),
    # [MS-OAPX] 2.2.2.10 `amr_values`; the methods of AD FS as "Configure Additional Authentication Methods for AD FS"
    # names them. `amr` is in the ID token where a rule issues it (docs/providers/others.md).
    "adfs": Documented(
        words={"mfa": ("ngcmfa", AD_FS_MFA)},
        asked={"amr_values": "ngcmfa"},
        issuer="https://adfs.example.com/adfs",
        claims={
            "sub": "aBcD=",
            "aud": "0bbd1d1a",
            "upn": "alice@example.com",
            "amr": [AD_FS_PASSWORD, AD_FS_MFA],
            "sid": "S-1",
        },
        lower=[
            ({"amr": [AD_FS_PASSWORD]}, Verdict.DOWNGRADED),
            ({"amr": AD_FS_PASSWORD}, Verdict.MISSING),
            ({"amr": None}, Verdict.MISSING),
        ],
        user={"user.id": "aBcD="},
    ),
    # Amazon Cognito Developer Guide, "Authentication levels with ACR and AMR claims": "ACR authentication levels",
    # the ID token of "ACR and AMR token claims", "Feature plan requirements" (silently ignored: password only).
    "cognito": Documented(
        words={"mfa": ("urn:cognito:loa:3",), "strong": ("urn:cognito:loa:4",)},
        asked={"acr_values": "urn:cognito:loa:3"},
        issuer="https://cognito-idp.us-east-1.example.com/us-east-1_ExAmPlE",
        claims={
            "sub": "a1b2c3d4-5678-90ab-cdef-1234567890ab",
            "aud": "abc123def456",
            "token_use": "id",
            "acr": "urn:cognito:loa:3",
            "amr": ["pwd", "sms", "mfa"],
            "email": "user@example.com",
            "cognito:groups": ["design"],
        },
        lower=[
            ({"acr": "urn:cognito:loa:1", "amr": ["pwd"]}, Verdict.DOWNGRADED),
            ({"acr": "urn:cognito:loa:2", "amr": ["sms"]}, Verdict.DOWNGRADED),
            ({"acr": None, "amr": ["fed"]}, Verdict.MISSING),
        ],
        user={"user.id": "a1b2c3d4-5678-90ab-cdef-1234567890ab", "user.groups": ("design",)},
    ),
    # Login.gov Developers, "Authorization" (`acr_values`: a service level and an AAL value, joined with a space),
    # "Token" (the ID token: `acr` is the service level), "User attributes" (`aal`).
    "login-gov": Documented(
        words={"mfa": (AAL2,), "strong": (AAL2 + "?phishing_resistant=true", AAL2 + "?hspd12=true")},
        own={"acr_values": ("urn:acr.login.gov:auth-only",)},
        asked={"acr_values": AAL2 + " urn:acr.login.gov:auth-only"},
        issuer="https://idp.int.identitysandbox.example",
        claims={
            "sub": "b2d2d115-1d7e-4579-b9d6-f8e84f4f56ca",
            "acr": "urn:acr.login.gov:auth-only",
            "aal": AAL2,
            "aud": "urn:gov:gsa:openidconnect:development",
            "jti": "jC7NnU8dNNV5lisQBm1jtA",
            "c_hash": "hXjq7kOrtQK",
        },
        lower=[
            ({"aal": "urn:gov:gsa:ac:classes:sp:PasswordProtectedTransport:duo"}, Verdict.DOWNGRADED),
            ({"aal": None}, Verdict.MISSING),
        ],
        user={"user.id": "b2d2d115-1d7e-4579-b9d6-f8e84f4f56ca"},
    ),
    # Ory Hydra: the login application accepts a login with an `acr` (REST API, acceptOAuth2LoginRequest); issue 1032
    # shows the ID token where it was asked for and not set.
    "hydra": Documented(
        words={"mfa": ("urn:example:loa:2",), "strong": ("urn:example:loa:3",)},
        asked={"acr_values": "urn:example:loa:2"},
        issuer="https://hydra.example.com/",
        claims={"sub": "foo@bar.com", "aud": ["auth-code-client"], "acr": "urn:example:loa:2", "rat": 1, "sid": "s-1"},
        lower=[({"acr": "0"}, Verdict.DOWNGRADED), ({"acr": None}, Verdict.MISSING)],
        user={"user.id": "foo@bar.com", "user.domain": "bar.com"},
    ),
}

ALL = pytest.mark.parametrize("name", sorted(PROFILES))


def acr_map(name: str) -> AcrMap:
    words = {LevelName(level): own for level, own in DOCUMENTED[name].words.items()}
    return AcrMap.of(LADDER, PROFILES[name], words, refuse_unmapped=True)


def max_age(name: str) -> int | None:
    """Where a provider never says when the user logged in, no policy can have a `max_age`."""
    return None if PROFILES[name].auth_time is AuthTime.NEVER else MAX_AGE_SECONDS


def provider(name: str) -> Provider:
    profile, shown = PROFILES[name], DOCUMENTED[name]
    words = {LevelName(level): own for level, own in shown.words.items()}
    return Provider(
        ProviderName("corp"),
        shown.issuer,
        profile,
        words,
        subject_claim=profile.subject_claim,
        groups_claim=profile.groups_claim,
    )


def claims(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """The documented ID token of a login just now, with changes; None takes a claim out."""
    shown = DOCUMENTED[name]
    at = int(NOW.timestamp())
    token = {"iss": shown.issuer, "iat": at - 5, "exp": at + 300, "auth_time": at - 30, **shown.claims, **changes}
    if PROFILES[name].auth_time is AuthTime.NEVER and "auth_time" not in changes:
        del token["auth_time"]
    return {claim: value for claim, value in token.items() if value is not None}


def verdict(name: str, rank: int, changes: dict[str, Any]) -> Verdict:
    """What service and client say alike."""
    wanted = accept(acr_map(name), rank, max_age(name))
    assert wanted is not None
    token = claims(name, changes)
    audience = token["aud"]
    client_id = audience if isinstance(audience, str) else audience[0]
    ticket = Ticket(
        decision_id=DecisionId("0199f3c2-0000-7000-8000-000000000001"),
        client_name=ClientName("jira"),
        client_id=client_id,
        provider=ProviderName("corp"),
        revision=Revision("sha256:" + "0" * 64),
        decided_at=NOW - timedelta(minutes=1),
        expires_at=NOW + timedelta(minutes=9),
        outcome=DecisionOutcome.STEP_UP,
        level=LADDER.levels[rank],
        accept=wanted,
    )
    returned = read_claims(token)
    judgement = judge(
        ticket,
        returned,
        decision_id=ticket.decision_id,
        provider=provider(name),
        client=Client(ClientName("jira"), ProviderName("corp"), client_id),
        ladder=LADDER,
        now=NOW,
        already_used=False,
    )
    locally = judge_locally(
        Decision(
            id=str(ticket.decision_id),
            client="jira",
            outcome="step_up",
            level=str(ticket.level),
            authorization_params={},
            accept=read_accept(
                {"claim": wanted.claim, "values": list(wanted.values), "max_age_seconds": wanted.max_age_seconds}
            ),
            decided_at=ticket.decided_at,
            expires_at=ticket.expires_at,
        ),
        token,
        NOW,
        issuer=DOCUMENTED[name].issuer,
        client_id=client_id,
    )
    assert locally.name == judgement.verdict
    return judgement.verdict


def test_every_profile_is_documented() -> None:
    """A profile without a row of this table is not supported."""
    assert set(DOCUMENTED) == set(PROFILES)


@ALL
def test_the_level_is_asked_for_as_documented(name: str) -> None:
    """The parameters are those of the provider's own example, and the words asked for can be read back."""
    shown = DOCUMENTED[name]
    own = read_requested(shown.own.get("acr_values", ()), shown.own.get("claims"))
    asked = ask(acr_map(name), MFA, None, own)
    sent = {key: json.loads(value) if key == "claims" else value for key, value in asked.params.items()}
    assert sent == shown.asked
    assert asked_values(asked.params) == asked.values
    assert shown.words["mfa"][0] in asked.values


@ALL
def test_the_documented_id_token_satisfies(name: str) -> None:
    """A login with the second factor is admitted, and proves the facts on its user."""
    assert verdict(name, MFA, {}) is Verdict.SATISFIED
    returned = read_claims(claims(name, {}))
    assert isinstance(returned, ReturnedClaims)
    assert verified_user_facts(returned, provider(name)) == DOCUMENTED[name].user


@pytest.mark.parametrize(
    ("name", "changes", "expected"),
    [(name, changes, expected) for name in sorted(PROFILES) for changes, expected in DOCUMENTED[name].lower],
)
def test_a_documented_login_without_the_factor_is_refused(
    name: str, changes: dict[str, Any], expected: Verdict
) -> None:
    """What comes back where the parameter was stripped, ignored or could not be met."""
    assert verdict(name, MFA, changes) is expected


@pytest.mark.parametrize("name", sorted(name for name in PROFILES if max_age(name) is not None))
def test_an_old_login_is_stale_where_its_age_can_be_judged(name: str) -> None:
    """A login that is older than the level allows, or of no known age, is `stale`."""
    at = int(NOW.timestamp())
    assert verdict(name, MFA, {"auth_time": at - 3600}) is Verdict.STALE
    assert verdict(name, MFA, {"auth_time": None}) is Verdict.STALE
    # AD FS writes times of access tokens as text.
    assert verdict(name, MFA, {"auth_time": "2026-11-24T07:59:30Z"}) is Verdict.STALE


@pytest.mark.parametrize("name", sorted(name for name in PROFILES if "strong" in DOCUMENTED[name].words))
def test_a_stronger_word_is_accepted_and_a_weaker_is_not(name: str) -> None:
    """The words of a higher level satisfy a lower one; never the other way round."""
    claim, words = PROFILES[name].accept_claim, DOCUMENTED[name].words
    form = [words["strong"][0]] if isinstance(DOCUMENTED[name].claims[claim], list) else words["strong"][0]
    assert verdict(name, MFA, {claim: form}) is Verdict.SATISFIED
    assert verdict(name, STRONG, {claim: form}) is Verdict.SATISFIED
    assert verdict(name, STRONG, {}) is Verdict.DOWNGRADED


@pytest.mark.parametrize("name", ["auth0", "adfs"])
def test_asked_and_accepted_words_may_differ(name: str) -> None:
    """The first word of a level is asked for, and all are accepted. The first is accepted too, and harmless.

    It comes back only if the provider puts it into the signed `amr`; nothing that a user sends gets there.
    """
    known = acr_map(name)
    first, other = known.words[MFA]
    wanted = accept(known, MFA, None)
    assert wanted is not None
    assert (wanted.claim, wanted.values) == ("amr", (first, other))
    assert verdict(name, MFA, {"amr": [other]}) is Verdict.SATISFIED
    # Asked for, and still only a password: what was asked for is in the request, not in the token.
    assert verdict(name, MFA, {"acr": first, "amr": ["pwd"]}) is Verdict.DOWNGRADED
    assert verdict(name, MFA, {"acr": other, "amr": None}) is Verdict.MISSING


@pytest.mark.parametrize("name", ["auth0", "adfs"])
def test_a_request_in_words_of_the_answer_is_asked_in_words_that_can_be(name: str) -> None:
    """`acr_values=mfa` says what is wanted in a word that the provider would ignore: the level's first word is sent."""
    known = acr_map(name)
    first, other = known.words[MFA]
    assert ask(known, MFA, None, read_requested((other,), None)).values == (first,)
    assert ask(known, MFA, None, read_requested((other, first), None)).values == (first,)


def test_login_gov_keeps_the_stricter_word_that_was_asked_for() -> None:
    """Where the words that come back are those that are asked for, a request's own stay as they are."""
    hspd12 = AAL2 + "?hspd12=true"
    asked = ask(acr_map("login-gov"), MFA, None, read_requested((hspd12, "urn:acr.login.gov:verified"), None))
    assert asked.params == {"acr_values": f"{hspd12} urn:acr.login.gov:verified"}


def test_entra_takes_the_first_of_several() -> None:
    """One `value`: of several contexts that a request names, the first that is high enough."""
    own = {
        "id_token": {"acrs": {"essential": True, "values": ["c2", "c1"]}, "email": None},
        "access_token": {"xms_cc": None},
    }
    asked = ask(acr_map("entra"), MFA, None, read_requested((), own))
    assert json.loads(asked.params["claims"]) == {
        "id_token": {"acrs": {"essential": True, "value": "c2"}, "email": None},
        "access_token": {"xms_cc": None},
    }


@ALL
def test_no_level_is_proved_by_a_weak_word(name: str) -> None:
    """The usual words of a profile are none of those that it calls weak, and each says why."""
    profile = PROFILES[name]
    assert not set(profile.levels) & set(profile.weak)
    assert all(profile.levels.values())
    assert all(profile.weak.values())
    assert "0" in profile.weak
