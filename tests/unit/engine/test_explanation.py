"""The trace of every rule, in plain words."""

from datetime import date, timedelta

import pytest
from built_sets import NOON, break_glass, decider, exception, request, rollout, rule

from acrux.cel import CheckedExpression
from acrux.engine import explanation_to_json
from acrux.engine.reasons import Reasons
from acrux.engine.rollout import bucket_of
from acrux.policy.model import Condition, Window

JIRA = 'client.id == "jira"'


def explain(rules, now=NOON, break_glass=(), **sent):
    ready = decider(rules, break_glass=break_glass)
    return ready.explain(ready.compiled.builder.build(request(**sent), now), now)


def why(condition, **sent):
    (trace,) = explain([rule("r", condition)], **sent).rules
    return trace.outcome, trace.why


@pytest.mark.parametrize(
    ("condition", "outcome", "words"),
    [
        (JIRA, "matched", '`client.id == "jira"` is true: client.id is "jira"'),
        (
            f'"wiki" in client.tags && {JIRA}',
            "not_matched",
            '`"wiki" in client.tags` is false: client.tags is ["atlassian"]',
        ),
        (
            f"{JIRA} && !network.trusted",
            "matched",
            '`client.id == "jira"` is true: client.id is "jira"; `!network.trusted` is true: network.trusted is false',
        ),
        (
            'client.id == "x" || (app.id == "m" || client.registered)',
            "matched",
            "`client.registered` is true: client.registered is true",
        ),
        (
            'client.id == "x" || app.id == "m"',
            "not_matched",
            '`client.id == "x"` is false: client.id is "jira"; `app.id == "m"` is false: app.id is ""',
        ),
        (
            'user.id == "eve" && app.id == "m"',
            "not_matched",
            '`app.id == "m"` is false: app.id is ""',
        ),
        (
            '"user.id" in known && user.id == "eve"',
            "not_matched",
            '`"user.id" in known` is false: user.id is absent',
        ),
        (
            'client.tags.exists(t, t == "wiki" && t != "x")',
            "not_matched",
            '`client.tags.exists(t, t == "wiki" && t != "x")` is false: client.tags is ["atlassian"]',
        ),
        ("true", "matched", "`true` is true"),
        (
            "type(client.id) == string",
            "matched",
            '`type(client.id) == string` is true: client.id is "jira"',
        ),
        (
            "\n  client.id ==\n  'x'\n",
            "not_matched",
            "`client.id == 'x'` is false: client.id is \"jira\"",
        ),
        (
            'type(client.id) == string && app.id == "m"',
            "not_matched",
            '`app.id == "m"` is false: app.id is ""',
        ),
    ],
)
def test_why_names_the_deciding_part_and_the_values_it_saw(condition, outcome, words):
    """Of `&&` the first false side, or all true ones; of `||` the first true side, or all false ones."""
    assert why(condition) == (outcome, words)


def test_an_errored_rule_says_what_the_engine_said_and_what_is_absent():
    """The engine's message, and the facts that the condition reads and the request lacks."""
    outcome, words = why(f'{JIRA} && user.id == "eve"')
    assert outcome == "errored"
    assert words.startswith(f'`{JIRA} && user.id == "eve"` can\'t be evaluated: ')
    assert words.endswith("`user.id` is absent")


def test_known_is_told_as_presence():
    """The names that a condition asks `known` for, not the whole list."""
    assert why('"device.managed" in known', device_managed=True)[1] == (
        '`"device.managed" in known` is true: device.managed is present'
    )


def test_a_long_value_is_cut():
    """A user in a thousand groups fits into a sentence."""
    words = why('"x" in user.groups', user_groups=tuple(f"group-{number}" for number in range(1000)))[1]
    assert len(words) < 300
    assert words.endswith("...")


def test_a_part_that_does_not_stand_alone_is_not_judged():
    """Where a part's text can't be compiled the whole condition is named instead of failing."""
    ready = decider([rule("r", f"network.trusted || {JIRA}")])
    built = ready.compiled.builder.build(request(), NOON)
    values = built.facts.values
    engine, declarations = ready.compiled.engine, ready.compiled.declarations
    reasons = Reasons(engine, declarations, values, engine.activation(values, declarations))
    condition = ready.rules[0].rule.when
    broken = Condition(CheckedExpression("?" * len(condition.text), "bool", b""), condition.reads)
    object.__setattr__(broken.expression, "_tree", condition.expression.tree)
    assert reasons.why(broken, True).endswith('is true: network.trusted is false, client.id is "jira"')


def test_out_says_why():
    """Mode, window before and after, bucket, absent fact."""
    later = NOON + timedelta(days=1)
    outside = next(f"b{n}" for n in range(100) if bucket_of("bucket", f"b{n}") >= 25)
    found = explain(
        [
            rule("off", JIRA, mode="off"),
            rule("early", JIRA, active=Window(later)),
            rule("late", JIRA, active=Window(None, NOON)),
            rule("bucket", JIRA, rollout=rollout(25)),
            rule("absent", JIRA, rollout=rollout(25, "user.id")),
        ],
        browser_id=outside,
    )
    assert {trace.outcome for trace in found.rules} == {"out"}
    assert [trace.why for trace in found.rules] == [
        "its mode is `off`",
        "it is active only from 2026-01-02T12:00:00.000000Z, and it is 2026-01-01T12:00:00.000000Z",
        "it was active until 2026-01-01T12:00:00.000000Z, and it is 2026-01-01T12:00:00.000000Z",
        f"its bucket {bucket_of('bucket', outside)} is not below 25",
        "`user.id` is absent, which is out of its rollout",
    ]
    assert found.rules[3].bucket == bucket_of("bucket", outside)
    assert found.decision.level == "basic"


def test_exceptions_and_break_glass_are_traced():
    """Each with its outcome; which one applied, what the rule requires in the end, and what lowered it."""
    clauses = (
        exception("expired", JIRA, expires=date(2025, 12, 31)),
        exception("other", "network.trusted"),
        exception("errs", "device.managed"),
        exception("applies", JIRA, "mfa"),
    )
    entries = (
        break_glass("b", JIRA),
        break_glass("no", 'client.id == "x"'),
        break_glass("over", JIRA, "basic", Window(None, NOON)),
    )
    inside = rollout(100)
    found = explain([rule("r", JIRA, "phr", exceptions=clauses, rollout=inside)], break_glass=entries, browser_id="b")
    (trace,) = found.rules
    assert [(clause.id, clause.outcome, clause.applied) for clause in trace.exceptions] == [
        ("expired", "out", False),
        ("other", "not_matched", False),
        ("errs", "errored", False),
        ("applies", "matched", True),
    ]
    assert trace.exceptions[0].why == "it expired at the end of 2025-12-31 (UTC)"
    assert (trace.require, trace.requires, trace.break_glass) == ("phr", "basic", "b")
    assert [(entry.id, entry.outcome, entry.applied) for entry in found.break_glass] == [
        ("b", "matched", True),
        ("no", "not_matched", False),
        ("over", "out", False),
    ]


def test_the_json_has_the_documented_members():
    """`decision` as in an answer, `shadow_level`, and a trace of each rule (policy-language.md, "Diagnostics")."""
    found = explain(
        [rule("r", JIRA, exceptions=(exception("e", JIRA),)), rule("s", JIRA, mode="report", max_age_seconds=5)],
        break_glass=(break_glass("b", "false"),),
    )
    written = explanation_to_json(found)
    assert written["decision"]["level"] == "basic"
    assert written["shadow_level"] == "mfa"
    assert [set(trace) >= {"id", "outcome", "why"} for trace in written["rules"]] == [True, True]
    assert written["rules"][0]["exceptions"][0]["id"] == "e"
    assert (written["rules"][1]["mode"], written["rules"][1]["max_age_seconds"]) == ("report", 5)
    assert written["break_glass"][0]["outcome"] == "not_matched"
