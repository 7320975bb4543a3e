"""What the token guard needs and what it can't do, in sentences: the one place that has them. No logic.

`docs/redirect-adapter.md` says the same (a test holds it to that), and `acrux doctor --client` prints it.
"""

from typing import Final

NEEDS_AT_APPLICATION: Final = (
    (
        "It is a confidential client, with a secret that its users don't have, sent as `client_secret_basic` or "
        "`client_secret_post`."
    ),
    (
        "It uses the flow `response_type=code`, with `openid` in its `scope`, and sends a `nonce`, a PKCE challenge "
        "with `S256`, or both."
    ),
)
NEEDS_AT_PROVIDER: Final = (
    "The client is registered as confidential: no code and no refresh token is taken from it without its secret.",
    "The client may use only the grants `authorization_code` and `refresh_token`, and only the response type `code`.",
    (
        "It signs its ID tokens with an asymmetric algorithm, does not encrypt them, and puts the claim in them that "
        "its profile names (`acr`, `acrs` or `amr`), and `auth_time` where a level has a `max_age`."
    ),
    (
        "Its authorization and token endpoints are on the issuer's host or on one of the provider's `hosts` in the "
        "policy set, over https."
    ),
    "It compares redirect URIs exactly, and takes each code once.",
)
CANNOT: Final = (
    "Rules on `user.*` can only refuse.",
    "Rules on `request.*` are rules on what the browser says.",
    "It judges the login, not what comes later.",
    "The address is the browser's that opened the link.",
    (
        "No `request` or `request_uri`, no pushed requests (they come from a server, so the user's address would be "
        "wrong), no hybrid or implicit flow."
    ),
    (
        "No `private_key_jwt` (its audience would be Acrux), no mutual TLS, no DPoP: each names the endpoint that it is"
        " made for."
    ),
    "Access tokens are passed on unread.",
    (
        "With a `response_mode` other than `query` and `fragment` a denial is shown by Acrux instead of sent to the "
        "application: `form_post` takes a script, `jwt` the provider's key."
    ),
)
GUARD_SECRETS: Final = ("client_secret_basic", "client_secret_post")
"""How an application may authenticate at the guard (OpenID Connect Core 9)."""
