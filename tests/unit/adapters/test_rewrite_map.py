"""Lines of facts in, lines of what to ask for out: the logic of `acrux rewrite-map`, apart from its process."""

import io
import re
import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrux.adapters.rewrite_map import (
    MAX_KEY_BYTES,
    MAX_REMEMBERED,
    PAUSE_SECONDS,
    ImpatientTransport,
    RewriteMap,
    WrongKeyError,
    answer_to,
    read_key,
)
from acrux.client import AcruxClient, Decision, RequestRefusedError, UnavailableError, UnexpectedAnswerError
from acrux.client.values import Accept

DECISION = Decision(
    id="0199f3c2-0000-7000-8000-000000000000",
    client="portal",
    outcome="step_up",
    level="mfa",
    authorization_params={"acr_values": "urn:example:loa:2", "max_age": "43200", "claims": ""},
    accept=Accept("acr", ("urn:example:loa:2", "phr"), 43200),
    decided_at=datetime.now(UTC),
    expires_at=datetime.now(UTC) + timedelta(minutes=10),
)
# What Apache's `int:escape` leaves as it is (ap_os_escape_path); everything else becomes %xx.
LEFT_ALONE = string.ascii_letters + string.digits + "$-_.+!*'(),:;@&=/~"


def escaped(text: str) -> bytes:
    """A value as Apache's `escape` map writes it."""
    return quote(text, safe=LEFT_ALONE).encode()


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=40).filter(str.isprintable))
def test_a_value_stays_in_its_place(text) -> None:
    """Whatever a user writes into a value that Apache escapes is that value, and nothing else."""
    line = b"network.ip=198.51.100.9 attr.path=" + escaped(text) + b" device.user_agent=" + escaped(text)
    assert read_key(line) == {"ip": "198.51.100.9", "user_agent": text, "attributes": {"path": text}}


def test_every_name() -> None:
    """Each fact has its place; an empty value is a fact that is not known; attributes may be JSON."""
    line = (
        b"app.id=a browser.id=b device.managed=true device.platform=c device.user_agent=d network.ip=192.0.2.1 "
        b'user.domain=e user.id=f attr.g=1 attr.h:=1.5 attr.i:=["j","k"] attr.l= device.managed2'
    ).removesuffix(b" device.managed2")
    assert read_key(line) == {
        "app": "a",
        "browser_id": "b",
        "managed": True,
        "platform": "c",
        "user_agent": "d",
        "ip": "192.0.2.1",
        "user_domain": "e",
        "user_id": "f",
        "attributes": {"g": "1", "h": 1.5, "i": ["j", "k"]},
    }
    assert read_key(b"") == read_key(b"network.ip=  device.managed=") == {"attributes": {}}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"198.51.100.9", "no `name=value`"),
        (b"ip=198.51.100.9", "no `name=value`"),
        (b"client.id=other", "no `name=value`"),
        (b"attr.=x", "no `name=value`"),
        (b"user.groups=admins", "no `name=value`"),
        (b"network.ip=198.51.100.9 network.ip=203.0.113.7", "`network.ip` is there twice"),
        (b"network.ip= network.ip=203.0.113.7", "`network.ip` is there twice"),
        (b"attr.a=1 attr.a:=2", "`attr.a` is there twice"),
        (b"device.managed=yes", "neither `true` nor `false`"),
        (b'app.id:="x"', "`app.id` takes no `:=`"),
        (b"attr.a:=NaN", "no JSON"),
        (b"attr.a:=" + b"[" * 5000, "no JSON"),
        (b"app.id=%ff", "not UTF-8"),
        (b"app.id=a%0ab", "control characters"),
        (b"app.id=a\tb", "control characters"),
        (b"app.id=a\x00", "control characters"),
        (b"\xff=x", "no `name=value`"),
        (b"app.id=" + b"x" * MAX_KEY_BYTES, "too long"),
    ],
)
def test_a_wrong_line(line, said) -> None:
    """A line that says something else, or a fact twice, is refused, without repeating what was in its values."""
    with pytest.raises(WrongKeyError, match=said) as caught:
        read_key(line)
    assert "203.0.113.7" not in str(caught.value)


def test_a_browser_may_call_itself_anything() -> None:
    """A user agent is cut and cleaned instead of refused: it is the user's own word, and must not be an error."""
    facts = read_key(b"device.user_agent=a%0d%0ab%ff" + b"x" * 2000)
    assert facts["user_agent"] == "ab\ufffd" + "x" * 509


def test_the_answer() -> None:
    """What is accepted as `Require claim` takes it, then the parameters; those that must not be there are not."""
    word, require, params = answer_to(DECISION).split(" ")
    assert word == "ASK"
    assert parse_qsl(params) == [("acr_values", "urn:example:loa:2"), ("max_age", "43200")]
    claim, _, pattern = require.partition("~")
    assert claim == "acr"
    pattern = pattern.replace(r"\z", r"\Z")  # Python's name for it
    assert [
        value
        for value in ("urn:example:loa:2", "phr", "phr\n", "xphr", "urn:example:loa:1", "")
        if re.search(pattern, value)
    ] == [
        "urn:example:loa:2",
        "phr",
    ]


def test_nothing_to_ask() -> None:
    """At the lowest level nothing is asked for, and everybody who is logged in has what is needed."""
    accept = Accept("acr", (), None)
    assert answer_to(replace(DECISION, outcome="baseline", authorization_params={}, accept=accept)) == "ASK sub~. "


def test_deny() -> None:
    """A denial has the decision's id, for the help desk."""
    assert answer_to(replace(DECISION, outcome="deny", accept=None)) == f"DENY {DECISION.id}"


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=3), st.text(max_size=20))
def test_no_word_of_a_provider_breaks_the_line(values, other) -> None:
    """The answer is one line of three ASCII words, whatever the provider calls its levels; only those words match."""
    decision = replace(
        DECISION,
        accept=Accept("acr", tuple(values), None),
        authorization_params={"acr_values": " ".join(values) + "."},
    )
    answer = answer_to(decision)
    assert answer.isascii()
    assert answer.isprintable()
    _, require, params = answer.split(" ")
    pattern = require.removeprefix("acr~").replace(r"\z", r"\Z").encode()
    for value in [*values, other]:
        assert bool(re.search(pattern, value.encode(errors="surrogatepass"))) == (value in values)
    assert parse_qsl(params) == [("acr_values", " ".join(values) + ".")]


class Acrux:
    """Answers in place of a client; `calls` has the facts that it was asked about."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.calls = []

    def decide(self, **facts):
        self.calls.append(facts)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (RequestRefusedError(401, "unauthenticated", "no such token"), "FAIL refused"),
        (UnavailableError("it is away"), "FAIL unavailable"),
        (UnexpectedAnswerError("a captive portal"), "FAIL unavailable"),
        (RuntimeError("a bug"), "FAIL internal"),
        (replace(DECISION, authorization_params={"acr_values": "#"}), "FAIL internal"),
    ],
)
def test_every_failure_is_an_answer(error, answer) -> None:
    """Whatever goes wrong, the line is answered with a word that lets nobody on, and the next one is answered too."""
    rewriting = RewriteMap(Acrux(error, DECISION))
    answers = io.BytesIO()
    rewriting.serve(io.BytesIO(b"app.id=a\napp.id=b\n"), answers)
    assert answers.getvalue().decode().splitlines() == [answer, answer_to(DECISION)]


@given(st.lists(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b""))), st.binary(max_size=9))
def test_in_step(lines, rest) -> None:
    """Each line has one answer; what comes after the last line's end has none."""
    answers = io.BytesIO()
    rest = rest.replace(b"\n", b"")
    RewriteMap(Acrux(DECISION)).serve(io.BytesIO(b"".join(line + b"\n" for line in lines) + rest), answers)
    assert answers.getvalue().count(b"\n") == len(lines)


def test_a_long_line_is_one_line() -> None:
    """A line that is too long has one answer, and so has the next."""
    long = b"app.id=" + b"x" * (3 * MAX_KEY_BYTES) + b"\n"
    answers = io.BytesIO()
    RewriteMap(Acrux(DECISION)).serve(io.BytesIO(long + b"app.id=a\n"), answers)
    assert answers.getvalue().decode().splitlines() == ["FAIL key", answer_to(DECISION)]
    answers = io.BytesIO()
    RewriteMap(Acrux(DECISION)).serve(io.BytesIO(long.rstrip(b"\n")), answers)
    assert answers.getvalue() == b""


def test_remembering() -> None:
    """The same line has the same answer for a while, denials included; another line is asked about."""
    now = [0.0]
    acrux = Acrux(DECISION, replace(DECISION, outcome="deny", accept=None))
    rewriting = RewriteMap(acrux, remember_seconds=30, clock=lambda: now[0])
    assert {rewriting.answer(b"app.id=a") for _ in range(3)} == {answer_to(DECISION)}
    assert {rewriting.answer(b"app.id=b") for _ in range(3)} == {f"DENY {DECISION.id}"}
    assert [call["app"] for call in acrux.calls] == ["a", "b"]
    now[0] = 30.0
    rewriting.answer(b"app.id=a")
    assert [call["app"] for call in acrux.calls] == ["a", "b", "a"]


@pytest.mark.parametrize(
    "answer",
    [
        replace(DECISION, expires_at=datetime.now(UTC) - timedelta(seconds=1)),
        UnavailableError("it is away"),
        RequestRefusedError(422, "", "wrong"),
    ],
)
def test_what_is_not_remembered(answer) -> None:
    """A failure and a decision that has expired are asked about again."""
    acrux = Acrux(answer)
    rewriting = RewriteMap(acrux, remember_seconds=30)
    rewriting.answer(b"app.id=a")
    rewriting.answer(b"app.id=a")
    assert len(acrux.calls) == 2


def test_a_fallback_is_remembered_for_a_moment() -> None:
    """What was decided without Acrux is asked about again soon, and not at each request meanwhile."""
    now = [0.0]
    acrux = Acrux(replace(DECISION, fallback=True))
    rewriting = RewriteMap(acrux, remember_seconds=30, clock=lambda: now[0])
    assert {rewriting.answer(b"app.id=a") for _ in range(3)} == {answer_to(DECISION)}
    assert len(acrux.calls) == 1
    now[0] = PAUSE_SECONDS
    rewriting.answer(b"app.id=a")
    assert len(acrux.calls) == 2


def test_memory_is_bounded() -> None:
    """So many answers are kept, and the ones that were not used for longest go first."""
    acrux = Acrux(DECISION)
    rewriting = RewriteMap(acrux, remember_seconds=30, clock=lambda: 0.0)
    for number in range(MAX_REMEMBERED):
        rewriting.answer(b"app.id=%d" % number)
    rewriting.answer(b"app.id=0")
    rewriting.answer(b"app.id=more")
    assert len(acrux.calls) == MAX_REMEMBERED + 1
    rewriting.answer(b"app.id=0")
    assert len(acrux.calls) == MAX_REMEMBERED + 1
    rewriting.answer(b"app.id=1")
    assert len(acrux.calls) == MAX_REMEMBERED + 2


def test_nothing_is_remembered_by_default() -> None:
    """Without a time each line is asked about."""
    acrux = Acrux(DECISION)
    rewriting = RewriteMap(acrux)
    assert {rewriting.answer(b"") for _ in range(2)} == {answer_to(DECISION)}
    assert len(acrux.calls) == 2


CEILING = {
    "level": "mfa",
    "authorization_params": {"acr_values": "urn:example:loa:2"},
    "accept": {"claim": "acr", "values": ["urn:example:loa:2"], "max_age_seconds": None},
    "policy_revision": "sha256:0",
}


def test_one_wait_for_many_logins() -> None:
    """After a time-out decisions fall back at once for a while; then Acrux is asked again. Other calls always pass."""
    now, hangs, asked = [0.0], [True], []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if request.url.path == "/v1/decisions" and hangs[0]:
            raise httpx.ReadTimeout("no answer", request=request)
        return httpx.Response(200, json=CEILING if request.method == "GET" else {})

    transport = ImpatientTransport(httpx.MockTransport(answer), clock=lambda: now[0])
    client = AcruxClient("http://acrux.example.com", "t", client="portal", transport=transport)
    client.refresh()
    rewriting = RewriteMap(client)
    fallback = r"ASK acr~^(?:urn\x3aexample\x3aloa\x3a2)\z acr_values=urn%3Aexample%3Aloa%3A2"
    assert [rewriting.answer(b"") for _ in range(5)] == [fallback] * 5
    assert asked.count("/v1/decisions") == 1
    client.refresh()
    now[0], hangs[0] = PAUSE_SECONDS, False
    assert rewriting.answer(b"") == "FAIL unavailable"  # `{}` is no decision: it was asked
    assert asked.count("/v1/decisions") == 2
    client.close()
