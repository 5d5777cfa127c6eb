"""What processes have counted, added up, and the page's metrics made of it."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from prometheus_client.metrics_core import Metric

from jobs.counting.counter_files import CounterFile

Labels: TypeAlias = tuple[tuple[str, str], ...]
_KEYS = 65_536  # more than a page may have


class _Series(NamedTuple):
    metric: str
    sample: str
    labels: Labels


class _Gauge(NamedTuple):
    mode: str
    key: bytes
    value: float
    time: float


_CHOICE: Mapping[str, Callable[[list[_Gauge]], float]] = {
    "livesum": lambda of_each: sum(one.value for one in of_each),
    "livemin": lambda of_each: min(one.value for one in of_each),
    "livemax": lambda of_each: max(one.value for one in of_each),
    "livemostrecent": lambda of_each: max(of_each, key=lambda one: one.time).value,
}
MODES = frozenset(_CHOICE)


class FolderCounts:
    """Sums by kind and key, and the gauges of each living process."""

    def __init__(self, sums: Mapping[str, Mapping[bytes, float]] | None = None) -> None:
        """Begin with the sums of processes that have ended."""
        self.sums = defaultdict[str, defaultdict[bytes, float]](lambda: defaultdict(float))
        self._gauges: list[_Gauge] = []
        for kind, values in (sums or {}).items():
            self.sums[kind].update(values)

    def add(self, file: CounterFile, entries: Iterable[tuple[bytes, float, float]]) -> None:
        """Add what a process counted; a gauge that is not a number is a series that was dropped."""
        if file.summed:
            sums = self.sums[file.kind]
            for key, value, _ in entries:
                sums[key] += value
        elif file.mode in MODES:
            self._gauges += [
                _Gauge(file.mode, key, value, time) for key, value, time in entries if not math.isnan(value)
            ]

    def merge(self, other: FolderCounts) -> None:
        """Add what the processes of another folder counted."""
        for kind, values in other.sums.items():
            for key, value in values.items():
                self.sums[kind][key] += value
        self._gauges += other._gauges

    def texts(self) -> dict[str, dict[str, float]]:
        """Return the sums by kind and key as texts; what is no key is left out."""
        return {
            kind: {key.decode(): value for key, value in values.items() if _parsed(key)}
            for kind, values in self.sums.items()
        }

    def labels(self, name: str) -> set[str]:
        """Return the values that a label has in what was summed."""
        parsed = (_parsed(key) for values in self.sums.values() for key in values)
        return {value for one in parsed if one for label, value in one[0].labels if label == name}

    def metrics(self) -> Iterator[Metric]:
        """Yield the metrics of a page, by name."""
        metrics, meanings = dict[str, Metric](), dict[str, str]()
        for kind, values in self.sums.items():
            samples = defaultdict[_Series, float](float)
            for key, value in values.items():
                if series := _named(key, meanings):
                    samples[series] += value
            for series, value in _cumulated(samples) if kind == "histogram" else samples.items():
                _add(metrics, kind, series, value)
        by_series = defaultdict[_Series, list[_Gauge]](list)
        for gauge in self._gauges:
            if series := _named(gauge.key, meanings):
                by_series[series].append(gauge)
        for series, gauges in by_series.items():
            _add(metrics, "gauge", series, _CHOICE[gauges[0].mode](gauges))
        for name, metric in sorted(metrics.items()):
            metric.documentation = meanings[name]
            yield metric


def _add(metrics: dict[str, Metric], kind: str, series: _Series, value: float) -> None:
    metric = metrics.get(series.metric)
    if metric is None:
        metric = metrics[series.metric] = Metric(series.metric, "", kind)
    metric.add_sample(series.sample, dict(series.labels), value)


def _named(key: bytes, meanings: dict[str, str]) -> _Series | None:
    """Return a key's series, and note what its metric means: a release may have other words than the last."""
    if (parsed := _parsed(key)) is None:
        return None
    series, meaning = parsed
    meanings[series.metric] = meaning
    return series


@lru_cache(maxsize=_KEYS)
def _parsed(key: bytes) -> tuple[_Series, str] | None:
    """Return a key's series and meaning; None for bytes that a crash of the machine left there."""
    try:
        metric, sample, labels, meaning = json.loads(key)
        return _Series(str(metric), str(sample), tuple(sorted(labels.items()))), str(meaning)
    except (ValueError, TypeError, AttributeError):
        return None


def _cumulated(samples: Mapping[_Series, float]) -> Iterator[tuple[_Series, float]]:
    """Yield buckets that hold all smaller values too, as a page has them, with counts and sums."""
    buckets = defaultdict[tuple[str, Labels], list[tuple[float, _Series, float]]](list)
    for series, value in samples.items():
        edge = dict(series.labels).get("le")
        if edge is None:
            yield series, value
        else:
            rest = tuple(label for label in series.labels if label[0] != "le")
            buckets[series.metric, rest].append((float(edge), series, value))
    for (metric, labels), of_edges in buckets.items():
        total = 0.0
        for _, series, value in sorted(of_edges, key=lambda one: one[0]):
            total += value
            yield series, total
        yield _Series(metric, f"{metric}_count", labels), total
