"""What is observed at once is what the library would observe one by one, alone or in a shared folder."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from jobs.metrics.bulk_observe import observe_many, observe_times
from jobs.metrics.metric_kinds import SECONDS

IN_A_FOLDER = """
import json, sys
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from jobs.metrics.bulk_observe import observe_many, observe_times
values, folder = json.loads(sys.argv[1]), sys.argv[2]
one = Histogram("one_s", "One by one.", ["model"], buckets=(0.1, 1.0)).labels("m")
many = Histogram("many_s", "At once.", ["model"], buckets=(0.1, 1.0)).labels("m")
for value in values + [0.5] * 7:
    one.observe(value)
observe_many(many, values)
observe_times(many, 0.5, 7)
registry = CollectorRegistry()
MultiProcessCollector(registry, folder)
print(generate_latest(registry).decode())
"""


def made(values: list[float], *, at_once: bool) -> str:
    registry = CollectorRegistry()
    child = Histogram("x_seconds", "x", ["model"], buckets=SECONDS, registry=registry).labels("m")
    if at_once:
        observe_many(child, values)
    else:
        for value in values:
            child.observe(value)
    return generate_latest(registry).decode()


def numbers(page: str, name: str) -> dict[str, float]:
    lines = [line.rsplit(" ", 1) for line in page.splitlines() if line.startswith(name)]
    return {series.removeprefix(name): float(value) for series, value in lines}


@pytest.mark.parametrize("number", [0, 1, 2, 32, 500])
def test_many_values_are_as_so_many_calls(number: int) -> None:
    drawn = random.Random(number)
    values = [drawn.choice([drawn.expovariate(1.0), *SECONDS, 0.0, 5_000.0]) for _ in range(number)]
    at_once, singly = (numbers(made(values, at_once=way), "x_seconds") for way in (True, False))
    assert at_once == pytest.approx(singly)


def test_values_of_one_edge_are_one_addition() -> None:
    values = [0.011, 0.012, 0.02]
    assert numbers(made(values, at_once=True), "x_s") == pytest.approx(
        numbers(made(values, at_once=False), "x_s")
    )


@pytest.mark.parametrize("times", [0, 1, 32])
def test_a_value_of_many_is_as_so_many_calls(times: int) -> None:
    registry = CollectorRegistry()
    child = Histogram("y_seconds", "y", buckets=SECONDS, registry=registry)
    observe_times(child, 0.3, times)
    assert registry.get_sample_value("y_seconds_count") == times
    assert registry.get_sample_value("y_seconds_sum") == pytest.approx(0.3 * times)
    assert registry.get_sample_value("y_seconds_bucket", {"le": "0.2"}) == 0
    assert registry.get_sample_value("y_seconds_bucket", {"le": "0.5"}) == times


def test_it_is_the_same_in_a_folder_that_processes_share(tmp_path: Path) -> None:
    values = [0.05, 0.1, 0.2, 3.0, 0.05]
    env = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    words = (sys.executable, "-c", IN_A_FOLDER, json.dumps(values), str(tmp_path))
    ended = subprocess.run(words, check=True, env=env, capture_output=True, text=True)
    many, one = (numbers(ended.stdout, name) for name in ("many_s", "one_s"))
    assert many == pytest.approx(one)
    assert many['_count{model="m"}'] == 12
