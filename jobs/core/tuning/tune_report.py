"""The report of a tuning: what `tune.json` holds. Its JSON schema is made of these classes."""

from __future__ import annotations

from typing import Literal

import msgspec

from jobs.core.tuning.setting_space import TunedSetting

TuneVerdict = Literal["tuned", "infeasible"]


class Foretold(msgspec.Struct, frozen=True, kw_only=True):
    """What the simulator foretells of a setting at a rate, in jobs a second and milliseconds.

    `throughput_per_s` counts the time until the last result, so of a short simulation it is below the rate.
    `upper_ms` is the upper 95 % bound of the goal's percentile; None where the goal was missed by far, and
    the simulation ended early.
    """

    setting: TunedSetting
    rate_per_s: float
    throughput_per_s: float
    latency_ms: float
    upper_ms: float | None


class TuneTimes(msgspec.Struct, frozen=True, kw_only=True):
    """The times that were simulated, in seconds: a run is `base_s + per_unit_s * units`.

    `crowding` is the share by which each other busy lane makes a run longer. `runs` counts the batches that
    the times were learned from, 0 where they were given by hand.
    """

    base_s: float
    per_unit_s: float
    crowding: float
    deliver_s: float
    claim_s: float
    settle_s: float
    runs: int


class TuneSearch(msgspec.Struct, frozen=True, kw_only=True):
    """What the search cost: settings to choose from, questions to the simulator, simulated jobs, seconds."""

    space: int
    questions: int
    simulated_jobs: int
    seconds: float
    seed: int


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What a real worker did with the settings, beside what was foretold for the same rate.

    `latency_ms` is None where the percentile fell on jobs without a result. `verdict` is the load test's.
    """

    rate_per_s: float
    throughput_per_s: float | None
    latency_ms: float | None
    verdict: str
    reasons: list[str]


class TuneReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report. `asked` is the answer at the given rate, or at `highest` where none was given.

    Where the verdict is `infeasible` there are no settings: `best_ms` is the lowest percentile that any had,
    and `workers_needed` how many workers would do, None where no number would.
    """

    format: Literal["inference-tune/1"]
    verdict: TuneVerdict
    model: str
    version: str
    goal: str
    limit_ms: float
    workers: int
    rate_per_s: float | None
    times: TuneTimes
    asked: Foretold | None
    highest: Foretold | None
    best_ms: float | None
    workers_needed: int | None
    highest_rate_per_s: float
    front: list[Foretold]
    commands: list[str]
    warnings: list[str]
    search: TuneSearch
    verified: Verified | None = None
