"""Debian's Apache with mod_auth_openidc as a foreground program; its virtual hosts come from the docs page."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import tempfile
import threading
from dataclasses import dataclass
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from bed.programs import Program, unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import httpx

    from bed.agent import Page
    from bed.certificates import Certificate

PAGE = Path(__file__).resolve().parents[3] / "docs" / "relying-parties" / "apache-mod-auth-openidc.md"
MODULES = Path("/usr/lib/apache2/modules")
LOADED = (
    *("mpm_event", "authn_core", "authz_core", "authz_user", "rewrite", "proxy", "proxy_http"),
    *("remoteip", "ssl", "socache_shmcb", "auth_openidc"),
)
INSTRUCTIONS = (
    "install it (Debian: `apt-get install --no-install-recommends apache2-bin libapache2-mod-auth-openidc`; "
    "neither starts a service)"
)


def apache_program() -> str:
    """The path of Apache; skips where it or its module is missing."""
    found = shutil.which("apache2", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None or not (MODULES / "mod_auth_openidc.so").exists():
        unavailable("Apache with mod_auth_openidc", INSTRUCTIONS)
    assert found is not None
    return found


def page_host(number: int) -> str:
    """One of the page's virtual hosts, as it stands there."""
    for block in re.findall(r"```apache\n(.*?)```", PAGE.read_text(), re.DOTALL):
        if block.startswith(f"# {number}: "):
            return block
    raise AssertionError(f"{PAGE.name} has no virtual host {number}")


def page_words(start: str) -> str:
    """What stands between backquotes in the page's text, by how it begins."""
    (found,) = {words for words in re.findall(r"`([^`\n]+)`", PAGE.read_text()) if words.startswith(start)}
    return found


@dataclass(frozen=True, slots=True)
class Host:
    """A virtual host on a loopback address of its own, so that no cookie of one is sent to another.

    Attributes:
        client: the client's name in the policy set.
        number: which of the page's virtual hosts it is.
        address: its address.
        port: its port.
    """

    client: str
    number: int
    address: str
    port: int

    @classmethod
    def at(cls, client: str, number: int, last_byte: int) -> Self:
        """A host on 127.0.0.`last_byte`, on a port that was free a moment ago."""
        address = f"127.0.0.{last_byte}"
        with socket.create_server((address, 0)) as probe:
            return cls(client, number, address, probe.getsockname()[1])

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"https://{self.address}:{self.port}"

    @property
    def callback(self) -> str:
        """Its redirect URI."""
        return f"{self.url}/oidc/callback"

    def config(self, certificate: Certificate, replaced: Mapping[str, str]) -> str:
        """The page's virtual host for this client here: only names, addresses and places are others."""
        text = page_host(self.number)
        (named,) = re.findall(r"^ *OIDCClientID ([a-z]+)-sso$", text, re.MULTILINE)
        changes = {
            "<VirtualHost *:443>": f"Listen {self.address}:{self.port} https\n<VirtualHost {self.address}:{self.port}>",
            f"/etc/ssl/private/{named}.example.com.pem": str(certificate.with_key),
            f"https://{named}.example.com": self.url,
            f"{named}.example.com": self.address,
            **replaced,
        }
        for old, new in changes.items():
            assert old in text, f"virtual host {self.number} of {PAGE.name} has no `{old}`"
            text = text.replace(old, new)
        assert ".example.com" not in text, text
        return re.sub(rf"\b{named}\b", self.client, text)


def front(host: Host, certificate: Certificate, behind: str) -> str:
    """A virtual host that ends TLS for what is behind it."""
    place = f"{host.address}:{host.port}"
    return (
        f"Listen {place} https\n<VirtualHost {place}>\nServerName {host.address}\nSSLEngine on\n"
        f"SSLCertificateFile {certificate.with_key}\nProxyPass / {behind}/ retry=0\n</VirtualHost>\n"
    )


@dataclass(slots=True)
class Backend:
    """The application behind Apache: it answers with what it was told of its user, and remembers what it was asked."""

    server: ThreadingHTTPServer
    seen: list[str]

    @classmethod
    def start(cls) -> Self:
        """Serves in a thread."""
        seen: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                seen.append(self.path)
                told = {name.lower(): value for name, value in self.headers.items()}
                body = json.dumps({"path": self.path, "headers": told}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its parent's name
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return cls(server, seen)

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def stop(self) -> None:
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()


@dataclass(slots=True)
class Apache:
    """A running Apache."""

    program: Program
    directory: Path

    @staticmethod
    def make_directory() -> Path:
        """A directory for it: its workers have a user of their own where root starts it, and pytest's are closed."""
        directory = Path(tempfile.mkdtemp(prefix="acrux-apache-"))
        directory.chmod(0o755)
        return directory

    @classmethod
    def start(cls, directory: Path, certificate: Certificate, hosts: Sequence[str], ready: Host) -> Self:
        """Starts Apache with these virtual hosts, in a directory that it may read; `ready` answers when it is ready."""
        config = directory / "apache.conf"
        config.write_text(_config(directory, certificate, hosts))
        argv = [apache_program(), "-DFOREGROUND", "-f", str(config)]
        apache = cls(Program.start("apache", argv, directory), directory)
        try:
            apache.program.wait_for(lambda: _listens(ready))
        except BaseException:
            apache.stop()
            raise
        return apache

    def log(self) -> str:
        """The error log."""
        path = self.directory / "error.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self) -> None:
        """Ends it, and removes what it wrote."""
        self.program.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


def _config(directory: Path, certificate: Certificate, hosts: Sequence[str]) -> str:
    loaded = "".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so\n" for name in LOADED)
    user = "User www-data\nGroup www-data\n" if os.geteuid() == 0 else ""
    return (
        f"ServerRoot {directory}\nDefaultRuntimeDir {directory}\nPidFile {directory}/apache.pid\n"
        f"ServerName 127.0.0.1\nErrorLog {directory}/error.log\nLogLevel warn auth_openidc:info rewrite:info\n"
        f"{loaded}{user}"
        # One process with a few threads is enough, and every test sees the same memory.
        "StartServers 1\nServerLimit 1\nThreadsPerChild 25\nMaxRequestWorkers 25\n"
        f"OIDCCABundlePath {certificate.alone}\n" + "\n".join(hosts)
    )


def _listens(host: Host) -> bool | None:
    try:
        socket.create_connection((host.address, host.port), timeout=5).close()
    except OSError:
        return None
    return True


def told(response: httpx.Response) -> dict[str, Any]:
    """What the application was told of its user."""
    content = response.json()
    headers = content["headers"]
    return {"path": content["path"], "user": headers.get("x-remote-user"), "acr": headers.get("oidc_claim_acr")}


def stepped_up(page: Page) -> str:
    """Where mod_auth_openidc sends who is logged in and needs more: a page that goes on by itself."""
    assert page.title == "Stepup Authentication", page.response.text
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', page.response.text)
    assert found is not None, page.response.text
    return unescape(found[1])
