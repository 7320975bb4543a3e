"""`acrux doctor` as its callers see it: output and exit codes, before good, bad and hostile providers on loopback."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from acrux.cli.group import command

SET = """\
version: acrux/v1
ladder: [basic, {level: mfa, max_age: 12h}]
providers:
  corp: {issuer: ISSUER, acr: {mfa: "urn:2"}}
clients:
  jira: {provider: corp, client_id: jira-sso, redirect_uris: [https://jira.example.com/callback]}
  wiki: {provider: corp}
defaults: {unregistered_client: mfa}
"""
KEY = ec.generate_private_key(ec.SECP256R1())
JWK = json.loads(ECAlgorithm.to_jwk(KEY.public_key())) | {"kid": "a", "use": "sig"}


def document(base: str, **changes: Any) -> dict[str, Any]:
    """What a good provider says, with changes."""
    return {
        "issuer": base,
        "authorization_endpoint": base + "/authorize",
        "token_endpoint": base + "/token",
        "jwks_uri": base + "/keys",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "code_challenge_methods_supported": ["S256"],
        "claims_supported": ["acr", "auth_time"],
        "acr_values_supported": ["urn:2"],
    } | changes


Answer = Callable[[BaseHTTPRequestHandler, str], None]


@contextmanager
def served(answer: Answer, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server on a free port of loopback whose requests `answer` answers; its base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, issuer)

        def log_message(self, *_: Any) -> None:
            """Nothing: a test's output is its own."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign] - a client that hangs up is what is tested
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    issuer = f"http{'s' if context else ''}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()


def body(status: int, content: bytes, **headers: str) -> Answer:
    """An answer that is always the same."""

    def answer(handler: BaseHTTPRequestHandler, _issuer: str) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def provider(**changes: Any) -> Answer:
    """A provider whose document has changes."""

    def answer(handler: BaseHTTPRequestHandler, issuer: str) -> None:
        said = {"keys": [JWK]} if handler.path == "/keys" else document(issuer, **changes)
        body(200, json.dumps(said).encode())(handler, issuer)

    return answer


@pytest.fixture
def doctor(tmp_path: Path) -> Callable[..., Result]:
    """Runs the verb over a set whose provider has an issuer."""

    def run(issuer: str, *arguments: str, text: str = SET) -> Result:
        (tmp_path / "set.yaml").write_text(text.replace("ISSUER", issuer))
        options = ["doctor", "--policies", str(tmp_path), *arguments]
        return CliRunner().invoke(command, options, env={"COLUMNS": "100"})

    return run


def test_a_good_provider(doctor: Callable[..., Result]) -> None:
    """Every finding is `ok`, in plain words; exit code 0; a summary beside it."""
    with served(provider()) as issuer:
        result = doctor(issuer, "corp")
    assert (result.exit_code, result.stderr) == (0, "nothing speaks against it\n")
    lines = result.stdout.splitlines()
    assert lines[0] == f"corp  {issuer}  profile generic"
    assert "ok       it names exactly the issuer of the policy set" in lines
    assert "warning" not in result.stdout
    assert all(len(line) <= 120 for line in lines)


def test_a_client(doctor: Callable[..., Result]) -> None:
    """Level by level, then what the guard needs and can't do; by its name or its client_id; only its own provider."""
    with served(provider()) as issuer:
        result = doctor(issuer, "--client", "jira-sso")
    assert result.exit_code == 0
    for line in (
        "client jira at corp, client_id jira-sso",
        "         asks      acr_values=urn:2 max_age=43200",
        "         accepts   acr urn:2, not older than 12h",
        "         adapters  enforced",
        "         guard     enforced",
        "the guard needs, at the provider",
        "  - Rules on `user.*` can only refuse.",
    ):
        assert line in result.stdout.splitlines(), line


def test_a_client_without_the_guard(doctor: Callable[..., Result]) -> None:
    """A client without redirect URIs is judged by its adapter alone."""
    with served(provider(token_endpoint_auth_methods_supported=["private_key_jwt"])) as issuer:
        alone, guarded = doctor(issuer, "--client", "wiki"), doctor(issuer, "--client", "jira")
    assert alone.exit_code == 0
    assert "Not registered for the token guard" in alone.stdout
    assert "         guard " not in alone.stdout
    assert guarded.exit_code == 1
    assert "guard     not enforced: applications authenticate with `private_key_jwt` there" in guarded.stdout
    assert guarded.stderr == "1 error\n"


def test_json(doctor: Callable[..., Result]) -> None:
    """The same as JSON: stable names for programs, the counts, and the client."""
    with served(provider(acr_values_supported=["urn:1"])) as issuer:
        result = doctor(issuer, "--json", "--client", "jira")
    told = json.loads(result.stdout)
    assert (result.exit_code, result.stderr, told["errors"], told["warnings"]) == (0, "", 0, 1)
    (only,) = told["providers"]
    assert (only["provider"], only["issuer"], only["profile"], only["reached"]) == ("corp", issuer, "generic", True)
    assert {"check", "grade", "message", "mend"} == set(only["findings"][0])
    assert [one["check"] for one in only["findings"] if one["grade"] == "warning"] == ["acr-values"]
    (level,) = told["client"]["levels"]
    assert level["accept"] == {"claim": "acr", "values": ["urn:2"], "max_age_seconds": 43200}
    assert level["guard"] == {"enforced": True, "reasons": []}
    assert told["client"]["guard"]["registered"] is True
    assert told["client"]["guard"]["cannot"]


def test_warnings_fail_only_where_that_is_asked_for(doctor: Callable[..., Result]) -> None:
    """`--strict` makes a warning exit with 1."""
    with served(provider(acr_values_supported=["urn:1"])) as issuer:
        assert doctor(issuer).exit_code == 0
        strict = doctor(issuer, "--strict")
    assert (strict.exit_code, strict.stderr) == (1, "1 warning\n")
    assert "         = it lists `urn:1`: see that the word is spelled right" in strict.stdout


def test_a_word_that_proves_little_is_said_beside_the_level(doctor: Callable[..., Result]) -> None:
    """A level that is enforced with such a word is not worth what it seems to be."""
    text = SET.replace('acr: {mfa: "urn:2"}', 'acr: {mfa: "0"}')
    with served(provider(acr_values_supported=["0"])) as issuer:
        result = doctor(issuer, "--client", "jira", text=text)
        as_json = json.loads(doctor(issuer, "--client", "jira", "--json", text=text).stdout)
    assert "         but       `0` is accepted, and it stands for a long-lived browser cookie" in result.stdout
    assert (result.exit_code, result.stderr) == (0, "1 warning\n")
    assert as_json["client"]["levels"][0]["cautions"][0].startswith("`0` is accepted")


HOSTILE: dict[str, tuple[Answer, str]] = {
    "html": (body(200, b"<!doctype html><title>Welcome</title>"), "is not JSON"),
    "not found": (body(404, b"{}"), "answered 404"),
    "broken": (body(500, b"oops"), "answered 500"),
    "half of it": (body(200, b'{"issuer": "https://'), "is not JSON"),
    "a list": (body(200, b"[]"), "is no JSON object"),
    "a redirect": (body(302, b"", Location="https://evil.example.net/"), "answered 302"),
    "huge": (body(200, b'"' + b"x" * 2_000_000 + b'"'), "is longer than 1048576 bytes"),
    "compressed": (body(200, b"\x1f\x8b", Content_Encoding="gzip"), "is compressed"),
    "not UTF-8": (body(200, b'{"issuer": "\xff"}'), "is not JSON"),
    "deep": (body(200, b"[" * 500_000), "is not JSON"),
    "another issuer": (provider(issuer="https://evil.example.net"), "names the issuer `https://evil.example.net`"),
    "keys elsewhere": (provider(jwks_uri="https://evil.example.net/keys"), "is neither the issuer's host nor one of"),
    "keys in a file": (provider(jwks_uri="file:///etc/passwd"), "no keys"),
    "keys that are none": (provider(jwks_uri=None), "`jwks_uri`: missing"),
    "a bracket": (provider(token_endpoint="https://[::1"), "is no URL"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_provider_is_an_error_and_no_traceback(doctor: Callable[..., Result], name: str) -> None:
    """Whatever a provider answers, it is a finding: exit code 1, in words, the same with --json."""
    answer, words = HOSTILE[name]
    with served(answer) as issuer:
        result, as_json = doctor(issuer, "--client", "jira"), doctor(issuer, "--json", "--client", "jira")
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert (result.exit_code, as_json.exit_code) == (1, 1), result.output
    flat = " ".join(result.stdout.split())
    assert words in flat
    assert "error" in flat
    assert json.loads(as_json.stdout)["errors"] >= 1


def test_what_a_provider_says_can_t_steer_a_terminal(doctor: Callable[..., Result]) -> None:
    """Escape sequences and marks that turn the direction of writing are drawn, not obeyed."""
    evil = "\x1b[2J\x1b]0;pwned\x07\u202eurn"
    with served(provider(acr_values_supported=[evil], id_token_signing_alg_values_supported=["ES256", evil])) as issuer:
        result = doctor(issuer)
    assert result.exit_code == 0
    assert not {"\x1b", "\x07", "\u202e"} & set(result.stdout)


def self_signed(directory: Path) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that nobody trusts."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(KEY, hashes.SHA256())
    )
    path = directory / "server.pem"
    path.write_bytes(
        KEY.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def garbage(handler: BaseHTTPRequestHandler, _issuer: str) -> None:
    """What is no HTTP."""
    handler.wfile.write(b"\x00\x01\x02 220 mail.example.com ESMTP\r\n\r\n")


def silence(handler: BaseHTTPRequestHandler, _issuer: str) -> None:
    """A connection that ends without a word."""


def test_a_provider_that_can_t_be_reached(doctor: Callable[..., Result], tmp_path: Path) -> None:
    """No name, nobody there, no trust, no HTTP: exit code 3, a finding that says why, no traceback."""
    with served(silence) as gone:
        pass
    unreachable = [doctor(issuer) for issuer in ("https://nowhere.invalid", gone)]
    with served(provider(), self_signed(tmp_path)) as issuer:
        untrusted = doctor(issuer)
    for answer in (garbage, silence):
        with served(answer) as issuer:
            unreachable.append(doctor(issuer))
    assert "certificate" in untrusted.stdout.lower()
    for result in (*unreachable, untrusted):
        assert result.exit_code == 3, result.output
        assert isinstance(result.exception, SystemExit)
        assert "can't be reached" in " ".join(result.stdout.split())
        assert result.stderr == "1 error\n"


def test_one_of_several_that_can_t_be_reached(doctor: Callable[..., Result]) -> None:
    """The others are told of all the same."""
    more = SET.replace("clients:", "  other: {issuer: 'https://nowhere.invalid', acr: {mfa: x}}\nclients:")
    more = more.replace("defaults: {", "defaults: {provider: corp, ")
    with served(provider()) as issuer:
        result = doctor(issuer, "--json", text=more)
        alone = doctor(issuer, "corp", text=more)
    assert (result.exit_code, alone.exit_code) == (3, 0)
    told = json.loads(result.stdout)["providers"]
    assert [(each["provider"], each["reached"]) for each in told] == [("corp", True), ("other", False)]
    assert "warning  its answers don't name their issuer" in alone.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["crop"], "the set has no provider `crop`; did you mean `corp`?"),
        (["nobody"], "the set has no provider `nobody`; there is `corp`"),
        (["--client", "jirra"], "the set has no client `jirra`; did you mean `jira`?"),
        (["other", "--client", "jira"], "the set has no provider `other`"),
        (["--format", "xml"], "'xml' is not one of 'text', 'json'"),
        (["corp", "two"], "unexpected extra argument"),
    ],
)
def test_wrong_usage(doctor: Callable[..., Result], arguments: list[str], words: str) -> None:
    """Exit code 2, in the user's words; nothing is fetched."""
    result = doctor("https://nowhere.invalid", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_a_client_of_another_provider_and_a_client_id_of_two(doctor: Callable[..., Result]) -> None:
    """Whose client it is must be clear."""
    text = SET.replace("clients:", "  other: {issuer: 'https://nowhere.invalid', acr: {mfa: x}}\nclients:").replace(
        "defaults: {", "  jira2: {provider: other, client_id: jira-sso}\ndefaults: {provider: corp, "
    )
    elsewhere = doctor("https://nowhere.invalid", "other", "--client", "jira", text=text)
    two = doctor("https://nowhere.invalid", "--client", "jira-sso", text=text)
    assert (elsewhere.exit_code, two.exit_code) == (2, 2)
    assert "`jira` logs in at `corp`, not at `other`" in elsewhere.stderr
    assert "`jira-sso` is the client_id of several clients: say which, of `jira`, `jira2`" in two.stderr


def test_a_broken_set_and_none_at_all(doctor: Callable[..., Result], tmp_path: Path) -> None:
    """Errors of the set are drawn as `check` draws them, exit code 1; a directory that is not there is 3."""
    broken = doctor("https://nowhere.invalid", text=SET + "rulez: []\n")
    assert broken.exit_code == 1
    assert "error[ACX" in broken.stderr
    missing = CliRunner().invoke(command, ["doctor", "--policies", str(tmp_path / "nowhere")])
    assert missing.exit_code == 3
    assert missing.stderr.startswith("acrux: can't read")


def test_help_teaches() -> None:
    """What it does, what it fetches, and its exit codes."""
    text = " ".join(CliRunner().invoke(command, ["doctor", "--help"]).stdout.split())
    for words in ("what will and what won't be enforced", "no redirects", "never trusted", "Exits with 0", "--client"):
        assert words in text


def interrupted(policies: Path) -> tuple[int, str, str]:
    """What a run leaves that is interrupted while a provider is slow to answer."""
    asked, done = threading.Event(), threading.Event()

    def slow(_handler: BaseHTTPRequestHandler, _issuer: str) -> None:
        asked.set()
        done.wait(30)

    with served(slow) as issuer:
        (policies / "set.yaml").write_text(SET.replace("ISSUER", issuer))
        program = subprocess.Popen(
            [str(Path(sys.executable).parent / "acrux"), "doctor", "--policies", str(policies)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "NO_COLOR": "1"},
        )
        try:
            assert asked.wait(60)
            program.send_signal(signal.SIGINT)
            out, err = program.communicate(timeout=60)
        finally:
            program.kill()
            done.set()
    return program.returncode, out, err


def test_an_interrupt_is_clean(tmp_path: Path) -> None:
    """Ctrl-C while a provider is slow: one line, exit code 130, no traceback."""
    # On a machine that stands still the doctor may give the provider up before the signal gets there.
    runs = [interrupted(tmp_path)]
    while runs[-1][0] == 3 and len(runs) < 5:
        runs.append(interrupted(tmp_path))
    assert runs[-1] == (130, "", "acrux: interrupted\n")
