"""A checked policy made ready for one engine: programs instead of expressions. No YAML, no decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from acrux.cel import Engine, Program
from acrux.domain.facts import FactType
from acrux.policy.expressions import declarations_of, facts_that_may_be_absent
from acrux.policy.facts import FactBuilder, Geography
from acrux.policy.model import BreakGlass, CheckedPolicy, Condition, Invariant, Rule


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A rule and its programs; `exceptions` in the order of `rule.exceptions`."""

    rule: Rule
    when: Program
    exceptions: tuple[Program, ...]


@dataclass(frozen=True, slots=True)
class CompiledBreakGlass:
    """A break-glass and its program."""

    entry: BreakGlass
    when: Program


@dataclass(frozen=True, slots=True)
class CompiledInvariant:
    """An invariant and the program of its `for`."""

    invariant: Invariant
    condition: Program


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """One policy set for one engine: immutable, swapped as a whole.

    Attributes:
        checked: the set.
        engine: what compiled it, and must evaluate it.
        declarations: the facts that conditions may read, with their types.
        may_be_absent: those that a request can lack.
        rules: in the order of `checked.rules`.
        builder: makes facts of requests.
    """

    checked: CheckedPolicy
    engine: Engine
    declarations: Mapping[str, FactType]
    may_be_absent: frozenset[str]
    rules: tuple[CompiledRule, ...]
    break_glass: tuple[CompiledBreakGlass, ...]
    invariants: tuple[CompiledInvariant, ...]
    builder: FactBuilder = field(repr=False)


def compile_policy(checked: CheckedPolicy, engine: Engine, geography: Geography | None = None) -> CompiledPolicy:
    """Compile every condition of a set; equal texts share one program.

    Raises:
        ExpressionError: the engine refuses an expression that the check let through.
    """
    declarations = declarations_of(checked.attributes)
    programs: dict[str, Program] = {}

    def program(condition: Condition) -> Program:
        found = programs.get(condition.text)
        if found is None:
            found = programs[condition.text] = engine.load(condition.expression, declarations)
        return found

    return CompiledPolicy(
        checked=checked,
        engine=engine,
        declarations=declarations,
        may_be_absent=facts_that_may_be_absent(checked.attributes),
        rules=tuple(
            CompiledRule(rule, program(rule.when), tuple(program(clause.when) for clause in rule.exceptions))
            for rule in checked.rules
        ),
        break_glass=tuple(CompiledBreakGlass(entry, program(entry.when)) for entry in checked.break_glass),
        invariants=tuple(CompiledInvariant(entry, program(entry.condition)) for entry in checked.invariants),
        builder=FactBuilder(checked, geography),
    )
