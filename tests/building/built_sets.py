"""Policy sets built as values, without files: for tests of the rooms that decide and analyse."""

from datetime import UTC, date, datetime

from acrux.cel import CheckedExpression, check, load_engine
from acrux.domain.facts import ATTRIBUTE_PREFIX, BUILT_IN_FACTS, FactType
from acrux.domain.ladder import AssuranceLadder, Rung
from acrux.domain.profiles import PROFILES
from acrux.domain.request import DecideRequest
from acrux.engine import prepare
from acrux.policy.compiled import compile_policy
from acrux.policy.model import (
    Attribute,
    BreakGlass,
    CheckedPolicy,
    Client,
    Condition,
    Defaults,
    ExceptionClause,
    Expectation,
    Invariant,
    Network,
    Place,
    Provider,
    Rollout,
    Rule,
    RuleMode,
    TestCase,
    Window,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HERE = Place("set.yaml", 1)
ATTRIBUTES = {
    "risk": Attribute("risk", FactType.DOUBLE),
    "vip": Attribute("vip", FactType.BOOL, default=False),
    "seen": Attribute("seen", FactType.TIMESTAMP),
}
DECLARATIONS = {name: fact.type for name, fact in BUILT_IN_FACTS.items()} | {
    ATTRIBUTE_PREFIX + name: attribute.type for name, attribute in ATTRIBUTES.items()
}
WORDS = {"mfa": ("urn:2",), "phr": ("urn:3", "phr")}


def condition(text):
    """A checked condition and what it reads."""
    checked = check(text, DECLARATIONS)
    assert isinstance(checked, CheckedExpression), (text, checked)
    names = _names(checked.tree)
    return Condition(checked, frozenset(name for name in names if name in DECLARATIONS))


def _names(tree):
    from acrux.cel import Name, walk  # noqa: PLC0415 - keeps the table above readable

    return {node.name for node in walk(tree) if isinstance(node, Name) and not node.local}


def rule(name, when, require="mfa", **more):
    """A rule; `mode` as text, `exceptions` as built by `exception`."""
    if isinstance(more.get("mode"), str):
        more["mode"] = RuleMode(more["mode"])
    return Rule(name, condition(when), require, more.pop("place", HERE), **more)


def exception(name, when, instead="basic", expires=date(2026, 12, 31)):
    """An exception that lasts through 2026 unless told otherwise."""
    return ExceptionClause(name, condition(when), instead, "owner@example.com", "SEC-1", expires, HERE)


def break_glass(name, when, instead="basic", active=Window()):  # noqa: B008 - a frozen value
    """A break-glass, active at all times unless told otherwise."""
    return BreakGlass(name, condition(when), instead, "owner@example.com", "INC-1", active, HERE)


def invariant(name, text, *, never_below=None, never_above=None):
    """An invariant."""
    return Invariant(name, condition(text), never_below, never_above, HERE)


def rollout(percent, by="browser.id", *, absent_is_in=False):
    """A rollout."""
    return Rollout(percent, by, absent_is_in)


def case(name, given, now=NOON, **expect):
    """A test case of a set."""
    return TestCase(name, now, request(**given), Expectation(**expect), HERE)


def request(client_id="jira", **more):
    """A request."""
    return DecideRequest(client_id, **more)


def policy(rules=(), *, profile="generic", refuse_unmapped=True, clients=None, defaults=None, words=None, **more):
    """A checked set with three rungs, one provider and three clients."""
    corp = Provider("corp", "https://login.example.com", PROFILES[profile], words or WORDS, refuse_unmapped)
    registered = clients or [
        Client("jira", "corp", "jira-sso", ("atlassian",)),
        Client("confluence", "corp", "confluence", ("atlassian", "wiki")),
        Client("intranet", "corp", "intranet"),
    ]
    values = {
        "revision": "sha256:" + "0" * 64,
        "ladder": AssuranceLadder((Rung("basic"), Rung("mfa", 43200), Rung("phr", 900))),
        "providers": {"corp": corp},
        "clients": {client.name: client for client in registered},
        "networks": {
            "office": Network("office", ("203.0.113.0/24",), trusted=True),
            "lab": Network("lab", ("203.0.113.0/28", "198.51.100.0/24")),
        },
        "attributes": ATTRIBUTES,
        "defaults": defaults or Defaults("basic", "mfa", None),
        "rules": tuple(rules),
        "break_glass": (),
        "invariants": (),
        "tests": (),
        "files": {},
    }
    return CheckedPolicy(**(values | more))


def decider(rules=(), *, engine="google", **more):
    """A decider for such a set."""
    return prepare(compile_policy(policy(rules, **more), load_engine(engine)))


def decide(ready, now=NOON, **sent):
    """The decision on a request."""
    built = ready.compiled.builder.build(request(**sent), now)
    return ready.decide(built.facts, now, client=built.client, provider=built.provider)
