"""A set's own tests, their reports, and coverage."""

from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest
from built_sets import NOON, case, decider, exception, invariant, rollout, rule

from acrux.analysis.case_reports import cases_to_json, differences, to_junit
from acrux.analysis.cases import run_cases
from acrux.analysis.coverage import coverage_to_json, measure_coverage
from acrux.analysis.sampling import sample_invariants
from acrux.policy.model import Window

JIRA = 'client.id == "jira"'
SET = [rule("sso", JIRA, max_age_seconds=60, description="why"), rule("more", "network.trusted && attr.vip", "phr")]


def run(*cases, rules=SET, **more):
    return run_cases(decider(rules, tests=cases, **more))


def test_everything_that_a_case_may_expect():
    """Level, rules, acr values, outcome, shadow level, `max_age` and reason are each compared."""
    expected = {
        "level": "mfa",
        "rules": ("sso",),
        "acr_values": ("urn:2",),
        "outcome": "step_up",
        "shadow_level": "mfa",
        "max_age_seconds": 60,
        "reason": "why",
    }
    (result,) = run(case("all", {}, **expected))
    assert result.passed
    assert (result.file, result.line) == ("set.yaml", 1)
    for key, wrong in {
        "level": "phr",
        "rules": (),
        "acr_values": (),
        "outcome": "deny",
        "shadow_level": "deny",
        "max_age_seconds": 61,
        "reason": "default",
    }.items():
        (result,) = run(case("one", {}, **{key: wrong}))
        assert not result.passed
        assert len(differences(result)) == 1
        assert list(result.expected) == list(result.actual) == [key.removesuffix("_seconds")]


def test_rules_are_compared_as_a_set_and_acr_values_in_order():
    """The order in which a case names rules says nothing; the order of acr values is what is asked for."""
    both = {"network_ip": "203.0.113.1", "attributes": {"vip": True}}
    assert run(case("rules", both, rules=("sso", "more")))[0].passed
    asked = {"acr_values": ("phr", "urn:2")}
    assert run(case("order", asked, acr_values=("phr", "urn:2")))[0].passed
    assert not run(case("order", asked, acr_values=("urn:2", "phr")))[0].passed


def test_a_case_runs_at_its_now():
    """Windows are held against the case's time, never against a clock."""
    timed = [rule("t", JIRA, active=Window(NOON, NOON + timedelta(days=1)))]
    cases = [case("in", {}, NOON, level="mfa"), case("out", {}, NOON - timedelta(days=1), level="basic")]
    assert [result.passed for result in run(*cases, rules=timed)] == [True, True]


@pytest.mark.parametrize("given", [{"acr_values": ("nobody",)}, {"attributes": {"vip": "yes"}}])
def test_a_case_without_a_decision_fails_and_says_why(given):
    """A request that is refused is no decision, whatever the case expects."""
    (result,) = run(case("refused", given, level="mfa"))
    assert not result.passed
    assert list(result.actual) == ["error"]
    assert differences(result)[0].startswith("no decision: ")


def test_the_json_form():
    """`{"passed", "failed", "cases": [...]}` (policy-language.md, "Diagnostics")."""
    written = cases_to_json(run(case("good", {}, level="mfa"), case("bad", {}, level="phr")))
    assert (written["passed"], written["failed"]) == (1, 1)
    assert written["cases"][1] == {
        "name": "bad",
        "file": "set.yaml",
        "line": 1,
        "passed": False,
        "expected": {"level": "phr"},
        "actual": {"level": "mfa"},
    }


def test_junit_holds_failures_and_broken_invariants():
    """One suite for the tests; one for invariants only if any is broken; no character that XML can't hold."""
    results = run(case("good", {}, level="mfa"), case("bad \x01", {}, level="phr", rules=("x",)))
    suite = ET.fromstring(to_junit(results)).find("testsuite")  # noqa: S314 - our own output
    assert suite.attrib | {"name": ""} == {"name": "", "tests": "2", "failures": "1"}
    assert [one.get("name") for one in suite] == ["good", "bad \ufffd"]
    failure = suite[1].find("failure")
    assert failure.get("message") == 'level: expected "phr", got "mfa"'
    assert failure.text.splitlines()[1] == 'rules: expected ["x"], got ["sso"]'
    broken = sample_invariants(decider(SET, invariants=(invariant("i", JIRA, never_below="phr"),)))
    suites = ET.fromstring(to_junit(results, broken)).findall("testsuite")  # noqa: S314 - as above
    assert [one.get("name") for one in suites] == ["policy tests", "invariants"]
    assert suites[1][0].get("name") == "i"


def test_coverage_names_rules_and_exceptions_that_no_test_matched():
    """A rule that errored or is out was not matched; one that is off is not counted; nor is a refused case."""
    clauses = (
        exception("hit", "network.trusted"),
        exception("also", 'app.id == "m"'),
        exception("missed", 'app.id == "x"'),
    )
    ready = decider(
        [
            rule("a", JIRA, exceptions=clauses),
            rule("errs", f"{JIRA} && device.managed"),
            rule("rolled", JIRA, rollout=rollout(0)),
            rule("off", JIRA, mode="off"),
            rule("reported", JIRA, mode="report"),
        ],
        tests=(
            case("one", {"network_ip": "203.0.113.1", "app_id": "m"}, level="basic"),
            case("refused", {"attributes": {"vip": "yes"}}, level="basic"),
        ),
    )
    coverage = measure_coverage(ready)
    assert [one.name for one in coverage.uncovered] == ["a/missed", "errs", "rolled"]
    assert (coverage.covered, coverage.total) == (4, 7)
    written = coverage_to_json(coverage)
    assert (written["total"], written["covered"]) == (7, 4)
    assert written["uncovered"][0] == {"rule": "a", "exception": "missed", "file": "set.yaml", "line": 1}
