"""The moments at which a load test means to send, drawn before its start.

A profile says which share of the jobs is due by which share of the time. The number of jobs is exactly the
rate times the duration: only their places are drawn, so the mean rate of every profile is `--rate`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from math import ceil, pi, sin, sqrt

from jobs.core.simulation.arrivals import Chance

BURSTS, BURST_SHARE = (
    5,
    0.2,
)  # the jobs of each fifth of the time come in its first fifth, at five times the rate
SWING = 0.8  # the rate of `diurnal` is 0.2 times the mean at its lowest and 1.8 times at its highest
HALVINGS = 40


class LoadProfile(StrEnum):
    """How the rate runs over the duration; the mean is the same."""

    CONSTANT = "constant"
    POISSON = "poisson"
    BURST = "burst"
    RAMP = "ramp"
    DIURNAL = "diurnal"


def send_times(profile: LoadProfile, rate_per_s: float, duration_s: float, chance: Chance) -> list[float]:
    """Return the seconds from the start at which jobs are due, in order; at least one job."""
    count = max(1, round(rate_per_s * duration_s))
    if profile is LoadProfile.CONSTANT:
        return [number * duration_s / count for number in range(count)]
    at = _PLACES[profile]
    return sorted(at(chance()) * duration_s for _ in range(count))


def _evenly(share: float) -> float:
    return share


def _in_bursts(share: float) -> float:
    burst, within = divmod(share * BURSTS, 1.0)
    return (burst + within * BURST_SHARE) / BURSTS


def _rising(share: float) -> float:
    """Return the time of a rate that rises from nothing to twice the mean."""
    return sqrt(share)


def _over_a_day(share: float) -> float:
    """Return the time by which `share` of a day's jobs are due; there is no closed form of it."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        due = middle - SWING * sin(2 * pi * middle) / (2 * pi)
        low, high = (middle, high) if due < share else (low, middle)
    return low


_PLACES: dict[LoadProfile, Callable[[float], float]] = {
    LoadProfile.POISSON: _evenly,
    LoadProfile.BURST: _in_bursts,
    LoadProfile.RAMP: _rising,
    LoadProfile.DIURNAL: _over_a_day,
}


def slices_of(duration_s: float) -> int:
    """Return into how many equal slices of time a run is divided: a second each, but 10 to 60 of them."""
    return min(60, max(10, ceil(duration_s)))
