"""Test results for programs: the documented JSON, and JUnit XML. Nothing is run here."""

import json
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from acrux.analysis.cases import CaseResult
from acrux.analysis.sampling import Violation
from acrux.domain.facts import Json


def cases_to_json(results: Sequence[CaseResult], *, prefix: str = "") -> dict[str, Json]:
    """`{"passed", "failed", "cases": [...]}` (policy-language.md, "Diagnostics"); `prefix` stands before each path."""
    passed = sum(result.passed for result in results)
    return {
        "passed": passed,
        "failed": len(results) - passed,
        "cases": [
            {
                "name": result.name,
                "file": prefix + result.file,
                "line": result.line,
                "passed": result.passed,
                "expected": dict(result.expected),
                "actual": dict(result.actual),
            }
            for result in results
        ],
    }


def differences(result: CaseResult) -> tuple[str, ...]:
    """The lines that say how a failed case came out: one for each key that differs."""
    if "error" in result.actual:
        return (f"no decision: {result.actual['error']}",)
    return tuple(
        f"{key}: expected {_shown(wanted)}, got {_shown(result.actual[key])}"
        for key, wanted in result.expected.items()
        if not _same(key, wanted, result.actual[key])
    )


def to_junit(results: Sequence[CaseResult], violations: Sequence[Violation] = (), *, prefix: str = "") -> str:
    """JUnit XML: one suite for the cases, and one for violated invariants if there are any."""
    root = ET.Element("testsuites")
    failed = sum(not result.passed for result in results)
    suite = ET.SubElement(root, "testsuite", name="policy tests", tests=str(len(results)), failures=str(failed))
    for result in results:
        case = ET.SubElement(
            suite,
            "testcase",
            name=_legal(result.name),
            classname=result.file,
            file=prefix + result.file,
            line=str(result.line),
        )
        if not result.passed:
            lines = [_legal(line) for line in differences(result)]
            ET.SubElement(case, "failure", message=lines[0]).text = "\n".join(lines)
    if violations:
        count = str(len(violations))
        suite = ET.SubElement(root, "testsuite", name="invariants", tests=count, failures=count)
        for violation in violations:
            place = violation.place
            case = ET.SubElement(
                suite,
                "testcase",
                name=violation.invariant,
                classname=place.file,
                file=prefix + place.file,
                line=str(place.line),
            )
            message = _legal(violation.message)
            ET.SubElement(case, "failure", message=message).text = _legal(json.dumps(violation.as_test_case()))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _same(key: str, wanted: Json, got: Json) -> bool:
    if key == "rules" and isinstance(wanted, list) and isinstance(got, list):
        return set(map(str, wanted)) == set(map(str, got))
    return wanted == got


def _shown(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def _legal(text: str) -> str:
    """The text without what XML 1.0 can't hold: a test's name may be anything."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)
