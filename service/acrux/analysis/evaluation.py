"""Evaluates single expressions over sent facts, without a policy set: what `acrux eval` does. Prints nothing."""

import base64
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from acrux.cel import CelValue, CheckedExpression, Engine, EvaluationError, ExpressionError, Problem, check
from acrux.domain.facts import (
    ATTRIBUTE_PREFIX,
    BUILT_IN_FACTS,
    UNKNOWN_ZONE,
    FactType,
    FactValue,
    Json,
    format_timestamp,
)
from acrux.domain.request import DecideRequest
from acrux.policy.addresses import parse_address
from acrux.policy.request import RequestInvalid, supposed_from_json

_NO_CLIENT: Final = "none"
_ATTRIBUTE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True)
class SentFacts:
    """Facts to evaluate over.

    Attributes:
        values: the facts that are present, by dotted name.
        declarations: the names that expressions may read: the built-in ones, and each attribute that was sent.
    """

    values: Mapping[str, FactValue]
    declarations: Mapping[str, FactType]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What became of one expression.

    Attributes:
        expression: its text.
        value: its value as JSON: times as RFC 3339 text, durations as seconds with an `s`, bytes in base64.
        type: its CEL type; None where it erred.
        error: why it has no value; None where it has one.
        problems: the mistakes of an expression that does not compile.
    """

    expression: str
    value: Json = None
    type: str | None = None
    error: str | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """One line of input: an expression, with facts of its own or None; or why the line is none."""

    expression: str
    facts: Json = None
    fault: str | None = None


def sent_facts(sent: Json, now: datetime) -> SentFacts:
    """The facts of a decide request (http-api.md, "Decide"), with the defaults of the facts table and no policy set.

    Args:
        sent: the request; None or one without `client` is fine too: then the `client` facts are absent.
        now: `request.time`.

    Raises:
        RequestInvalid: a field is not as Decide takes it.
    """
    has_client = isinstance(sent, dict) and "client" in sent
    complete: Json = {"client": _NO_CLIENT} if sent is None else sent
    if isinstance(complete, dict) and not has_client:
        complete = {**complete, "client": _NO_CLIENT}
    request = supposed_from_json(complete)
    declarations = {name: fact.type for name, fact in BUILT_IN_FACTS.items()}
    values = dict(_always(request, now))
    if not has_client:
        values = {name: value for name, value in values.items() if not name.startswith("client.")}
    values.update({name: value for name, value in _if_sent(request) if value is not None})
    for name, value in request.attributes.items():
        fact, kind = ATTRIBUTE_PREFIX + name, _type_of(value)
        if kind is not None and _ATTRIBUTE_NAME.fullmatch(name):
            declarations[fact] = kind
            values[fact] = tuple(map(str, value)) if isinstance(value, list | tuple) else value  # type: ignore[assignment]
    values["known"] = tuple(sorted(values))
    return SentFacts(values, declarations)


def _always(request: DecideRequest, now: datetime) -> Iterator[tuple[str, FactValue]]:
    """The facts that have a default."""
    address = None if request.network_ip is None else parse_address(request.network_ip)
    yield "client.id", request.client_id
    yield "client.tags", ()
    yield "client.registered", False
    yield "app.id", request.app_id or ""
    yield "network.ip", "" if address is None else str(address)
    yield "network.zones", (UNKNOWN_ZONE,) if address is None else ()
    yield "network.trusted", False
    yield "request.time", now.astimezone(UTC)
    yield "request.acr_values", request.acr_values
    yield "request.scopes", request.scopes
    yield "request.prompt", request.prompt


def _if_sent(request: DecideRequest) -> Iterator[tuple[str, FactValue | None]]:
    """The facts that may be absent."""
    age = request.session_age_seconds
    yield "network.country", request.network_country
    yield "network.asn", request.network_asn
    yield "user.id", request.user_id
    yield "user.domain", request.user_domain
    yield "user.groups", request.user_groups
    yield "browser.id", request.browser_id
    yield "device.managed", request.device_managed
    yield "device.platform", request.device_platform
    yield "device.user_agent", request.device_user_agent
    yield "session.level", request.session_level
    yield "session.age", None if age is None else timedelta(seconds=age)
    yield "request.max_age", request.max_age_seconds


def _type_of(value: Json) -> FactType | None:
    match value:
        case bool():
            return FactType.BOOL
        case int():
            return FactType.INT
        case float():
            return FactType.DOUBLE
        case str():
            return FactType.STRING
        case list() | tuple():
            return FactType.STRING_LIST
        case _:
            return None


def read_lines(lines: Iterable[str]) -> Iterator[Asked]:
    """Lines of input: `{"expression", "facts"}` objects, or expressions; blank ones are left out."""
    for line in lines:
        text = line.strip()
        if text:
            yield _asked(text)


def _asked(text: str) -> Asked:
    # A CEL map begins with a brace too: only what is JSON and has an `expression` is an object of ours.
    try:
        found: Any = json.loads(text) if text.startswith("{") else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or "expression" not in found:
        return Asked(text)
    unknown = sorted(set(found) - {"expression", "facts"})
    if not isinstance(found["expression"], str):
        return Asked(text, fault="`expression` is no string")
    if unknown:
        return Asked(found["expression"], fault=f"unknown field `{unknown[0]}`")
    return Asked(found["expression"], found.get("facts"))


class Evaluator:
    """Evaluates expressions with one engine at one moment."""

    def __init__(self, engine: Engine, now: datetime, facts: Json = None) -> None:
        """Prepare an evaluation.

        Args:
            engine: what evaluates; checking is always the other's.
            now: `request.time`; aware.
            facts: a decide request for the expressions that bring none.

        Raises:
            RequestInvalid: those facts are not as Decide takes them.
        """
        self._engine = engine
        self._now = now
        self._facts = sent_facts(facts, now)

    def evaluate(self, asked: Asked) -> Evaluated:
        """The value of an expression, or why it has none. Never raises for what an expression or its facts hold."""
        if asked.fault is not None:
            return Evaluated(asked.expression, error=asked.fault)
        try:
            facts = self._facts if asked.facts is None else sent_facts(asked.facts, self._now)
        except RequestInvalid as invalid:
            faults = (f"{error.pointer or 'facts'}: {error.message}" for error in invalid.errors)
            return Evaluated(asked.expression, error="; ".join(faults))
        return self._evaluate(asked.expression, facts)

    def _evaluate(self, text: str, facts: SentFacts) -> Evaluated:
        checked = check(text, facts.declarations)
        if not isinstance(checked, CheckedExpression):
            return Evaluated(text, error=_listed(checked), problems=checked)
        try:
            program = self._engine.load(checked, facts.declarations)
        except ExpressionError as error:
            return Evaluated(text, error=_listed(error.problems), problems=error.problems)
        value = program.evaluate(self._engine.activation(facts.values, facts.declarations))
        if isinstance(value, EvaluationError):
            return Evaluated(text, error=_words(value.message))
        kind = checked.result_type
        return Evaluated(text, value_to_json(value), _value_type(value) if "dyn" in kind else kind)


def _listed(problems: tuple[Problem, ...]) -> str:
    return "; ".join(
        f"{problem.message} (at character {problem.start + 1})" + (f": {problem.help}" if problem.help else "")
        for problem in problems
    )


_ABSENT: Final = re.compile(r'No value with name "([^"]+)" found in Activation')


@lru_cache(maxsize=_REMEMBERED)
def _words(message: str) -> str:
    """The engine's words, plainer where a fact is absent."""
    absent = _ABSENT.search(message)
    return f"`{absent.group(1)}` is absent" if absent else message


def value_to_json(value: CelValue) -> Json:  # noqa: PLR0911 - one return a type
    """A CEL value as JSON, in protobuf's mapping where JSON has no such type."""
    match value:
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case datetime():
            return format_timestamp(value)
        case timedelta():
            seconds, micros = divmod(abs(value) // timedelta(microseconds=1), 1_000_000)
            sign = "-" if value < timedelta() else ""
            return f"{sign}{seconds}" + (f".{micros:06d}".rstrip("0") if micros else "") + "s"
        case list():
            return [value_to_json(item) for item in value]
        case dict():
            return {_key(key): value_to_json(item) for key, item in value.items()}


def _key(key: Any) -> str:
    """A map's key: JSON has texts only."""
    return key if isinstance(key, str) else json.dumps(value_to_json(key))


def _value_type(value: CelValue) -> str:  # noqa: PLR0911 - one return a type
    """The type of a value whose expression is of type dyn."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int():
            return "int"
        case float():
            return "double"
        case str():
            return "string"
        case bytes():
            return "bytes"
        case datetime():
            return "timestamp"
        case timedelta():
            return "duration"
        case list():
            return _of(value, "list({})")
        case dict():
            return f"map({_of(value, '{}')}, {_of(value.values(), '{}')})"


def _of(items: Iterable[CelValue], form: str) -> str:
    kinds = {_value_type(item) for item in items}
    return form.format(kinds.pop() if len(kinds) == 1 else "dyn")
