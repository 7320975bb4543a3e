"""A relying party that is configuration alone: Envoy's OAuth2 filter before an application. Settings: unchanged.py.

ENVOY          the program
RP_PORT        where it listens, on 127.0.0.1
RP_DIRECTORY   where its configuration is written
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TYPE = "type.googleapis.com/envoy.extensions"
CALLBACK = "/callback"


def oauth2(settings: os._Environ[str]) -> dict[str, Any]:
    """The filter: two endpoints that lead through the adapter, and the scope `openid`."""
    return {
        "token_endpoint": {"cluster": "acrux", "uri": settings["RP_TOKEN_URL"], "timeout": "30s"},
        "authorization_endpoint": settings["RP_AUTHORIZATION_URL"],
        "redirect_uri": f"http://127.0.0.1:{settings['RP_PORT']}{CALLBACK}",
        "redirect_path_matcher": {"path": {"exact": CALLBACK}},
        "signout_path": {"path": {"exact": "/signout"}},
        "credentials": {
            "client_id": settings["RP_CLIENT_ID"],
            "token_secret": {"name": "client-secret"},
            "hmac_secret": {"name": "cookie-secret"},
        },
        "auth_type": "BASIC_AUTH",
        "auth_scopes": ["openid", "profile"],
        "pass_through_matcher": [{"name": ":path", "string_match": {"exact": "/healthz"}}],
    }


def configuration(settings: os._Environ[str]) -> dict[str, Any]:
    """All of Envoy's: the filter, an application that answers `welcome`, and where the token endpoint is."""
    filters = [
        {
            "name": "envoy.filters.http.oauth2",
            "typed_config": {"@type": f"{TYPE}.filters.http.oauth2.v3.OAuth2", "config": oauth2(settings)},
        },
        {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{TYPE}.filters.http.router.v3.Router"}},
    ]
    welcome = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "welcome"}}}
    connections = {
        "@type": f"{TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "web",
        "http_filters": filters,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [welcome]}]},
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": connections}]}
    guard = urlsplit(settings["RP_TOKEN_URL"])
    assert guard.hostname is not None
    assert guard.port is not None
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": _address(guard.hostname, guard.port)}}]}]
    cluster = {"name": "acrux", "type": "STATIC", "load_assignment": {"cluster_name": "acrux", "endpoints": endpoints}}
    return {
        "static_resources": {
            "secrets": [
                _secret("client-secret", settings["RP_CLIENT_SECRET"]),
                _secret("cookie-secret", os.urandom(32).hex()),
            ],
            "listeners": [
                {
                    "name": "web",
                    "address": _address("127.0.0.1", int(settings["RP_PORT"])),
                    "filter_chains": [chain],
                }
            ],
            "clusters": [cluster],
        }
    }


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _secret(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "generic_secret": {"secret": {"inline_string": text}}}


def main() -> None:
    """Becomes Envoy."""
    name = os.environ["RP_CLIENT_ID"]
    path = Path(os.environ["RP_DIRECTORY"]) / f"{name}.json"
    path.write_text(json.dumps(configuration(os.environ), indent=1))
    # Shared memory is kept apart by a number, for several of them on one machine.
    own = ["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warning"]
    os.execv(os.environ["ENVOY"], ["envoy", "-c", str(path), *own])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
