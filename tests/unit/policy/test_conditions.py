"""What conditions say, on examples; the laws behind them are in test_conditions_properties."""

import pytest

from acrux.cel import check
from acrux.domain.facts import BUILT_IN_FACTS, FactType
from acrux.policy import conditions

DECLARATIONS = {name: fact.type for name, fact in BUILT_IN_FACTS.items()} | {
    "attr.n": FactType.INT,
    "attr.risk_score": FactType.DOUBLE,
    "attr.text": FactType.STRING,
}
MAY_BE_ABSENT = {name for name, fact in BUILT_IN_FACTS.items() if fact.may_be_absent} | {
    "attr.n",
    "attr.risk_score",
    "attr.text",
}
TAGS = {"atlassian": frozenset({"jira", "confluence"})}


def tree(text):
    return check(text, DECLARATIONS).tree


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", set()),
        ('client.id == "a" && "user.id" in known', {"client.id", "known"}),
        ("client.tags.exists(known, known == app.id)", {"client.tags", "app.id"}),
        ("type(attr.n) == int", {"attr.n"}),
        ('{"a": user.id}.a == [app.id][0]', {"user.id", "app.id"}),
    ],
)
def test_reads(text, expected):
    """LAW: the facts that are read, `known` among them; no macro variables and no types."""
    assert conditions.reads(tree(text)) == expected


@pytest.mark.parametrize(
    ("text", "ids", "tags", "clients"),
    [
        ('client.id == "a"', {"a"}, None, {"a"}),
        ('"a" == client.id', {"a"}, None, {"a"}),
        ('client.id in ["a", "b"]', {"a", "b"}, None, {"a", "b"}),
        ("client.id in []", set(), None, set()),
        ('client.id != "a"', None, None, None),
        ('!(client.id != "a")', {"a"}, None, {"a"}),
        ('!(client.id == "a")', None, None, None),
        ('client.id == "a" || client.id == "b"', {"a", "b"}, None, {"a", "b"}),
        ('client.id == "a" || app.id == "b"', None, None, None),
        ('client.id == "a" && user.id == "b"', {"a"}, None, {"a"}),
        ('user.id == "b" && client.id in ["a", "b"] && client.id in ["b", "c"]', {"b"}, None, {"b"}),
        ('"atlassian" in client.tags', None, {"atlassian"}, {"jira", "confluence"}),
        ('"nobody" in client.tags', None, {"nobody"}, set()),
        ('"atlassian" in client.tags && client.id == "jira"', {"jira"}, {"atlassian"}, {"jira"}),
        ('"atlassian" in client.tags || client.id == "payroll"', None, None, {"jira", "confluence", "payroll"}),
        ('!("atlassian" in client.tags)', None, None, None),
        ('client.tags.exists(t, t == "atlassian" || t in ["x"])', None, {"atlassian", "x"}, {"jira", "confluence"}),
        ('client.tags.exists(t, t.startsWith("a"))', None, None, None),
        ('client.tags.all(t, t == "atlassian")', None, None, None),
        ('client.tags.exists_one(t, t == "atlassian")', None, None, None),
        ('["atlassian", "x"].exists(t, t in client.tags)', None, {"atlassian", "x"}, {"jira", "confluence"}),
        ('["atlassian", "x"].all(t, t in client.tags)', None, {"atlassian"}, set()),
        ('["a", "b"].exists(c, c == client.id)', {"a", "b"}, None, {"a", "b"}),
        ('["a", "b"].all(c, c != client.id)', None, None, None),
        ('client.tags == ["atlassian"]', None, {"atlassian"}, {"jira", "confluence"}),
        ('["atlassian"] == client.tags', None, {"atlassian"}, {"jira", "confluence"}),
        ('!(client.tags != ["atlassian"])', None, {"atlassian"}, {"jira", "confluence"}),
        ('"atlassian" in client.tags && "x" in client.tags', None, {"atlassian"}, set()),
        (
            'client.tags.exists(t, t == "atlassian") && client.tags.exists(t, t in ["x", "y"])',
            None,
            {"atlassian"},
            set(),
        ),
        ("client.tags == []", None, None, None),
        ("client.tags == [app.id]", None, None, None),
        ("app.id in client.tags", None, None, None),
        ("client.id == app.id", None, None, None),
        ('client.id in ["a", app.id]', None, None, None),
        ('client.id == "a" ? app.id == "x" : client.id == "b"', {"a", "b"}, None, {"a", "b"}),
        ('app.id == "x" ? client.id == "a" : client.id == "b"', None, None, None),
        ('true ? client.id == "a" : client.id == "b"', {"a"}, None, {"a"}),
        ("client.registered", None, None, {"jira", "confluence", "intranet"}),
        ('client.registered && client.id != "jira"', None, None, {"jira", "confluence", "intranet"}),
        ("false", set(), set(), set()),
        ("true", None, None, None),
        ('client.id == "a" || false', {"a"}, None, {"a"}),
    ],
)
def test_necessary(text, ids, tags, clients):
    """LAW: the sets are as narrow as the logic tells, and None where anything might match."""
    found = tree(text)
    registered = frozenset({"jira", "confluence", "intranet"})
    assert conditions.necessary(found, "client.id") == ids
    assert conditions.necessary_members(found, "client.tags") == tags
    assert conditions.necessary_clients(found, TAGS, registered) == clients


def test_necessary_of_other_facts():
    """LAW: apps and zones are narrowed by the same logic."""
    found = tree('app.id == "x" && network.zones == ["unknown"]')
    assert conditions.necessary(found, "app.id") == {"x"}
    assert conditions.necessary_members(found, "network.zones") == {"unknown"}


def places(text, found):
    return [(place.name, text[place.start : place.end]) for place in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("device.managed", ["device.managed"]),
        ('"device.managed" in known && device.managed', []),
        ('device.managed && "device.managed" in known', []),
        ('"user.id" in known && device.managed', ["device.managed"]),
        ('"device.managed" in known || device.managed', ["device.managed"]),
        ('!("device.managed" in known) || device.managed', []),
        ('!(!("device.managed" in known)) && device.managed', []),
        ('!("device.managed" in known && device.managed)', []),
        ('!("device.managed" in known || device.managed)', ["device.managed"]),
        ('"device.managed" in known ? device.managed : false', []),
        ('"device.managed" in known ? false : device.managed', ["device.managed"]),
        ('!("device.managed" in known) ? false : device.managed', []),
        ('("user.id" in known && "device.managed" in known) && (device.managed && user.id == "x")', []),
        ('("user.id" in known || "device.managed" in known) && device.managed', ["device.managed"]),
        ('("user.id" in known || "user.groups" in known) ? user.id == "" : true', ["user.id"]),
        ('("user.id" in known && "user.groups" in known) ? user.id == "" : user.id != ""', ["user.id"]),
        ('!("user.id" in known || "user.groups" in known) ? true : user.id == ""', ["user.id"]),
        ('!("user.id" in known) || !("user.groups" in known) ? true : user.id in user.groups', []),
        ("false && device.managed", []),
        ("true || device.managed", []),
        ("true && device.managed", ["device.managed"]),
        ("true ? true : device.managed", []),
        ("false ? device.managed : true", []),
        ('"user.groups" in known && user.groups.exists(g, g == user.id)', ["user.id"]),
        ("client.tags.exists(t, device.managed)", ["device.managed"]),
        ("user.groups.map(g, g + user.id) == []", ["user.groups", "user.id"]),
        ('user.id == "a" || user.id == "b"', ["user.id", "user.id"]),
        ('app.id == "x" && client.registered', []),
    ],
)
def test_unguarded(text, expected):
    """LAW: the reads that nothing has asked for, each at its name, in order."""
    found = conditions.unguarded(tree(text), MAY_BE_ABSENT)
    assert places(text, found) == [(name, name) for name in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('client.id == "a"', []),
        ("1 / 2 == 0", []),
        ("1 / 0 == 0", ["/"]),
        ("client.tags.size() / 2 == 1", ["/"]),
        ("client.tags.size() + 1 == 1", ["+"]),
        ("-client.tags.size() < 0", ["-"]),
        ("client.tags.size() % 2 == 0", ["%"]),
        ('client.tags[0] == "a"', ["[]"]),
        ('{"a": 1}.b == 1', ["b"]),
        ('has({"a": 1}.b)', []),
        ('{app.id: 1, "x": 2} == {}', ["map"]),
        ('{"a": 1, "a": 2} == {}', ["map"]),
        ('{"a": 1, "b": 2} == {}', []),
        ("google.protobuf.Int64Value{value: 5} == 5", ["map"]),
        ("client.id.matches(app.id)", ["matches"]),
        ('client.id.matches("a+")', []),
        ('matches(client.id, "a+")', []),
        ("int(client.id) == 1", ["int"]),
        ('int("1") == 1', []),
        ("timestamp(client.id) == request.time", ["timestamp"]),
        ('request.time > timestamp("2026-01-01T00:00:00Z")', []),
        ('request.time - duration("1h") > request.time', ["-"]),
        ("request.time.getHours() > 5", []),
        ('request.time.getHours("Europe/Berlin") > 5', []),
        ('request.time.getHours("Nowhere") > 5', ["getHours"]),
        ("request.time.getHours(app.id) > 5", ["getHours"]),
        ("ip(network.ip) == network.ip", ["ip"]),
        ("isIP(network.ip)", []),
        ('cidr("10.0.0.0/8").containsIP(network.ip)', ["containsIP"]),
        ('cidr("10.0.0.0/8").containsIP("10.0.0.1")', []),
        ("client.id.substring(1) == ''", ["substring"]),
        ("client.id.indexOf('a') == 1", []),
        ("client.id.lowerAscii().trim() == ''", []),
        ("'%s'.format([client.id]) == ''", ["format"]),
        ("client.tags.exists_one(t, t == 'a')", []),
        ("client.tags.map(t, t + 'x') == []", []),
        ("client.tags.filter(t, t != 'x') == []", []),
        ("dyn(client.id) < 1", ["_<_"]),
        ("dyn(client.id) == 1", []),
        ("dyn(client.tags).exists(t, t == 'a')", []),
        ('"attr.n" in known && attr.n * 2 > 4', ["*"]),
        ('"attr.risk_score" in known && attr.risk_score * 2.0 > 4.0', []),
        ("math.greatest(client.tags.size(), 1) > 0", []),
        ("user.id == client.id", ["user.id"]),
    ],
)
def test_may_error(text, expected):
    """LAW: absences and whatever can fail by its values, unless a literal shows that it can't."""
    assert [place.name for place in conditions.may_error(tree(text), MAY_BE_ABSENT)] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('client.id == "a"', [("client.id", "a", "equals", '"a"')]),
        ('"a" != client.id', [("client.id", "a", "equals", '"a"')]),
        ("client.id in ['a', \"b\"]", [("client.id", "a", "equals", "'a'"), ("client.id", "b", "equals", '"b"')]),
        ('"x" in client.tags', [("client.tags", "x", "member", '"x"')]),
        ('"user.id" in known', [("known", "user.id", "member", '"user.id"')]),
        ('session.level == "mfa"', [("session.level", "mfa", "equals", '"mfa"')]),
        ('network.zones == ["unknown"]', [("network.zones", "unknown", "member", '"unknown"')]),
        ('client.tags.exists(t, t == "x")', [("client.tags", "x", "member", '"x"')]),
        (
            'client.tags.all(t, t in ["x", "y"])',
            [("client.tags", "x", "member", '"x"'), ("client.tags", "y", "member", '"y"')],
        ),
        ('["x"].exists(t, t in client.tags)', [("client.tags", "x", "member", '"x"')]),
        ('["x"].all(t, t == client.id)', [("client.id", "x", "equals", '"x"')]),
        ('[client.tags].exists(l, "x" in l)', []),
        ('client.id.startsWith("x")', []),
        ('client.id == "a" + "b"', []),
        ("attr.n == 1", []),
        ('type("") == string || "a" == "b"', []),
    ],
)
def test_literals(text, expected):
    """LAW: each text literal with the fact that it is compared with, at its own characters."""
    found = [(one.fact, one.value, one.how, text[one.start : one.end]) for one in conditions.literals(tree(text))]
    assert found == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("!true", False),
        ("1 == 1", True),
        ("true || user.id == ''", True),
        ("user.id == '' && false", False),
        ("true && false || true", True),
        ("user.id == '' || false", None),
        ("!(user.id == '')", None),
        ("1 / 0 == 1", None),
        ("[1, 2].exists(x, x == 1)", None),
        ('"abc".startsWith("a")', True),
        ("client.registered", None),
        ('b"a" == b"\\x61" && 1u == 1u && null == null', True),
        ("has({'a': 1}.a)", None),
        ("(true ? 1.5 : 2.5) > 1.0 && [1][0] == 1 && -1 < 0 && math.least(1, 2) == 1", True),
    ],
)
def test_constant(text, expected):
    """LAW: the outcome where all facts give the same; None where they don't, or where nobody looked so deep."""
    assert conditions.constant(tree(text)) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('client.registered && !("office" in network.zones)', [("network.zones", '!("office" in network.zones)')]),
        ('app.id != "x" && user.id != ""', [("app.id", 'app.id != "x"'), ("user.id", 'user.id != ""')]),
        ('!("user.id" in known)', []),
        ('client.id != "x"', []),
        ("network.trusted", []),
        ("client.registered || !network.trusted", []),
    ],
)
def test_negations(text, expected):
    """LAW: only conjuncts of the whole condition that negate app, user or network."""
    assert places(text, conditions.negations(tree(text))) == expected


SAME = [
    ('client.id=="a"', ' "a"  ==(client.id) // same'),
    ('client.id == "a" && app.id == "b" && client.registered',
     'client.registered && (app.id == "b" && client.id == "a")'),
    ('client.id == "a" || client.id == "a"', 'client.id == "a"  ||  client.id == "a" || client.id == "a"'),
    ('client.id in ["a", "b"]', 'client.id in ["b", "a"]'),
    ('client.tags.exists(t, t == "a")', 'client.tags.exists(u, "a" == u)'),
    ("client.tags.exists(t, client.tags.all(u, u == t))", "client.tags.exists(u, client.tags.all(t, u == t))"),
    ('{"a": 1, "b": 2} == {}', '{} == {"b": 2, "a": 1}'),
    ("client.id.startsWith('a')", '.client.id.startsWith("a")'),
]  # fmt: skip
OTHER = [
    ('client.id == "a"', 'client.id != "a"'),
    ("client.tags == ['a', 'b']", "client.tags == ['b', 'a']"),
    ("client.registered && network.trusted", "client.registered || network.trusted"),
    ("attr.n - 1 == 0", "1 - attr.n == 0"),
    ("attr.n == 1", "attr.n == -1"),
    ('client.tags.exists(t, t == "a")', 'client.tags.all(t, t == "a")'),
    ("client.tags.exists(t, client.tags.all(u, u == 'a'))", "client.tags.exists(t, client.tags.all(u, t == 'a'))"),
    ("has({'a': 1}.a)", "{'a': true}.a"),
    ("dyn(1) == 1.0", 'dyn("1") == 1.0'),
    ("'a'.contains(client.id)", "client.id.contains('a')"),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_the_same_condition_has_one_form(left, right):
    """LAW: spacing, brackets, order of operands and names of variables don't matter."""
    assert conditions.normal_form(tree(left)) == conditions.normal_form(tree(right))


@pytest.mark.parametrize(("left", "right"), OTHER)
def test_other_conditions_have_other_forms(left, right):
    """LAW: whatever can change an outcome changes the form."""
    assert conditions.normal_form(tree(left)) != conditions.normal_form(tree(right))
