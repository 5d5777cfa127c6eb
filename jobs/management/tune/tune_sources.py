"""What is tuned: the version, its times (learned or given by hand), its jobs, the settings to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.errors import NoHistoryError
from jobs.core.loadtest.load_words import LoadGoal, LoadWordError
from jobs.core.simulation.arrivals import Arrival
from jobs.core.simulation.plan import Overheads, Timing
from jobs.core.tuning.bench import Effort
from jobs.core.tuning.setting_space import SettingSpace
from jobs.core.tuning.workload import DrawnTrace, RecordedTrace, Trace, Workload
from jobs.management.tune.tune_arguments import HandTimes, TuneArguments
from jobs.management.tune.tune_processes import chance_of
from jobs.services.reads.history import recorded_jobs
from jobs.services.simulation.learn_times import LearnedTimes, learn_times
from models_registry import selectors
from models_registry.core.version import VersionInfo

P95 = 95.0
LEAST_RUNS, LEAST_JOBS, MOST_JOBS = 30, 500, 100_000
EVENLY = 1.0  # the share of crowding where the lanes of a device share it out evenly
BATCHES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1_024)
PADDED_ITEMS = (2, 4, 8, 16, 32, 64, 128, 256)  # so many mean items fill a batch's padded size
PREFETCH = (0, 256, 64, 16)
DEPTH = (0, 1_024, 256, 64)
STEPS_BY_HAND = 50


@dataclass(frozen=True, slots=True)
class TuneTask:
    """A version, its simulated workload, the rate to be met (None for none), and the settings."""

    info: VersionInfo
    workload: Workload
    space: SettingSpace
    rate_per_s: float | None
    runs: int
    warnings: tuple[str, ...]


def task_of(arguments: TuneArguments) -> TuneTask:
    """Return what the arguments describe; LoadWordError says what is missing, ModelNotFoundError."""
    info = selectors.resolve(arguments.model)
    learned = _learned(info, arguments)
    run, overheads, warnings = _times(arguments.times, learned)
    sizes = _sizes(info, arguments, learned)
    recorded = _recorded(info) if arguments.from_history else None
    trace: Trace = DrawnTrace(chance_of, sizes) if recorded is None else _parts(recorded)
    mean = sum(sizes) / len(sizes) if recorded is None else sum(job.size for job in recorded) / len(recorded)
    workload = Workload(run, trace, chance_of, _limits(info, arguments), overheads, mean)
    rate = arguments.rate if recorded is None else _rate(recorded)
    runs = learned.runs if learned else 0
    return TuneTask(info, workload, _space(info, arguments, mean), rate, runs, warnings)


def _learned(info: VersionInfo, arguments: TuneArguments) -> LearnedTimes | None:
    """Return the times on record, None where those of a run are given by hand and there are none."""
    by_hand = "or give --base-s and --per-item-s"
    try:
        learned = learn_times(model=info.model, version=info.version, window_s=arguments.window_s)
    except NoHistoryError as error:
        if arguments.times.are_enough:
            return None
        raise LoadWordError(f"{str(error).rstrip('.')}; {by_hand}.") from None
    if learned.runs < LEAST_RUNS and not arguments.times.are_enough:
        raise LoadWordError(
            f"Only {learned.runs} batches of {info} are on record, and {LEAST_RUNS} are needed: run more jobs"
            f" of it first, {by_hand}."
        )
    return learned


def _times(hand: HandTimes, learned: LearnedTimes | None) -> tuple[Timing, Overheads, tuple[str, ...]]:
    run = _run(hand, learned.run if learned else Timing())
    overheads = _overheads(hand, learned.overheads if learned else Overheads())
    if hand.crowding is not None:
        return replace(run, crowding=hand.crowding), overheads, ()
    if run.crowding:
        return run, overheads, ()
    warning = "no runs beside each other are on record: lanes are taken to share a device evenly (--crowding)"
    return replace(run, crowding=EVENLY), overheads, (warning,)


def _run(hand: HandTimes, learned: Timing) -> Timing:
    """Return the time of a run; LoadWordError where it takes none."""
    run = Timing(crowding=learned.crowding) if hand.are_enough else learned
    if (hand.base_s, hand.per_item_s) != (None, None):
        run = replace(run, by_size=())  # no learned steps beside a line by hand
    if hand.base_s is not None:
        run = replace(run, base_s=hand.base_s)
    if hand.per_item_s is not None:
        run = replace(run, per_unit_s=hand.per_item_s)
    if run.mean_s(1.0) <= 0.0:
        raise LoadWordError("--base-s and --per-item-s: a run that takes no time has no highest rate")
    return run if hand.jitter is None else replace(run, jitter=hand.jitter, spread=())


def _overheads(hand: HandTimes, learned: Overheads) -> Overheads:
    overheads = learned
    if hand.deliver_s is not None:
        overheads = replace(overheads, deliver_s=hand.deliver_s, deliver_spread=())
    if hand.claim_s is not None:
        overheads = replace(overheads, claim=Timing(hand.claim_s))
    if hand.settle_s is not None:
        overheads = replace(overheads, settle=Timing(hand.settle_s))
    return overheads


def _sizes(info: VersionInfo, arguments: TuneArguments, learned: LearnedTimes | None) -> Sequence[int]:
    if not info.padded:
        return (1,)
    if arguments.sizes:
        low, high = arguments.sizes
        steps = min(STEPS_BY_HAND, high - low + 1)
        return [low + (high - low) * step // max(1, steps - 1) for step in range(steps)]
    if learned is None:
        raise LoadWordError(f"{info} pads its batches, and none are on record: give --sizes, such as 20-200.")
    return learned.sizes


def _recorded(info: VersionInfo) -> list[Arrival]:
    """Return the model's recorded jobs in order of time; of a model that does not pad all have the size 1."""
    jobs = sorted(recorded_jobs(info.model, limit=MOST_JOBS), key=lambda job: job.at_s)
    if len(jobs) < LEAST_JOBS or jobs[-1].at_s <= jobs[0].at_s:
        raise LoadWordError(
            f"Only {len(jobs)} jobs of {info.model} are on record, and {LEAST_JOBS} are needed: give --rate."
        )
    return jobs


def _parts(recorded: Sequence[Arrival]) -> RecordedTrace:
    return RecordedTrace(recorded, Effort().replications)


def _rate(recorded: Sequence[Arrival]) -> float:
    return (len(recorded) - 1) / (recorded[-1].at_s - recorded[0].at_s)


def goal_s_of(goal: LoadGoal, info: VersionInfo) -> float:
    """Return the p95 goal of the tuned version: the given one if it is for p95, and else its own."""
    return goal.limit_s if goal.percentile == P95 else info.p95_goal_s


def _limits(info: VersionInfo, arguments: TuneArguments) -> BatchLimits:
    """Return the limits that are not tuned; a goal for p95 becomes the version's own."""
    return BatchLimits(padded=info.padded, p95_goal_s=goal_s_of(arguments.goal, info))


def _space(info: VersionInfo, arguments: TuneArguments, mean_size: float) -> SettingSpace:
    most = arguments.most_batch
    batches = {step for step in (*BATCHES, info.max_batch) if step <= most} | {most}
    padded: tuple[int, ...] = (0,)
    if info.padded:
        steps = {_rounded(mean_size * items) for items in PADDED_ITEMS} | {info.max_padded_size} - {0}
        padded = (0, *sorted(steps - {0}, reverse=True))
    return SettingSpace(
        max_batch=tuple(sorted(batches)),
        max_padded_size=padded,
        lanes=tuple(range(1, arguments.most_lanes + 1)),
        prefetch=PREFETCH,
        depth=DEPTH,
    )


def _rounded(value: float) -> int:
    """Return a number of two digits and zeros."""
    return int(float(f"{value:.1e}"))
