"""What is read from claims, and which facts on the user they prove."""

from dataclasses import replace

import pytest

from acrux.domain.identifiers import ProviderName
from acrux.domain.profiles import PROFILES
from acrux.oidc.claims import ReturnedClaims, auth_time_seconds, read_claims, verified_user_facts
from acrux.policy.model import Provider

PROVIDER = Provider(ProviderName("corp"), "https://login.example.com", PROFILES["generic"], {})
CLAIMS = {"iss": "https://login.example.com", "sub": "u-1", "aud": "jira", "exp": 2, "iat": 1}


def facts(provider: Provider = PROVIDER, **claims):
    returned = read_claims({**CLAIMS, **claims})
    assert isinstance(returned, ReturnedClaims)
    return verified_user_facts(returned, provider)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({}, {"user.id": "u-1"}),
        ({"groups": ["a", "b"]}, {"user.id": "u-1", "user.groups": ("a", "b")}),
        ({"groups": []}, {"user.id": "u-1", "user.groups": ()}),
        ({"groups": "a"}, {"user.id": "u-1", "user.groups": ("a",)}),
        ({"groups": ["a", 5]}, {"user.id": "u-1"}),
        ({"groups": {"a": 1}}, {"user.id": "u-1"}),
        ({"email": "eve@Example.com", "email_verified": True}, {"user.id": "u-1", "user.domain": "example.com"}),
        ({"email": "eve@example.com", "email_verified": "true"}, {"user.id": "u-1"}),
        ({"email": "eve@example.com"}, {"user.id": "u-1"}),
        ({"email": "eve", "email_verified": True}, {"user.id": "u-1"}),
        ({"email": "eve@", "email_verified": True}, {"user.id": "u-1"}),
        ({"sub": "a@b@corp.example", "email": "a@b.c", "email_verified": True},
         {"user.id": "a@b@corp.example", "user.domain": "corp.example"}),
    ],
)  # fmt: skip
def test_user_facts(claims, expected) -> None:
    """A fact that the claims do not prove is absent; half a list is none; an unverified address proves nothing."""
    assert facts(**claims) == expected


def test_claims_of_the_provider() -> None:
    """The subject and the groups come from the claims that the provider is said to keep them in."""
    provider = replace(PROVIDER, subject_claim="oid", groups_claim="roles")
    assert facts(provider, oid="o-7", roles=["admin"], groups=["x"]) == {"user.id": "o-7", "user.groups": ("admin",)}
    assert facts(provider, oid=5) == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), True, "5", None, [5]])
def test_no_number(value) -> None:
    """What is no finite number is no time: NaN would compare false with every bound."""
    assert auth_time_seconds({"auth_time": value}) is None


def test_huge_number() -> None:
    """An integer beyond any float is still a time that can be compared."""
    assert auth_time_seconds({"auth_time": 10**400}) == 10**400
