"""`acrux doctor`: what a provider says of itself, against the policy set. No logic: the doctor is the oidc room's."""

import asyncio
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from acrux.cli.policy_sets import (
    CANNOT_RUN,
    FINDINGS,
    USAGE,
    BrokenSet,
    colours,
    print_json,
    read_policy,
    show_broken,
)
from acrux.oidc.doctor import ClientOutlook, Examined, Finding, Grade, LevelOutlook, client_outlook, examine, findings
from acrux.oidc.fetching import Fetcher
from acrux.policy.drawing import printable
from acrux.policy.model import CheckedPolicy, Client, Provider
from acrux.policy.suggestions import closest
from acrux.policy.times import format_duration

INTERRUPTED: Final = 130
_TINTS: Final = {Grade.OK: "green", Grade.WARNING: "yellow", Grade.ERROR: "red"}
_INDENT: Final = " " * 9
_NARROWEST, _WIDEST = 60, 120


@click.command("doctor", short_help="Say what a provider will and won't enforce.")
@click.argument("provider", metavar="[PROVIDER]", required=False)
@click.option(
    "--policies",
    type=click.Path(path_type=Path),
    default=Path("policies"),
    show_default=True,
    envvar="ACRUX_POLICIES",
    help="The policy directory.",
)
@click.option("--client", help="Also say, for this client (its name or client_id), what is enforced at each level.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Output."
)
@click.option("--json", "form", flag_value="json", help="Short for --format json.")
@click.option("--strict", is_flag=True, help="Warnings fail too.")
def command(provider: str | None, *, policies: Path, client: str | None, form: str, strict: bool) -> None:
    """Read a provider's discovery document and keys, and say what will and what won't be enforced with it.

    PROVIDER is a provider's name in the policy set; without it every provider is looked at, or with --client the
    client's own. Documents are fetched as the service fetches them: https (http on loopback), from the issuer's host or
    one of the provider's `hosts`, no redirects, 1 MiB, 2 seconds. Nothing is sent but two GET requests.

    What a provider says of itself is compared with the policy set, and never trusted: a finding that is `ok` says that
    nothing speaks against it. Only what comes back with a login proves a level.

    With --client it says for each level what is asked for, what is accepted, and whether that holds through an adapter
    and through the token guard; then what the guard needs at the application and at the provider, and what it can't do.

    \b
    Examples:
      acrux doctor                      every provider of ./policies
      acrux doctor --client jira        what holds for one client, level by level
      acrux doctor corp --strict --json one provider, in a pipeline

    Exits with 0 if all is well, 1 if there are errors (with --strict also for warnings), 2 for wrong usage, 3 if the
    policies can't be read or a provider can't be reached, 130 if interrupted.
    """  # noqa: D301 - the backslash is click's: the block below it keeps its lines
    try:
        policy = read_policy(policies)
    except BrokenSet as broken:
        show_broken(broken, policies, as_json=form == "json")
    named = None if client is None else _client(policy, client)
    chosen = _providers(policy, provider, named)
    try:
        examined = asyncio.run(_examine_all(chosen))
    except KeyboardInterrupt:
        click.echo("acrux: interrupted", err=True)
        sys.exit(INTERRUPTED)
    found = [(each, findings(each, policy)) for each in examined]
    outlook = None if named is None else client_outlook(examined[0], policy, named)
    grades = [finding.grade for _, every in found for finding in every]
    errors, warnings = grades.count(Grade.ERROR), grades.count(Grade.WARNING)
    unenforced = [] if outlook is None else [level for level in outlook.levels if not _is_enforced(level, outlook)]
    errors += len(unenforced)
    if form == "json":
        print_json(_as_json(found, outlook, errors, warnings))
    else:
        _print(found, outlook)
        click.echo(_summary(errors, warnings), err=True)
    if not all(each.reached for each in examined):
        sys.exit(CANNOT_RUN)
    if errors or (strict and warnings):
        sys.exit(FINDINGS)


def _is_enforced(level: LevelOutlook, outlook: ClientOutlook) -> bool:
    """In every way that the client is set up for: a client without redirect URIs is none of the guard's."""
    return level.adapters.enforced and (level.guard.enforced or not outlook.guarded)


async def _examine_all(providers: Sequence[Provider]) -> list[Examined]:
    async with Fetcher() as fetcher:
        return await asyncio.gather(*(examine(fetcher, provider) for provider in providers))


def _client(policy: CheckedPolicy, name: str) -> Client:
    by_name = {str(key): client for key, client in policy.clients.items()}
    found = [by_name[name]] if name in by_name else [each for each in by_name.values() if each.client_id == name]
    if not found:
        _refuse("--client", _unknown("client", name, by_name))
    if len(found) > 1:
        names = ", ".join(f"`{client.name}`" for client in found)
        _refuse("--client", f"`{name}` is the client_id of several clients: say which, of {names}")
    return found[0]


def _providers(policy: CheckedPolicy, name: str | None, client: Client | None) -> list[Provider]:
    by_name = {str(key): provider for key, provider in policy.providers.items()}
    if name is not None and name not in by_name:
        _refuse("PROVIDER", _unknown("provider", name, by_name))
    if client is not None:
        if name is not None and name != client.provider:
            _refuse("--client", f"`{client.name}` logs in at `{client.provider}`, not at `{name}`")
        return [policy.providers[client.provider]]
    return list(by_name.values()) if name is None else [by_name[name]]


def _unknown(noun: str, name: str, known: Iterable[str]) -> str:
    near = closest(name, known)
    there = ", ".join(f"`{each}`" for each in sorted(known)[:10]) or "none"
    return f"the set has no {noun} `{printable(name)}`; " + (f"did you mean `{near}`?" if near else f"there is {there}")


def _refuse(what: str, message: str) -> NoReturn:
    click.echo(f"acrux doctor: {what}: {message}", err=True)
    sys.exit(USAGE)


def _as_json(
    found: Sequence[tuple[Examined, tuple[Finding, ...]]], outlook: ClientOutlook | None, errors: int, warnings: int
) -> dict[str, Any]:
    return {
        "providers": [
            {
                "provider": each.provider.name,
                "issuer": each.provider.issuer,
                "profile": each.provider.profile.name,
                "reached": each.reached,
                "findings": [
                    {"check": one.check, "grade": one.grade, "message": one.message, "mend": one.mend} for one in every
                ],
            }
            for each, every in found
        ],
        "client": None if outlook is None else _client_json(outlook),
        "errors": errors,
        "warnings": warnings,
    }


def _client_json(outlook: ClientOutlook) -> dict[str, Any]:
    return {
        "client": outlook.client.name,
        "client_id": outlook.client.client_id,
        "provider": outlook.client.provider,
        "lowest_level": outlook.lowest,
        "levels": [
            {
                "level": level.level,
                "authorization_params": dict(level.asked),
                "accept": {
                    "claim": level.claim,
                    "values": list(level.accepted),
                    "max_age_seconds": level.max_age_seconds,
                },
                "adapters": {"enforced": level.adapters.enforced, "reasons": list(level.adapters.reasons)},
                "guard": {"enforced": level.guard.enforced, "reasons": list(level.guard.reasons)},
                "cautions": list(level.cautions),
            }
            for level in outlook.levels
        ],
        "guard": {
            "registered": outlook.guarded,
            "needs_at_application": list(outlook.guard_needs_application),
            "needs_at_provider": [*outlook.guard_needs_provider, *outlook.guard_here],
            "cannot": list(outlook.guard_cannot),
        },
    }


def _print(found: Sequence[tuple[Examined, tuple[Finding, ...]]], outlook: ClientOutlook | None) -> None:
    width = min(max(shutil.get_terminal_size((100, 24)).columns, _NARROWEST), _WIDEST)
    lines: list[str] = []
    for each, every in found:
        head = f"{click.style(each.provider.name, bold=True)}  {each.provider.issuer}"
        lines += [*([""] if lines else []), f"{head}  {click.style('profile ' + each.provider.profile.name, dim=True)}"]
        for finding in every:
            lines += _finding_lines(finding, width)
    if outlook is not None:
        lines += ["", *_client_lines(outlook, width)]
        if found[0][0].document is not None:  # else all that counts has been said
            lines += _guard_lines(outlook, width)
    click.echo("\n".join(lines), color=colours())


def _finding_lines(finding: Finding, width: int) -> Iterator[str]:
    label = click.style(f"{finding.grade.value:<9}", fg=_TINTS[finding.grade], bold=finding.grade is not Grade.OK)
    yield from _wrapped(finding.message, width, label, _INDENT)
    if finding.mend:
        yield from _wrapped(finding.mend, width, f"{_INDENT}{click.style('= ', dim=True)}", _INDENT + "  ")


def _client_lines(outlook: ClientOutlook, width: int) -> Iterator[str]:
    client = outlook.client
    head = click.style("client " + client.name, bold=True)
    yield f"{head} at {client.provider}, client_id {printable(client.client_id)}"
    text = f"`{outlook.lowest}` asks the provider for nothing; who logged in is still verified."
    yield from _wrapped(f"{text} Enforced: any answer that is not accepted is refused.", width, _INDENT, _INDENT)
    for level in outlook.levels:
        yield from _level_lines(level, outlook, width)


def _guard_lines(outlook: ClientOutlook, width: int) -> Iterator[str]:
    if not outlook.guarded:
        yield ""
        text = "Not registered for the token guard: it has no `redirect_uris`. If it gets some:"
        yield from _wrapped(text, width, "", "")
    yield from _list_lines("the guard needs, at the application", outlook.guard_needs_application, width)
    needs = (*outlook.guard_needs_provider, *outlook.guard_here)
    yield from _list_lines("the guard needs, at the provider", needs, width)
    yield from _list_lines("what the guard can't do (docs/redirect-adapter.md)", outlook.guard_cannot, width)


def _level_lines(level: LevelOutlook, outlook: ClientOutlook, width: int) -> Iterator[str]:
    yield ""
    asked = " ".join(f"{name}={value}" for name, value in level.asked.items() if value) or "nothing"
    age = "" if level.max_age_seconds is None else f", not older than {format_duration(level.max_age_seconds)}"
    accepted = f"{level.claim} {' or '.join(level.accepted) or 'nothing'}{age}"
    yield f"{click.style(level.level, bold=True)}"
    yield from _wrapped(asked, width, f"{_INDENT}asks      ", _INDENT + " " * 10)
    yield from _wrapped(accepted, width, f"{_INDENT}accepts   ", _INDENT + " " * 10)
    ways = [("adapters", level.adapters)]
    if outlook.guarded:
        ways.append(("guard", level.guard))
    for name, way in ways:
        word, tint = ("enforced", "green") if way.enforced else ("not enforced", "red")
        label = click.style(word, fg=tint, bold=not way.enforced)
        text = ": " + "; ".join(way.reasons) if way.reasons else ""
        yield from _wrapped(text, width, f"{_INDENT}{name:<10}{label}", _INDENT + " " * 10)
    for caution in level.cautions:
        yield from _wrapped(caution, width, f"{_INDENT}{click.style('but       ', fg='yellow')}", _INDENT + " " * 10)


def _list_lines(title: str, sentences: Sequence[str], width: int) -> Iterator[str]:
    yield ""
    yield click.style(title, bold=True)
    for sentence in sentences:
        yield from _wrapped(sentence, width, "  - ", "    ")


def _wrapped(text: str, width: int, first: str, rest: str) -> list[str]:
    """A text on lines of a terminal; `first` may have colours, which take no room."""
    plain = len(click.unstyle(first))
    lines = textwrap.wrap(
        printable(text),
        width,
        initial_indent=" " * plain,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [first, *lines[1:]] if not lines else [first + lines[0][plain:], *lines[1:]]


def _summary(errors: int, warnings: int) -> str:
    counted = [
        f"{number} {noun}{'' if number == 1 else 's'}"
        for number, noun in ((errors, "error"), (warnings, "warning"))
        if number
    ]
    return ", ".join(counted) or "nothing speaks against it"
