"""`engine.decide` in process: the median of single decisions over a set of many rules."""

import statistics
import time
from datetime import UTC, datetime

import ours

from acrux.cel import load_engine
from acrux.engine import prepare
from acrux.policy.compiled import compile_policy
from acrux.policy.load import check_files
from acrux.policy.request import parse_request

DECISIONS = 20_000


def p50_microseconds(rules: int) -> float:
    """The median time of one decision, in microseconds, in a set of so many rules over as many clients."""
    checked = check_files({"policy.yaml": ours.policy_set(rules, rules).encode()}, now=None)
    if checked.policy is None:
        raise SystemExit(f"the generated set is broken: {checked.diagnostics[:3]}")
    compiled = compile_policy(checked.policy, load_engine("google"))
    decider = prepare(compiled)
    now = datetime.now(UTC)
    built = compiled.builder.build(parse_request(ours.question()), now)
    if decider.decide(built.facts, now, client=built.client, provider=built.provider).level != "mfa":
        raise SystemExit("the engine answers the question wrongly")
    spent: list[int] = []
    for _ in range(DECISIONS):
        began = time.perf_counter_ns()
        decider.decide(built.facts, now, client=built.client, provider=built.provider)
        spent.append(time.perf_counter_ns() - began)
    return statistics.median(spent) / 1000
