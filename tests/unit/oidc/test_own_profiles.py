"""The examples of own profiles in docs/providers/others.md at work: what each asks for, what its answers are worth."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from acrux.client.judging import delivered
from acrux.client.values import Accept, VerdictName
from acrux.domain.asking import AcrMap, accept, ask
from acrux.oidc.claims import returned_words
from acrux.policy.load import check_files
from acrux.policy.model import CheckedPolicy

PAGE = Path(__file__).parents[3] / "docs" / "providers" / "others.md"
NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
MFA = 1
SATISFIED, DOWNGRADED, MISSING = VerdictName.SATISFIED, VerdictName.DOWNGRADED, VerdictName.MISSING
AUTHENTIK = "goauthentik.io/providers/oauth2/default"


def the_set() -> CheckedPolicy:
    """The policy file of "Profiles of your own"."""
    section = PAGE.read_text(encoding="utf-8").split("## Profiles of your own")[1]
    block = re.search(r"^```yaml\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert block is not None
    policy = check_files({"set.yaml": block[1].encode()}, now=NOW).policy
    assert policy is not None
    return policy


def essential(word: str) -> dict[str, Any]:
    return {"claims": {"id_token": {"acr": {"essential": True, "values": [word]}}}}


# Provider: what is sent; the claims that come back, each with its verdict.
SHOWN: dict[str, tuple[dict[str, Any], list[tuple[dict[str, Any], VerdictName]]]] = {
    "authentik": (
        {"acr_values": "mfa"},
        [
            ({"acr": AUTHENTIK, "amr": ["pwd", "mfa"]}, SATISFIED),
            ({"acr": AUTHENTIK, "amr": ["pwd"]}, DOWNGRADED),
            ({"acr": AUTHENTIK}, MISSING),
        ],
    ),
    "authelia": (
        {"acr_values": "mfa"},
        [({"amr": ["pwd", "otp", "mfa"]}, SATISFIED), ({"amr": ["pwd", "kba"]}, DOWNGRADED), ({}, MISSING)],
    ),
    "zitadel": (
        {"acr_values": "mfa"},
        [({"amr": ["pwd", "otp", "mfa"]}, SATISFIED), ({"amr": ["pwd"]}, DOWNGRADED), ({}, MISSING)],
    ),
    "pingone": (
        {"acr_values": "Multi_Factor"},
        [({"acr": "Multi_Factor"}, SATISFIED), ({"acr": "Single_Factor"}, DOWNGRADED), ({}, MISSING)],
    ),
    "pingam": (
        essential("mfa-journey"),
        [({"acr": "mfa-journey"}, SATISFIED), ({"acr": "login-journey"}, DOWNGRADED), ({}, MISSING)],
    ),
    "onelogin": (
        {"acr_values": "onelogin:nist:level:1:re-auth"},
        [({"acr": "onelogin:nist:level:1:re-auth"}, SATISFIED), ({"acr": "onelogin:nist:level:1"}, DOWNGRADED)],
    ),
    "curity": (
        essential("urn:se:curity:authentication:totp:totp"),
        [
            ({"acr": "urn:se:curity:authentication:totp:totp"}, SATISFIED),
            ({"acr": "urn:se:curity:authentication:html-form:password"}, DOWNGRADED),
        ],
    ),
    "franceconnect": (
        {"acr_values": "eidas2"},
        [({"acr": "eidas2"}, SATISFIED), ({"acr": "eidas3"}, SATISFIED), ({"acr": "eidas1"}, DOWNGRADED)],
    ),
    "logto": (
        {"acr_values": "urn:logto:acr:mfa"},
        [({"acr": "urn:logto:acr:mfa"}, SATISFIED), ({"acr": "urn:logto:acr:1fa"}, DOWNGRADED), ({}, MISSING)],
    ),
}


def test_every_example_is_here() -> None:
    """No example of the page goes untried."""
    assert set(SHOWN) == set(the_set().providers)


@pytest.mark.parametrize("name", SHOWN)
def test_an_own_profile_asks_and_judges(name: str) -> None:
    """The parameters that go out, and the verdict on each answer, by the service's reading and by the client's."""
    policy = the_set()
    provider = {str(key): value for key, value in policy.providers.items()}[name]
    acr_map = AcrMap.of(policy.ladder, provider.profile, provider.acr, refuse_unmapped=provider.refuse_unmapped)
    sent, answers = SHOWN[name]
    params = ask(acr_map, MFA, None).params
    assert {key: json.loads(value) if key == "claims" else value for key, value in params.items()} == sent
    wanted = accept(acr_map, MFA, None)
    assert wanted is not None
    for claims, expected in answers:
        found, _ = delivered(Accept(wanted.claim, wanted.values, None), claims, NOW, NOW)
        words = returned_words(claims, wanted.claim)
        assert found is expected, claims
        assert (bool(words), bool(set(words) & set(wanted.values))) == (expected is not MISSING, expected is SATISFIED)


def test_a_weak_word_is_warned_of_above_the_lowest_level() -> None:
    """A word that a password is enough for may be the lowest level's; for a level above it `check` says so, there."""
    lines = (
        "version: acrux/v1",
        "ladder: [basic, mfa]",
        "providers:",
        "  corp:",
        "    issuer: https://login.example.com",
        "    profile: okta",
        "    acr:",
        "      basic: urn:okta:loa:1fa:any",
        "      mfa: [urn:okta:loa:2fa:any, urn:okta:loa:1fa:pwd]",
    )
    text = "\n".join(lines)
    (found,) = check_files({"set.yaml": text.encode()}, now=NOW).diagnostics
    assert (found.code, text[found.span.start : found.span.end]) == ("ACX0616", "urn:okta:loa:1fa:pwd")
