"""`acrux test DIR`: runs a set's own tests and samples its invariants. No logic: the analysis room does the work."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import orjson

from acrux.analysis.case_reports import cases_to_json, differences, to_junit
from acrux.analysis.cases import CaseResult, run_cases
from acrux.analysis.coverage import Coverage, coverage_to_json, measure_coverage
from acrux.analysis.cross_check import Disagreement, cross_check, disagreement_to_json
from acrux.analysis.sampling import Violation, sample_invariants, violation_to_json
from acrux.cel import ENGINE_NAMES, EngineUnavailable
from acrux.cli.policy_sets import (
    FINDINGS,
    BrokenSet,
    cannot_run,
    colours,
    print_json,
    read_decider,
    set_prefix,
    show_broken,
)
from acrux.domain.facts import Json
from acrux.policy.drawing import printable


@dataclass(frozen=True, slots=True)
class _Findings:
    cases: Sequence[CaseResult]
    violations: Sequence[Violation]
    coverage: Coverage | None
    disagreements: Sequence[Disagreement] | None

    @property
    def failed(self) -> bool:
        return bool(self.violations or self.disagreements) or not all(case.passed for case in self.cases)


@click.command("test", short_help="Run the tests of a policy set.")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--coverage", is_flag=True, help="Also say which rules and exceptions no test matches.")
@click.option("--cross-check", "with_both", is_flag=True, help="Also decide everything on the second engine.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "junit"]), default="text", show_default=True, help="Output."
)
@click.option("--json", "form", flag_value="json", help="Short for --format json.")
@click.option(
    "--cel-engine",
    type=click.Choice(ENGINE_NAMES),
    default="google",
    show_default=True,
    envvar="ACRUX_CEL_ENGINE",
    help="The engine that evaluates.",
)
def command(directory: Path, form: str, cel_engine: str, *, coverage: bool, with_both: bool) -> None:
    """Run the tests of the policy set in DIR, and hold its invariants against samples.

    Exits with 1 if a test fails, an invariant is violated, or the engines disagree.
    """
    try:
        decider = read_decider(directory, cel_engine)
    except BrokenSet as broken:
        show_broken(broken, directory, as_json=form == "json")
    try:
        disagreements = cross_check(decider) if with_both else None
    except EngineUnavailable as missing:
        cannot_run(str(missing))
    findings = _Findings(
        run_cases(decider),
        sample_invariants(decider),
        measure_coverage(decider) if coverage else None,
        disagreements,
    )
    prefix = set_prefix(directory)
    match form:
        case "json":
            print_json(_as_json(findings, prefix))
        case "junit":
            click.echo(to_junit(findings.cases, findings.violations, prefix=prefix), nl=False)
        case _:
            click.echo("\n".join(_lines(findings, prefix)), color=colours())
    sys.exit(FINDINGS if findings.failed else 0)


def _as_json(findings: _Findings, prefix: str) -> dict[str, Json]:
    written = cases_to_json(findings.cases, prefix=prefix)
    written["invariants"] = [violation_to_json(violation, prefix=prefix) for violation in findings.violations]
    if findings.coverage is not None:
        written["coverage"] = coverage_to_json(findings.coverage, prefix=prefix)
    if findings.disagreements is not None:
        written["disagreements"] = [disagreement_to_json(one) for one in findings.disagreements]
    return written


def _lines(findings: _Findings, prefix: str) -> list[str]:
    lines = []
    for case in findings.cases:
        if not case.passed:
            failed = click.style("FAILED", fg="red", bold=True)
            lines.append(f"{prefix}{case.file}:{case.line}: {failed} {printable(case.name)}")
            lines.extend(f"    {printable(line)}" for line in differences(case))
    for violation in findings.violations:
        broken = click.style("BROKEN", fg="red", bold=True)
        lines.append(f"{prefix}{violation.place.file}:{violation.place.line}: {broken} {violation.message}")
        lines.append(f"    for example: {orjson.dumps(violation.as_test_case()).decode()}")
    for disagreement in findings.disagreements or ():
        differs = click.style("DIFFERS", fg="red", bold=True)
        lines.append(f"{differs} {printable(disagreement.name)}: the engines decide it differently")
        written = disagreement_to_json(disagreement)
        lines.append(f"    {orjson.dumps(written).decode()}")
    if findings.coverage is not None:
        lines.extend(_coverage_lines(findings.coverage, prefix))
    passed = sum(case.passed for case in findings.cases)
    summary = f"{passed} passed, {len(findings.cases) - passed} failed"
    if findings.violations:
        count = len(findings.violations)
        summary += f", {count} invariant{'' if count == 1 else 's'} broken"
    if findings.disagreements is not None:
        summary += f", {len(findings.disagreements)} decided differently by the two engines"
    lines.append(click.style(summary, fg="red" if findings.failed else "green", bold=True))
    return lines


def _coverage_lines(coverage: Coverage, prefix: str) -> list[str]:
    lines = [f"coverage: {coverage.covered} of {coverage.total} rules and exceptions are matched by a test"]
    lines.extend(
        f"    {prefix}{one.place.file}:{one.place.line}: {click.style(one.name, fg='yellow')} is matched by none"
        for one in coverage.uncovered
    )
    return lines
