"""Makes the metrics of the catalogue, and keeps what each is, for those who read about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from jobs.counting.file_owner import count_together
from jobs.counting.read_gauge import ReadGauge

count_together()  # before the first metric is made
disable_created_metrics()  # type: ignore[no-untyped-call]  # without it, each has a series more

PREFIX = "inference_"
# Goals of models lie well at one of these edges, because a histogram knows nothing between two of them.
SECONDS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 1800.0)
JOBS = (1, 2, 4, 8, 16, 32, 48, 64, 96, 128, 256)
SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
_UNITS = ("seconds", "bytes", "ratio", "jobs", "batches", "partitions", "rows", "watts", "celsius")
Mode = Literal["livesum", "livemax", "livemostrecent"]  # a value goes with its process


@dataclass(frozen=True, slots=True)
class MetricEntry:
    """What a metric is; counters have their `_total` in the name."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str

    @property
    def unit(self) -> str:
        """Return the unit, which the name ends in; nothing for what only counts events, or is a state."""
        last = self.name.removesuffix("_total").rpartition("_")[2]
        return last if last in _UNITS else ""


CATALOGUE: dict[str, MetricEntry] = {}


def described(name: str, kind: str, meaning: str, *labels: str) -> MetricEntry:
    """Add a metric to the catalogue and return its entry; ValueError for a name that is there or not ours."""
    if name in CATALOGUE or not name.startswith(PREFIX):
        raise ValueError(f"{name} is in the catalogue, or does not begin with {PREFIX}")
    entry = CATALOGUE[name] = MetricEntry(name, kind, labels, meaning)
    return entry


def counter(name: str, meaning: str, *labels: str) -> Counter:
    """Make a counter, whose name ends in `_total`."""
    described(name, "counter", meaning, *labels)
    return Counter(name, meaning, labels)


def gauge(name: str, meaning: str, *labels: str, mode: Mode) -> Gauge:
    """Make a gauge; `mode` says what one page shows of several processes."""
    described(name, "gauge", meaning, *labels)
    return Gauge(name, meaning, labels, multiprocess_mode=mode)


def read_gauge(name: str, meaning: str, *labels: str) -> ReadGauge:
    """Make a gauge that no process counts: it is read when a page is made."""
    described(name, "gauge", meaning, *labels)
    return ReadGauge(name, meaning, labels)


def histogram(
    name: str, meaning: str, *labels: str, edges: tuple[float, ...] | tuple[int, ...] = SECONDS
) -> Histogram:
    """Make a histogram with these upper edges, and one without a limit."""
    described(name, "histogram", meaning, *labels)
    return Histogram(name, meaning, labels, buckets=edges)
