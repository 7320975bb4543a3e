"""Rules as the decision path wants them: ranks looked up, the usual case made once. Evaluation is elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from acrux.cel import Program
from acrux.domain.decision import RuleEffect
from acrux.domain.ladder import AssuranceLadder
from acrux.engine.combine import Requirement
from acrux.policy.compiled import CompiledPolicy, CompiledRule
from acrux.policy.model import BreakGlass, ExceptionClause, Rollout, Rule, RuleMode, Window

_ALWAYS = Window()


@dataclass(frozen=True, slots=True, eq=False)
class PreparedException:
    """An exception with its `instead` as a rank, and the first moment at which it no longer applies."""

    clause: ExceptionClause
    when: Program
    rank: int

    def lasts(self, now: datetime) -> bool:
        """Whether it has not expired; `expires` is inclusive, in UTC."""
        return now.astimezone(UTC).date() <= self.clause.expires_on


@dataclass(frozen=True, slots=True, eq=False)
class PreparedBreakGlass:
    """A break-glass with its `instead` as a rank."""

    entry: BreakGlass
    when: Program
    rank: int


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """A rule that matched or errored.

    Attributes:
        effect: what the record says of it.
        requirement: what it comes to in the combination.
        reason: what an answer says where this rule decides.
        shared: whether this is the one value that all plain matches of the rule share.
    """

    effect: RuleEffect
    requirement: Requirement
    reason: str
    shared: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class PreparedRule:
    """A rule that is not `off`, ready to be evaluated.

    Attributes:
        rule: as checked.
        when: its compiled condition.
        window: None where it is always active.
        rollout: None where it has none.
        exceptions: in the order of the file.
        plain: the standing of a plain match: nothing errored, nothing lowered, no bucket. Shared by all decisions.
        reads: every fact that its outcome or its requirement can depend on.
    """

    rule: Rule
    when: Program
    window: Window | None
    rollout: Rollout | None
    exceptions: tuple[PreparedException, ...]
    plain: Standing
    reads: frozenset[str]

    @property
    def enforced(self) -> bool:
        """Whether it decides, rather than only being counted in the shadow level."""
        return self.plain.requirement.enforced


def prepare_rule(compiled: CompiledRule, ladder: AssuranceLadder) -> PreparedRule:
    """Look up a rule's ranks and make its plain standing."""
    rule = compiled.rule
    enforced = rule.mode is RuleMode.ENFORCE
    requirement = Requirement(ladder.rank(rule.require), rule.max_age_seconds, enforced)
    effect = RuleEffect(rule.id, errored=False, enforced=enforced, requires=rule.require, declared=rule.require)
    exceptions = tuple(
        PreparedException(clause, when, ladder.rank(clause.instead))
        for clause, when in zip(rule.exceptions, compiled.exceptions, strict=True)
    )
    reads = rule.when.reads.union(*(clause.when.reads for clause in rule.exceptions))
    if rule.rollout is not None:
        reads |= {rule.rollout.by}
    return PreparedRule(
        rule=rule,
        when=compiled.when,
        window=None if rule.active == _ALWAYS else rule.active,
        rollout=rule.rollout,
        exceptions=exceptions,
        plain=Standing(effect, requirement, rule.description or rule.id, shared=True),
        reads=reads,
    )


def prepare_rules(compiled: CompiledPolicy) -> tuple[PreparedRule, ...]:
    """The rules that can ever count; one whose mode is `off` is out for good."""
    ladder = compiled.checked.ladder
    return tuple(prepare_rule(rule, ladder) for rule in compiled.rules if rule.rule.mode is not RuleMode.OFF)


def prepare_break_glass(compiled: CompiledPolicy) -> tuple[PreparedBreakGlass, ...]:
    """The break-glass entries, lowest `instead` first and then by id: the first that matches is the one that counts."""
    ladder = compiled.checked.ladder
    prepared = (PreparedBreakGlass(one.entry, one.when, ladder.rank(one.entry.instead)) for one in compiled.break_glass)
    return tuple(sorted(prepared, key=lambda one: (one.rank, one.entry.id)))


def facts_read(rules: Iterable[PreparedRule], break_glass: Iterable[PreparedBreakGlass]) -> tuple[str, ...]:
    """Every fact that some condition of a set reads, sorted."""
    read: set[str] = set()
    read.update(*(rule.reads for rule in rules), *(entry.entry.when.reads for entry in break_glass))
    return tuple(sorted(read))
