"""`acrux explain DIR`: what would be decided, and for each rule why or why not. No logic: the engine explains."""

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NoReturn, TextIO

import click

from acrux.cel import ENGINE_NAMES
from acrux.cli.policy_sets import (
    FINDINGS,
    USAGE,
    BrokenSet,
    cannot_run,
    colours,
    print_json,
    read_decider,
    set_prefix,
    show_broken,
)
from acrux.domain.decision import Decision
from acrux.domain.facts import Json, format_timestamp
from acrux.domain.request import DecideRequest
from acrux.engine import Explanation, UnmappedRequestedAcr, explanation_to_json
from acrux.engine.explanation import ClauseTrace, RuleTrace
from acrux.policy.drawing import printable
from acrux.policy.facts import BuiltFacts, Geography
from acrux.policy.model import CheckedPolicy
from acrux.policy.request import MAX_ASN, RequestInvalid, supposed_from_json
from acrux.policy.suggestions import closest
from acrux.policy.times import format_duration, parse_timestamp

_TINTS: Final = {"matched": "green", "not_matched": "white", "errored": "red", "out": "yellow"}
_WORDS: Final = {"matched": "matched", "not_matched": "not matched", "errored": "errored", "out": "out"}


@click.command("explain", short_help="Say what would be decided, and why.")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--client", help="The client's name in the set, or its client_id.")
@click.option("--ip", help="The address that the user comes from.")
@click.option("--country", help="The country of that address, such as DE; ZZ is an unknown one.")
@click.option("--asn", type=click.IntRange(0, MAX_ASN), help="The autonomous system of that address.")
@click.option(
    "--geoip-country",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="ACRUX_GEOIP_COUNTRY",
    help="A MaxMind-format file that says the country where --country does not.",
)
@click.option(
    "--geoip-asn",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="ACRUX_GEOIP_ASN",
    help="The same for --asn.",
)
@click.option("--app", help="The source application.")
@click.option("--user", help="The user's id.")
@click.option("--group", "groups", multiple=True, help="A group of the user; may be repeated.")
@click.option("--acr-values", help="What the relying party itself asks for, separated by spaces.")
@click.option("--facts", type=click.File(encoding="utf-8"), help="A JSON file in the shape of a decide request.")
@click.option("--now", help="The time to decide at, RFC 3339; default: now.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Output."
)
@click.option("--json", "form", flag_value="json", help="Short for --format json.")
@click.option(
    "--cel-engine",
    type=click.Choice(ENGINE_NAMES),
    default="google",
    show_default=True,
    envvar="ACRUX_CEL_ENGINE",
    help="The engine that evaluates.",
)
def command(
    directory: Path,
    *,
    client: str | None,
    ip: str | None,
    country: str | None,
    asn: int | None,
    geoip_country: Path | None,
    geoip_asn: Path | None,
    app: str | None,
    user: str | None,
    groups: Sequence[str],
    acr_values: str | None,
    facts: TextIO | None,
    now: str | None,
    form: str,
    cel_engine: str,
) -> None:
    """Say what the policy set in DIR would decide for one login, and for each rule why or why not."""
    at = datetime.now(UTC) if now is None else parse_timestamp(now)
    if at is None:
        raise click.BadParameter(f"`{now}` is no RFC 3339 time with a zone", param_hint="--now")
    said: dict[str, dict[str, Json]] = {
        "client": {"id": client},
        "network": {"ip": ip, "country": country, "asn": asn},
        "app": {"id": app},
        "user": {"id": user, "groups": list(groups) or None},
        "request": {"acr_values": None if acr_values is None else list(acr_values.split())},
    }
    request = _request(facts, said)
    try:
        decider = read_decider(directory, cel_engine, _geography(geoip_country, geoip_asn))
    except BrokenSet as broken:
        show_broken(broken, directory, as_json=form == "json")
    try:
        built = decider.compiled.builder.build(request, at)
        explanation = decider.explain(built, at)
    except RequestInvalid as invalid:
        _refuse(invalid)
    except UnmappedRequestedAcr as unmapped:
        click.echo(f"acrux: the request is refused: {unmapped}", err=True)
        sys.exit(FINDINGS)
    if form == "json":
        print_json(explanation_to_json(explanation))
    else:
        doubts = tuple(_doubts(request, built, decider.compiled.checked))
        click.echo("\n".join(_lines(explanation, doubts, set_prefix(directory))), color=colours())


def _geography(country: Path | None, asn: Path | None) -> Geography | None:
    """Where addresses are, if a file says so; one that can't be used ends the program with exit code 3."""
    if country is None and asn is None:
        return None
    from acrux.wiring.geography import Atlas  # noqa: PLC0415 - the reader of these files is seldom needed
    from acrux.wiring.geoip import GeoipFact, GeoipInvalid, open_table  # noqa: PLC0415 - same

    tables = []
    for fact, path in ((GeoipFact.COUNTRY, country), (GeoipFact.ASN, asn)):
        if path is not None:
            try:
                table = open_table(path, fact, into_memory=True)
                table.check()
            except GeoipInvalid as invalid:
                cannot_run(f"the GeoIP file `{path}` (--geoip-{fact}) {invalid}")
            tables.append(table)
    return Atlas(tables)


def _request(facts: TextIO | None, said: dict[str, dict[str, Json]]) -> DecideRequest:
    """The request of the file, with what the options say over it."""
    try:
        body: Json = {} if facts is None else json.load(facts)
    except ValueError as error:
        raise click.BadParameter(f"no JSON: {error}", param_hint="--facts") from error
    if not isinstance(body, dict):
        raise click.BadParameter("a JSON object is wanted, such as a decide request", param_hint="--facts")
    for part, members in said.items():
        named: dict[str, Json] = {name: value for name, value in members.items() if value is not None}
        if named:
            before = body.get(part)
            body[part] = {**before, **named} if isinstance(before, dict) else named
    try:
        return supposed_from_json(body)
    except RequestInvalid as invalid:
        _refuse(invalid)


def _refuse(invalid: RequestInvalid) -> NoReturn:
    for error in invalid.errors:
        click.echo(f"acrux: {error.pointer or 'the request'}: {error.message}", err=True)
    sys.exit(USAGE)


def _doubts(request: DecideRequest, built: BuiltFacts, policy: CheckedPolicy) -> Iterator[str]:
    """What the service takes as it is, and whoever asks may have meant otherwise."""
    if built.client is None and policy.clients:
        near = closest(request.client_id, map(str, policy.clients))
        hint = "" if near is None else f"; did you mean `{near}`?"
        yield f"the set has no client `{printable(request.client_id)}`, so it is decided as an unregistered one{hint}"
    if request.network_ip and not built.facts.values["network.ip"]:
        yield f"`{printable(request.network_ip)}` is no address, so it is decided as from an unknown one"


def _lines(explanation: Explanation, doubts: Sequence[str], prefix: str) -> Iterator[str]:
    yield from _decision_lines(explanation.decision)
    for doubt in doubts:
        yield click.style(f"  note:    {doubt}", fg="yellow")
    if explanation.rules:
        yield ""
    for trace in explanation.rules:
        yield from _rule_lines(trace, prefix)
    for entry in explanation.break_glass:
        yield _clause_line("break-glass", entry, indent="")


def _decision_lines(decision: Decision) -> Iterator[str]:
    tint = {"baseline": "green", "step_up": "yellow", "deny": "red"}[decision.outcome.value]
    level = click.style(decision.level, fg=tint, bold=True)
    yield f"{decision.outcome.value}: {level}, because: {printable(decision.reason)}"
    if decision.authorization_params:
        params = " ".join(f"{name}={value}" for name, value in decision.authorization_params.items())
        yield f"  ask:     {printable(params)}"
    if decision.accept is not None and decision.accept.values:
        yield f"  accept:  {decision.accept.claim} {printable(', '.join(decision.accept.values))}"
    if decision.max_age_seconds is not None:
        yield f"  max_age: {format_duration(decision.max_age_seconds)}"
    if decision.requested_level is not None:
        yield f"  asked for by the relying party: {decision.requested_level}"
    if decision.shadow_level != decision.level:
        yield f"  with the rules in report mode: {click.style(decision.shadow_level, bold=True)}"
    yield f"  client:  {printable(decision.client)} at {decision.provider or 'no provider'}"
    yield f"  time:    {format_timestamp(decision.decided_at)}"


def _rule_lines(trace: RuleTrace, prefix: str) -> Iterator[str]:
    outcome = click.style(f"{_WORDS[trace.outcome]:<12}", fg=_TINTS[trace.outcome], bold=trace.outcome == "matched")
    needs = trace.require if trace.requires is None else trace.requires
    lowered = "" if trace.requires in (None, trace.require) else f" instead of {trace.require}"
    mode = "" if trace.mode.value == "enforce" else f" ({trace.mode.value})"
    place = click.style(f"{prefix}{trace.place.file}:{trace.place.line}", dim=True)
    yield f"{outcome} {click.style(trace.id, bold=True)}: {needs}{lowered}{mode}  {place}"
    yield f"             {printable(trace.why)}"
    for clause in trace.exceptions:
        yield _clause_line("exception", clause, indent="             ")
    if trace.break_glass is not None:
        yield f"             lowered by break-glass `{trace.break_glass}`"


def _clause_line(what: str, trace: ClauseTrace, *, indent: str) -> str:
    outcome = click.style(_WORDS[trace.outcome], fg=_TINTS[trace.outcome])
    applied = ", applied" if trace.applied else ""
    return f"{indent}{what} {trace.id} ({trace.instead}): {outcome}{applied}: {printable(trace.why)}"
