"""Loading a set: what is wrong keeps it out."""

from dataclasses import replace

import pytest
from built_sets import NOON, case, decide, decider, invariant, rule

from acrux.analysis.cross_check import cross_check, disagreement_to_json
from acrux.analysis.loading import PolicyRejected, load_policy
from acrux.cel import EngineUnavailable, EvaluationError, load_engine

load_engine("celpy").compile("true", {})

SET = """\
version: acrux/v1
ladder: [basic, mfa]
providers: {corp: {issuer: https://login.example.com, acr: {mfa: "urn:2"}}}
rules:
  - id: sso
    description: Two factors.
    owner: iam@example.com
    when: client.id == "jira"
    require: mfa
invariants:
  - {id: always, for: 'client.id == "jira"', never_below: mfa}
tests:
  - {name: jira, given: {client: jira}, expect: {level: mfa}}
"""


def files(text=SET):
    return {"set.yaml": text.encode()}


@pytest.mark.parametrize("engine", ["google", "celpy"])
def test_a_good_set_loads_and_decides(engine):
    """Checked, compiled, prepared, tested, sampled: a decider."""
    loaded = load_policy(files(), engine)
    assert [case.passed for case in loaded.cases] == [True]
    assert loaded.violations == ()
    assert decide(loaded.decider).level == "mfa"
    assert loaded.decider.compiled.engine.name == engine


def test_an_error_keeps_a_set_out():
    """All diagnostics, with the sources to draw them."""
    with pytest.raises(PolicyRejected, match="2 errors") as caught:
        load_policy(files(SET.replace("require: mfa", "require: mfo").replace("client.id ==", "client.idd ==", 1)))
    assert len(caught.value.diagnostics) >= 2
    assert list(caught.value.sources) == ["set.yaml"]
    assert caught.value.failed_cases == ()


def test_a_failing_test_keeps_a_set_out():
    """A set whose own tests fail must not decide."""
    with pytest.raises(PolicyRejected, match="1 failed test") as caught:
        load_policy(files(SET.replace("expect: {level: mfa}", "expect: {level: basic}")))
    assert [case.name for case in caught.value.failed_cases] == ["jira"]


def test_a_violated_invariant_keeps_a_set_out():
    """An invariant that a sample breaks is as good as an error."""
    broken = SET.replace('when: client.id == "jira"', 'when: client.id == "jira" && app.id != "kiosk"')
    with pytest.raises(PolicyRejected, match="1 broken invariant") as caught:
        load_policy(files(broken))
    assert caught.value.violations[0].invariant == "always"


def test_a_set_that_was_validated_is_not_validated_again():
    """Workers are handed a set that passed: its tests are not run once more."""
    loaded = load_policy(files(SET.replace("expect: {level: mfa}", "expect: {level: basic}")), run_checks=False)
    assert loaded.cases == ()


def test_an_engine_that_is_not_there():
    """The operator's mistake, not the set's."""
    with pytest.raises(EngineUnavailable):
        load_policy(files(), "nobody")


def test_both_engines_agree_on_a_plain_set():
    """Nothing to report where both decide every test and sample alike."""
    ready = decider(
        [rule("r", 'client.id == "jira" && !network.trusted')],
        invariants=(invariant("i", 'client.id == "jira"', never_above="mfa"),),
        tests=(case("t", {}, level="mfa"), case("refused", {"attributes": {"vip": "yes"}}, level="mfa")),
    )
    assert cross_check(ready) == ()
    assert cross_check(decider([], tests=(case("t", {}, level="basic"),), engine="celpy")) == ()


def test_how_a_set_is_divided_into_files_never_matters():
    """INVARIANT: the order of files never matters; only the revision tells one division from another."""
    more = """\
version: acrux/v1
rules:
  - {id: strict, description: All., owner: iam@example.com, when: 'app.id == "m"', require: mfa, max_age: 5m}
"""
    one, other = (
        load_policy({first: SET.encode(), second: more.encode()}).decider
        for first, second in (("a.yaml", "b.yaml"), ("b.yaml", "a.yaml"))
    )
    decisions = [replace(decide(ready, app_id="m"), policy_revision="") for ready in (one, other)]
    assert decisions[0] == decisions[1]
    assert decisions[0].rules == ("sso", "strict")
    assert one.compiled.checked.revision != other.compiled.checked.revision


class Stubborn:
    """A program that errs whatever it is given: an engine that has gone another way."""

    text = "stubborn"

    def matches(self, activation):
        return EvaluationError("stubborn")


def test_a_disagreement_is_reported_with_both_decisions(monkeypatch):
    """The request, its time, and what each engine makes of it, rules that errored named."""
    celpy = type(load_engine("celpy"))
    monkeypatch.setattr(celpy, "load", lambda *_: Stubborn())
    ready = decider([rule("r", "network.trusted")], tests=(case("t", {}, level="basic"),))
    (found,) = cross_check(ready)
    written = disagreement_to_json(found)
    assert (written["name"], written["given"]) == ("t", {"client": "jira"})
    assert written["now"] == NOON.isoformat().replace("+00:00", ".000000Z")
    assert written["decisions"]["google"]["level"] == "basic"
    assert written["decisions"]["celpy"]["errored_rules"] == ["r"]
