"""The trace of every rule: what became of it and why (policy-language.md, "Diagnostics"). Decides nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from acrux.cel import EvaluationError, Program
from acrux.domain.decision import Decision
from acrux.domain.facts import Json, format_timestamp
from acrux.domain.identifiers import LevelName, RuleId
from acrux.engine.answer import decision_to_json
from acrux.engine.evaluate import Circumstances, rolled_out, standing_rules
from acrux.engine.prepared import PreparedBreakGlass, PreparedException, PreparedRule
from acrux.engine.reasons import Reasons
from acrux.policy.compiled import CompiledPolicy
from acrux.policy.model import Condition, Place, Rule, RuleMode, Window

TraceOutcome: TypeAlias = Literal["matched", "not_matched", "errored", "out"]


@dataclass(frozen=True, slots=True)
class ClauseTrace:
    """What became of an exception or a break-glass.

    Attributes:
        id: its id.
        outcome: `out` where it has expired or is not active.
        why: in plain words.
        instead: what it lowers to.
        applied: for an exception, whether it replaced its rule's requirement; for a break-glass, whether it is the one
            that lowers requirements above `instead`.
    """

    id: str
    outcome: TraceOutcome
    why: str
    instead: LevelName
    applied: bool


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """What became of a rule.

    Attributes:
        id: the rule.
        outcome: what its condition came to, or `out`.
        why: in plain words.
        mode: as declared.
        require: what it declares.
        requires: what it requires in the end; None where it does not stand.
        max_age_seconds: the `max_age` of its own that stands; None where there is none.
        bucket: its rollout bucket, or None.
        exceptions: what became of its exceptions; empty where the rule itself does not stand.
        break_glass: the id of the break-glass that lowered it, or None.
        description: as declared.
        place: where the rule stands.
    """

    id: RuleId
    outcome: TraceOutcome
    why: str
    mode: RuleMode
    require: LevelName
    requires: LevelName | None
    max_age_seconds: int | None
    bucket: int | None
    exceptions: tuple[ClauseTrace, ...]
    break_glass: str | None
    description: str
    place: Place


@dataclass(frozen=True, slots=True)
class Explanation:
    """A what-if: the decision, and the trace of every rule in the order of the set."""

    decision: Decision
    rules: tuple[RuleTrace, ...]
    break_glass: tuple[ClauseTrace, ...]

    @property
    def shadow_level(self) -> LevelName:
        """The level if the rules in `report` mode counted."""
        return self.decision.shadow_level


def explanation_to_json(explanation: Explanation) -> dict[str, Json]:
    """The documented shape; rules and clauses carry more than the page lists, never less."""
    return {
        "decision": decision_to_json(explanation.decision),
        "shadow_level": explanation.shadow_level,
        "rules": [_rule_to_json(trace) for trace in explanation.rules],
        "break_glass": [_clause_to_json(trace) for trace in explanation.break_glass],
    }


def _rule_to_json(trace: RuleTrace) -> dict[str, Json]:
    return {
        "id": trace.id,
        "outcome": trace.outcome,
        "why": trace.why,
        "mode": trace.mode.value,
        "require": trace.require,
        "requires": trace.requires,
        "max_age_seconds": trace.max_age_seconds,
        "bucket": trace.bucket,
        "exceptions": [_clause_to_json(clause) for clause in trace.exceptions],
        "break_glass": trace.break_glass,
        "description": trace.description,
        "file": trace.place.file,
        "line": trace.place.line,
    }


def _clause_to_json(trace: ClauseTrace) -> dict[str, Json]:
    return {
        "id": trace.id,
        "outcome": trace.outcome,
        "why": trace.why,
        "instead": trace.instead,
        "applied": trace.applied,
    }


class Tracer:
    """Traces rules in the circumstances of one request."""

    __slots__ = ("_circumstances", "_compiled", "_reasons")

    def __init__(self, compiled: CompiledPolicy, circumstances: Circumstances) -> None:
        self._compiled = compiled
        self._circumstances = circumstances
        self._reasons = Reasons(compiled.engine, compiled.declarations, circumstances.values, circumstances.activation)

    def rules(self, prepared: Iterable[PreparedRule]) -> tuple[RuleTrace, ...]:
        """A trace for each rule of the set, in its order; one that is not prepared is `off`."""
        by_id = {rule.rule.id: rule for rule in prepared}
        return tuple(
            self._rule(by_id[entry.rule.id]) if entry.rule.id in by_id else _out(entry.rule, "its mode is `off`", None)
            for entry in self._compiled.rules
        )

    def break_glass(self, entries: Sequence[PreparedBreakGlass]) -> tuple[ClauseTrace, ...]:
        """A trace for each break-glass of the set."""
        applying = self._circumstances.break_glass()
        return tuple(self._break_glass(entry, applied=entry is applying) for entry in entries)

    def _rule(self, prepared: PreparedRule) -> RuleTrace:
        rule, circumstances = prepared.rule, self._circumstances
        if prepared.window is not None and not prepared.window.holds(circumstances.now):
            return _out(rule, _outside(prepared.window, circumstances.now), None)
        bucket = None
        if rule.rollout is not None:
            is_in, bucket = rolled_out(prepared, rule.rollout, circumstances.values)
            if not is_in:
                missing = f"`{rule.rollout.by}` is absent, which is out of its rollout"
                below = f"its bucket {bucket} is not below {rule.rollout.percent:g}"
                return _out(rule, missing if bucket is None else below, bucket)
        outcome, why = self._judge(prepared.when, rule.when)
        standing = standing_rules((prepared,), circumstances, self._compiled.checked.ladder)
        stands = standing[0] if standing else None
        applied = None if stands is None else stands.effect.exception
        return RuleTrace(
            id=rule.id,
            outcome=outcome,
            why=why,
            mode=rule.mode,
            require=rule.require,
            requires=None if stands is None else stands.effect.requires,
            max_age_seconds=None if stands is None else stands.requirement.max_age_seconds,
            bucket=bucket,
            exceptions=()
            if stands is None
            else tuple(self._exception(clause, applied=clause.clause.id == applied) for clause in prepared.exceptions),
            break_glass=None if stands is None else stands.effect.break_glass,
            description=rule.description,
            place=rule.place,
        )

    def _exception(self, exception: PreparedException, *, applied: bool) -> ClauseTrace:
        clause = exception.clause
        if not exception.lasts(self._circumstances.now):
            why = f"it expired at the end of {clause.expires_on.isoformat()} (UTC)"
            return ClauseTrace(clause.id, "out", why, clause.instead, applied=False)
        outcome, why = self._judge(exception.when, clause.when)
        return ClauseTrace(clause.id, outcome, why, clause.instead, applied)

    def _break_glass(self, entry: PreparedBreakGlass, *, applied: bool) -> ClauseTrace:
        declared = entry.entry
        if not declared.active.holds(self._circumstances.now):
            why = _outside(declared.active, self._circumstances.now)
            return ClauseTrace(declared.id, "out", why, declared.instead, applied=False)
        outcome, why = self._judge(entry.when, declared.when)
        return ClauseTrace(declared.id, outcome, why, declared.instead, applied)

    def _judge(self, when: Program, condition: Condition) -> tuple[TraceOutcome, str]:
        found = when.matches(self._circumstances.activation)
        why = self._reasons.why(condition, found)
        if isinstance(found, EvaluationError):
            return "errored", why
        return ("matched" if found else "not_matched"), why


def _out(rule: Rule, why: str, bucket: int | None) -> RuleTrace:
    return RuleTrace(
        id=rule.id,
        outcome="out",
        why=why,
        mode=rule.mode,
        require=rule.require,
        requires=None,
        max_age_seconds=None,
        bucket=bucket,
        exceptions=(),
        break_glass=None,
        description=rule.description,
        place=rule.place,
    )


def _outside(window: Window, now: datetime) -> str:
    if window.from_at is not None and now < window.from_at:
        return f"it is active only from {format_timestamp(window.from_at)}, and it is {format_timestamp(now)}"
    until = format_timestamp(window.until_at) if window.until_at is not None else "ever"
    return f"it was active until {until}, and it is {format_timestamp(now)}"
