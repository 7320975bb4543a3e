"""`acrux token`: makes, lists, replaces and ends tokens. What a token is, the decision log's room says."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import click

from acrux.cli.check import Moment
from acrux.cli.node_options import database_options, format_options, open_database
from acrux.decisionlog import tokens
from acrux.decisionlog.tokens import NewToken, TokenEntry, TokenRole
from acrux.domain.facts import Json, format_timestamp

_SHORT_TIME: Final = "%Y-%m-%d %H:%M"


class TokenEnd(Moment):
    """A moment, or a number of days from now such as `90d`."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment in UTC."""
        text = str(value)
        if text.endswith("d") and text[:-1].isdecimal() and len(text) < 6:  # noqa: PLR2004 - 9999 days and a letter
            return datetime.now(UTC) + timedelta(days=int(text[:-1]))
        return super().convert(value, param, ctx)


@click.group("token", short_help="Create, list, rotate and revoke tokens.")
def command() -> None:
    """Create, list, rotate and revoke the service's tokens. A change reaches every node within 5 seconds."""


@command.command("create")
@click.option("--role", type=click.Choice([role.value for role in TokenRole]), required=True, help="What it may do.")
@click.option("--client", "clients", multiple=True, metavar="NAME", help="A client that a relying party speaks for.")
@click.option("--expires", type=TokenEnd(), help="When it ends: 90d, 2026-12-31 or 2026-12-31T09:00:00Z.")
@click.option("--name", default="", help="What people call it.")
@format_options
@database_options
def create(
    role: str,
    clients: tuple[str, ...],
    expires: datetime | None,
    name: str,
    database: str | None,
    state: Path,
    *,
    as_json: bool,
) -> None:
    """Make a token and print it: the only time that it is shown."""
    with open_database(database, state) as opened:
        made = tokens.create_token(opened, role=role, clients=clients, expires_at=expires, name=name)
    _show_new(made, as_json=as_json)


@command.command("list")
@format_options
@click.option("--all", "every", is_flag=True, help="Those that have ended too.")
@database_options
def list_(database: str | None, state: Path, *, as_json: bool, every: bool) -> None:
    """List the tokens; their text is not stored and can't be shown."""
    now = datetime.now(UTC)
    with open_database(database, state) as opened:
        found = [token for token in tokens.list_tokens(opened) if every or token.works_at(now)]
    if as_json:
        click.echo(json.dumps({"items": [_to_json(token) for token in found]}, indent=2))
        return
    for token in found:
        click.echo(f"{token.id}  {_described(token)}{'' if token.works_at(now) else '  (ended)'}")
    if not found:
        click.echo("no tokens", err=True)


@command.command("rotate", short_help="Replace TOKEN (its id or name) by a new one.")
@click.argument("token")
@click.option("--overlap", type=click.IntRange(min=0), default=0, help="For how many seconds the old one goes on.")
@format_options
@database_options
def rotate(token: str, overlap: int, database: str | None, state: Path, *, as_json: bool) -> None:
    """Replace TOKEN (its id or name) by a new one with the same role, clients and end, and print that."""
    with open_database(database, state) as opened:
        made = tokens.rotate_token(opened, token, overlap_seconds=overlap)
    _show_new(made, as_json=as_json)


@command.command("revoke")
@click.argument("token")
@format_options
@database_options
def revoke(token: str, database: str | None, state: Path, *, as_json: bool) -> None:
    """End TOKEN (its id or name)."""
    with open_database(database, state) as opened:
        ended = tokens.revoke_token(opened, token)
    click.echo(json.dumps(_to_json(ended), indent=2) if as_json else f"token {ended.id} has ended")


def _show_new(made: NewToken, *, as_json: bool) -> None:
    """Standard output has the token alone, so that it can be sent to a file; what it is stands beside."""
    if as_json:
        click.echo(json.dumps({"token": made.text, **_to_json(made.token)}, indent=2))
        return
    click.echo(f"token {made.token.id}: {_described(made.token)}", err=True)
    click.echo(made.text)


def _described(token: TokenEntry) -> str:
    parts = [token.role.value]
    if token.name:
        parts.append(f"`{token.name}`")
    if token.clients:
        parts.append("for " + ", ".join(token.clients))
    end = min((at for at in (token.expires_at, token.revoked_at) if at is not None), default=None)
    if end is not None:
        parts.append(f"until {end:{_SHORT_TIME}}")
    parts.append("never used" if token.last_used_at is None else f"last used {token.last_used_at:{_SHORT_TIME}}")
    return ", ".join(parts)


def _to_json(token: TokenEntry) -> dict[str, Json]:
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role.value,
        "clients": list(token.clients),
        "created_at": format_timestamp(token.created_at),
        "expires_at": _time(token.expires_at),
        "revoked_at": _time(token.revoked_at),
        "last_used_at": _time(token.last_used_at),
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else format_timestamp(at)
