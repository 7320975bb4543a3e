"""The laws of the analysis of conditions, on generated conditions and facts against the engine that decides."""

from itertools import combinations, islice, product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acrux.cel import EvaluationError, check, load_engine
from acrux.domain.facts import BUILT_IN_FACTS, FactType
from acrux.policy.conditions import (
    constant,
    may_error,
    necessary,
    necessary_clients,
    necessary_members,
    normal_form,
    reads,
    unguarded,
)

DECLARATIONS = {name: fact.type for name, fact in BUILT_IN_FACTS.items()} | {"attr.n": FactType.INT}
MAY_BE_ABSENT = frozenset({"user.id", "user.groups", "device.managed", "attr.n"})
ENGINE = load_engine("google")
IDS, TAGS, ZONES = ["a", "b", "c"], ["t", "u", "v"], ["office", "home", "unknown"]
TAGS_OF = {"a": ("t",), "b": ("t", "u"), "c": ()}
CLIENTS_BY_TAG = {"t": frozenset("ab"), "u": frozenset("b")}


def quoted(value):
    return f'"{value}"'


def one_of(values):
    return st.sampled_from([quoted(value) for value in values])


def listed(values):
    return st.lists(one_of(values), max_size=2).map(lambda items: f"[{', '.join(items)}]")


def both_ways(fact, values):
    return st.tuples(one_of(values), st.sampled_from(["==", "!="]), st.booleans()).map(
        lambda p: f"{fact} {p[1]} {p[0]}" if p[2] else f"{p[0]} {p[1]} {fact}"
    )


atoms = st.one_of(
    both_ways("client.id", IDS),
    both_ways("app.id", IDS),
    listed(IDS).map(lambda items: f"client.id in {items}"),
    one_of(TAGS).map(lambda tag: f"{tag} in client.tags"),
    one_of(ZONES).map(lambda zone: f"{zone} in network.zones"),
    listed(ZONES).map(lambda items: f"network.zones == {items}"),
    listed(TAGS).map(lambda items: f"{items} != client.tags"),
    one_of(TAGS).map(lambda tag: f"client.tags.exists(x, x == {tag})"),
    listed(TAGS).map(lambda items: f"client.tags.exists(x, x in {items} || user.id == x)"),
    listed(TAGS).map(lambda items: f"client.tags.all(x, x in {items})"),
    listed(TAGS).map(lambda items: f"{items}.exists(x, x in client.tags)"),
    listed(IDS).map(lambda items: f"{items}.all(x, x != client.id)"),
    listed(IDS).map(lambda items: f"{items}.exists(x, x == client.id && user.id == x)"),
    st.sampled_from(
        ["true", "false", "client.registered", "1 == 1", "1 / attr.n == 1", "app.id.startsWith(client.id)"]
    ),
    st.sampled_from(
        [
            'user.id == "a"',
            '"g" in user.groups',
            "device.managed",
            "attr.n > 3",
            "user.groups.exists(g, g == user.id)",
            '[user.id, "a"].exists(x, x == client.id)',
        ]
    ),
    st.sampled_from([f"{quoted(name)} in known" for name in sorted(MAY_BE_ABSENT)]),
)
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: f"({p[0]} && {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]} || {p[1]})"),
        inner.map(lambda text: f"!({text})"),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} ? {p[1]} : {p[2]})"),
    ),
    max_leaves=7,
)


def combined(leaf, most):
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
            inner.map(lambda text: f"!({text})"),
        ),
        max_leaves=most,
    )


guards = combined(st.sampled_from(['"user.id" in known', '"device.managed" in known', '"user.id" in known', "true"]), 3)
guarded_reads = combined(st.sampled_from(['user.id == "a"', "device.managed", "client.registered"]), 2)
guarded = st.one_of(
    st.tuples(guards, guarded_reads, st.sampled_from(["&&", "||"])).map(lambda p: f"{p[0]} {p[2]} {p[1]}"),
    st.tuples(guards, guarded_reads, st.sampled_from(["&&", "||"])).map(lambda p: f"{p[1]} {p[2]} {p[0]}"),
    st.tuples(guards, guarded_reads, guarded_reads).map(lambda p: f"{p[0]} ? {p[1]} : {p[2]}"),
    conditions,
)
"""Few facts and many guards, so that a wrong one shows; and now and then anything."""


@st.composite
def facts(draw):
    client = draw(st.sampled_from([*IDS, "other"]))
    found = {
        "client.id": client,
        "client.tags": TAGS_OF.get(client, ()),
        "client.registered": client in IDS,
        "app.id": draw(st.sampled_from([*IDS, ""])),
        "network.zones": tuple(sorted(draw(st.sets(st.sampled_from(ZONES))))),
        "user.id": draw(st.sampled_from(["a", "t", ""])),
        "user.groups": tuple(draw(st.lists(st.sampled_from(["g", "a"]), max_size=2))),
        "device.managed": draw(st.booleans()),
        "attr.n": draw(st.integers(-1, 5)),
    }
    for name in draw(st.sets(st.sampled_from(sorted(MAY_BE_ABSENT)))):
        del found[name]
    return found | {"known": tuple(sorted(found))}


def outcome(checked, values):
    return ENGINE.load(checked, DECLARATIONS).matches(ENGINE.activation(values, DECLARATIONS))


lasting = st.one_of(
    both_ways("client.id", IDS),
    listed(IDS).map(lambda items: f"client.id in {items}"),
    one_of(TAGS).map(lambda tag: f"{tag} in client.tags"),
    one_of(ZONES).map(lambda zone: f"{zone} in network.zones"),
    st.lists(one_of(ZONES), min_size=1, max_size=2).map(
        lambda items: f"[{', '.join(items)}].all(z, z in network.zones)"
    ),
    one_of(ZONES).map(lambda zone: f"network.zones.exists(z, z == {zone})"),
    st.just("client.registered"),
)
likely = st.recursive(
    lasting,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: f"({p[0]} && {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]} || {p[1]})"),
        inner.map(lambda text: f"!({text})"),
    ),
    max_leaves=4,
)
"""Conditions that match often: most of the time nothing is absent and little contradicts."""

PROPERTY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def every_request(absent):
    """Every client, app and set of zones, with some facts absent."""
    for client, app, zones in product([*IDS, "other"], ["a", ""], powerset(ZONES)):
        found = {
            "client.id": client,
            "client.tags": TAGS_OF.get(client, ()),
            "client.registered": client in IDS,
            "app.id": app,
            "network.zones": zones,
            "user.id": "a",
            "user.groups": ("g",),
            "device.managed": True,
            "attr.n": 1,
        }
        yield {name: value for name, value in found.items() if name not in absent}


def powerset(values):
    return [subset for size in range(len(values) + 1) for subset in combinations(values, size)]


def is_outside(tree, values):
    """Whether any of the analyses rules the request out."""
    ruled_out = []
    for fact in ("client.id", "app.id"):
        found = necessary(tree, fact)
        ruled_out.append(found is not None and values[fact] not in found)
    for fact in ("client.tags", "network.zones"):
        found = necessary_members(tree, fact)
        ruled_out.append(found is not None and not found & set(values[fact]))
    for registered in (None, frozenset(IDS)):
        found = necessary_clients(tree, CLIENTS_BY_TAG, registered)
        ruled_out.append(found is not None and values["client.id"] not in found)
    return any(ruled_out)


@PROPERTY
@given(text=likely | conditions, absent=st.sets(st.sampled_from(sorted(MAY_BE_ABSENT))))
def test_outside_what_is_necessary_a_condition_is_false(text, absent):
    """LAW (over-approximation): outside the set the outcome is false, neither true nor an error, for every request."""
    checked = check(text, DECLARATIONS)
    program = ENGINE.load(checked, DECLARATIONS)
    for values in every_request(absent):
        known = values | {"known": tuple(sorted(values))}
        if program.matches(ENGINE.activation(known, DECLARATIONS)) is not False:
            assert not is_outside(checked.tree, values), values


def ever_errs(checked):
    """Whether some absence makes some request an error."""
    program = ENGINE.load(checked, DECLARATIONS)
    for absent in powerset(sorted(MAY_BE_ABSENT)):
        for values in islice(every_request(absent), 0, None, 5):
            known = values | {"known": tuple(sorted(values))}
            if isinstance(program.matches(ENGINE.activation(known, DECLARATIONS)), EvaluationError):
                return True
    return False


@PROPERTY
@given(text=guarded)
def test_a_guarded_condition_never_errs_for_absence(text):
    """LAW (guarded): where nothing is unguarded, no absence makes an error (no request here divides by zero)."""
    checked = check(text, DECLARATIONS)
    if not unguarded(checked.tree, MAY_BE_ABSENT):
        assert not ever_errs(checked)


@PROPERTY
@given(text=guarded)
def test_a_condition_errs_only_where_it_may(text):
    """LAW: where `may_error` names no place, every outcome is true or false."""
    checked = check(text, DECLARATIONS)
    if not may_error(checked.tree, MAY_BE_ABSENT):
        assert not ever_errs(checked)


@PROPERTY
@given(text=conditions, values=facts())
def test_a_constant_condition_has_its_outcome(text, values):
    """LAW: where `constant` says true or false, that is the outcome for all facts."""
    checked = check(text, DECLARATIONS)
    found = constant(checked.tree)
    if found is not None:
        assert outcome(checked, values) is found


@PROPERTY
@given(left=conditions, right=conditions, values=facts())
def test_equal_normal_forms_are_equal_outcomes(left, right, values):
    """LAW: turning operands round keeps the normal form; equal normal forms have equal outcomes."""
    first = check(f"{left} && ({right})", DECLARATIONS)
    second = check(f"(({right}) && ({left}))", DECLARATIONS)
    assert normal_form(first.tree) == normal_form(second.tree)
    one, other = check(left, DECLARATIONS), check(right, DECLARATIONS)
    if normal_form(one.tree) == normal_form(other.tree):
        results = [outcome(checked, values) for checked in (one, other)]
        assert isinstance(results[0], EvaluationError) == isinstance(results[1], EvaluationError)
        assert isinstance(results[0], EvaluationError) or results[0] is results[1]


@PROPERTY
@given(text=conditions, values=facts(), name=st.sampled_from(sorted(DECLARATIONS)))
def test_what_is_not_read_does_not_matter(text, values, name):
    """LAW: taking away a fact that a condition does not read changes nothing."""
    checked = check(text, DECLARATIONS)
    if name not in reads(checked.tree):
        without = {key: value for key, value in values.items() if key != name}
        first, second = outcome(checked, values), outcome(checked, without)
        assert isinstance(first, EvaluationError) == isinstance(second, EvaluationError)
        assert isinstance(first, EvaluationError) or first is second


@pytest.mark.parametrize("text", ['client.id == "a" && client.tags.all(x, client.tags.all(y, x == y))'])
def test_a_condition_over_the_budget_needs_nothing(text):
    """LAW (over-approximation): an error that nothing absorbs may come from anywhere, so nothing is ruled out."""
    tree = check(text, DECLARATIONS).tree
    assert necessary(tree, "client.id") is None
    assert [place.name for place in may_error(tree, ())] == ["macro", "macro"]
