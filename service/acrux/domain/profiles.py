"""Provider profiles as values: how to ask a provider for a level, and what comes back. No network, no policy files."""

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
    AMR_VALUES = "amr_values"  # AD FS


class AuthTime(StrEnum):
    """When the provider returns `auth_time`."""

    ALWAYS = "always"
    ON_MAX_AGE = "on_max_age"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class ProviderProfile:
    """What is known of one kind of provider (relying-parties.md, "Provider profiles").

    Attributes:
        name: how policy files call it.
        ask: how a level is asked for.
        accept_claim: the claim of the ID token that carries the level.
        auth_time: when `auth_time` comes back; `never` makes a `max_age` an error.
        subject_claim: the claim that becomes `user.id`.
        groups_claim: the claim that becomes `user.groups`.
        acts: False for a provider that can't act on any of this.
        ignores_unknown: whether it silently ignores a value that it does not know.
        merges_requested: whether values that the relying party asked for besides levels must stay (Login.gov).
        levels: the provider's usual words, for documentation and `acrux doctor`; never a default map.
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


def _index(*profiles: ProviderProfile) -> Mapping[str, ProviderProfile]:
    return MappingProxyType({profile.name: profile for profile in profiles})


PROFILES: Final = _index(
    ProviderProfile("generic"),
    ProviderProfile("keycloak", ask=AskForm.CLAIMS, auth_time=AuthTime.ALWAYS),
    ProviderProfile("okta", auth_time=AuthTime.ALWAYS),
    ProviderProfile("entra", ask=AskForm.ACRS, accept_claim="acrs", subject_claim="oid"),
    ProviderProfile("auth0", accept_claim="amr"),
    ProviderProfile("pingfederate"),
    ProviderProfile("adfs", ask=AskForm.AMR_VALUES, accept_claim="amr", auth_time=AuthTime.ALWAYS),
    ProviderProfile("cognito", auth_time=AuthTime.ALWAYS),
    ProviderProfile("login-gov", auth_time=AuthTime.NEVER, merges_requested=True),
    ProviderProfile("hydra", auth_time=AuthTime.ALWAYS),
)
"""The supported profiles by name."""
