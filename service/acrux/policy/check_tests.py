"""Checks the tests of a set: their facts, and that what they expect can be. Runs none."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Final

from acrux.domain.decision import DecisionOutcome
from acrux.domain.identifiers import LevelName, RuleId
from acrux.policy import codes
from acrux.policy.check_context import CheckContext
from acrux.policy.diagnostics import Span
from acrux.policy.document import MappingNode, SequenceNode
from acrux.policy.given import GivenTree, Leaf, merge_given, read_given, request_of
from acrux.policy.model import Attribute, Expectation, TestCase
from acrux.policy.reading import Block, Shape, Written, did_you_mean

DEFAULT_NOW: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""When a test case runs that has no `now` (policy-language.md, "Loading")."""

GROUP: Final = Shape("a test", ("name", "description", "now", "given", "expect", "cases"), ("name",))
CASE: Final = Shape("a case", ("name", "description", "now", "given", "expect"))
EXPECT: Final = Shape("`expect`", ("level", "rules", "acr_values", "outcome", "shadow_level", "max_age", "reason"))


@dataclass(frozen=True, slots=True)
class _Said:
    """What a group or a case says of a test.

    Attributes:
        given: its facts; None where nothing is given.
        whole: where a missing fact is shown.
        is_whole: whether all of it could be read: what could not is not called missing as well.
    """

    now: datetime | None
    given: "GivenTree | None"
    expect: Expectation | None
    whole: Span
    is_whole: bool


def check_tests(
    context: CheckContext, attributes: Mapping[str, Attribute], rule_ids: frozenset[str]
) -> tuple[TestCase, ...]:
    """Read `tests`, one value a case."""
    checker = _TestChecker(context, attributes, rule_ids)
    found: list[TestCase] = []
    for node in context.sections.lists["tests"]:
        mapping = context.reader.mapping(node, "tests")
        if mapping is not None:
            found.extend(checker.group(mapping))
    return tuple(found)


class _TestChecker:
    def __init__(self, context: CheckContext, attributes: Mapping[str, Attribute], rule_ids: frozenset[str]) -> None:
        self._context = context
        self._attributes = attributes
        self._rule_ids = rule_ids

    def group(self, node: MappingNode) -> list[TestCase]:
        """The cases of one entry: itself, or those under `cases`."""
        findings = self._context.findings
        errors_before = findings.error_count
        block = Block(node, GROUP, self._context.reader)
        name = block.words("name")
        said = self._said(block, errors_before)
        if "cases" not in block:
            case = self._case(name, node, said, block)
            return [] if case is None else [case]
        found = []
        cases = block.node_of("cases")
        if isinstance(cases, SequenceNode) and not cases.items:
            mend = "say at least one case, or leave `cases` out"
            findings.add(codes.EMPTY_VALUE, cases.span, "`cases` has no value", mend=mend)
        errors_before = findings.error_count
        for index, inner in enumerate(block.blocks("cases", CASE), start=1):
            own = self._said(inner, errors_before)
            merged = _Said(
                now=own.now or said.now,
                given=_merged(said.given, own.given),
                expect=_expect_over(said.expect, own.expect),
                whole=own.whole,
                is_whole=own.is_whole and said.is_whole,
            )
            case = self._case(inner.words("name") or f"{name} [{index}]", inner.node, merged, inner)
            if case is not None:
                found.append(case)
            errors_before = findings.error_count
        return found

    def _said(self, block: Block, errors_before: int) -> _Said:
        now = block.timestamp("now")
        given, whole = None, block.first
        node = block.node_of("given")
        mapping = None if node is None else self._context.reader.mapping(node, "given")
        if mapping is not None:
            given = read_given(self._context, self._attributes, mapping)
            whole = mapping.entries[0].key.span if mapping.entries else mapping.span
        expect = self._expect(block)
        is_whole = self._context.findings.error_count == errors_before
        return _Said(None if now is None else now.value, given, expect, whole, is_whole)

    def _case(self, name: str, node: MappingNode, said: _Said, block: Block) -> TestCase | None:
        findings = self._context.findings
        if said.given is None:
            if said.is_whole:
                mend = "say the facts of a login: `given: {client: jira}`"
                findings.add(codes.MISSING_KEY, block.first, "`given` is missing", mend=mend)
            return None
        if said.expect is None:
            if said.is_whole:
                mend = "say what must come out: `expect: {level: mfa}`"
                findings.add(codes.MISSING_KEY, block.first, "`expect` is missing", mend=mend)
            return None
        request = request_of(self._context, said.given, said.whole, is_whole=said.is_whole)
        self._check_level(said.given)
        if request is None:
            return None
        return TestCase(name, said.now or DEFAULT_NOW, request, said.expect, self._context.place(node.span))

    def _check_level(self, given: GivenTree) -> None:
        session = given.get("session")
        level = session.get("level") if isinstance(session, dict) else None
        if isinstance(level, Leaf) and isinstance(level.value, str):
            self._context.level(Written(level.value, level.span))

    def _expect(self, outer: Block) -> Expectation | None:
        block = outer.block("expect", EXPECT)
        if block is None:
            return None
        if not block.node.entries:
            mend = "say `level`, `rules`, `acr_values` or `outcome`"
            self._context.findings.add(codes.NOTHING_EXPECTED, block.node.span, "`expect` expects nothing", mend=mend)
            return None
        outcome = block.choice("outcome", DecisionOutcome)
        max_age = block.duration("max_age")
        reason = block.text("reason")
        return Expectation(
            level=self._level(block, "level"),
            rules=self._rules(block),
            acr_values=tuple(word.value for word in block.texts("acr_values")) if "acr_values" in block else None,
            outcome=None if outcome is None else str(outcome.value),
            shadow_level=self._level(block, "shadow_level"),
            max_age_seconds=None if max_age is None else max_age.value,
            reason=None if reason is None else reason.value,
        )

    def _level(self, block: Block, name: str) -> LevelName | None:
        return self._context.level(block.text(name), or_deny=True)

    def _rules(self, block: Block) -> tuple[RuleId, ...] | None:
        if "rules" not in block:
            return None
        found = []
        for word in block.texts("rules"):
            if word.value in self._rule_ids or self._context.may_exist("rules", word.value):
                found.append(RuleId(word.value))
            else:
                mend = did_you_mean(word.value, self._rule_ids)
                self._context.findings.add(codes.UNKNOWN_RULE, word.span, f"unknown rule `{word.value}`", mend=mend)
        return tuple(found)


def _merged(below: "GivenTree | None", above: "GivenTree | None") -> "GivenTree | None":
    if below is None or above is None:
        return above if below is None else below
    return merge_given(below, above)


def _expect_over(below: Expectation | None, above: Expectation | None) -> Expectation | None:
    if below is None or above is None:
        return above if below is None else below
    said = {name: value for name in _FIELDS if (value := getattr(above, name)) is not None}
    return replace(below, **said)


_FIELDS: Final = tuple(field.name for field in fields(Expectation))
