"""Months of one version's traffic, with and without a shift, seen through real sketches and the real alarm.

A job's fields follow a normal value each, which an hour may move: so a move is in units of one deviation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import cos, pi, sqrt
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from django.core.management.base import CommandError

from jobs.core.drift.counted_labels import encoded
from jobs.core.drift.drift_alarm import DriftFinding, is_drift
from jobs.core.drift.field_names import CONFIDENCE, LABEL, SIZE
from jobs.management.rollouts.printed import as_json
from jobs.services.drift.field_sketch import FieldSketch
from jobs.services.drift.reference import REFERENCE_JOBS
from jobs.services.drift.sketch_rows import merged_hours

HOURS = 720
DAY = 24
Normal = npt.NDArray[np.float64]
# The hour's moves of one month, in deviations: `effect(generator, hours)`.
Effect = Callable[[np.random.Generator, int], Normal]


def steady(_generator: np.random.Generator, hours: int) -> Normal:
    """Move nothing."""
    return np.zeros(hours)


def wandering(deviation: float, memory: float = 0.9) -> Effect:
    """Return moves that wander around 0 with this deviation, an hour much like the one before."""

    def effect(generator: np.random.Generator, hours: int) -> Normal:
        moves = np.zeros(hours)
        noise = generator.normal(0.0, deviation * sqrt(1 - memory**2), hours)
        for hour in range(1, hours):
            moves[hour] = memory * moves[hour - 1] + noise[hour]
        return moves

    return effect


def daily(height: float) -> Effect:
    """Return moves up and down by `height` in the course of a day."""

    def effect(generator: np.random.Generator, hours: int) -> Normal:
        begins = generator.integers(DAY)
        return np.array([height * cos(2 * pi * (hour + begins) / DAY) for hour in range(hours)])

    return effect


@dataclass(frozen=True, slots=True)
class TrafficCase:
    """A month's traffic: a Poisson number of jobs an hour, whose mean `swing` moves by night and day.

    `alike` jobs one after the other come from one client and are much like each other. The reference is of
    `reference_hours` where given, else of the first 5,000 jobs. `shift` moves all fields from one hour on.
    """

    jobs: float = 500.0
    swing: float = 0.0
    effect: Effect = steady
    alike: int = 1
    reference_hours: int = 0
    shift: float = 0.0


CASES: Mapping[str, TrafficCase] = {
    "steady, 500 jobs an hour": TrafficCase(),
    "steady, 8 jobs an hour": TrafficCase(jobs=8),
    "steady, 20,000 jobs an hour": TrafficCase(jobs=20_000),
    "many by day, few by night": TrafficCase(swing=0.98),
    "20 jobs alike in a row": TrafficCase(alike=20),
    "hours wander by 0.1 deviations": TrafficCase(effect=wandering(0.1)),
    "hours wander by 0.3 deviations": TrafficCase(effect=wandering(0.3)),
    "a daily cycle of 0.2 deviations": TrafficCase(effect=daily(0.2)),
    "a daily cycle of 0.5 deviations": TrafficCase(effect=daily(0.5)),
    "20 jobs alike in a row, reference of a week": TrafficCase(alike=20, reference_hours=7 * DAY),
    "hours wander by 0.3 deviations, reference of a week": TrafficCase(
        effect=wandering(0.3), reference_hours=7 * DAY
    ),
    "a daily cycle of 0.5 deviations, reference of a week": TrafficCase(
        effect=daily(0.5), reference_hours=7 * DAY
    ),
    "a daily cycle of 1 deviation, reference of a week": TrafficCase(
        effect=daily(1.0), reference_hours=7 * DAY
    ),
    "a shift of 1 deviation, 60 jobs an hour": TrafficCase(jobs=60, shift=1.0),
    "a shift of 1 deviation, 100 jobs an hour": TrafficCase(jobs=100, shift=1.0),
    "a shift of 1 deviation, 500 jobs an hour": TrafficCase(shift=1.0),
    "a shift of 1 deviation in a daily cycle of 0.3, reference of a week": TrafficCase(
        effect=daily(0.3), reference_hours=7 * DAY, shift=1.0
    ),
    "a shift of 0.5 deviations, 500 jobs an hour": TrafficCase(shift=0.5),
}


class MonthEnd(NamedTuple):
    """The alarms of a month before any shift, and within two hours of it; None where nothing shifts."""

    alarms: int
    found: bool | None


def run_month(case: TrafficCase, generator: np.random.Generator) -> MonthEnd:
    """Return how a month ended: the reference first, then an hour after the other."""
    before = case.reference_hours or _hours_of_reference(case)
    moves = case.effect(generator, before + HOURS)
    parts = [_fields(_sampled(case, generator, hour, moves[hour])) for hour in range(before)]
    reference = merged_hours(parts)
    shifts_at = before + HOURS - 2 if case.shift else before + HOURS
    history: dict[str, list[DriftFinding | None]] = {field: [None, None] for field in reference}
    alarms, found = 0, False
    for hour in range(before, before + HOURS):
        shifted = hour >= shifts_at
        now = _fields(_sampled(case, generator, hour, moves[hour] + case.shift * shifted))
        began = [field for field in reference if _begins(field, now, reference, history)]
        alarms += bool(began) and not shifted
        found |= bool(began) and shifted
    return MonthEnd(alarms, found if case.shift else None)


def _hours_of_reference(case: TrafficCase) -> int:
    return max(1, round(REFERENCE_JOBS / case.jobs + 0.5))


def _begins(
    field: str,
    now: Mapping[str, FieldSketch],
    reference: Mapping[str, FieldSketch],
    history: Mapping[str, list[DriftFinding | None]],
) -> bool:
    two, one = history[field][-2:]
    finding = now[field].compared_with(reference[field]) if field in now else None
    history[field].append(finding)
    return is_drift([one, finding]) and not is_drift([two, one])


Sampled = dict[str, Any]


def _sampled(case: TrafficCase, generator: np.random.Generator, hour: int, move: float) -> Sampled:
    """Return what an hour's jobs have in each field: arrays of numbers, and counted labels."""
    jobs = int(generator.poisson(case.jobs * (1.0 - case.swing * cos(2 * pi * hour / DAY))))
    values = generator.normal(0.0, 1.0, (13, jobs))
    if case.alike > 1:
        clients = generator.normal(0.0, 1.0, (13, jobs // case.alike + 1)).repeat(case.alike, axis=1)[
            :, :jobs
        ]
        values = 0.95 * clients + sqrt(1 - 0.95**2) * values
    values += move
    labels = np.clip(np.floor(1.7 * values[4] + 5), 0, 9).astype(int)
    return {
        SIZE: np.exp(7 + 0.8 * values[0]),
        "input:/number": values[1],
        "input:/level": np.clip(np.round(values[2]), -1, 2),
        CONFIDENCE: 1 / (1 + np.exp(-2 - values[3])),
        LABEL: Counter(f"{label}" for label in labels),
        **{f"output:vector:p{at}": values[5 + at] for at in range(8)},
    }


def _fields(sampled: Sampled) -> dict[str, FieldSketch]:
    fields = {field: FieldSketch(field) for field in sampled}
    for field, values in sampled.items():
        sketch = fields[field]
        if field == LABEL:
            sketch.merge(encoded(values), 0)
        elif len(values):
            sketch.add_numbers(values.astype(np.float32))
    return fields


class CaseSum(NamedTuple):
    """A case in figures: false alarms a month, months with more than one, and shifts that were found."""

    case: str
    months: int
    false_alarms_a_month: float
    months_above_one: int
    found: float | None


def run_case(name: str, months: int, seed: int) -> CaseSum:
    """Run a case for so many months, each with a seed of its own."""
    case = CASES[name]
    ends = [run_month(case, np.random.default_rng([seed, month])) for month in range(months)]
    found = [end.found for end in ends if end.found is not None]
    alarms = [end.alarms for end in ends]
    return CaseSum(
        name, months, sum(alarms) / months, sum(number > 1 for number in alarms),
        sum(found) / len(found) if found else None,
    )  # fmt: skip


def simulate(options: dict[str, Any]) -> str:
    """Return what became of the cases."""
    names = options["case"] or list(CASES)
    if unknown := set(names) - set(CASES):
        raise CommandError(f"no such case: {', '.join(sorted(unknown))}; there are: {'; '.join(CASES)}")
    if options["months"] < 1:
        raise CommandError("--months must be at least 1")
    sums = [run_case(name, options["months"], options["seed"]) for name in names]
    if options["json"]:
        return as_json([one._asdict() for one in sums])
    return "\n".join(map(_line, sums))


def _line(one: CaseSum) -> str:
    found = "" if one.found is None else f", found within two hours in {one.found:.0%}"
    return (
        f"{one.case}: {one.false_alarms_a_month:.3g} false alarms a version and month,"
        f" {one.months_above_one} of {one.months} months with more than one{found}"
    )
