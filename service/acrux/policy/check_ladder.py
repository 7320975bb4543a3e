"""Checks the ladder and the defaults. No rules, no providers' words."""

from typing import Final

from acrux.domain.identifiers import LevelName, ProviderName
from acrux.domain.ladder import DENY, AssuranceLadder, Rung
from acrux.policy import codes
from acrux.policy.check_context import CheckContext
from acrux.policy.diagnostics import Related, Span
from acrux.policy.document import MappingNode, Node
from acrux.policy.model import Defaults
from acrux.policy.reading import Block, Shape, Written, first_place
from acrux.policy.suggestions import closest
from acrux.policy.times import format_duration

RUNG: Final = Shape("a level of the ladder", ("level", "max_age"), ("level",))
DEFAULTS: Final = Shape("`defaults`", ("require", "unregistered_client", "provider"))


def check_ladder(context: CheckContext) -> None:
    """Read the ladder into the context; where something in it is wrong, the levels that are plain are still known."""
    entry = context.sections.ladder
    if entry is None:
        _no_ladder(context)
        return
    items = context.reader.sequence(entry.value, "ladder")
    if items is None:
        return
    if not items.items:
        context.findings.add(
            codes.NO_LADDER, items.span, "the ladder has no level", mend="lowest first: `ladder: [basic, mfa]`"
        )
        return
    rungs: list[Rung] = []
    above: Written[int] | None = None
    for index, item in enumerate(items.items):
        found = _rung(context, item)
        if found is None:
            # A level that can't be read may be any name: nothing is unknown any more.
            context.sections.broken.add("ladder")
            continue
        level, max_age, first, is_whole = found
        if level.value in context.rung_places:
            related = [Related(context.rung_places[level.value], "first here")]
            context.findings.add(
                codes.DUPLICATE_LEVEL, level.span, f"the ladder has `{level.value}` twice", related=related
            )
            continue
        context.rung_places[level.value] = level.span
        rungs.append(Rung(LevelName(level.value), None if max_age is None else max_age.value))
        if is_whole:
            _compare_ages(context, level.value, max_age, first, above)
        above = max_age or above
        if index > 0 and max_age is not None:
            context.max_age_places.append(max_age.span)
        elif max_age is not None:
            mend = "the lowest level asks the provider for nothing"
            context.findings.add(codes.MAX_AGE_WITHOUT_EFFECT, max_age.span, "`max_age` has no effect here", mend=mend)
    if rungs:
        context.ladder = AssuranceLadder(tuple(rungs))


def _no_ladder(context: CheckContext) -> None:
    holder = context.sections.holder_of()
    if holder is None or context.may_exist("ladder", "ladder"):
        return
    mend = "say the levels, lowest first: `ladder: [basic, mfa]`"
    context.findings.add(codes.NO_LADDER, first_place(holder), "the set has no `ladder`", mend=mend)


def _rung(context: CheckContext, item: Node) -> tuple[Written[str], Written[int] | None, Span, bool] | None:
    """A level's name, its max_age, where a missing one is shown, and whether what is written of it could be read."""
    reader = context.reader
    level: Written[str] | None
    if isinstance(item, MappingNode):
        block = Block(item, RUNG, reader)
        level, max_age, first = block.text("level"), block.duration("max_age"), block.first
        is_whole = not block.misspells("max_age") and (max_age is not None or "max_age" not in block)
    else:
        scalar = reader.scalar(item, "ladder", "a level's name, or a mapping with `level`")
        level, max_age, first = None if scalar is None else Written(scalar.value, scalar), None, item.span
        is_whole = True
    if level is None or not context.check_name(level, "a level", reserved=[DENY]):
        return None
    return level, max_age, first, is_whole


def _compare_ages(
    context: CheckContext, level: str, max_age: Written[int] | None, first: Span, below: Written[int] | None
) -> None:
    if below is None:
        return
    related = [Related(below.span, "a lower level's")]
    if max_age is None:
        message = f"`{level}` has no `max_age`, though a lower level has one"
        mend = f"`max_age: {format_duration(below.value)}` or less"
        context.findings.add(codes.LADDER_MAX_AGE, first, message, mend=mend, related=related)
    elif max_age.value > below.value:
        ages = f"{format_duration(below.value)} below, {format_duration(max_age.value)} here"
        message = f"`max_age` grows up the ladder: {ages}"
        mend = f"`{format_duration(below.value)}` or less"
        context.findings.add(codes.LADDER_MAX_AGE, max_age.span, message, mend=mend, related=related)


def check_defaults(context: CheckContext, provider_names: frozenset[str]) -> Defaults | None:
    """Read `defaults`; None where the ladder is missing or something in it is wrong."""
    entries = context.sections.maps["defaults"]
    blocks = []
    for root in context.sections.roots:
        entry = root.get("defaults")
        if entry is not None and isinstance(entry.value, MappingNode):
            blocks.append(Block(entry.value, DEFAULTS, context.reader))
    reader = context.reader

    def word(name: str) -> Written[str] | None:
        entry = entries.get(name)
        return None if entry is None else reader.text(entry.value, name)

    require, unregistered, provider = word("require"), word("unregistered_client"), word("provider")
    first = blocks[0].first if blocks else None
    if require is not None and require.value == DENY:
        message = "with `require: deny` every login is refused"
        mend = "it takes a level; `unregistered_client: deny` refuses the clients that are not in the set"
        context.findings.add(codes.EVERYTHING_DENIED, require.span, message, mend=mend)
        require = None
    said = {name if name in DEFAULTS.keys else closest(name, DEFAULTS.keys) for name in entries}
    if "unregistered_client" not in said:
        _check_unregistered_said(context, first)
    if "provider" not in said:
        _check_provider_said(context, first, provider_names)
    if provider is not None and provider.value not in provider_names:
        context.unknown(codes.UNKNOWN_PROVIDER, "providers", provider, "provider", provider_names)
        provider = None
    level, unregistered_level = context.level(require), context.level(unregistered, or_deny=True)
    if context.ladder is None:
        return None
    return Defaults(
        require=level or context.ladder.lowest,
        unregistered_client=unregistered_level,
        provider=None if provider is None else ProviderName(provider.value),
    )


def _check_unregistered_said(context: CheckContext, first: Span | None) -> None:
    holder = context.sections.holder_of("clients")
    if not context.sections.maps["clients"] or holder is None or context.may_exist("defaults", "unregistered_client"):
        return
    message = "`defaults` does not say what an `unregistered_client` must have"
    mend = "say the level for clients that are not in `clients`, or `deny`"
    context.findings.add(codes.UNREGISTERED_UNSAID, first or first_place(holder), message, mend=mend)


def _check_provider_said(context: CheckContext, first: Span | None, provider_names: frozenset[str]) -> None:
    holder = context.sections.holder_of("providers")
    if len(provider_names) < 2 or holder is None or context.may_exist("defaults", "provider"):  # noqa: PLR2004 - several
        return
    message = "`defaults` does not say at which `provider` unregistered clients log in"
    mend = "there is " + ", ".join(f"`{name}`" for name in sorted(provider_names))
    context.findings.add(codes.PROVIDER_UNSAID, first or first_place(holder), message, mend=mend)
