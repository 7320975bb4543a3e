"""A program behind Apache's `RewriteMap prg:`: a line of facts in, a line of what to ask for out. It decides nothing.

INVARIANT (in step): each line is answered with one line, whatever was in it: one answer too many or too few, and
Apache would give one person's answer to another.
INVARIANT (closed): only an answer that begins with `ASK ` lets a login go on.
"""

import hashlib
import json
import logging
import string
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import BinaryIO, Final
from urllib.parse import quote, unquote_to_bytes

import httpx

from acrux.client import AcruxClient, AcruxError, Decision, LoginFacts, RequestRefusedError
from acrux.client.values import Json

MAX_KEY_BYTES: Final = 32 * 1024
"""Longer lines are refused: more than Apache lets a request line and a header be, percent-encoded."""
MAX_REMEMBERED: Final = 10_000
PAUSE_SECONDS: Final = 2.0
"""For how long nobody waits for Acrux once it let somebody wait in vain."""
_MAX_USER_AGENT: Final = 512
_ANYBODY: Final = "sub~."
"""What `Require claim` grants everybody who is logged in: an ID token always has a `sub` (OpenID Connect Core 2)."""
_DECISIONS: Final = "/v1/decisions"
_PLAIN: Final = frozenset(string.ascii_letters + string.digits)
_LOG = logging.getLogger("acrux.adapters.rewrite_map")


class Failure(StrEnum):
    """Why there is no answer, in one word."""

    KEY = "key"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


class WrongKeyError(ValueError):
    """A line that is no list of facts; what was in it is not repeated, since it may be personal."""


NAMES: Final = (
    "app.id",
    "browser.id",
    "device.managed",
    "device.platform",
    "device.user_agent",
    "network.ip",
    "user.domain",
    "user.id",
    "attr.NAME",
)
"""The facts that a line may have, named as in rules."""
_ATTRIBUTE: Final = "attr."


def read_key(line: bytes) -> LoginFacts:
    """The facts of one line: `name=value` between spaces, values percent-encoded as Apache's `escape` does it.

    A value cannot end early: `escape` leaves no space in it. An empty value means that the fact is not known. The value
    of `attr.NAME:=` is JSON.

    Raises:
        WrongKeyError: it is something else, or says a fact twice: then somebody may have put one into another's value.
    """
    if len(line) > MAX_KEY_BYTES:
        raise WrongKeyError("the line is too long")
    facts: LoginFacts = {}
    attributes: dict[str, Json] = {}
    for name, is_json, raw in _pairs(line):
        value = _text(name, raw)
        if value and name.startswith(_ATTRIBUTE):
            attributes[name.removeprefix(_ATTRIBUTE)] = _json(name, value) if is_json else value
        elif value:
            _put(facts, name, value)
    return {**facts, "attributes": attributes}


def answer_to(decision: Decision) -> str:
    """The line for a decision: `ASK`, the argument of `Require claim`, and the parameters; or `DENY` and its id."""
    if decision.denied or decision.accept is None:
        return f"DENY {decision.id}"
    values = decision.accept.values
    require = f"{decision.accept.claim}~^(?:{'|'.join(map(_literal, values))})\\z" if values else _ANYBODY
    # An empty value means that the parameter must not be there; what the map does not add is not there.
    asked = {name: value for name, value in decision.authorization_params.items() if value}
    if "#" in asked.values():
        # mod_auth_openidc would put the query parameter of that name there, which is the user's to write.
        raise ValueError("a parameter is `#`, which mod_auth_openidc can't send")
    params = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in asked.items())
    return f"ASK {require} {params}"


class RewriteMap:
    """Answers lines, one after the other.

    Args:
        client: how Acrux is asked; it names the relying party.
        remember_seconds: for how long the same line gets the same answer without asking again; 0 asks each time. What
            was decided without Acrux is remembered for `PAUSE_SECONDS` at most: each fallback is a report to deliver.
        clock: monotonic seconds.
    """

    def __init__(
        self, client: AcruxClient, *, remember_seconds: float = 0.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._remember_seconds = remember_seconds
        self._clock = clock
        # By the line's hash: lines may be long, and whoever can write into one can write many.
        self._remembered: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    def serve(self, lines: BinaryIO, answers: BinaryIO) -> None:
        """Answers until the lines end, each at once: Apache waits for it."""
        while line := lines.readline(MAX_KEY_BYTES + 1):
            end = line
            while not end.endswith(b"\n"):
                end = lines.readline(MAX_KEY_BYTES + 1)
                if not end:
                    return  # the lines ended within one: nobody waits for its answer
            answers.write(self.answer(line.removesuffix(b"\n")).encode("ascii") + b"\n")
            answers.flush()

    def answer(self, key: bytes) -> str:
        """The answer to one line, without its end."""
        digest = hashlib.sha256(key).digest()
        known, until_seconds = self._remembered.get(digest, ("", 0.0))
        if self._clock() < until_seconds:
            self._remembered.move_to_end(digest)
            return known
        try:
            decision = self._client.decide(**read_key(key))
            answer = answer_to(decision)
        except WrongKeyError as error:
            return _failed(Failure.KEY, error)
        except RequestRefusedError as error:
            return _failed(Failure.REFUSED, error)
        except AcruxError as error:
            return _failed(Failure.UNAVAILABLE, error)
        except Exception:  # noqa: BLE001 - a bug must not end what every login waits for; that login is refused
            _LOG.exception("a line could not be answered")
            return f"FAIL {Failure.INTERNAL}"
        if decision.denied:
            _LOG.warning("decision %s: the policy denies the login", decision.id)
        self._remember(digest, answer, decision)
        return answer

    def _remember(self, digest: bytes, answer: str, decision: Decision) -> None:
        left_seconds = (decision.expires_at - datetime.now(UTC)).total_seconds()
        longest_seconds = PAUSE_SECONDS if decision.fallback else left_seconds
        self._remembered[digest] = (answer, self._clock() + min(self._remember_seconds, longest_seconds))
        self._remembered.move_to_end(digest)
        while len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)


class ImpatientTransport(httpx.BaseTransport):
    """Waits for decisions in vain once, not once for each login: Apache asks a map one question at a time.

    After a time-out decisions fail at once for `PAUSE_SECONDS`, so that the ceiling stands in. Other calls pass.
    """

    def __init__(self, inner: httpx.BaseTransport, clock: Callable[[], float] = time.monotonic) -> None:
        self._inner = inner
        self._clock = clock
        self._until_seconds = float("-inf")

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The answer.

        Raises:
            httpx.TransportError: there is none.
        """
        if not request.url.path.endswith(_DECISIONS):
            return self._inner.handle_request(request)
        if self._clock() < self._until_seconds:
            raise httpx.ConnectTimeout("it did not answer a moment ago", request=request)
        try:
            return self._inner.handle_request(request)
        except httpx.TimeoutException:
            self._until_seconds = self._clock() + PAUSE_SECONDS
            raise

    def close(self) -> None:
        """Closes the connections."""
        self._inner.close()


def _pairs(line: bytes) -> Iterator[tuple[str, bool, bytes]]:
    """Each name, whether its value is JSON, and the value as it came."""
    seen: set[str] = set()
    for pair in filter(None, line.split(b" ")):
        written, equals, raw = pair.partition(b"=")
        name, is_json = written.removesuffix(b":").decode("ascii", "replace"), written.endswith(b":")
        if not equals or not (name in NAMES[:-1] or (name.startswith(_ATTRIBUTE) and name != _ATTRIBUTE)):
            raise WrongKeyError("a word is no `name=value` with a name of: " + ", ".join(NAMES))
        if is_json and not name.startswith(_ATTRIBUTE):
            raise WrongKeyError(f"`{name}` takes no `:=`: only attributes do")
        if name in seen:
            raise WrongKeyError(f"`{name}` is there twice")
        seen.add(name)
        yield name, is_json, raw


def _put(facts: LoginFacts, name: str, value: str) -> None:
    match name:
        case "app.id":
            facts["app"] = value
        case "browser.id":
            facts["browser_id"] = value
        case "device.managed":
            facts["managed"] = _boolean(name, value)
        case "device.platform":
            facts["platform"] = value
        case "device.user_agent":
            facts["user_agent"] = value
        case "network.ip":
            facts["ip"] = value
        case "user.domain":
            facts["user_domain"] = value
        case _:
            facts["user_id"] = value


def _failed(failure: Failure, error: Exception) -> str:
    _LOG.error("a login is refused, there is no decision: %s", error)
    return f"FAIL {failure}"


def _text(name: str, raw: bytes) -> str:
    value = unquote_to_bytes(raw)
    if name == "device.user_agent":
        # The user's own words: made such as Acrux takes them, instead of a reason to refuse the login.
        return "".join(filter(str.isprintable, value.decode("utf-8", "replace")))[:_MAX_USER_AGENT]
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise WrongKeyError(f"`{name}` is not UTF-8") from None
    if not text.isprintable():
        raise WrongKeyError(f"`{name}` has control characters")
    return text


def _boolean(name: str, value: str) -> bool:
    if value not in {"true", "false"}:
        raise WrongKeyError(f"`{name}` is neither `true` nor `false`")
    return value == "true"


def _json(name: str, value: str) -> Json:
    try:
        found: Json = json.loads(value, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise WrongKeyError(f"`{name}:=` has no JSON") from None
    return found


def _no_number(name: str) -> Json:
    raise ValueError(name)


def _literal(value: str) -> str:
    """A value as a regular expression that matches it alone, in letters that no layer of Apache reads as its own."""
    return "".join(chr(byte) if chr(byte) in _PLAIN else f"\\x{byte:02x}" for byte in value.encode())
