"""Checks invariants: bounds that can be kept, conditions that never err. Whether they hold is not known here."""

from typing import Final

from acrux.policy import codes
from acrux.policy.check_conditions import ConditionChecker
from acrux.policy.check_context import CheckContext, Ids
from acrux.policy.diagnostics import Related
from acrux.policy.document import MappingNode
from acrux.policy.model import Invariant
from acrux.policy.reading import Block, Shape

INVARIANT: Final = Shape("an invariant", ("id", "description", "for", "never_below", "never_above"), ("id", "for"))


def check_invariants(context: CheckContext, conditions: ConditionChecker) -> tuple[Invariant, ...]:
    """Read `invariants`."""
    ids = Ids(context, "an invariant")
    found = []
    for node in context.sections.lists["invariants"]:
        mapping = context.reader.mapping(node, "invariants")
        invariant = None if mapping is None else _invariant(context, conditions, ids, mapping)
        if invariant is not None:
            found.append(invariant)
    return tuple(found)


def _invariant(context: CheckContext, conditions: ConditionChecker, ids: Ids, node: MappingNode) -> Invariant | None:
    block = Block(node, INVARIANT, context.reader)
    invariant_id = ids.take(block.text("id"))
    scalar = block.expression("for")
    condition = conditions.check(scalar, warn_constant=False)
    if scalar is not None and condition is not None:
        conditions.note_may_error(scalar, condition)
    lower, upper = block.text("never_below"), block.text("never_above")
    never_below = context.level(lower, or_deny=True)
    never_above = context.level(upper, or_deny=True)
    if "never_below" not in block and "never_above" not in block and not block.misspells("never_below", "never_above"):
        mend = "say `never_below`, `never_above` or both"
        context.findings.add(codes.INVARIANT_UNBOUNDED, block.first, "this invariant bounds nothing", mend=mend)
    if lower is not None and upper is not None and never_below is not None and never_above is not None:
        ladder = context.ladder
        if ladder is not None and ladder.rank(never_below) > ladder.rank(never_above):
            message = f"`never_above: {never_above}` is below `never_below: {never_below}`"
            related = [Related(lower.span, "the lower bound")]
            context.findings.add(codes.INVARIANT_CONTRADICTION, upper.span, message, related=related)
    if invariant_id is None or condition is None:
        return None
    return Invariant(
        id=invariant_id,
        condition=condition,
        never_below=never_below,
        never_above=never_above,
        place=context.place(node.span),
        description=block.words("description"),
    )
