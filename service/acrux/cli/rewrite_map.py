"""`acrux rewrite-map`: the program behind Apache's `RewriteMap`. On the base install: no click, no service."""

import argparse
import logging
import os
import signal
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

import httpx

from acrux.adapters.rewrite_map import NAMES, ImpatientTransport, RewriteMap
from acrux.client import AcruxClient

DESCRIPTION = """\
Answer Apache's RewriteMap: for each line of facts, what the login must ask the provider for.

Apache starts this program and keeps it. A line holds facts as `name=value`, separated by spaces; whatever a user has a
say in goes through Apache's own `escape` map, as device.user_agent=${{escape:%{{HTTP_USER_AGENT}}}}. An empty value
means that the fact is not known. Names:
  {names}
`attr.NAME:=value` is JSON (a number, a boolean, a list); `attr.NAME=value` is a text.

Each line is answered with one line:
  ASK SPEC PARAMS   ask for these parameters (maybe none); `Require claim SPEC` holds for those who have what is needed
  DENY ID           the policy denies the login; ID is the decision, for the help desk
  FAIL WHY          nobody could decide: key, refused, unavailable or internal; the reason is in Apache's error log
Nothing but `ASK` may let a login go on; a program that is not there answers with an empty line.
"""
EPILOG = """\
In the virtual host (docs/relying-parties/apache-mod-auth-openidc.md has all of it, and what enforces what):

  RewriteEngine On
  RewriteMap escape int:escape
  RewriteMap acrux "prg:/opt/acrux/bin/acrux rewrite-map --url https://acrux.example.com --client portal \\
      --token-file /etc/acrux/portal.token --cache /var/cache/acrux/portal.json" www-data:www-data

  RewriteRule ^/admin(/|$) - "[E=ACRUX:${acrux:network.ip=%{REMOTE_ADDR} app.id=portal-admin}]"
  RewriteCond %{ENV:ACRUX} ^DENY
  RewriteRule ^/admin(/|$) - [F]
  RewriteCond %{ENV:ACRUX} !^ASK
  RewriteRule ^/admin(/|$) - [R=503]
  RewriteCond %{ENV:ACRUX} "^ASK (\\S+) (\\S*)$"
  RewriteRule ^/admin(/|$) - [E=ACRUX_REQUIRE:%1,E=ACRUX_PARAMS:%2]

  <Location /admin>
      OIDCPathAuthRequestParams %{reqenv:ACRUX_PARAMS}
      Require claim %{reqenv:ACRUX_REQUIRE}
      OIDCUnAutzAction auth
  </Location>

Try it without Apache:
  echo 'network.ip=198.51.100.9 app.id=portal-admin' | acrux rewrite-map --url ... --client portal --token-file ...
"""


def run(argv: Sequence[str]) -> int:
    """Answers standard input until it ends; the exit code."""
    parser = _parser()
    options = parser.parse_args(argv)
    # Whatever else is printed in this process must not get between Apache and an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.basicConfig(level=logging.WARNING, format="acrux rewrite-map: %(message)s", stream=sys.stderr)
    client = _client(parser, options)
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    try:
        with client, answers:
            RewriteMap(client, remember_seconds=options.remember_seconds).serve(sys.stdin.buffer, answers)
    except BrokenPipeError:
        return 0  # Apache is gone, and nobody reads an answer
    return 0


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


def _client(parser: argparse.ArgumentParser, options: argparse.Namespace) -> AcruxClient:
    try:
        verify: ssl.SSLContext | bool = True
        if options.ca_file is not None:
            verify = ssl.create_default_context(cafile=options.ca_file)
        return AcruxClient(
            options.url,
            _token(parser, options.token_file),
            client=options.client,
            timeout_seconds=options.timeout_ms / 1000,
            cache_path=options.cache,
            transport=ImpatientTransport(httpx.HTTPTransport(verify=verify)),
        )
    except (OSError, ValueError) as error:
        parser.error(str(error))


def _token(parser: argparse.ArgumentParser, path: Path | None) -> str:
    """The token, from a file or a variable: an argument would be shown to everybody who lists processes."""
    if path is not None:
        try:
            return path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            parser.error(f"--token-file `{path}` can't be read: {getattr(error, 'strerror', None) or 'it is no text'}")
    if not os.environ.get("ACRUX_TOKEN"):
        parser.error("no token: name a file with `--token-file`, or set `ACRUX_TOKEN` (Apache sets no variables here)")
    return os.environ["ACRUX_TOKEN"].strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="acrux rewrite-map",
        description=DESCRIPTION.format(names=", ".join(NAMES)),
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--url", required=True, help="where Acrux is, such as https://acrux.example.com")
    parser.add_argument("--client", required=True, metavar="NAME", help="the client's name in the policy set")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="holds a relying-party token for that client")
    parser.add_argument(
        "--cache", type=Path, metavar="FILE", help="keeps the client's ceiling, so that a restart in an outage has it"
    )
    parser.add_argument(
        "--ca-file", type=Path, metavar="FILE", help="PEM: whom to trust instead of the usual authorities"
    )
    parser.add_argument(
        "--timeout-ms", type=_positive, default=300, metavar="N", help="for each decision; default: 300"
    )
    parser.add_argument(
        "--remember-seconds",
        type=_not_negative,
        default=30,
        metavar="N",
        help="for how long the same facts get the same answer without asking again; default: 30, 0 asks each time",
    )
    return parser


def _positive(text: str) -> int:
    number = _not_negative(text)
    if number == 0:
        raise argparse.ArgumentTypeError(f"`{text}` is no positive number")
    return number


def _not_negative(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 8):  # noqa: PLR2004 - 115 days
        raise argparse.ArgumentTypeError(f"`{text}` is no whole number that makes sense here")
    return int(text)
