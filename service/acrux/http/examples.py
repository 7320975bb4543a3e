"""One example of everything that is sent and answered, for the OpenAPI document. Values only."""

from typing import Any, Final

DECISION_ID: Final = "0199f3c2-6f6e-7cc3-98c4-dc0c0c07398f"
REVISION: Final = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
TICKET: Final = "LAq1v0Vt0WJb3GmSPa0aYVXqOmQ4iLwbq1pSg7w0Jm4"
RECEIPT: Final[dict[str, Any]] = {
    "stream": "0199f3c0-0a4c-7d61-b3f4-2f3a5a1c9e10",
    "sequence": 1812,
    "leaf_hash": "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
}
ACCEPT: Final[dict[str, Any]] = {
    "claim": "acr",
    "values": ["urn:example:loa:2", "urn:example:loa:3", "phr"],
    "max_age_seconds": 28800,
}
REASON: Final = "Jira and Confluence hold design data, so every SSO login takes a second factor."
PARAMS: Final = {"acr_values": "urn:example:loa:2", "max_age": "28800"}

DECIDE_REQUEST: Final[dict[str, Any]] = {
    "client": {"id": "jira"},
    "app": {"id": "jira-mobile"},
    "network": {"ip": "198.51.100.9"},
    "device": {"managed": False},
    "browser": {"id": "Zk3hQ0v2"},
    "request": {"acr_values": [], "scopes": ["openid", "profile"], "claims": {}},
    "nonce_sha256": "n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg",
    "correlation_id": "a7c1",
}
DECIDED: Final[dict[str, Any]] = {
    "outcome": "step_up",
    "level": "mfa",
    "authorization_params": PARAMS,
    "accept": ACCEPT,
    "rules": ["atlassian-sso"],
    "reason": REASON,
    "requested_level": None,
    "shadow_level": "mfa",
    "policy_revision": REVISION,
    "decided_at": "2026-11-24T08:00:00.123456Z",
}
DECIDE_ANSWER: Final[dict[str, Any]] = {
    "decision_id": DECISION_ID,
    **DECIDED,
    "expires_at": "2026-11-24T08:10:00.123456Z",
    "ticket": TICKET,
    "receipt": RECEIPT,
}
OUTCOME_REQUEST: Final[dict[str, Any]] = {
    "ticket": TICKET,
    "claims": {
        "iss": "https://login.example.com",
        "aud": "jira-sso",
        "sub": "u-1029",
        "exp": 1795507500,
        "iat": 1795507200,
        "auth_time": 1795507190,
        "acr": "urn:example:loa:2",
    },
}
OUTCOME_ANSWER: Final[dict[str, Any]] = {
    "verdict": "satisfied",
    "admit": True,
    "level": "mfa",
    "decision_id": DECISION_ID,
    "retry": None,
    "receipt": {**RECEIPT, "sequence": 1813},
}
EXPLAIN_REQUEST: Final[dict[str, Any]] = {
    "facts": {"client": "jira", "network": {"ip": "198.51.100.9"}},
    "now": "2026-11-24T09:00:00Z",
}
EXPLAIN_ANSWER: Final[dict[str, Any]] = {
    "decision": {**DECIDED, "decided_at": "2026-11-24T09:00:00.000000Z"},
    "shadow_level": "mfa",
    "rules": [
        {
            "id": "atlassian-sso",
            "outcome": "matched",
            "why": '"atlassian" is in `client.tags`',
            "mode": "enforce",
            "require": "mfa",
            "requires": "mfa",
            "max_age_seconds": 28800,
            "bucket": None,
            "exceptions": [
                {
                    "id": "plant-terminals",
                    "outcome": "not_matched",
                    "why": '"office" is not in `network.zones`',
                    "instead": "basic",
                    "applied": False,
                }
            ],
            "break_glass": None,
            "description": REASON,
            "file": "atlassian.yaml",
            "line": 14,
        }
    ],
    "break_glass": [],
    "diagnostics": [],
}
FILES: Final = {
    "policy.yaml": (
        "version: acrux/v1\n"
        "ladder: [basic, mfa]\n"
        "providers: {corp: {issuer: https://login.example.com, acr: {mfa: urn:example:loa:2}}}\n"
    )
}
POLICY: Final[dict[str, Any]] = {
    "revision": REVISION,
    "loaded_at": "2026-11-24T07:00:00.000000Z",
    "files": FILES,
    "failure": None,
}
REVISION_ITEM: Final[dict[str, Any]] = {
    "revision": REVISION,
    "activated_at": "2026-11-24T07:00:00.000000Z",
    "active": True,
}
CEILING: Final[dict[str, Any]] = {
    "client": "jira",
    "level": "phishing-resistant",
    "authorization_params": {"acr_values": "urn:example:loa:3 phr", "max_age": "900"},
    "accept": {"claim": "acr", "values": ["urn:example:loa:3", "phr"], "max_age_seconds": 900},
    "policy_revision": REVISION,
}
FALLBACKS: Final[dict[str, Any]] = {
    "decisions": [
        {
            "id": "5f1c4a52-0f5b-4c6e-9f0d-3b1f5a7c9e21",
            "idempotency_key": "c1f0a7d2e35b4c6e9f0d3b1f5a7c9e21",
            "client": "jira",
            "level": "phishing-resistant",
            "decided_at": "2026-11-24T08:30:00Z",
            "authorization_params": CEILING["authorization_params"],
            "accept": CEILING["accept"],
            "reason": "connection refused",
            "facts": {"client": "jira", "network": {"ip": "198.51.100.9"}},
            "verdict": "satisfied",
            "verdict_at": "2026-11-24T08:30:40Z",
            "returned_acr": "phr",
        }
    ]
}
READINESS: Final[dict[str, Any]] = {
    "status": "ready",
    "policy": {"revision": REVISION, "loaded_at": "2026-11-24T07:00:00.000000Z", "failure": None},
    "log": {"available": True, "unshipped_count": 0, "lag_seconds": 0.0, "database_reachable": True},
    "geoip": {
        "country": {
            "type": "GeoLite2-Country",
            "built_at": "2026-11-20T00:00:00.000000Z",
            "loaded_at": "2026-11-24T07:00:00.000000Z",
            "failure": None,
        },
        "asn": None,
    },
}
METRICS: Final = (
    "# HELP acrux_decisions_total Decisions by outcome and level.\n"
    "# TYPE acrux_decisions_total counter\n"
    'acrux_decisions_total{level="mfa",outcome="step_up"} 1812.0\n'
)
ITEM: Final[dict[str, Any]] = {
    "decision_id": DECISION_ID,
    "kind": "decision",
    **DECIDED,
    "expires_at": "2026-11-24T08:10:00.123456Z",
    "receipt": RECEIPT,
    "client": "jira",
    "app": "jira-mobile",
    "facts": {"client.id": "jira", "network.ip": "198.51.100.9", "network.zones": []},
    "zones": [],
    "errored_rules": [],
    "verdict": "satisfied",
    "verdict_at": "2026-11-24T08:00:41.000000Z",
    "returned_acr": "urn:example:loa:2",
    "correlation_id": "a7c1",
    "request_id": "0199f3c2-6f6e-7cc3-98c4-dc0c0c07398e",
}
UNBOUND_ITEM: Final[dict[str, Any]] = {
    "at": "2026-11-24T08:00:41.000000Z",
    "client": "jira",
    "grant_type": "authorization_code",
    "reason": "no decision is bound to the code_challenge",
    "decision_id": None,
    "policy_revision": REVISION,
    "provider": "corp",
    "unrecorded_count": 0,
    "request_id": "0199f3c2-6f6e-7cc3-98c4-dc0c0c07398e",
    "receipt": RECEIPT,
}
DETAIL: Final[dict[str, Any]] = {
    **ITEM,
    "effects": [
        {
            "id": "atlassian-sso",
            "errored": False,
            "enforced": True,
            "requires": "mfa",
            "declared": "mfa",
            "exception": None,
            "break_glass": None,
            "bucket": None,
        }
    ],
    "outcomes": [
        {
            "verdict": "satisfied",
            "verdict_at": "2026-11-24T08:00:41.000000Z",
            "judged_by": "acrux",
            "admit": True,
            "level": "mfa",
            "uses_up": True,
            "returned_acr": "urn:example:loa:2",
            "returned_amr": ["pwd", "otp"],
            "auth_time": 1795507190,
            "request_id": "0199f3c2-6f6e-7cc3-98c4-dc0c0c073990",
            "receipt": {**RECEIPT, "sequence": 1813},
        }
    ],
    "rules_as_decided": [
        {
            "id": "atlassian-sso",
            "description": REASON,
            "owner": "iam@example.com",
            "ticket": "SEC-41",
            "when": '"atlassian" in client.tags',
            "require": "mfa",
            "mode": "enforce",
            "max_age_seconds": 28800,
            "exceptions": [],
            "file": "atlassian.yaml",
            "line": 14,
        }
    ],
    "record": '{"content":{},"kind":"decision","recorded_at_us":1795507200123456,"sequence":1812,"version":1}',
}

AUTHORIZATION: Final[dict[str, Any]] = {
    "response_type": "code",
    "client_id": "wiki",
    "redirect_uri": "https://wiki.example.com/callback",
    "scope": "openid profile",
    "state": "af0ifjsldkj",
    "nonce": "n-0S6_WzA2Mj",
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "code_challenge_method": "S256",
}
DISCOVERY: Final[dict[str, Any]] = {
    "issuer": "https://login.example.com",
    "authorization_endpoint": "https://acrux.example.com/rp/wiki/authorize",
    "token_endpoint": "https://acrux.example.com/rp/wiki/token",
    "jwks_uri": "https://login.example.com/jwks",
    "response_types_supported": ["code"],
}
TOKEN_REQUEST: Final[dict[str, Any]] = {
    "grant_type": "authorization_code",
    "code": "SplxlOBeZQQYbYS6WxSbIA",
    "redirect_uri": "https://wiki.example.com/callback",
    "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
}
TOKENS: Final[dict[str, Any]] = {"access_token": "...", "token_type": "Bearer", "expires_in": 600, "id_token": "..."}
