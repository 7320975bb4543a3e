"""What people must know of each kind of provider, in sentences: what to set there, and where its floor is. No logic."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class ProfileNotes:
    """What `acrux doctor` says of a profile; the pages in `docs/providers/` say it at length.

    Attributes:
        page: the page in `docs/providers/`.
        needs: what must be set at the provider for the level to be demanded, and to come back.
        floor: how to set the least that the provider demands of a client by itself; '' where none is known.
        unmet: what a user and a relying party see where the level can't be reached.
        guard: what the token guard needs or can't do at this provider in particular.
    """

    page: str
    needs: tuple[str, ...]
    floor: str
    unmet: str
    guard: tuple[str, ...] = ()


_UNMET: Final = "the relying party gets an error"

NOTES: Final[Mapping[str, ProfileNotes]] = MappingProxyType(
    {
        "generic": ProfileNotes(
            "README.md",
            ("The provider acts on `acr_values`, and puts what it did into `acr` of the ID token.",),
            "",
            _UNMET,
        ),
        "keycloak": ProfileNotes(
            "keycloak.md",
            (
                (
                    "The browser flow has a condition `Level of Authentication` for each level, and the realm an ACR to"
                    " LoA mapping."
                ),
                "The client has the client scopes `acr` and `basic`, which put `acr` and `auth_time` into its tokens.",
            ),
            "Set the client's `Minimum ACR Value` (attribute `minimum.acr.value`): lower requests are raised to it."
            " `Default ACR Values` are no floor, since a request replaces them.",
            "Keycloak stops the user on a page of its own (`Authentication requirements not fulfilled`): the "
            "relying party hears nothing",
            (
                (
                    "`Client authentication` is on, and of the capabilities only `Standard flow`: no implicit flow, no "
                    "direct access grants, no device, CIBA or token exchange grant."
                ),
            ),
        ),
        "okta": ProfileNotes(
            "okta.md",
            ("The organisation runs on Identity Engine for `phr` and `phrh`.",),
            "Set the app sign-in policy of the application: Okta evaluates it before `acr_values`, whatever was "
            "asked for.",
            _UNMET,
            ("The application's grant types are `Authorization Code` and `Refresh Token` only.",),
        ),
        "entra": ProfileNotes(
            "entra.md",
            (
                (
                    "A Conditional Access policy stands behind every authentication context of the map, for all users: "
                    "Entra ID grants a context that no policy protects to everybody, so its `acrs` proves nothing."
                ),
                (
                    "What a higher context demands includes what a lower one does: a login with the higher one is taken"
                    " for both."
                ),
                "The app registration has `acrs` and `auth_time` among the optional claims of its ID token.",
            ),
            "Set a Conditional Access policy on the application itself, which holds whatever was asked for.",
            "Entra ID stops the user, or the relying party gets an error",
            (
                (
                    "Under `Authentication`, ID and access tokens of the implicit and hybrid flows are off, and so are "
                    "public client flows."
                ),
            ),
        ),
        "auth0": ProfileNotes(
            "auth0.md",
            (
                (
                    "A post-login Action enables multi-factor authentication where `acr_values` asks for it: without it"
                    " nothing happens."
                ),
            ),
            "Set the tenant's policy for multi-factor authentication to `Always`, or have the Action demand it of "
            "the client by itself.",
            "Auth0 stops the user on its own page, or the relying party gets an error",
            (
                "Of the application's grant types only `Authorization Code` and `Refresh Token` are on.",
                (
                    "ID tokens of a refresh have no `amr`, so the guard refuses refreshes at a level above the lowest: "
                    "users sign in again."
                ),
            ),
        ),
        "pingfederate": ProfileNotes(
            "pingfederate.md",
            (
                (
                    "A Requested AuthN Context selector has a result value for each word of the map, and adds or "
                    "updates the authentication context; in the policy tree the right authentication source stands "
                    "behind each."
                ),
                (
                    "The OpenID Connect policy has `acr` in its attribute contract, fulfilled with that context, in the"
                    " ID token."
                ),
            ),
            "Let the selector's `No Match` and `Not in Request` results lead to the least that is acceptable, not "
            "to a password.",
            _UNMET,
            ("The client's allowed grant types are `Authorization Code` and `Refresh Token` only.",),
        ),
        "adfs": ProfileNotes(
            "others.md",
            (
                (
                    "An issuance rule passes the authentication methods into the ID token as `amr`: AD FS leaves them "
                    "out by itself."
                ),
                "The methods come back as a list, so pass all of them on: one text alone counts as missing.",
            ),
            "Set an access control policy that demands MFA on the relying party or the web API.",
            "AD FS stops the user, or the relying party gets an error",
            ("The application is a server application with a shared secret.",),
        ),
        "cognito": ProfileNotes(
            "others.md",
            ("The user pool has the Essentials or Plus feature plan: on Lite `acr_values` is silently ignored.",),
            "Set the user pool's MFA to `required`.",
            "Cognito stops the user at its sign-in page",
            (
                (
                    "Of the app client's OAuth grant types only `Authorization code grant` is on, and it has a client "
                    "secret."
                ),
            ),
        ),
        "login-gov": ProfileNotes(
            "others.md",
            ("The relying party's own request names a service level, which stays beside the level that is asked for.",),
            "Set the application's default AAL with Login.gov's partner portal.",
            _UNMET,
            (
                (
                    "The guard can't serve applications at Login.gov: they authenticate with `private_key_jwt`, or are "
                    "public clients."
                ),
            ),
        ),
        "hydra": ProfileNotes(
            "others.md",
            (
                (
                    "The login application reads the `acr_values` of the login request, demands what they mean, and "
                    "accepts the login with the `acr` that took place; Hydra itself demands nothing."
                ),
            ),
            "The login application may demand more of a client by itself.",
            "the relying party gets the error of the login application",
            ("The client's grant types are `authorization_code` and `refresh_token` only.",),
        ),
    }
)
"""The notes on each supported profile, by its name."""
