"""Loading a set: check, compile, prepare, run its tests, sample its invariants (policy-language.md). No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from acrux.analysis.cases import CaseResult, run_cases
from acrux.analysis.sampling import Violation, sample_invariants
from acrux.cel import load_engine
from acrux.engine import Decider, prepare
from acrux.policy.compiled import compile_policy
from acrux.policy.diagnostics import Diagnostic, Severity
from acrux.policy.facts import Geography
from acrux.policy.load import check_files
from acrux.policy.source import SourceFile


class PolicyRejected(ValueError):  # noqa: N818 - it says what happened to the set
    """A set that must not decide; the last good one stays.

    Attributes:
        diagnostics: all of them, warnings too.
        sources: the files, to draw them with.
        failed_cases: the set's own tests that failed; empty where it did not get that far.
        violations: the invariants that do not hold.
    """

    def __init__(
        self,
        diagnostics: Sequence[Diagnostic],
        sources: Mapping[str, SourceFile],
        failed_cases: Sequence[CaseResult] = (),
        violations: Sequence[Violation] = (),
    ) -> None:
        self.diagnostics = tuple(diagnostics)
        self.sources = sources
        self.failed_cases = tuple(failed_cases)
        self.violations = tuple(violations)
        errors = sum(found.severity is Severity.ERROR for found in self.diagnostics)
        counts = (
            (errors, "error"),
            (len(self.failed_cases), "failed test"),
            (len(self.violations), "broken invariant"),
        )
        said = ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in counts if count)
        super().__init__(f"policy set rejected: {said}")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A set that may decide.

    Attributes:
        decider: the set, compiled and prepared.
        diagnostics: its warnings.
        sources: its files, to draw them with.
        cases: its tests, all passed; empty where checks were not run.
        violations: always empty after checks: a set with one is rejected.
    """

    decider: Decider
    diagnostics: tuple[Diagnostic, ...]
    sources: Mapping[str, SourceFile]
    cases: tuple[CaseResult, ...] = ()
    violations: tuple[Violation, ...] = ()


def load_policy(
    files: Mapping[str, bytes],
    engine_name: str = "google",
    *,
    run_checks: bool = True,
    geography: Geography | None = None,
) -> Loaded:
    """Make a decider of the files of a set. Nothing that the passing of time alone changes is looked at.

    Args:
        files: relative POSIX path to content.
        engine_name: the engine that evaluates; checking always needs `google`.
        run_checks: whether to run the tests and sample the invariants: a worker that is handed a set that was
            validated already need not.
        geography: where addresses are, for a set whose tests are not run: a test says its own country and AS, so that
            it passes or fails on every machine alike.

    Raises:
        PolicyRejected: an error, a failed test or a violated invariant.
        EngineUnavailable: the engine is not installed here.
    """
    engine = load_engine(engine_name)
    checked = check_files(files, now=None)
    if checked.policy is None:
        raise PolicyRejected(checked.diagnostics, checked.sources)
    decider = prepare(compile_policy(checked.policy, engine, None if run_checks else geography))
    if not run_checks:
        return Loaded(decider, checked.diagnostics, checked.sources)
    cases = run_cases(decider)
    failed = [case for case in cases if not case.passed]
    violations = sample_invariants(decider)
    if failed or violations:
        raise PolicyRejected(checked.diagnostics, checked.sources, failed, violations)
    return Loaded(decider, checked.diagnostics, checked.sources, cases)
