"""Provider profiles as values: how to ask a provider for a level, and what comes back. No network, no policy files.

What each profile rests on is cited in `docs/providers/` and in `tests/unit/oidc/test_provider_profiles.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class AskForm(StrEnum):
    """The form in which a level is asked for; one only, since providers disagree on what two mean."""

    ACR_VALUES = "acr_values"  # OpenID Connect Core 3.1.2.1
    CLAIMS = "claims"  # an essential `acr` claim, OpenID Connect Core 5.5.1.1
    ACRS = "acrs"  # Entra ID's authentication contexts: an essential `acrs` claim with one value
    AMR_VALUES = "amr_values"  # AD FS, MS-OAPX 2.2.2.10


class AuthTime(StrEnum):
    """When the provider returns `auth_time`."""

    ALWAYS = "always"
    ON_MAX_AGE = "on_max_age"
    NEVER = "never"


UNMET: Final = "unmet_authentication_requirements"
"""The error of OpenID Connect Core Error Code unmet_authentication_requirements 1.0."""
_COOKIE: Final = {"0": "it stands for a long-lived browser cookie (OpenID Connect Core 2)"}
_PAPE_MFA: Final = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"


@dataclass(frozen=True, slots=True)
class ProviderProfile:
    """What is known of one kind of provider (relying-parties.md, "Provider profiles").

    Attributes:
        name: how policy files call it.
        ask: how a level is asked for.
        accept_claim: the claim of the ID token that carries the level: one word, or a list that must hold one.
        auth_time: when `auth_time` comes back; `never` makes a `max_age` an error.
        subject_claim: the claim that becomes `user.id`.
        groups_claim: the claim that becomes `user.groups`.
        acts: False for a provider that can't act on any of this.
        ignores_unknown: whether it silently ignores a value that it does not know.
        merges_requested: whether values that the relying party asked for besides levels must stay (Login.gov).
        levels: the provider's usual words and what each means, for `acrux doctor` and for pages; never a default map.
        weak: words that prove no second factor, whatever a policy lets them stand for, and why.
        errors: the error codes that a relying party gets back where the level can't be reached.
    """

    name: str
    ask: AskForm = AskForm.ACR_VALUES
    accept_claim: str = "acr"
    auth_time: AuthTime = AuthTime.ON_MAX_AGE
    subject_claim: str = "sub"
    groups_claim: str = "groups"
    acts: bool = True
    ignores_unknown: bool = True
    merges_requested: bool = False
    levels: Mapping[str, str] = field(default_factory=dict)
    weak: Mapping[str, str] = field(default_factory=lambda: _COOKIE)
    errors: tuple[str, ...] = (UNMET,)

    @property
    def asks_first_word_only(self) -> bool:
        """Whether only a level's first word can be asked for.

        `amr` holds methods (RFC 8176), which nobody asks for: where it carries the level, the words that come back
        are others than the one that is asked for, and a request in them would be ignored.
        """
        return self.accept_claim == "amr"


def _index(*profiles: ProviderProfile) -> Mapping[str, ProviderProfile]:
    return MappingProxyType({profile.name: profile for profile in profiles})


PROFILES: Final = _index(
    ProviderProfile("generic"),
    ProviderProfile(
        "keycloak",
        ask=AskForm.CLAIMS,
        auth_time=AuthTime.ALWAYS,
        # Unknown or too high is an error where it is essential, and this profile asks for nothing else.
        ignores_unknown=False,
        levels={"a name in the realm's ACR to LoA mapping": "the level of authentication that it is mapped to"},
        weak=_COOKIE,
        # The user is stopped on a page of Keycloak's; no error code for this is sent back (keycloak issue 23531).
        errors=(),
    ),
    ProviderProfile(
        "okta",
        auth_time=AuthTime.ALWAYS,
        levels={
            "urn:okta:loa:2fa:any": "any two factors",
            "phr": "phishing-resistant: a passkey (FIDO2 WebAuthn)",
            "phrh": "phishing-resistant and hardware-protected: Okta Verify",
        },
        weak={
            **_COOKIE,
            "urn:okta:loa:1fa:any": "any one factor is enough for it",
            "urn:okta:loa:1fa:pwd": "a password is enough for it",
            "urn:okta:loa:2fa:any:ifpossible": "one factor is enough for a user who has enrolled no second one",
        },
    ),
    ProviderProfile(
        "entra",
        ask=AskForm.ACRS,
        accept_claim="acrs",
        subject_claim="oid",
        # A context that no policy protects is granted to everybody ("Expected behavior when an auth context isn't
        # protected by Conditional Access in the tenant"): it is not even ignored.
        levels={"c1 to c99": "the authentication context of that id, as the tenant's Conditional Access defines it"},
        errors=("interaction_required", "access_denied"),
    ),
    ProviderProfile(
        "auth0",
        accept_claim="amr",
        levels={_PAPE_MFA: "asked for: multi-factor authentication", "mfa": "comes back in `amr`: it took place"},
        weak={**_COOKIE, "pwd": "a password is enough for it"},
        errors=("access_denied",),
    ),
    ProviderProfile(
        "pingfederate",
        levels={"a result value of the Requested AuthN Context selector": "what the policy behind that value demands"},
    ),
    ProviderProfile(
        "adfs",
        ask=AskForm.AMR_VALUES,
        accept_claim="amr",
        auth_time=AuthTime.ALWAYS,
        levels={
            "ngcmfa": "asked for: several factors",
            "http://schemas.microsoft.com/claims/multipleauthn": "comes back in `amr`: several factors took place",
        },
        weak={
            **_COOKIE,
            "http://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/password": "a password is enough",
        },
        errors=("access_denied",),
    ),
    ProviderProfile(
        "cognito",
        auth_time=AuthTime.ALWAYS,
        groups_claim="cognito:groups",
        levels={
            "urn:cognito:loa:2": "a one-time code by SMS or email, alone",
            "urn:cognito:loa:3": "a passkey; or a password with a code by SMS or email",
            "urn:cognito:loa:4": "a password with a code of an authenticator app",
        },
        weak={**_COOKIE, "urn:cognito:loa:1": "a password is enough for it", "fed": "another provider vouched somehow"},
        errors=(),
    ),
    ProviderProfile(
        "login-gov",
        # `acr` has the service level only; the authentication level is in `aal`.
        accept_claim="aal",
        auth_time=AuthTime.NEVER,
        merges_requested=True,
        levels={
            "http://idmanagement.gov/ns/assurance/aal/2": "a second factor each time, no remembered device",
            "http://idmanagement.gov/ns/assurance/aal/2?phishing_resistant=true": "WebAuthn or PIV/CAC each time",
            "http://idmanagement.gov/ns/assurance/aal/2?hspd12=true": "PIV/CAC each time",
        },
        weak={
            **_COOKIE,
            "urn:gov:gsa:ac:classes:sp:PasswordProtectedTransport:duo": (
                "it is what every login has: a remembered device passes for 30 days"
            ),
        },
        errors=("access_denied", "invalid_request"),
    ),
    ProviderProfile(
        "hydra",
        auth_time=AuthTime.ALWAYS,
        levels={"a word of your login application": "what that application means when it accepts the login with it"},
        errors=("access_denied",),
    ),
)
"""The supported profiles by name."""
