"""The options of `acrux serve` that limit the redirect adapter, read strictly. They limit nothing themselves."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any, Final, TypeVar, cast

import click

from acrux.wiring.settings import AdapterQuotas, Rate

F = TypeVar("F", bound=Callable[..., Any])
_FORM: Final = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(?::(\d{1,7}))?")
_DEFAULTS: Final = AdapterQuotas()
_WORDS: Final = {
    "sign_ins_by_address": "authorization requests from one address (an IPv6 /64)",
    "sign_ins_by_client": "authorization requests for one client",
    "tokens_by_address": "token requests from one address",
    "tokens_by_client": "token requests for one client",
}


def _read_rate(_ctx: click.Context, _parameter: click.Parameter, text: str) -> Rate | None:
    """`RATE[:BURST]` or `off`: so many a second, and so many at once (default: five seconds' worth)."""
    if text == "off":
        return None
    found = _FORM.fullmatch(text)
    if found is None or float(found[1]) == 0 or found[2] == "0":
        raise click.BadParameter(f"`{text}` is no quota: `20` or `20:100` (20 a second, 100 at once), or `off`")
    per_second = float(found[1])
    return Rate(per_second, float(found[2]) if found[2] else max(1.0, 5 * per_second))


def quota_options(verb: F) -> F:
    """Give a verb one option for each limit; it is called with all of them as `quotas`."""

    @wraps(verb)
    def with_quotas(*args: Any, **options: Any) -> Any:
        limits = {field.name: options.pop("quota_" + field.name) for field in fields(AdapterQuotas)}
        return verb(*args, quotas=AdapterQuotas(**limits), **options)

    places = click.option(
        "--quota-places",
        envvar="ACRUX_QUOTA_PLACES",
        type=click.IntRange(1, 10_000),
        default=_DEFAULTS.places,
        help="The redirect adapter: how many requests of each kind a worker works on at once; more wait their turn.",
    )
    decorated = places(cast("F", with_quotas))
    for name, words in reversed(_WORDS.items()):
        decorated = _rate_option(name, words)(decorated)
    return decorated


def _rate_option(name: str, words: str) -> Callable[[F], F]:
    return click.option(
        "--quota-" + name.replace("_", "-"),
        envvar="ACRUX_QUOTA_" + name.upper(),
        callback=_read_rate,
        metavar="RATE[:BURST]",
        default=_shown(getattr(_DEFAULTS, name)),
        help=f"The redirect adapter: {words}, a second, and at once, in each worker; `off` for no limit.",
    )


def _shown(rate: Rate) -> str:
    return f"{rate.per_second:g}:{rate.burst:g}"
