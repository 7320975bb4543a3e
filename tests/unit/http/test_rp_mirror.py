"""The discovery document that the redirect adapter shows: nothing in it leads around Acrux."""

from dataclasses import replace

from rp_bed import ISSUER

LEADS_AROUND = (
    "pushed_authorization_request_endpoint",
    "device_authorization_endpoint",
    "backchannel_authentication_endpoint",
    "registration_endpoint",
    "mtls_endpoint_aliases",
    "signed_metadata",
    "something_new_endpoint",
)


async def test_the_mirror(rp):
    """An allow-list: the provider's issuer, this adapter's endpoints, nothing that leads around the guard."""
    rp.provider.metadata = {
        "userinfo_endpoint": f"{ISSUER}/me",
        "response_types_supported": ["code", "id_token"],
        "response_modes_supported": ["query", "jwt"],
        "grant_types_supported": ["authorization_code", "implicit", "refresh_token"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "private_key_jwt"],
        "id_token_signing_alg_values_supported": ["none", "HS256", "ES256"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "id_token_encryption_alg_values_supported": ["RSA-OAEP"],
        "request_parameter_supported": True,
        "dpop_signing_alg_values_supported": ["ES256"],
        **dict.fromkeys(LEADS_AROUND, f"{ISSUER}/x"),
    }
    async with rp.browser() as browser:
        response = await browser.get("/rp/jira/.well-known/openid-configuration")
        query = await browser.get("/rp/jira/.well-known/openid-configuration?x=1")
        forged = await browser.get("/rp/jira/.well-known/openid-configuration", headers={"host": 'a"<b'})
        hidden = {"x-forwarded-host": "evil.example.com", "forwarded": "host=evil.example.com"}
        same = await browser.get("/rp/jira/.well-known/openid-configuration", headers=hidden)
        rp.use(replace(rp.services, settings=replace(rp.settings, public_url="https://acrux.example.com/sso/")))
    async with rp.browser() as browser:
        public = await browser.get("/rp/jira/.well-known/openid-configuration")
    assert (
        response.json()
        == same.json()
        == {
            "issuer": ISSUER,
            "jwks_uri": f"{ISSUER}/jwks",
            "userinfo_endpoint": f"{ISSUER}/me",
            "authorization_endpoint": "http://acrux.example.com/rp/jira/authorize",
            "token_endpoint": "http://acrux.example.com/rp/jira/token",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "code_challenge_methods_supported": ["S256"],
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
            "require_request_uri_registration": False,
            "require_pushed_authorization_requests": False,
        }
    )
    assert (query.status_code, forged.status_code) == (422, 422)
    assert public.json()["token_endpoint"] == "https://acrux.example.com/sso/rp/jira/token"
