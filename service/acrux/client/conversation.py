"""What is said to Acrux, and what each answer means, once for both clients. No network: generators ask for the calls.

Each conversation yields the calls that it wants made and is sent what became of them.
"""

import json
import logging
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar
from urllib.parse import quote

from acrux.client.answers import (
    accept_to_json,
    read_ceiling,
    read_decision,
    read_object,
    read_problem,
    read_verdict,
    time_to_json,
)
from acrux.client.errors import AcruxError, RequestRefusedError, UnavailableError, UnexpectedAnswerError
from acrux.client.facts import LoginFacts, decide_body
from acrux.client.judging import judge_locally
from acrux.client.storing import MAX_CEILINGS, CeilingCache, ReportQueue
from acrux.client.values import FALLBACK_LIFETIME, Decision, Json, Verdict, VerdictName

MAX_REPORTS_AT_ONCE = 20
MAX_JUDGED = 10_000
TICK_SECONDS = 2.0
"""How often it is looked whether something is due; an outage is noticed to be over within this time."""
_OK = 200
_BAD_REQUEST = 400
_SERVER_ERRORS = 500
_UNREACHABLE_STATUSES = frozenset({502, 504})
_SERVICE_UNAVAILABLE = 503
_WRONG_BODY_STATUSES = frozenset({400, 409, 413, 422})
_MAX_TEXT = 200
_LOG = logging.getLogger("acrux.client")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Call:
    """A call to be made: a path below the base URL, and a JSON body."""

    method: str
    path: str
    body: Mapping[str, Json] | None = None
    idempotency_key: str | None = None

    def content(self) -> bytes | None:
        """The body's bytes."""
        return None if self.body is None else json.dumps(self.body).encode()


@dataclass(frozen=True, slots=True)
class Answered:
    """Something answered."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Unreached:
    """Nothing answered. `may_retry`: the connection failed, rather than the time ran out."""

    reason: str
    may_retry: bool = False


@dataclass(frozen=True, slots=True)
class Garbled:
    """Something answered that HTTP can't read."""

    reason: str


Reply: TypeAlias = Answered | Unreached | Garbled
Conversation: TypeAlias = Generator[Call, Reply, _T]


@dataclass(frozen=True, slots=True)
class _Absent:
    """Acrux can't be had, but the ceiling (or a local judgement) may stand in."""

    reason: str


@dataclass(frozen=True, slots=True)
class Returned:
    """What came back from the provider.

    Attributes:
        id_token: the raw ID token, for Acrux to verify.
        claims: its claims, verified by the caller.
        issuer: what a local judgement compares `iss` with; None where the caller has.
        client_id: likewise for `aud` and `azp`.
    """

    id_token: str | None = None
    claims: Mapping[str, Json] | None = None
    issuer: str | None = None
    client_id: str | None = None


@dataclass(slots=True)
class Conversations:
    """Every conversation of one client, and what it remembers between them.

    INVARIANT (nobody unjudged): a verdict that admits comes from Acrux, or from `judge_locally` on verified claims.
    """

    ceilings: CeilingCache
    reports: ReportQueue
    subject_claim: str = "sub"
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    clients: "OrderedDict[str, None]" = field(default_factory=OrderedDict)
    _judged: "OrderedDict[str, None]" = field(default_factory=OrderedDict)
    _using_up: threading.Lock = field(default_factory=threading.Lock)
    _next_try_seconds: dict[str, float] = field(default_factory=dict)
    _complaints: set[str] = field(default_factory=set)

    def decide(self, client: str, facts: LoginFacts) -> Conversation[Decision]:
        """Asks for a decision; the client's ceiling stands in where it may.

        Raises:
            AcruxError: the login must be refused.
        """
        self.remember(client)
        body = decide_body(client, facts)
        nonce_sha256, user_id = body.get("nonce_sha256"), facts.get("user_id")
        nonce_sha256 = nonce_sha256 if isinstance(nonce_sha256, str) else None
        answer = yield from _ask(Call("POST", "/v1/decisions", body, uuid.uuid4().hex))
        if not isinstance(answer, _Absent):
            return read_decision(answer, client=client, nonce_sha256=nonce_sha256, user_id=user_id)
        decision = replace(self._at_ceiling(client, answer.reason), nonce_sha256=nonce_sha256, user_id=user_id)
        self.reports.add({**_report(decision), "facts": body, "reason": _short(answer.reason)})
        return decision

    def judge(self, decision: Decision, returned: Returned) -> Conversation[Verdict]:
        """Asks for the verdict; the same table is applied here where Acrux can't.

        Raises:
            AcruxError: the login must be refused.
        """
        if returned.id_token is None and returned.claims is None:
            raise ValueError("an outcome needs the ID token or its verified claims")
        if decision.fallback:
            return self._judge_here(decision, returned, "decided in an outage")
        body: dict[str, Json] = {"ticket": decision.ticket}
        if returned.id_token is not None:
            body["id_token"] = returned.id_token
        else:
            body["claims"] = dict(returned.claims or {})
        path = f"/v1/decisions/{quote(decision.id, safe='')}/outcome"
        answer = yield from _ask(Call("POST", path, body, uuid.uuid4().hex))
        if isinstance(answer, _Absent):
            return self._judge_here(decision, returned, answer.reason)
        verdict = read_verdict(answer, decision)
        self._note(verdict)
        return verdict

    def refresh_ceiling(self, client: str) -> Conversation[None]:
        """Fetches a client's ceiling.

        Raises:
            AcruxError: it could not be had; the last known one stays.
        """
        answer = yield from _ask(Call("GET", f"/v1/clients/{quote(client, safe='')}/fallback"))
        if isinstance(answer, _Absent):
            raise UnavailableError(answer.reason)
        self.ceilings.put(read_ceiling(answer, client=client, fetched_at=self.now()))

    def send_reports(self) -> Conversation[None]:
        """Tells Acrux of the oldest decisions and verdicts that were made without it.

        A report that Acrux can't take is logged and dropped, so that it does not keep the others back for ever.

        Raises:
            AcruxError: it did not take them; they stay in the queue.
        """
        batch = self.reports.first(MAX_REPORTS_AT_ONCE)
        try:
            yield from self._send(batch)
        except RequestRefusedError as refused:
            if refused.status not in _WRONG_BODY_STATUSES:
                raise
            for report in batch[:1]:
                try:
                    yield from self._send([report])
                except RequestRefusedError as alone:
                    if alone.status not in _WRONG_BODY_STATUSES:
                        raise
                    _LOG.error("decision %s can't be reported: %s", report.get("id"), alone)
                    self.reports.forget([report])

    def due(self, interval_seconds: float) -> Iterator[Conversation[None]]:
        """What should be said now beside the callers: ceilings that are old or unknown, reports that wait.

        These conversations raise nothing: what fails is logged, once, and due again at a later call.
        """
        for client in tuple(self.clients):
            if time.monotonic() >= self._next_try_seconds.get(client, float("-inf")):
                yield self._keep_ceiling(client, interval_seconds)
        while waiting_count := len(self.reports):
            yield self.deliver()
            if len(self.reports) >= waiting_count:
                return

    def deliver(self) -> Conversation[None]:
        """Reports once; raises nothing, and what fails is logged."""
        try:
            yield from self.send_reports()
            self._complaints.discard("")
        except AcruxError as error:
            self._complain("", "what was decided in an outage can't be reported yet", error)

    def _keep_ceiling(self, client: str, interval_seconds: float) -> Conversation[None]:
        pause_seconds = interval_seconds
        try:
            yield from self.refresh_ceiling(client)
            self._complaints.discard(client)
        except AcruxError as error:
            if isinstance(error, UnavailableError):
                pause_seconds = min(interval_seconds, TICK_SECONDS)
            self._complain(client, f"the ceiling of `{client}` can't be fetched", error)
        self._next_try_seconds[client] = time.monotonic() + pause_seconds

    def _complain(self, about: str, what: str, error: AcruxError) -> None:
        if about not in self._complaints:
            self._complaints.add(about)
            _LOG.warning("%s: %s", what, error)

    def _send(self, batch: list[dict[str, Json]]) -> Conversation[None]:
        # The call has no key of its own: each report has one, and is one record in whatever batch it comes again.
        answer = yield from _ask(Call("POST", "/v1/fallbacks", {"decisions": list(batch)}))
        if isinstance(answer, _Absent):
            raise UnavailableError(answer.reason)
        self.reports.forget(batch)

    def remember(self, client: str) -> None:
        """Keeps a client's ceiling fresh from now on."""
        self.clients[client] = None
        while len(self.clients) > MAX_CEILINGS:
            self.clients.popitem(last=False)

    def _at_ceiling(self, client: str, reason: str) -> Decision:
        ceiling = self.ceilings.get(client)
        if ceiling is None:
            raise UnavailableError(f"Acrux can't be had ({reason}), and the ceiling of `{client}` is not known")
        now = self.now()
        return Decision(
            id=str(uuid.uuid4()),
            client=client,
            outcome=ceiling.outcome,
            level=ceiling.level,
            authorization_params=ceiling.authorization_params,
            accept=ceiling.accept,
            decided_at=now,
            expires_at=now + FALLBACK_LIFETIME,
            fallback=True,
            reason="fallback",
            policy_revision=ceiling.policy_revision,
        )

    def _judge_here(self, decision: Decision, returned: Returned, reason: str) -> Verdict:
        if returned.claims is None:
            raise UnavailableError(f"Acrux can't judge ({reason}), and there are no verified claims to judge here")
        with self._using_up:  # two threads at once with the same answer: one of them is a replay
            verdict = judge_locally(
                decision,
                returned.claims,
                self.now(),
                id_token=returned.id_token,
                already_used=decision.id in self._judged,
                issuer=returned.issuer,
                client_id=returned.client_id,
                subject_claim=self.subject_claim,
            )
            self._note(verdict)
        claim = decision.accept.claim if decision.accept else "acr"
        self.reports.add(
            {
                **_report(decision),
                "facts": None,
                "verdict": verdict.name.value,
                "verdict_at": time_to_json(self.now()),
                "returned_acr": _returned_word(returned.claims.get(claim)),
                "reason": _short(reason),
            }
        )
        return verdict

    def _note(self, verdict: Verdict) -> None:
        """Remembers what is used up, for as long as this process can: single use is Acrux's to promise."""
        if verdict.name in {VerdictName.INVALID, VerdictName.MISMATCHED}:
            return
        self._judged[verdict.decision_id] = None
        while len(self._judged) > MAX_JUDGED:
            self._judged.popitem(last=False)


def _report(decision: Decision) -> dict[str, Json]:
    return {
        "id": decision.id,
        "idempotency_key": uuid.uuid4().hex,
        "client": decision.client,
        "level": decision.level,
        "policy_revision": decision.policy_revision or None,
        "decided_at": time_to_json(decision.decided_at),
        "authorization_params": dict(decision.authorization_params),
        "accept": accept_to_json(decision.accept),
        "verdict": None,
        "verdict_at": None,
        "returned_acr": None,
    }


def _returned_word(value: Json) -> str | None:
    words = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []
    return _short(" ".join(word for word in words if isinstance(word, str))) or None


def _short(text: str) -> str:
    """A text as Acrux takes it in a report."""
    return "".join(character for character in text if character.isprintable())[:_MAX_TEXT]


def _ask(call: Call) -> Conversation[dict[str, Json] | _Absent]:
    """Makes a call, once more if the connection failed (the key makes that harmless), and sorts what became of it.

    Raises:
        AcruxError: the answer refuses.
    """
    reply = yield call
    if isinstance(reply, Unreached) and reply.may_retry:
        reply = yield call
    match reply:
        case Unreached(reason):
            return _Absent(reason)
        case Garbled(reason):
            raise UnexpectedAnswerError(f"the answer can't be read: {reason}")
        case Answered():
            return _sort(reply)


def _sort(reply: Answered) -> dict[str, Json] | _Absent:
    """What an answer's status means (docs/client.md).

    Raises:
        AcruxError: the answer refuses.
    """
    if reply.status == _OK:
        return read_object(reply.body)
    if reply.status in _UNREACHABLE_STATUSES:
        return _Absent(f"a gateway answered {reply.status}")
    if reply.status == _SERVICE_UNAVAILABLE:
        return _service_unavailable(reply)
    if _BAD_REQUEST <= reply.status < _SERVER_ERRORS:
        raise read_problem(reply.status, reply.body)
    raise UnexpectedAnswerError(f"Acrux answered {reply.status}")


def _service_unavailable(reply: Answered) -> _Absent:
    """The ceiling may stand in only where the operator's own word says so; a proxy's bare 503 does not.

    Raises:
        UnavailableError: it may not.
    """
    try:
        problem = read_object(reply.body)
    except UnexpectedAnswerError:
        problem = {}
    code = str(problem.get("code") or "")
    if problem.get("fallback") == "ceiling":
        return _Absent(f"503 {code}")
    raise UnavailableError(f"Acrux answered 503 {code}: {problem.get('detail') or 'it says no more'}", code=code)
