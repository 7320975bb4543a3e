"""`acrux log`: reads the decision log. The queries are the decision log's own."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from acrux.cli.node_options import database_options, fail, open_database
from acrux.decisionlog.errors import CursorInvalid, FilterInvalid
from acrux.decisionlog.filters import CHOICES, KINDS, NO_OUTCOME, Filters
from acrux.decisionlog.queries import MAX_LIMIT, Page, Queries
from acrux.decisionlog.sealing import KEY_BYTES, Keyring
from acrux.domain.decision import Verdict
from acrux.storage.database import Database

USAGE: Final = 2
_HELP: Final = {
    "verdict": f"Only this verdict: {', '.join(Verdict)}, or {NO_OUTCOME} for logins that never came back.",
    "kind": f"Only this kind: {KINDS[0]} for what Acrux decided, {KINDS[1]} for what callers decided in an outage.",
}
_ONLY: Final = "Only this {0}; `!VALUE`: all but this."
_NO_KEY: Final = "the service's key is not there (`{}`; --service-key names it): sealed facts are left out"


@click.group("log", short_help="Read the decision log.")
def command() -> None:
    """Read the decision log."""


def _filter_options(verb: Any) -> Any:
    """Options for every filter of `GET /v1/decisions`."""
    options = [
        click.option("--from", "from", metavar="TIME", help="The earliest time: 2026-11-24T08:00:00Z or 2026-11-24."),
        click.option("--to", "to", metavar="TIME", help="The end of the time, which is not in it."),
        *(click.option(f"--{name}", metavar="VALUE", help=_HELP.get(name, _ONLY.format(name))) for name in CHOICES),
        click.option("--shadow-differs", type=click.Choice(["true", "false"]), help="Whether report mode differs."),
    ]
    for option in reversed(options):
        verb = option(verb)
    return verb


@command.command("query")
@_filter_options
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many at most.")
@click.option("--cursor", help="Go on where an earlier query ended.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "ndjson"]), default="text", show_default=True, help="Output."
)
@click.option("--json", "as_json", is_flag=True, help="Short for `--format json`.")
@click.option(
    "--service-key",
    envvar="ACRUX_SERVICE_KEY",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    show_default="service-key in the state directory",
    help="The service's key: opens sealed facts, and finds users.",
)
@database_options
def query(
    limit: int,
    cursor: str | None,
    form: str,
    service_key: Path | None,
    database: str | None,
    state: Path,
    *,
    as_json: bool,
    **given: str | None,
) -> None:
    """List decisions, newest first. All filters must fit.

    `--verdict none` finds decisions whose login never came back; `--zone '!office'` all from outside the office.
    """
    try:
        filters = Filters.parse({name: value for name, value in given.items() if value is not None})
    except FilterInvalid as reason:
        _refuse(reason)
    keyring = _keyring(service_key or state / "service-key", needs_key="user" in filters.choices)
    with open_database(database, state) as opened:
        try:
            _print(_pages(opened, keyring, filters, limit, cursor), "json" if as_json else form)
        except (CursorInvalid, FilterInvalid) as reason:
            _refuse(reason)


def _refuse(reason: Exception) -> Any:
    click.echo(f"acrux log query: {reason}", err=True)
    sys.exit(USAGE)


def _keyring(path: Path, *, needs_key: bool) -> Keyring:
    if path.exists():
        return Keyring.load_or_create(path)
    if needs_key:
        fail(f"users are found by the service's key, and `{path}` is not there: --service-key names it")
    click.echo(f"acrux log query: {_NO_KEY.format(path)}", err=True)
    return Keyring(os.urandom(KEY_BYTES))


def _pages(database: Database, keyring: Keyring, filters: Filters, limit: int, cursor: str | None) -> Iterator[Page]:
    queries = Queries(database, keyring)
    left = limit
    while left > 0:
        page = queries.list(filters, open_facts=True, limit=min(left, MAX_LIMIT), cursor=cursor)
        yield page
        cursor = page.next_cursor
        if cursor is None:
            return
        left -= len(page.items)


def _print(pages: Iterator[Page], form: str) -> None:
    """Text and ndjson are written page by page, json at the end."""
    items: list[Any] = []
    next_cursor: str | None = None
    found = False
    for page in pages:
        next_cursor = page.next_cursor
        found = found or bool(page.items)
        for item in page.items:
            match form:
                case "json":
                    items.append(item)
                case "ndjson":
                    click.echo(json.dumps(item, ensure_ascii=False))
                case _:
                    click.echo(_line(item))
    if form == "json":
        click.echo(json.dumps({"items": items, "next_cursor": next_cursor}, indent=2, ensure_ascii=False))
    elif next_cursor is not None:
        click.echo(f"more: --cursor {next_cursor}", err=True)
    elif not found:
        click.echo("no such decisions", err=True)


def _line(item: Any) -> str:
    rules = ",".join(item["rules"]) or item["reason"]
    shadow = "" if item["shadow_level"] == item["level"] else f" (report mode: {item['shadow_level']})"
    parts = (
        item["decided_at"][:19].replace("T", " "),
        item["client"],
        f"{item['outcome']} {item['level']}{shadow}",
        item["verdict"] or "none",
        ",".join(item["zones"]) or "-",
        rules,
        item["decision_id"],
    )
    return "  ".join(parts)
