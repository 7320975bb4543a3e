"""A checked policy made ready for an engine."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from acrux.cel import load_engine
from acrux.policy.compiled import compile_policy
from acrux.policy.facts import FactBuilder
from acrux.policy.load import check_files, read_directory
from acrux.policy.request import request_from_json

POLICIES = Path(__file__).parents[3] / "policies"
NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)


@pytest.fixture(scope="module", params=["google", "celpy"])
def compiled(request):
    checked = check_files(read_directory(POLICIES), now=None).policy
    return compile_policy(checked, load_engine(request.param))


def test_every_condition_has_its_program(compiled):
    """Rules, exceptions, break-glass and invariants keep their order, each with the program of its own text."""
    assert [rule.rule for rule in compiled.rules] == list(compiled.checked.rules)
    for rule in compiled.rules:
        assert rule.when.text == rule.rule.when.text
        assert [program.text for program in rule.exceptions] == [clause.when.text for clause in rule.rule.exceptions]
    assert [(entry.entry, entry.when.text) for entry in compiled.break_glass] == [
        (entry, entry.when.text) for entry in compiled.checked.break_glass
    ]
    assert [(entry.invariant, entry.condition.text) for entry in compiled.invariants] == [
        (entry, entry.condition.text) for entry in compiled.checked.invariants
    ]


def test_equal_texts_share_a_program():
    """One program serves every place where the same text stands."""
    text = (
        "version: acrux/v1\nladder: [a, b]\nproviders: {p: {issuer: https://login.example.com, acr: {b: x}}}\n"
        "rules:\n"
        '  - {id: one, when: app.id == "x", require: b}\n'
        '  - {id: two, when: app.id == "x", require: b}\n'
    )
    checked = check_files({"set.yaml": text.encode()}, now=None).policy
    one, two = compile_policy(checked, load_engine("google")).rules
    assert one.when is two.when


def test_programs_see_the_facts_that_the_builder_makes(compiled):
    """A request goes through the builder and an activation into every program without a stop."""
    assert isinstance(compiled.builder, FactBuilder)
    built = compiled.builder.build(request_from_json({"client": "jira", "network": {"ip": "198.51.100.9"}}), NOW)
    activation = compiled.engine.activation(built.facts.values, compiled.declarations)
    matched = {rule.rule.id for rule in compiled.rules if rule.when.matches(activation) is True}
    assert matched == {"atlassian-sso"}


def test_attributes_are_declared(compiled):
    """The facts that programs may read, and which of them may be absent, include the set's own."""
    assert {"attr.risk_score", "attr.network_segment"} <= set(compiled.declarations)
    assert "attr.risk_score" in compiled.may_be_absent
    assert "attr.network_segment" not in compiled.may_be_absent
