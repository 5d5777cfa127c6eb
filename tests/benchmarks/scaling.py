"""Numbers of workers in virtual time, and a real autoscaler through hundreds of scale events.

The rates of half an hour and the days are those of `tests/unit/jobs/core/scaling`, more of them. The events
need a stack and SCALE_EVENTS, because each start of a worker takes seconds: with it they alone are made. The
run ends after SCALE_LIMIT_S at the latest; a line after each cycle says what was seen so far.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.benchmarks.figure import Figure, at_least, at_most
from tests.support.app import App
from tests.support.autoscaling import autoscaling
from tests.support.scale_cycles import MODEL, cycle, events, faults, register_scaled
from tests.support.stacks import own_stack
from tests.unit.jobs.core.scaling.fluid_day import Fleet, day, drawn, oracle_s, run

RATES = (0.05, 0.5, 1.0, 3.0, 9.5, 10.0, 30.0, 45.0, 100.0, 300.0)
SEEDS = range(10)
DAYS = ((60.0, 5.0), (60.0, 1.0), (150.0, 1.0), (500.0, 1.0))
HALF_HOUR_S = 1_800.0
ONLY = ("web", "stream", "relay")
PLACES = 8


def measure() -> Iterator[Figure]:
    if wanted := int(os.environ.get("SCALE_EVENTS", "0")):
        yield from _events(wanted)
    else:
        yield from _in_virtual_time()


def _in_virtual_time() -> Iterator[Figure]:
    turns = {per_s: max(_turns(per_s, seed) for seed in SEEDS) for per_s in RATES}
    worst = max(turns, key=lambda per_s: turns[per_s])
    runs = f"worst of {len(RATES) * len(SEEDS)} half hours, at {worst:g}/s"
    yield at_most(f"steady Poisson: changes of direction, {runs}", turns[worst], 2)
    for mean_per_s, goal_s in DAYS:
        yield from _day(mean_per_s, goal_s)


def _turns(per_s: float, seed: int) -> int:
    fleet = Fleet(noise=0.1 * (seed % 2))
    return run(fleet, drawn(lambda _: per_s, HALF_HOUR_S, fleet.step_s, seed), seed).turns


def _day(mean_per_s: float, goal_s: float) -> Iterator[Figure]:
    fleet = Fleet(goal_s=goal_s, start_s=60.0, step_s=1.0)
    arrivals = day(mean_per_s, 1, fleet.step_s)
    result = run(fleet, arrivals, 1)
    name = f"a day of {mean_per_s:g}/s, goal {goal_s:g} s"
    yield at_least(f"{name}: minutes that meet the goal", result.good_minutes, 0.99)
    yield at_most(f"{name}: device hours of an oracle's", result.device_s / oracle_s(fleet, arrivals), 1.15)


def _events(wanted: int) -> Iterator[Figure]:
    env = {"SCALE_IDLE_S": "3", "SCALE_COOLDOWN_S": "3"}
    limit_s = float(os.environ.get("SCALE_LIMIT_S", "inf"))
    began_s, seen = time.monotonic(), Seen()
    with own_stack("scaling", only=ONLY, env=env) as stack:
        register_scaled(stack)
        app = App(stack)
        with autoscaling(stack, "--models", MODEL, "--cpu", str(PLACES), "--lanes", "1") as scaler:
            while (made := events(scaler)) < wanted and time.monotonic() - began_s < limit_s:
                seen.add(app, cycle(app, scaler, PLACES))
                print(
                    f"{time.monotonic() - began_s:,.0f} s: {events(scaler):,} scale events, {seen}",
                    flush=True,
                )
            made, failed = events(scaler), faults(scaler)
        app.close()
    yield at_least(f"scale events in {time.monotonic() - began_s:,.0f} s", made, wanted)
    yield at_most(f"jobs of {seen.jobs:,} that did not succeed, once each", seen.lost, 0)
    yield at_most("jobs that were charged a second attempt", seen.charged, 0)
    yield at_most("workers that died, were killed or could not be started", failed, 0)


@dataclass(slots=True)
class Seen:
    """What became of the jobs of the cycles so far."""

    jobs: int = 0
    lost: int = 0
    charged: int = 0

    def add(self, app: App, ids: Sequence[str]) -> None:
        """Wait for a cycle's jobs, and count those without one result or with more than one attempt."""
        states, attempts = app.all_finished(ids, timeout_s=180.0), app.attempts(ids)
        app.assert_each_ran_to_one_result(ids)
        self.jobs += len(ids)
        self.lost += len(ids) - states.get("succeeded", 0)
        self.charged += len(ids) - attempts.get(1, 0)

    def __str__(self) -> str:
        return f"{self.jobs:,} jobs, {self.lost} lost, {self.charged} charged a second attempt"
