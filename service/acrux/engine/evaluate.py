"""Which rules stand in a request, and for what (policy-language.md, "What a decision is", 1 to 3). No combination."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from acrux.cel import Activation
from acrux.domain.decision import RuleEffect
from acrux.domain.facts import FactValue
from acrux.domain.ladder import AssuranceLadder
from acrux.engine.combine import lowered
from acrux.engine.prepared import PreparedBreakGlass, PreparedException, PreparedRule, Standing
from acrux.engine.rollout import bucket_of
from acrux.policy.model import Rollout


class Circumstances:
    """One request as rules see it: its facts and its time. The facts are made ready for the engine at most once.

    Args:
        values: the facts.
        now: `request.time`.
        activate: makes the facts ready for programs.
        break_glass: the prepared entries, lowest first.
    """

    __slots__ = ("_activate", "_activation", "_break_glass", "_matched", "now", "values")

    def __init__(
        self,
        values: Mapping[str, FactValue],
        now: datetime,
        activate: Callable[[Mapping[str, FactValue]], Activation],
        break_glass: Sequence[PreparedBreakGlass],
    ) -> None:
        self.values = values
        self.now = now
        self._activate = activate
        self._activation: Activation | None = None
        self._break_glass = break_glass
        self._matched: PreparedBreakGlass | None = None

    @property
    def activation(self) -> Activation:
        """The facts for programs. Made on first use: a login that no rule is about needs none."""
        if self._activation is None:
            self._activation = self._activate(self.values)
        return self._activation

    def break_glass(self) -> PreparedBreakGlass | None:
        """The lowest active break-glass that matches; one that errors does not apply. Evaluated at most once."""
        if self._break_glass:
            self._matched = next((entry for entry in self._break_glass if self._applies(entry)), None)
            self._break_glass = ()
        return self._matched

    def _applies(self, entry: PreparedBreakGlass) -> bool:
        return entry.entry.active.holds(self.now) and entry.when.matches(self.activation) is True


def standing_rules(
    candidates: Iterable[PreparedRule], circumstances: Circumstances, ladder: AssuranceLadder
) -> list[Standing]:
    """The candidates that matched or errored, with what each requires in the end, in the candidates' order.

    `Errored` requires what `Matched` requires: a rule that can't be evaluated never opens a door.
    """
    now = circumstances.now
    standing = []
    for rule in candidates:
        if rule.window is not None and not rule.window.holds(now):
            continue
        bucket = None
        if rule.rollout is not None:
            is_in, bucket = rolled_out(rule, rule.rollout, circumstances.values)
            if not is_in:
                continue
        outcome = rule.when.matches(circumstances.activation)
        if outcome is False:
            continue
        if outcome is True and bucket is None and not rule.exceptions and circumstances.break_glass() is None:
            standing.append(rule.plain)
        else:
            standing.append(_settled(rule, circumstances, ladder, errored=outcome is not True, bucket=bucket))
    return standing


def rolled_out(rule: PreparedRule, rollout: Rollout, values: Mapping[str, FactValue]) -> tuple[bool, int | None]:
    """Whether a request is in a rule's rollout, and its bucket; None where the fact is absent."""
    value = values.get(rollout.by)
    if value is None:
        return rollout.absent_is_in, None
    bucket = bucket_of(rule.rule.id, value)
    return bucket < rollout.percent, bucket


def applying_exception(rule: PreparedRule, circumstances: Circumstances) -> PreparedException | None:
    """The exception that counts: the lowest `instead` among those that matched and have not expired, then by id.

    One that errors does not apply, nor does one that would not lower.
    """
    applying = [
        exception
        for exception in rule.exceptions
        if exception.rank < rule.plain.requirement.rank
        and exception.lasts(circumstances.now)
        and exception.when.matches(circumstances.activation) is True
    ]
    return min(applying, key=lambda one: (one.rank, one.clause.id), default=None)


def _settled(
    rule: PreparedRule, circumstances: Circumstances, ladder: AssuranceLadder, *, errored: bool, bucket: int | None
) -> Standing:
    exception = applying_exception(rule, circumstances)
    after_exception = lowered(
        rule.plain.requirement, () if exception is None else (exception.rank,), (), ladder.deny_rank
    )
    entry = circumstances.break_glass()
    requirement = lowered(after_exception, (), () if entry is None else (entry.rank,), ladder.deny_rank)
    effect = RuleEffect(
        id=rule.rule.id,
        errored=errored,
        enforced=requirement.enforced,
        requires=ladder.level(requirement.rank),
        declared=rule.rule.require,
        exception=None if exception is None else exception.clause.id,
        break_glass=None if entry is None or requirement is after_exception else entry.entry.id,
        bucket=bucket,
    )
    return Standing(effect, requirement, rule.plain.reason)
