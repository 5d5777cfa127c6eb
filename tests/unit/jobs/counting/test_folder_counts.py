"""Gauges of several processes become one by their mode; the catalogue has only modes of live ones."""

from __future__ import annotations

import json

import pytest
from prometheus_client import Gauge

from jobs import metrics
from jobs.counting.counter_files import CounterFile
from jobs.counting.folder_counts import MODES, FolderCounts


def gauge(mode: str, *values: tuple[float, float]) -> float:
    counts, key = FolderCounts(), json.dumps(["g", "g", {}, "Help."]).encode()
    for number, (value, time) in enumerate(values):
        counts.add(CounterFile("", "gauge", mode, str(number)), [(key, value, time)])
    ((sample,),) = [metric.samples for metric in counts.metrics()]
    return sample.value


@pytest.mark.parametrize(
    ("mode", "value"), [("livesum", 6.0), ("livemax", 3.0), ("livemin", 1.0), ("livemostrecent", 2.0)]
)
def test_a_mode_says_what_becomes_of_the_values_of_several_processes(mode: str, value: float) -> None:
    assert gauge(mode, (1.0, 10.0), (2.0, 30.0), (3.0, 20.0)) == value


def test_every_gauge_of_the_catalogue_goes_with_its_process() -> None:
    gauges = [one for one in vars(metrics).values() if isinstance(one, Gauge)]
    assert {one._name for one in gauges if one._multiprocess_mode not in MODES} == set()
    assert gauges


def test_a_series_whose_meaning_was_reworded_is_one_series() -> None:
    counts = FolderCounts()
    for meaning in ("Before.", "After."):
        key = json.dumps(["a", "a_total", {"queue": "q"}, meaning]).encode()
        counts.add(CounterFile("", "counter", "", "1"), [(key, 2.0, 0.0)])
    ((sample,),) = [metric.samples for metric in counts.metrics()]
    assert sample.value == 4.0
