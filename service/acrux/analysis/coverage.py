"""Which rules and exceptions no test of the set matches. Nothing is printed here."""

from dataclasses import dataclass

from acrux.domain.facts import Json
from acrux.domain.identifiers import RuleId
from acrux.engine import Decider
from acrux.policy.model import Place, RuleMode
from acrux.policy.request import RequestInvalid


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A rule, or an exception of it, that no test matched.

    Attributes:
        rule: the rule's id.
        exception: the exception's id, or None for the rule itself.
        place: where it stands.
    """

    rule: RuleId
    exception: str | None
    place: Place

    @property
    def name(self) -> str:
        """`rule`, or `rule/exception`."""
        return self.rule if self.exception is None else f"{self.rule}/{self.exception}"


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a set its tests reach. Rules whose mode is `off` are not counted.

    Attributes:
        total: how many rules and exceptions there are.
        uncovered: those that no test matched, in the order of the set.
    """

    total: int
    uncovered: tuple[Uncovered, ...]

    @property
    def covered(self) -> int:
        """How many some test matched."""
        return self.total - len(self.uncovered)


def measure_coverage(decider: Decider) -> Coverage:
    """Run every test and note which rules and exceptions matched; one that errored did not."""
    matched: set[tuple[RuleId, str | None]] = set()
    for case in decider.compiled.checked.tests:
        try:
            built = decider.compiled.builder.build(case.given, case.now)
        except RequestInvalid:
            continue  # the case fails, and says why
        rules, exceptions = decider.matched(built, case.now)
        matched.update((rule, None) for rule in rules)
        matched.update(exceptions)
    entries = [
        entry
        for rule in decider.compiled.checked.rules
        if rule.mode is not RuleMode.OFF
        for entry in (
            Uncovered(rule.id, None, rule.place),
            *(Uncovered(rule.id, clause.id, clause.place) for clause in rule.exceptions),
        )
    ]
    uncovered = tuple(entry for entry in entries if (entry.rule, entry.exception) not in matched)
    return Coverage(len(entries), uncovered)


def coverage_to_json(coverage: Coverage, *, prefix: str = "") -> dict[str, Json]:
    """`{"total", "covered", "uncovered": [{"rule", "exception", "file", "line"}]}`."""
    return {
        "total": coverage.total,
        "covered": coverage.covered,
        "uncovered": [
            {"rule": one.rule, "exception": one.exception, "file": prefix + one.place.file, "line": one.place.line}
            for one in coverage.uncovered
        ],
    }
