"""Jobs with a full shadow against the same jobs without: p99 at three loads, and the throughput of a backlog.

Rounds with and without the shadow take turns, so that what else the machine does meets both alike. The two
models: one that holds its device alone, as a GPU does, and the digits, which really compute. Their copies
run in every gap, because each job is copied. BENCH_ROUNDS and BENCH_ROUND_S set the rounds of each
kind and their seconds.
"""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections.abc import Iterator
from statistics import median
from typing import Any, NamedTuple

from jobs.management.demo.figures import percentile
from tests.benchmarks.bed import Bed, bed
from tests.benchmarks.figure import Figure, at_least, at_most
from tests.benchmarks.shadow_model import DEVICE
from tests.support import digit_models
from tests.support.app import register
from tests.support.wait import wait_until

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "6"))
ROUND_S = float(os.environ.get("BENCH_ROUND_S", "20"))
BACKLOG = 1_500
LOADS = {"idle": 0.02, "half": 0.5, "near saturation": 0.85}
P99_GOAL, THROUGHPUT_GOAL = 1.1, 0.97
SETTLED_S = 3.0  # until web processes and the worker have a new rule
EVERY_S = 0.02
ENTRY_POINTS = {"MODEL_ENTRY_POINTS": ",".join((DEVICE, *digit_models.ENTRY_POINTS))}
RUN = "SELECT COALESCE(sum(run), 0) FROM jobs_shadow WHERE model = '{}'"
OPEN = "SELECT count(*) FROM jobs_outbox"
TIMES = "SELECT extract(epoch FROM finished_at - created_at)::float8 FROM jobs_job WHERE id > '{}'"
SPAN = "SELECT extract(epoch FROM max(finished_at) - min(started_at))::float8 FROM jobs_job WHERE id > '{}'"
LAST = "SELECT id::text FROM jobs_job ORDER BY id DESC LIMIT 1"


class Model(NamedTuple):
    """A model, its two versions, the jobs of a batch, and an input."""

    name: str
    versions: tuple[str, str]
    options: dict[str, Any]
    most: int


MODELS = (
    Model("device", (DEVICE, DEVICE), {"base_s": 0.015, "per_item_s": 0.001}, 16),
    Model("digits", (digit_models.HEAVY, digit_models.LIGHT), {}, 16),
)


def measure() -> Iterator[Figure]:
    with bed("shadow", ("web", "relay"), env=ENTRY_POINTS) as ground:
        for model in MODELS:
            _register(ground, model)
            with ground.worker(model.name, env=ENTRY_POINTS):
                yield from _measured(ground, model)


def _register(ground: Bed, model: Model) -> None:
    first = model.versions[0]
    limits = ("--max-batch", str(model.most))
    register(ground.stack, model.name, "1", first, *limits, "--alias", "default", **model.options)
    register(ground.stack, model.name, "2", model.versions[1], *limits, **model.options)


def _measured(ground: Bed, model: Model) -> Iterator[Figure]:
    inputs = [value for value, _ in digit_models.unseen()] if model.name == "digits" else [{"text": "a"}]
    _all_ended(ground, _sent(ground, model, [inputs[0]] * 50))
    ground.manage("load_model", f"{model.name}:2")
    _put(ground, model, shadowed=True)
    _sent(ground, model, [inputs[0]] * 50)
    wait_until(lambda: ground.one(RUN.format(model.name)) > 0, limit_s=120)
    _drained(ground, model, inputs)  # the first backlog teaches relay and worker how long batches take
    rates: dict[bool, list[float]] = {False: [], True: []}
    for number in range(2 * ROUNDS):
        shadowed = (number + number // 2) % 2 == 0
        _put(ground, model, shadowed=shadowed)
        rates[shadowed].append(_drained(ground, model, inputs))
    per_s = median(rates[False])
    yield Figure(f"{model.name}: jobs a second of a backlog", f"{per_s:.0f}")
    ratio = median(one / other for one, other in zip(rates[True], rates[False], strict=True))
    yield at_least(f"{model.name}: throughput with a full shadow", ratio, THROUGHPUT_GOAL)
    for load, share in LOADS.items():
        yield from _at(ground, model, inputs, load, max(share * per_s, 2.0))


def _at(ground: Bed, model: Model, inputs: list[Any], load: str, per_s: float) -> Iterator[Figure]:
    seen: dict[bool, list[float]] = {False: [], True: []}
    copies = 0
    for number in range(2 * ROUNDS):
        shadowed = (number + number // 2) % 2 == 0
        _put(ground, model, shadowed=shadowed)
        before = ground.one(RUN.format(model.name))
        seen[shadowed] += _arrive(ground, model, inputs, per_s, seed=number // 2)
        copies += ground.one(RUN.format(model.name)) - before if shadowed else 0
    plain, with_one = (percentile(seen[shadowed], 0.99) * 1e3 for shadowed in (False, True))
    halves = (percentile(seen[shadowed], 0.5) * 1e3 for shadowed in (False, True))
    yield Figure(
        f"{model.name}, {load}, {per_s:.0f} jobs/s: p50 without and with",
        "{:.1f} and {:.1f} ms".format(*halves),
    )
    yield Figure(
        f"{model.name}, {load}: p99 of {len(seen[True]):,} jobs; copies run",
        f"{plain:.1f} and {with_one:.1f} ms; {copies:,}",
    )
    yield at_most(f"{model.name}, {load}: p99 with a full shadow of without", with_one / plain, P99_GOAL)


def _put(ground: Bed, model: Model, *, shadowed: bool) -> None:
    rule = {"stable": "1", "shadow": {"version": "2"} if shadowed else None}
    ground.manage("rules", "put", model.name, json.dumps(rule), "--reason", "a benchmark")
    time.sleep(SETTLED_S)


def _drained(ground: Bed, model: Model, inputs: list[Any]) -> float:
    """Return the jobs a second of a backlog, from the first start to the last end."""
    last = _sent(ground, model, [inputs[at % len(inputs)] for at in range(BACKLOG)])
    ground.until(OPEN, 0)
    _all_ended(ground, last)
    return BACKLOG / float(ground.one(SPAN.format(last)))


def _arrive(ground: Bed, model: Model, inputs: list[Any], per_s: float, *, seed: int) -> list[float]:
    """Let jobs arrive at random for a round, and return the seconds from the submit to the end of each."""
    chance, last = random.Random(seed), str(ground.one(LAST))
    began = due = time.monotonic()
    while due < began + ROUND_S:
        time.sleep(max(0.0, due - time.monotonic()))
        if number := _poisson(chance, per_s * EVERY_S):
            _sent(ground, model, [chance.choice(inputs) for _ in range(number)])
        due += EVERY_S
    _all_ended(ground, last)
    return [seconds for (seconds,) in ground.database.execute(TIMES.format(last).encode()).fetchall()]


def _sent(ground: Bed, model: Model, inputs: list[Any]) -> str:
    """Submit jobs, and return the id of the last one before them."""
    last = str(ground.one(LAST) or "00000000-0000-0000-0000-000000000000")
    jobs = [{"model": model.name, "input": value} for value in inputs]
    answer = ground.http.post("/api/v1/jobs/bulk", json=jobs).raise_for_status().json()
    assert answer["rejected"] == 0, answer["jobs"][:2]
    return last


def _all_ended(ground: Bed, last: str) -> None:
    ground.until(f"SELECT count(*) FROM jobs_job WHERE id > '{last}' AND state <> 'succeeded'", 0)


def _poisson(chance: random.Random, mean: float) -> int:
    """Return a number of arrivals by Knuth's method."""
    limit, number, product = math.exp(-mean), 0, chance.random()
    while product > limit:
        number, product = number + 1, product * chance.random()
    return number
