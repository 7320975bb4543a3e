"""What the doctor says of the discovery documents that providers really have, as public copies show them.

Only the members that are read are kept, and hosts are examples of ours. The pages in docs/providers/ say the same.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from provider_keys import RSA_KEY

from acrux.oidc.doctor import Examined, Grade, findings
from acrux.oidc.keys import read_key_set
from acrux.policy.load import check_files

PAGES = Path(__file__).parents[3] / "docs" / "providers"
SYMMETRIC = ["HS256", "HS384", "HS512"]
ALL_TYPES = ["code", "token", "id_token", "code token", "code id_token", "token id_token", "code token id_token"]
SECRETS = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
DOCUMENTS: dict[str, tuple[dict[str, Any], dict[str, Grade]]] = {
    "keycloak": (
        {
            "authorization_endpoint": "/protocol/openid-connect/auth",
            "token_endpoint": "/protocol/openid-connect/token",
            "jwks_uri": "/protocol/openid-connect/certs",
            "grant_types_supported": [
                "authorization_code",
                "implicit",
                "refresh_token",
                "password",
                "client_credentials",
            ],
            "acr_values_supported": ["0", "gold", "platinum"],
            "response_types_supported": ["code", "none", *ALL_TYPES[1:]],
            "id_token_signing_alg_values_supported": ["PS384", "ES384", "RS256", *SYMMETRIC],
            "token_endpoint_auth_methods_supported": [*SECRETS, "tls_client_auth", "client_secret_jwt"],
            "claims_supported": ["aud", "sub", "iss", "auth_time", "name", "preferred_username", "email", "acr"],
            "claims_parameter_supported": True,
            "code_challenge_methods_supported": ["plain", "S256"],
            "pushed_authorization_request_endpoint": "/protocol/openid-connect/ext/par/request",
            "require_pushed_authorization_requests": False,
            "authorization_response_iss_parameter_supported": True,
        },
        {"id-token-algorithms": Grade.WARNING},
    ),
    "okta": (
        {
            "authorization_endpoint": "/v1/authorize",
            "token_endpoint": "/v1/token",
            "jwks_uri": "/v1/keys",
            "response_types_supported": ["code", "id_token", "code id_token", "code token", "id_token token"],
            "grant_types_supported": ["authorization_code", "implicit", "refresh_token", "password"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": [*SECRETS, "client_secret_jwt", "none"],
            "claims_supported": ["iss", "ver", "sub", "aud", "iat", "exp", "jti", "auth_time", "amr", "idp", "nonce"],
            "code_challenge_methods_supported": ["S256"],
        },
        {"claim": Grade.WARNING},
    ),
    "entra": (
        {
            "authorization_endpoint": "/../oauth2/v2.0/authorize",
            "token_endpoint": "/../oauth2/v2.0/token",
            "jwks_uri": "/../discovery/v2.0/keys",
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "claims_supported": [
                "sub",
                "iss",
                "aud",
                "exp",
                "iat",
                "auth_time",
                "acr",
                "nonce",
                "name",
                "tid",
                "email",
            ],
            "request_uri_parameter_supported": False,
        },
        {"claim": Grade.WARNING, "pkce": Grade.WARNING},
    ),
    "auth0": (
        {
            "authorization_endpoint": "authorize",
            "token_endpoint": "oauth/token",
            "jwks_uri": ".well-known/jwks.json",
            "response_types_supported": ALL_TYPES,
            "id_token_signing_alg_values_supported": ["HS256", "RS256", "PS256"],
            "token_endpoint_auth_methods_supported": SECRETS,
            "claims_supported": ["aud", "auth_time", "created_at", "email", "exp", "iat", "identities", "iss", "sub"],
            "code_challenge_methods_supported": ["S256", "plain"],
            "request_uri_parameter_supported": False,
        },
        {"claim": Grade.WARNING, "id-token-algorithms": Grade.WARNING},
    ),
    "pingfederate": (
        {
            "authorization_endpoint": "/as/authorization.oauth2",
            "token_endpoint": "/as/token.oauth2",
            "jwks_uri": "/pf/JWKS",
            "response_types_supported": ALL_TYPES,
            "grant_types_supported": ["implicit", "authorization_code", "refresh_token", "password"],
            "id_token_signing_alg_values_supported": ["none", *SYMMETRIC, "RS256", "ES256", "PS256"],
            "token_endpoint_auth_methods_supported": SECRETS,
            "claims_supported": ["address", "birthdate", "email", "family_name", "sub"],
            "claims_parameter_supported": False,
            "code_challenge_methods_supported": ["plain", "S256"],
        },
        {"claim": Grade.WARNING, "auth-time": Grade.WARNING, "id-token-algorithms": Grade.WARNING},
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_page_says_what_the_doctor_finds(name: str) -> None:
    """With the page's own policy file: these findings are not `ok`, and the page names each of them."""
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    block = re.search(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert block is not None
    policy = check_files({"set.yaml": block[1].encode()}, now=datetime(2026, 11, 24, tzinfo=UTC)).policy
    assert policy is not None
    (provider,) = policy.providers.values()
    said, expected = DOCUMENTS[name]
    document = {
        member: provider.issuer + value if isinstance(value, str) else value for member, value in said.items()
    } | {"issuer": provider.issuer}
    examined = Examined(provider, "https://...", document=document, keys=read_key_set({"keys": [RSA_KEY]}))
    found = {one.check: one.grade for one in findings(examined, policy) if one.grade is not Grade.OK}
    assert found == expected
    section = page.split("## What `acrux doctor` says")[1].split("\n## ")[0]
    assert all(f"`{check}`" in section for check in expected)
