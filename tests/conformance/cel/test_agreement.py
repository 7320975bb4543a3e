"""The engines against each other on generated expressions and facts."""

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acrux.cel import CheckedExpression, EvaluationError, check, load_engine, portability_problems
from acrux.domain.facts import BUILT_IN_FACTS, FactType

DECLARATIONS = {name: fact.type for name, fact in BUILT_IN_FACTS.items()} | {
    "attr.n": FactType.INT,
    "attr.r": FactType.DOUBLE,
}
ENGINES = (load_engine("google"), load_engine("celpy"))
WORDS = st.sampled_from(["", "a", "b", "ab", "é", "10.0.0.1", "10.0.0.0/8", "1", "x.y"])
SMALL = st.integers(-3, 9)
REALS = st.sampled_from([0.0, -0.0, 1.0, 1.5, -2.5, 1e300])


def quoted(word):
    return '"' + word + '"'


strings = st.recursive(
    st.one_of(WORDS.map(quoted), st.sampled_from(["client.id", "app.id", "user.id", "network.ip"])),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: f"({p[0]} + {p[1]})"),
        st.tuples(inner, st.sampled_from(["lowerAscii", "upperAscii", "trim", "reverse"])).map(
            lambda p: f"{p[0]}.{p[1]}()"
        ),
        st.tuples(inner, SMALL).map(lambda p: f"{p[0]}.substring({p[1]})"),
        st.tuples(inner, SMALL).map(lambda p: f"{p[0]}.charAt({p[1]})"),
        st.tuples(inner, inner, inner).map(lambda p: f"{p[0]}.replace({p[1]}, {p[2]})"),
        inner.map(lambda text: f"ip({text})"),
        inner.map(lambda text: f"{text}.masked()"),
    ),
    max_leaves=4,
)
lists = st.one_of(
    st.sampled_from(["client.tags", "user.groups", "network.zones", "known", "[]"]),
    st.lists(strings, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    st.tuples(strings, strings).map(lambda p: f"{p[0]}.split({p[1]})"),
    st.sampled_from(["client.tags.map(t, t + 'x')", "user.groups.filter(g, g != 'a')"]),
)
ints = st.recursive(
    st.one_of(SMALL.map(str), st.sampled_from(["attr.n", "network.asn", "9223372036854775807"])),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "%"]), inner).map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        inner.map(lambda text: f"-({text})"),
        inner.map(lambda text: f"math.abs({text})"),
        st.tuples(inner, inner).map(lambda p: f"math.greatest({p[0]}, {p[1]})"),
        strings.map(lambda text: f"size({text})"),
        lists.map(lambda text: f"{text}.size()"),
        st.tuples(strings, strings).map(lambda p: f"{p[0]}.indexOf({p[1]})"),
        st.sampled_from(["request.time.getHours()", "request.time.getDayOfWeek()", "session.age.getMinutes()"]),
    ),
    max_leaves=3,
)
doubles = st.one_of(
    REALS.map(repr),
    st.just("attr.r"),
    st.tuples(REALS, st.sampled_from(["+", "-", "*", "/"])).map(lambda p: f"(attr.r {p[1]} {p[0]!r})"),
    st.sampled_from(["math.ceil", "math.floor", "math.round", "math.trunc", "math.sqrt", "math.sign"]).map(
        lambda name: f"{name}(attr.r)"
    ),
)
durations = st.sampled_from(['duration("1h")', 'duration("-90s")', "session.age", '(session.age + duration("1.5s"))'])
times = st.sampled_from(
    [
        "request.time",
        'timestamp("2026-01-01T00:00:00Z")',
        '(request.time - duration("24h"))',
        "(request.time + session.age)",
    ]
)
ORDER = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


def compared(operands):
    return st.tuples(operands, ORDER, operands).map(lambda p: f"{p[0]} {p[1]} {p[2]}")


atoms = st.one_of(
    compared(strings),
    compared(ints),
    compared(doubles),
    compared(durations),
    compared(times),
    st.tuples(strings, lists).map(lambda p: f"{p[0]} in {p[1]}"),
    st.tuples(lists, st.sampled_from(["==", "!="]), lists).map(lambda p: f"{p[0]} {p[1]} {p[2]}"),
    st.tuples(strings, st.sampled_from(["startsWith", "endsWith", "contains", "matches"]), strings).map(
        lambda p: f"{p[0]}.{p[1]}({p[2]})"
    ),
    st.sampled_from(["device.managed", "client.registered", "true", "false", '"user.id" in known']),
    strings.map(lambda text: f"isIP({text})"),
    strings.map(lambda text: f"cidr('10.0.0.0/8').containsIP({text})"),
)
booleans = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: f"({p[0]} && {p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"({p[0]} || {p[1]})"),
        inner.map(lambda text: f"!({text})"),
        st.tuples(inner, inner, inner).map(lambda p: f"({p[0]} ? {p[1]} : {p[2]})"),
        st.tuples(lists, st.sampled_from(["exists", "all", "exists_one"]), inner, strings).map(
            lambda p: f"{p[0]}.{p[1]}(v, {p[2]} || v == {p[3]})"
        ),
    ),
    max_leaves=6,
)

VALUES = {
    FactType.STRING: WORDS,
    FactType.BOOL: st.booleans(),
    FactType.INT: st.integers(-(2**63), 2**63 - 1) | SMALL,
    FactType.DOUBLE: REALS,
    FactType.TIMESTAMP: st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
    FactType.DURATION: st.timedeltas(timedelta(days=-3), timedelta(days=3)),
    FactType.STRING_LIST: st.lists(WORDS, max_size=3).map(tuple),
}
facts = st.fixed_dictionaries(
    {}, optional={name: VALUES[kind] for name, kind in DECLARATIONS.items() if name != "known"}
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=booleans, sent=facts)
def test_the_engines_agree(text, sent):
    """LAW: true, false and error are the same on both engines for every expression that is called portable."""
    checked = check(text, DECLARATIONS)
    if not isinstance(checked, CheckedExpression) or portability_problems(checked):
        return
    sent = {**sent, "known": tuple(sorted(sent))}
    outcomes = []
    for engine in ENGINES:
        outcome = engine.load(checked, DECLARATIONS).matches(engine.activation(sent, DECLARATIONS))
        outcomes.append("error" if isinstance(outcome, EvaluationError) else outcome)
    assert outcomes[0] == outcomes[1]
