"""`acrux serve`: settings from flags, environment and file, handed to the supervisor. It serves nothing itself."""

from __future__ import annotations

import os
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import click

from acrux.adapters.addresses import TrustedProxies
from acrux.cli.quota_options import quota_options
from acrux.wiring.settings import AdapterQuotas, ServeSettings

APP_FACTORY: Final = "acrux.http.app:create_app"
CANNOT_RUN: Final = 3


def _read_settings_file(ctx: click.Context, _parameter: click.Parameter, path: Path | None) -> Path | None:
    """Makes the lines of a TOML file the defaults of the flags that were not given."""
    if path is None:
        return None
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"`{path}` can't be read as TOML: {error}") from error
    known = {parameter.name for parameter in ctx.command.params}
    settings = {name.replace("-", "_"): value for name, value in content.items()}
    for name in settings:
        if name not in known or name == "config":
            raise click.BadParameter(f"`{path}` has an unknown setting `{name}`; `acrux serve --help` lists them")
    ctx.default_map = {**(ctx.default_map or {}), **_as_text(settings)}
    return path


def _as_text(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _text_of(value) for name, value in settings.items()}


def _text_of(value: Any) -> Any:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return value if isinstance(value, bool) else str(value)


def _read_networks(_ctx: click.Context, _parameter: click.Parameter, text: str) -> tuple[str, ...]:
    networks = tuple(part.strip() for part in text.split(",") if part.strip())
    for network in networks:
        try:
            TrustedProxies([network])
        except ValueError as wrong:
            raise click.BadParameter(str(wrong)) from wrong
    return networks


def _read_public_url(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    if text is not None and re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._~/-]*)?", text) is None:
        raise click.BadParameter(f"`{text}` is not of the form `https://acrux.example.com`")
    return text


@click.command("serve", context_settings={"auto_envvar_prefix": "ACRUX", "show_default": True})
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=_read_settings_file,
    is_eager=True,
    envvar="ACRUX_CONFIG",
    help="A TOML file of these settings (`workers = 2`); flags and ACRUX_* variables win over it.",
)
@click.option(
    "--policies",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="ACRUX_POLICIES",
    default="policies",
    help="The policy directory.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="ACRUX_STATE",
    default=".acrux",
    help="What is local to this node: spool, last good policy, keys. Must outlive the process.",
)
@click.option(
    "--database",
    envvar="ACRUX_DATABASE",
    default=None,
    show_default="acrux.db in the state directory",
    help="`sqlite:///path` or `postgresql://user@host/name`.",
)
@click.option("--host", envvar="ACRUX_HOST", default="127.0.0.1", help="The address to listen on.")
@click.option(
    "--port", envvar="ACRUX_PORT", type=click.IntRange(0, 65535), default=8080, help="The port; 0 picks a free one."
)
@click.option(
    "--workers", envvar="ACRUX_WORKERS", type=click.IntRange(1, 256), default=1, help="How many processes serve."
)
@click.option(
    "--durability",
    envvar="ACRUX_DURABILITY",
    type=click.Choice(["spool", "database"]),
    default="spool",
    help="When a decision is answered: once this node's disk has it, or once the database has it.",
)
@click.option(
    "--on-log-failure",
    envvar="ACRUX_ON_LOG_FAILURE",
    type=click.Choice(["refuse", "ceiling"]),
    default="refuse",
    help="When a record can't be made durable: callers refuse the login, or demand the client's ceiling.",
)
@click.option(
    "--service-key",
    envvar="ACRUX_SERVICE_KEY",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    show_default="service-key in the state directory",
    help="The service's key, made if it is missing; all nodes of one service share it.",
)
@click.option(
    "--cel-engine",
    envvar="ACRUX_CEL_ENGINE",
    type=click.Choice(["google", "celpy"]),
    default="google",
    help="The engine that evaluates rules.",
)
@click.option("--watch", is_flag=True, envvar="ACRUX_WATCH", help="Reload on edits in place too (for development).")
@click.option(
    "--migrate/--no-migrate",
    envvar="ACRUX_MIGRATE",
    default=True,
    help="Migrate the database at start, or refuse an old schema.",
)
@click.option("--metrics-public", is_flag=True, envvar="ACRUX_METRICS_PUBLIC", help="Let /metrics answer anyone.")
@click.option(
    "--decision-ttl",
    envvar="ACRUX_DECISION_TTL",
    type=click.IntRange(30, 86400),
    default=600,
    help="For how many seconds a decision may be used.",
)
@click.option(
    "--trusted-proxies",
    envvar="ACRUX_TRUSTED_PROXIES",
    callback=_read_networks,
    default="",
    show_default="none",
    help="Networks (CIDR, separated by commas) of the proxies whose word on a user's address counts.",
)
@click.option(
    "--proxy-header",
    envvar="ACRUX_PROXY_HEADER",
    type=click.Choice(["x-forwarded-for", "forwarded"]),
    default="x-forwarded-for",
    help="The one header in which those proxies say it; the other one is never read.",
)
@click.option(
    "--public-url",
    envvar="ACRUX_PUBLIC_URL",
    callback=_read_public_url,
    default=None,
    show_default="as each request says",
    help="Where browsers and relying parties reach this service, for the redirect adapter.",
)
@click.option(
    "--help-desk",
    envvar="ACRUX_HELP_DESK",
    default="",
    show_default="a general one",
    help="A sentence for the pages that users see where a login can't go on, such as whom to call.",
)
@quota_options
@click.option(
    "--geoip-country",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="ACRUX_GEOIP_COUNTRY",
    default=None,
    show_default="none",
    help="A MaxMind-format file that says `network.country`; a new one is taken by itself.",
)
@click.option(
    "--geoip-asn",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="ACRUX_GEOIP_ASN",
    default=None,
    show_default="none",
    help="The same for `network.asn`; one file may serve for both.",
)
@click.pass_context
def command(
    ctx: click.Context,
    config: Path | None,  # noqa: ARG001 - read by its callback
    policies: Path,
    state: Path,
    database: str | None,
    host: str,
    port: int,
    workers: int,
    durability: Literal["spool", "database"],
    on_log_failure: Literal["refuse", "ceiling"],
    service_key: Path | None,
    cel_engine: str,
    watch: bool,  # noqa: FBT001 - a flag
    migrate: bool,  # noqa: FBT001 - a flag
    metrics_public: bool,  # noqa: FBT001 - a flag
    decision_ttl: int,
    trusted_proxies: tuple[str, ...],
    proxy_header: Literal["x-forwarded-for", "forwarded"],
    public_url: str | None,
    help_desk: str,
    quotas: AdapterQuotas,
    geoip_country: Path | None,
    geoip_asn: Path | None,
) -> None:
    """Serve decisions over HTTP.

    \b
    Starts with nothing but a policy directory:
      acrux init my-policies
      acrux serve --policies my-policies

    The first start makes the state directory, the service's key, the database and one operator token, and says where
    they are. SIGHUP reloads the policy set; SIGTERM and Ctrl-C drain. Every flag is also a setting ACRUX_..., and a
    line of the TOML file.
    """  # noqa: D301 - the backslash is click's: the block below it keeps its lines
    from acrux.wiring.supervisor import CannotServe, serve  # noqa: PLC0415 - `--help` needs no database driver

    settings = ServeSettings(
        policies=policies,
        state=state,
        database_url=database or f"sqlite:///{state / 'acrux.db'}",
        host=host,
        port=port,
        workers=workers,
        durability=durability,
        on_log_failure=on_log_failure,
        service_key_file=service_key or state / "service-key",
        cel_engine=cel_engine,
        watch=watch,
        migrate=migrate,
        metrics_public=metrics_public,
        decision_ttl_seconds=decision_ttl,
        trusted_proxies=trusted_proxies,
        proxy_header=proxy_header,
        public_url=public_url,
        help_desk=help_desk,
        quotas=quotas,
        geoip_country=geoip_country,
        geoip_asn=geoip_asn,
        show_token=sys.stdout.isatty() and os.environ.get("CI") is None,
    )
    try:
        serve(settings, APP_FACTORY, say=click.echo)
    except CannotServe as problem:
        click.echo(f"acrux: {problem}", err=True)
        ctx.exit(CANNOT_RUN)
