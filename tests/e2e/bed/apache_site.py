"""What Apache's end-to-end tests pass through: Acrux and the provider behind TLS, the page's hosts, a policy set."""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from bed.apache import Apache, Backend, Host, apache_program, front, page_host, page_words
from bed.certificates import Certificate
from bed.provider import Person, Provider
from bed.service import ACRUX, Service, policies_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALICE = Person("alice", "correct horse", "u-1029", groups=("design",))
LOG_SECONDS = 20
SIGNED_OUT = "https://127.0.0.1/signed-out"
# By name: who logs in there, and which of the page's virtual hosts it is.
HOSTS = {
    "mirror jira": ("jira", 1),
    "mirror intranet": ("intranet", 1),
    "endpoints confluence": ("confluence", 2),
    "endpoints intranet": ("intranet", 2),
    "map portal": ("portal", 3),
    "map vault": ("vault", 3),
}
# With whatever could end a value early, or begin another one.
OLD_BROWSER = 'Old/1.0 (a=b c%20d; "e", f|g} ${h} network.ip=203.0.113.7 i\'j'


@dataclass(frozen=True, slots=True)
class Parts:
    """What Apache's configuration speaks of.

    Attributes:
        fronts: where TLS is ended for Acrux and for the provider.
        secret: the secret of every client.
        token: the file with the token of the rewrite maps.
        place: a directory that Apache's workers may read.
    """

    provider: Provider
    service: Service
    backend: Backend
    hosts: dict[str, Host]
    fronts: dict[str, Host]
    certificate: Certificate
    secret: str
    token: Path
    place: Path

    def cache(self, host: Host) -> Path:
        """Where a host's rewrite map keeps its ceiling."""
        return self.place / f"{host.port}.json"

    def config(self, host: Host, *, timeout_ms: int = 10_000) -> str:
        """The page's virtual host, in which only names, addresses and places are replaced."""
        acrux, provider = self.fronts["acrux"], self.fronts["provider"]
        more = {
            1: {
                # Each request refreshes, and the tokens can be seen.
                "BeforeExpiry 60 ": "BeforeExpiry 700 ",
                "OIDCAuthNHeader X-Remote-User\n": "OIDCAuthNHeader X-Remote-User\n    OIDCInfoHook access_token\n",
                "</VirtualHost>": f"{page_host(4)}</VirtualHost>",
            },
            2: {
                # Each request tries to refresh, and goes on if that fails.
                "BeforeExpiry 60 logout_on_error": "BeforeExpiry 700",
                "OIDCProviderIssuer https://login.example.com": f"OIDCProviderIssuer {self.provider.issuer}",
                "https://login.example.com": provider.url,
            },
            3: {
                "app.id=portal-admin}": f"app.id=portal-admin {page_words('device.user_agent=')}}}",
                "/opt/acrux/bin/acrux": str(ACRUX),
                "--url https://acrux.example.com": f"--url {self.service.url}",
                "/etc/acrux/portal.token": str(self.token),
                # A slow machine must not turn a decision into a fallback behind a test's back.
                "/var/cache/acrux/portal.json": f"{self.cache(host)} --timeout-ms {timeout_ms}",
                # Who starts the tests can read the checkout; that user may not.
                " www-data:www-data": "",
            },
        }
        if host.client == "vault":
            proxies = page_host(5).replace("10.0.0.5", "127.0.0.0/8")
            more[3]["</VirtualHost>"] = f"{proxies}</VirtualHost>"
        return host.config(
            self.certificate,
            {
                "OIDCClientSecret change-me\n": f"OIDCClientSecret {self.secret}\n",
                f"http://127.0.0.1:808{host.number}/": f"{self.backend.url}/",
                **more[host.number],
                "https://www.example.com/signed-out": SIGNED_OUT,
                "https://acrux.example.com": acrux.url,
            },
        )


@dataclass(frozen=True, slots=True)
class Site(Parts):
    """Everything that a login passes through."""

    apache: Apache

    def logged(self, kind: str, since_us: int) -> dict[str, Any]:
        """The first record of a kind that was made since a time, once it is shipped."""
        deadline = time.monotonic() + LOG_SECONDS
        while time.monotonic() < deadline:
            with closing(sqlite3.connect(self.service.directory / "acrux.db")) as database:
                rows = database.execute(
                    "SELECT body FROM records WHERE kind = ? AND recorded_at_us > ? ORDER BY recorded_at_us",
                    (kind, since_us),
                ).fetchall()
            if rows:
                return json.loads(rows[0][0])["content"]
            time.sleep(0.05)
        pytest.fail(f"no record of kind {kind}; Apache said:\n{self.apache.log()[-4000:]}")


def now_us() -> int:
    """The time in microseconds."""
    return time.time_ns() // 1000


def company(issuer: str, hosts: dict[str, Host]) -> str:
    """The policy set's clients and rules."""
    tags = {"jira": "[atlassian]", "confluence": "[atlassian]"}
    clients = "".join(
        f"  {name}: {{provider: corp, client_id: {name}-sso, redirect_uris: {json.dumps(callbacks)}, "
        f"tags: {tags.get(name, '[]')}}}\n"
        for name, callbacks in callbacks_of(hosts).items()
    )
    return (
        "version: acrux/v1\n"
        "ladder: [basic, {level: mfa, max_age: 12h}]\n"
        f"providers: {{corp: {{issuer: {issuer}, acr: {{mfa: urn:example:loa:2}}}}}}\n"
        f"clients:\n{clients}"
        "defaults: {require: basic, unregistered_client: mfa}\n" + RULES
    )


RULES = """
rules:
  - id: portal-admin
    description: The portal's administration takes a second factor.
    owner: iam@example.com
    when: client.id == "portal" && app.id == "portal-admin"
    require: mfa
  - id: vault-is-closed
    description: Nobody signs in to the vault from where the redirect adapter sees them.
    owner: iam@example.com
    when: client.id == "vault" && app.id == ""
    require: deny
  - id: vault-and-old-browsers
    description: Nor from an old browser, of which the rewrite map tells.
    owner: iam@example.com
    when: client.id == "vault" && "device.user_agent" in known && device.user_agent == OLD
    require: deny
""".replace("OLD", "'" + OLD_BROWSER.replace("'", "\\'") + "'")


def callbacks_of(hosts: dict[str, Host]) -> dict[str, list[str]]:
    """The redirect URIs of each client."""
    found: dict[str, list[str]] = {}
    for host in hosts.values():
        found.setdefault(host.client, []).append(host.callback)
    return found


@contextmanager
def started(directory: Path, **provider_config: Any) -> Iterator[Site]:
    """The whole site: Acrux and the provider behind TLS, the applications behind the page's virtual hosts."""
    apache_program()
    with ExitStack() as stack:
        hosts = {
            name: Host.at(client, number, 11 + place) for place, (name, (client, number)) in enumerate(HOSTS.items())
        }
        fronts = {name: Host.at(name, 0, 31 + place) for place, name in enumerate(("acrux", "provider"))}
        secret = secrets.token_urlsafe(32)
        registered = [
            {
                "client_id": f"{name}-sso",
                "client_secret": secret,
                "redirect_uris": callbacks,
                "post_logout_redirect_uris": [hosts["mirror jira"].url + "/bye"],
                "grant_types": ["authorization_code", "refresh_token"],
            }
            for name, callbacks in callbacks_of(hosts).items()
        ]
        config = {"clients": registered, "users": [ALICE.as_json()], **provider_config}
        provider = Provider.start(directory, config)
        stack.callback(provider.program.stop)
        policies = policies_for(provider.issuer, directory, {"company.yaml": company(provider.issuer, hosts)})
        service = Service.start(directory, policies, "--public-url", fronts["acrux"].url)
        stack.callback(service.stop)
        backend = Backend.start()
        stack.callback(backend.stop)
        place = Apache.make_directory()
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        certificate = Certificate.make(place, [f"127.0.0.{number}" for number in range(1, 64)])
        token = place / "token"
        token.write_text(service.token("portal", "vault") + "\n")
        parts = (provider, service, backend, hosts, fronts, certificate, secret, token, place)
        made = Parts(*parts)
        behind = {"acrux": service.url, "provider": provider.issuer}
        configs = [front(fronts[name], certificate, url) for name, url in behind.items()]
        configs += [made.config(host) for host in hosts.values()]
        apache = Apache.start(place, certificate, configs, fronts["acrux"])
        stack.callback(apache.stop)
        yield Site(*parts, apache)
