"""The roll-outs by which the judge is measured: good candidates, and worse ones that must go back."""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from models_registry.core.rollouts.rollout_plan import DAY_S, Plan
from models_registry.core.rollouts.simulation.scenario import SAMPLED, RolloutScenario

_UNLIMITED = 10**9
_LOOK_S = 20.0
_ALL_THE_REST = 19.0  # at a share of 5 %
_QUICK = Plan(step_s=200.0, bake_s=600.0, quick=True)  # proven by duels after 8 min, then a step each 200 s
_GOOD = RolloutScenario(
    2_000_000,
    look_s=_LOOK_S,
    duels_per_look=80,
    drift_within_s=1_800.0,
    horizon_s=2 * 3_600.0,
    budget=_UNLIMITED,
    plan=_QUICK,
)

# Both versions are the same: each roll-back is a false one.
GOOD_CASES: dict[str, RolloutScenario] = {
    "plain": _GOOD,
    "drift from 1 to 6 %": replace(_GOOD, drift=0.06),
    "lag of stable verdicts": replace(_GOOD, lag=True),
    "500 sticky clients": replace(_GOOD, clients=500),
    "20,000 sticky clients": replace(_GOOD, clients=20_000),
    "one bad client": replace(_GOOD, bad_client=True),
    "one bad client of 500 sticky ones": replace(_GOOD, clients=500, bad_client=True),
}
# Not exact: for some looks one side's verdicts are of another time than the other's.
DRIFT_UNDER_LAG = replace(_GOOD, drift=0.06, lag=True)
# Exact only because jobs that a step overtakes do not count: at worst the errors of new jobs jump just then.
IN_FLIGHT: dict[str, RolloutScenario] = {
    "10 min in flight": replace(_GOOD, in_flight_s=600.0, latency=False),
    "1 min in flight, a jump at a step": replace(
        _GOOD, in_flight_s=60.0, latency=False, drift=0.06, drift_at_step=2
    ),
    "10 min in flight, a jump at a step": replace(
        _GOOD, in_flight_s=600.0, latency=False, drift=0.06, drift_at_step=2
    ),
}


class PowerRow(NamedTuple):
    """How many of the candidate's jobs may pass until the roll-back: the median, and 9 of 10 roll-outs."""

    errors: float
    worse: float
    median: int
    nine_of_ten: int
    jobs_a_look: int = 100


POWER_TABLE = (
    PowerRow(0.0, 0.01, 260, 550),
    PowerRow(0.0, 0.03, 90, 170),
    PowerRow(0.0, 0.10, 26, 54, 20),
    PowerRow(0.0, 1.0, 3, 5, 20),
    PowerRow(0.001, 0.01, 390, 945),
    PowerRow(0.001, 0.03, 105, 225),
    PowerRow(0.001, 0.10, 29, 55, 20),
    PowerRow(0.001, 0.999, 3, 6, 20),
    PowerRow(0.01, 0.01, 1_460, 2_745),
    PowerRow(0.01, 0.03, 290, 575),
    PowerRow(0.01, 0.10, 46, 102, 20),
    PowerRow(0.01, 0.99, 3, 6, 20),
    PowerRow(0.05, 0.01, 8_618, 18_645, 1_000),
    PowerRow(0.05, 0.03, 1_079, 2_188, 1_000),
)

# Jobs a day from which one that is a point worse is rolled back inside 1 % of them, 90 % sure.
# The third number is the jobs of a look: more of them, where a roll-out takes a million, only saves time.
VOLUMES = ((0.0, 55_000, 100), (0.001, 95_000, 100), (0.01, 330_000, 200), (0.05, 1_900_000, 500))


def power_scenario(row: PowerRow, *, as_built: bool = False) -> RolloutScenario:
    """Return a roll-out at 5 % that the test of failures alone decides; `as_built` with a baseline arm."""
    return RolloutScenario(
        row.jobs_a_look * DAY_S / _LOOK_S,
        errors=row.errors,
        worse=row.worse,
        refused=0.0,
        whole_batches=0.0,
        latency=False,
        budget=_UNLIMITED,
        look_s=_LOOK_S,
        horizon_s=30 * DAY_S,
        sampled=SAMPLED if as_built else _ALL_THE_REST,
        plan=Plan(steps=(5, 100), step_s=366 * DAY_S, starve_after_s=366 * DAY_S, baseline=as_built),
    )


def volume_scenario(
    errors: float, daily: float, jobs_a_look: int = 100, *, worse: float = 0.01
) -> RolloutScenario:
    """Return a roll-out with the default plan and budget at a volume, looked at every so many jobs."""
    return RolloutScenario(
        daily,
        errors=errors,
        worse=worse,
        refused=0.0,
        whole_batches=0.0,
        latency=False,
        look_s=max(2.0, jobs_a_look * DAY_S / daily),
        horizon_s=10 * DAY_S,
    )
