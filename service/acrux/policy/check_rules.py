"""Checks rules, their exceptions, and break-glass. Conditions are checked in a module of their own."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from acrux.domain.facts import ATTRIBUTE_PREFIX, FactType
from acrux.domain.identifiers import LevelName, RuleId
from acrux.domain.ladder import DENY
from acrux.policy import codes
from acrux.policy.check_conditions import ConditionChecker
from acrux.policy.check_context import CheckContext, Ids
from acrux.policy.diagnostics import Related
from acrux.policy.document import MappingNode, Scalar
from acrux.policy.model import BreakGlass, Condition, ExceptionClause, Rollout, Rule, RuleMode, Window
from acrux.policy.reading import Block, Shape, Written, did_you_mean, inner_place

MAX_RULES: Final = 100_000
MAX_BREAK_GLASS: Final = timedelta(hours=24)
EXPIRES_SOON_DAYS: Final = 14

RULE: Final = Shape(
    "a rule",
    ("id", "description", "owner", "ticket", "when", "require", "max_age", "mode", "rollout", "active", "except"),
    ("id", "when", "require"),
)
EXCEPTION: Final = Shape(
    "an exception",
    ("id", "description", "when", "instead", "owner", "ticket", "expires"),
    ("id", "when", "owner", "ticket", "expires"),
)
BREAK_GLASS: Final = Shape(
    "a break-glass",
    ("id", "description", "when", "instead", "owner", "ticket", "active"),
    ("id", "when", "instead", "owner", "ticket", "active"),
)
ROLLOUT: Final = Shape("a rollout", ("percent", "by", "absent"), ("percent", "by", "absent"))
ACTIVE: Final = Shape("`active`", ("from", "until"))
ACTIVE_IN_FULL: Final = Shape("`active` of a break-glass", ("from", "until"), ("from", "until"))
_PERCENT: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,6})?")
_BUCKET_TYPES: Final = frozenset({FactType.STRING, FactType.INT})


class Absent(StrEnum):
    """What an absent fact means to a rollout."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class CheckedRule:
    """A rule, and where its parts stand for the checks that compare rules.

    Attributes:
        rule: the rule as far as it could be read.
        id: its id.
        max_age: its own `max_age`.
        is_whole: whether all of it could be read: what is missing may be what makes it differ from another rule.
    """

    rule: Rule
    id: Written[str]
    max_age: Written[int] | None
    is_whole: bool


class RuleChecker:
    """Checks the entries of `rules` and `break_glass`."""

    def __init__(self, context: CheckContext, conditions: ConditionChecker) -> None:
        self._context = context
        self._conditions = conditions
        self._rule_ids = Ids(context, "a rule")
        self._break_glass_ids = Ids(context, "a break-glass")

    @property
    def rule_ids(self) -> frozenset[str]:
        """Every id of a rule, those of rules with mistakes too."""
        return frozenset(self._rule_ids.first)

    def rules(self) -> tuple[CheckedRule, ...]:
        """Read `rules`."""
        nodes = self._context.sections.lists["rules"]
        if len(nodes) > MAX_RULES:
            message = f"the set has {len(nodes)} rules; at most {MAX_RULES} are read"
            self._context.findings.add(codes.OUT_OF_BOUNDS, nodes[MAX_RULES].span, message)
            return ()
        found = []
        for node in nodes:
            mapping = self._context.reader.mapping(node, "rules")
            rule = None if mapping is None else self._rule(mapping)
            if rule is not None:
                found.append(rule)
        return tuple(found)

    def _rule(self, node: MappingNode) -> CheckedRule | None:
        errors_before = self._context.findings.error_count
        block = Block(node, RULE, self._context.reader)
        id_text = block.text("id")
        if id_text is None:
            # It may be any id: no test can name an unknown rule any more.
            self._context.sections.broken.add("rules")
        rule_id = self._rule_ids.take(id_text)
        require = block.text("require")
        level = self._context.level(require, or_deny=True)
        condition = self._when(block, strict_level=None if require is None else require.value)
        max_age = block.duration("max_age")
        if max_age is not None and level == DENY:
            mend = "nobody logs in where the login is refused"
            self._context.findings.add(
                codes.MAX_AGE_WITHOUT_EFFECT, max_age.span, "`max_age` has no effect here", mend=mend
            )
        mode = block.choice("mode", RuleMode)
        rollout = self._rollout(block)
        active = self._window(block, ACTIVE)
        exceptions = self._exceptions(block, level)
        self._note_unnamed(block)
        texts = block.words("description"), block.words("owner"), block.words("ticket")
        if rule_id is None or id_text is None or level is None or condition is None:
            return None
        rule = Rule(
            id=RuleId(rule_id),
            when=condition,
            require=level,
            place=self._context.place(node.span),
            description=texts[0],
            owner=texts[1],
            ticket=texts[2],
            max_age_seconds=None if max_age is None else max_age.value,
            mode=RuleMode.ENFORCE if mode is None else mode.value,
            rollout=rollout,
            active=active,
            exceptions=exceptions,
        )
        return CheckedRule(rule, id_text, max_age, is_whole=self._context.findings.error_count == errors_before)

    def _when(self, block: Block, *, strict_level: str | None) -> Condition | None:
        scalar = block.expression("when")
        condition = self._conditions.check(scalar)
        if scalar is None or condition is None:
            return None
        strictly = None
        if strict_level == DENY:
            strictly = "then this rule errs, and refuses everybody"
        elif any(name.startswith("user.") for name in condition.reads):
            strictly = f"then this rule errs, and requires `{strict_level}` of everybody"
        self._conditions.note_unguarded(scalar, strictly=strictly)
        self._conditions.note_negations(scalar)
        return condition

    def _note_unnamed(self, block: Block) -> None:
        missing = [
            f"no `{name}`" for name in ("owner", "description") if name not in block and not block.misspells(name)
        ]
        if missing:
            mend = "who answers for it, and why it is there: the description is the reason that callers see"
            self._context.findings.add(codes.NO_OWNER, block.first, f"this rule has {' and '.join(missing)}", mend=mend)

    def _rollout(self, outer: Block) -> Rollout | None:
        block = outer.block("rollout", ROLLOUT)
        if block is None:
            return None
        percent = self._percent(block)
        by = block.text("by")
        declared = self._conditions.declarations
        if by is not None and by.value not in declared:
            attribute = by.value.removeprefix(ATTRIBUTE_PREFIX)
            declared_badly = attribute != by.value and attribute in self._context.sections.maps["attributes"]
            if not declared_badly and not self._context.may_exist("attributes", attribute):
                mend = did_you_mean(by.value, declared)
                self._context.findings.add(codes.UNKNOWN_ROLLOUT_FACT, by.span, f"unknown fact `{by.value}`", mend=mend)
            by = None
        elif by is not None and declared[by.value] not in _BUCKET_TYPES:
            message = f"`{by.value}` is of type `{declared[by.value]}`, which picks no bucket"
            mend = "roll out by a string or an integer, for example `browser.id`"
            self._context.findings.add(codes.UNKNOWN_ROLLOUT_FACT, by.span, message, mend=mend)
            by = None
        absent = block.choice("absent", Absent)
        if by is not None:
            self._conditions.note_read(by.value)
        if percent is None or by is None or absent is None:
            return None
        return Rollout(percent.value, by.value, absent.value is Absent.IN)

    def _percent(self, block: Block) -> Written[float] | None:
        scalar = block.number("percent")
        if scalar is None:
            return None
        if _PERCENT.fullmatch(scalar.value) and float(scalar.value) <= 100:  # noqa: PLR2004 - per cent
            return Written(float(scalar.value), scalar)
        mend = "a number from 0 to 100, without a sign"
        self._context.findings.add(
            codes.BAD_PERCENT, inner_place(scalar), f"`{scalar.value}` is no percentage", mend=mend
        )
        return None

    def _window(self, outer: Block, shape: Shape) -> Window:
        block = outer.block("active", shape)
        if block is None:
            return Window()
        opens, closes = block.timestamp("from"), block.timestamp("until")
        if shape is ACTIVE and not block.node.entries:
            mend = "say `from`, `until` or both"
            self._context.findings.add(codes.EMPTY_VALUE, block.node.span, "`active` has no value", mend=mend)
        if opens is not None and closes is not None and closes.value <= opens.value:
            related = [Related(opens.span, "it begins here")]
            message = "the window ends before it begins"
            mend = "`until` is exclusive, and later than `from`"
            self._context.findings.add(codes.BACKWARDS_WINDOW, closes.span, message, mend=mend, related=related)
        return Window(None if opens is None else opens.value, None if closes is None else closes.value)

    def _exceptions(self, outer: Block, require: LevelName | None) -> tuple[ExceptionClause, ...]:
        ids = Ids(self._context, "an exception")
        found = []
        for block in outer.blocks("except", EXCEPTION):
            exception_id = ids.take(block.text("id"))
            scalar = block.expression("when")
            condition = self._conditions.check(scalar)
            if scalar is not None and condition is not None:
                self._conditions.note_unguarded(scalar, strictly=None)
            instead = self._instead(block, require)
            owner, ticket, expires = block.text("owner"), block.text("ticket"), block.date("expires")
            if expires is not None:
                self._check_expiry(expires)
            if exception_id is None or condition is None or instead is None or expires is None:
                continue
            if owner is None or ticket is None:
                continue
            place = self._context.place(block.node.span)
            words = block.words("description")
            found.append(
                ExceptionClause(
                    exception_id, condition, instead, owner.value, ticket.value, expires.value, place, words
                )
            )
        return tuple(found)

    def _instead(self, block: Block, require: LevelName | None) -> LevelName | None:
        ladder = self._context.ladder
        if ladder is None:
            return None
        said = block.text("instead")
        if said is not None and said.value == DENY:
            # Never below anything: one mistake, not an unknown level.
            level: LevelName | None = DENY
        else:
            level = self._context.level(said) if "instead" in block else ladder.lowest
        if level is None or require is None:
            return level
        if ladder.rank(level) >= ladder.rank(require):
            place = block.first if said is None else said.span
            message = f"`instead: {level}` is not below `require: {require}`"
            mend = "an exception only lowers: " + _below(ladder.levels[: ladder.rank(require)])
            self._context.findings.add(codes.INSTEAD_NOT_BELOW, place, message, mend=mend)
            return None
        return level

    def _check_expiry(self, expires: Written[date]) -> None:
        now = self._context.now
        if now is None:
            return
        left = (expires.value - now.date()).days
        if left < 0:
            message = f"this exception expired on {expires.value}"
            mend = "it no longer applies: remove it, or have it approved anew"
            self._context.findings.add(codes.EXPIRED_EXCEPTION, expires.span, message, mend=mend)
        elif left <= EXPIRES_SOON_DAYS:
            when = "today" if left == 0 else f"in {left} day{'s' if left > 1 else ''}"
            message = f"this exception expires {when}"
            self._context.findings.add(codes.EXCEPTION_EXPIRES_SOON, expires.span, message)

    def break_glass(self) -> tuple[BreakGlass, ...]:
        """Read `break_glass`."""
        found = []
        for node in self._context.sections.lists["break_glass"]:
            mapping = self._context.reader.mapping(node, "break_glass")
            entry = None if mapping is None else self._break_glass(mapping)
            if entry is not None:
                found.append(entry)
        return tuple(found)

    def _break_glass(self, node: MappingNode) -> BreakGlass | None:
        block = Block(node, BREAK_GLASS, self._context.reader)
        entry_id = self._break_glass_ids.take(block.text("id"))
        scalar = block.expression("when")
        condition = self._conditions.check(scalar, warn_constant=False)
        if scalar is not None and condition is not None:
            self._conditions.note_unguarded(scalar, strictly=None)
        instead = self._context.level(block.text("instead"))
        owner, ticket = block.text("owner"), block.text("ticket")
        active = self._window(block, ACTIVE_IN_FULL)
        self._check_length(block, active)
        description = block.words("description")
        if entry_id is None or condition is None or instead is None or owner is None or ticket is None:
            return None
        place = self._context.place(node.span)
        return BreakGlass(entry_id, condition, instead, owner.value, ticket.value, active, place, description)

    def _check_length(self, block: Block, active: Window) -> None:
        if active.from_at is None or active.until_at is None or active.until_at - active.from_at <= MAX_BREAK_GLASS:
            return
        window = block.node_of("active")
        until = window.get("until") if isinstance(window, MappingNode) else None
        if until is not None and isinstance(until.value, Scalar):
            message = "a break-glass lasts 24 hours at most"
            mend = f"until `{(active.from_at + MAX_BREAK_GLASS).strftime('%Y-%m-%dT%H:%M:%SZ')}` at the latest"
            self._context.findings.add(codes.BREAK_GLASS_TOO_LONG, inner_place(until.value), message, mend=mend)


def _below(levels: tuple[LevelName, ...]) -> str:
    return "there is nothing below the lowest level" if not levels else ", ".join(f"`{level}`" for level in levels)
