"""What is counted reaches Prometheus, from every process of the node."""

import subprocess
import sys

from http_bed import NOW

from acrux.wiring.metrics import Metrics

ONE_PROCESS = """
import sys
from acrux.wiring.metrics import Metrics
metrics = Metrics()
metrics.decisions["step_up", "mfa"] += 2
metrics.observe_decide(0.003)
sys.stdout.buffer.write(metrics.render())
"""


def test_every_count_is_shown():
    """Each attribute that routes add to has its family; what was flushed is not counted twice."""
    metrics = Metrics()
    metrics.decisions["deny", "deny"] += 1
    metrics.verdicts["stale"] += 1
    metrics.errored_rules_count += 2
    metrics.ignored_attributes_count += 3
    metrics.unshared_lookups_count += 4
    metrics.set_policy(loaded_at=NOW, broken=True)
    metrics.set_policy(loaded_at=None, broken=False)
    metrics.set_log(unshipped_count=5, lag_seconds=1.5)
    for seconds in (0.0001, 0.003, 99.0):
        metrics.observe_decide(seconds)
    metrics.flush()
    text = metrics.render().decode()
    for line in (
        'acrux_decisions_total{level="deny",outcome="deny"} 1.0',
        'acrux_verdicts_total{verdict="stale"} 1.0',
        "acrux_errored_rules_total 2.0",
        "acrux_ignored_attributes_total 3.0",
        "acrux_unshared_lookups_total 4.0",
        "acrux_policy_loaded_timestamp_seconds 1.795507200123456e+09",
        "acrux_policy_broken 0.0",
        "acrux_log_unshipped_records 5.0",
        "acrux_log_lag_seconds 1.5",
        'acrux_decide_seconds_bucket{le="0.0005"} 1.0',
        'acrux_decide_seconds_bucket{le="0.005"} 2.0',
        'acrux_decide_seconds_bucket{le="+Inf"} 3.0',
        "acrux_decide_seconds_count 3.0",
    ):
        assert line in text.splitlines()


def test_any_process_answers_for_all(tmp_path):
    """With a shared directory the sum of all processes is rendered by any of them."""
    for expected in (b"2.0", b"4.0"):
        done = subprocess.run(
            [sys.executable, "-c", ONE_PROCESS],
            env={"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
            capture_output=True,
            check=True,
        )
        assert b'acrux_decisions_total{level="mfa",outcome="step_up"} ' + expected in done.stdout
        assert b"acrux_decide_seconds_count " + expected[:1].replace(b"2", b"1").replace(b"4", b"2") in done.stdout
