"""What a process counts, for Prometheus. Counting adds plain integers; nothing is written on a request's way."""

import os
from bisect import bisect_left
from collections import Counter as Counts
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from acrux.wiring.geography import GeoipState
from acrux.wiring.geoip import GeoipFact

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SECONDS_BUCKETS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_Key = TypeVar("_Key")
_MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """The counts of one process. Public attributes are added to freely; `flush` moves them into Prometheus' files.

    Where `PROMETHEUS_MULTIPROC_DIR` was set before this module was first imported, all processes of a node write
    there, and any of them renders the sum.

    Attributes:
        requests: by (operation, status).
        decisions: by (outcome, level).
        verdicts: by verdict.
        problems: by the problem's code.
        errored_rules_count: rules that could not be evaluated.
        ignored_attributes_count: undeclared attributes in requests.
        geoip_failed_lookups: by fact: look-ups of addresses that a damaged GeoIP file did not answer.
        unshared_lookups_count: checks of idempotency keys and single use that the database could not answer.
    """

    __slots__ = (
        "_decide_bucket_counts",
        "_decide_seconds_sum",
        "_families",
        "_gauges",
        "_histogram",
        "_registry",
        "decisions",
        "errored_rules_count",
        "geoip_failed_lookups",
        "ignored_attributes_count",
        "problems",
        "requests",
        "unshared_lookups_count",
        "verdicts",
    )

    def __init__(self) -> None:
        self.requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.decisions: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.verdicts: defaultdict[str, int] = defaultdict(int)
        self.problems: defaultdict[str, int] = defaultdict(int)
        self.geoip_failed_lookups: Counts[str] = Counts()
        self.errored_rules_count = 0
        self.ignored_attributes_count = 0
        self.unshared_lookups_count = 0
        self._decide_bucket_counts = [0] * (len(SECONDS_BUCKETS) + 1)
        self._decide_seconds_sum = 0.0
        registry = self._registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"acrux_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"acrux_{name}", text, labels, registry=registry, multiprocess_mode="mostrecent")

        self._families = {
            "requests": counter("requests", "Requests by operation and status.", "operation", "status"),
            "decisions": counter("decisions", "Decisions by outcome and level.", "outcome", "level"),
            "verdicts": counter("verdicts", "Outcomes by verdict.", "verdict"),
            "problems": counter("problems", "Problems by code.", "code"),
            "errored_rules": counter("errored_rules", "Rules that could not be evaluated in a decision."),
            "ignored_attributes": counter("ignored_attributes", "Undeclared attributes that requests sent."),
            "geoip_failed": counter("geoip_failed_lookups", "Look-ups that a damaged GeoIP file failed.", "fact"),
            "unshared": counter("unshared_lookups", "Look-ups that held on this node only: the database was away."),
        }
        self._gauges = {
            "loaded": gauge("policy_loaded_timestamp_seconds", "When the active set was loaded."),
            "broken": gauge("policy_broken", "1 while the newest set can't be taken and an older one decides."),
            "geoip_broken": gauge(
                "geoip_broken", "1 while the newest file can't be taken, an older one is used.", "fact"
            ),
            "geoip_built": gauge(
                "geoip_built_timestamp_seconds", "When the file in use was made by its maker.", "fact"
            ),
            "unshipped": gauge("log_unshipped_records", "Records in this node's spools that are not shipped yet."),
            "lag": gauge("log_lag_seconds", "The age of the oldest record that is not shipped yet."),
        }
        self._histogram = Histogram(
            "acrux_decide_seconds", "Time to decide and log, in seconds.", buckets=SECONDS_BUCKETS, registry=registry
        )

    def observe_decide(self, seconds: float) -> None:
        """Counts one answered decision's time."""
        self._decide_bucket_counts[bisect_left(SECONDS_BUCKETS, seconds)] += 1
        self._decide_seconds_sum += seconds

    def set_policy(self, *, loaded_at: datetime | None, broken: bool) -> None:
        """Shows the state of the policy set."""
        if loaded_at is not None:
            self._gauges["loaded"].set(loaded_at.timestamp())
        self._gauges["broken"].set(float(broken))

    def set_geoip(self, states: Mapping[GeoipFact, GeoipState]) -> None:
        """Shows which GeoIP files are in use."""
        for fact, state in states.items():
            self._gauges["geoip_broken"].labels(fact).set(float(state.failure is not None))
            self._gauges["geoip_built"].labels(fact).set(state.built_at.timestamp())

    def set_log(self, *, unshipped_count: int, lag_seconds: float) -> None:
        """Shows how far behind the shipper is."""
        self._gauges["unshipped"].set(unshipped_count)
        self._gauges["lag"].set(lag_seconds)

    def flush(self) -> None:
        """Moves what was counted since the last call into Prometheus' values."""
        families = self._families
        for (operation, status), count in _drain(self.requests):
            families["requests"].labels(operation, str(status)).inc(count)
        for (outcome, level), count in _drain(self.decisions):
            families["decisions"].labels(outcome, level).inc(count)
        for verdict, count in _drain(self.verdicts):
            families["verdicts"].labels(verdict).inc(count)
        for code, count in _drain(self.problems):
            families["problems"].labels(code).inc(count)
        for fact, count in _drain(self.geoip_failed_lookups):
            families["geoip_failed"].labels(fact).inc(count)
        families["errored_rules"].inc(self.errored_rules_count)
        families["ignored_attributes"].inc(self.ignored_attributes_count)
        families["unshared"].inc(self.unshared_lookups_count)
        self.errored_rules_count = self.ignored_attributes_count = self.unshared_lookups_count = 0
        self._flush_histogram()

    def _flush_histogram(self) -> None:
        # prometheus_client has no way to add many observations at once; these are what its `observe` adds to.
        for index, count in enumerate(self._decide_bucket_counts):
            if count:
                self._histogram._buckets[index].inc(count)  # noqa: SLF001 - see above
        self._histogram._sum.inc(self._decide_seconds_sum)  # noqa: SLF001 - see above
        self._decide_bucket_counts = [0] * (len(SECONDS_BUCKETS) + 1)
        self._decide_seconds_sum = 0.0

    def render(self) -> bytes:
        """The text that Prometheus scrapes: of every process of the node where they share a directory."""
        self.flush()
        registry = self._registry
        if os.environ.get(_MULTIPROCESS):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def _drain(counts: dict[_Key, int]) -> list[tuple[_Key, int]]:
    drained = list(counts.items())
    counts.clear()
    return drained
