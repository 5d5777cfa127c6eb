"""From a goal to settings, or to why there are none: the whole of a tuning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from jobs.core.simulation.arrivals import Chance
from jobs.core.tuning.bench import Bench
from jobs.core.tuning.evaluation import Estimated
from jobs.core.tuning.front import best_latency_s
from jobs.core.tuning.search import FEW, Sustained, climbed, search, sustained
from jobs.core.tuning.setting_space import SettingSpace, TunedSetting

MOST_WORKERS = 10_000
MOST_MORE = 10  # workers that the check with fresh numbers may add
MOST_LOWERED = 25
FAR = 1.25  # with a bound so many times the goal, the rate is lowered in larger steps


@dataclass(frozen=True, slots=True)
class Tuned:
    """Settings for so many workers: `highest` is the most they take, `asked` the answer at the given rate.

    Both were checked with random numbers that the search had not seen.
    """

    setting: TunedSetting
    workers: int
    highest: Estimated
    asked: Estimated


@dataclass(frozen=True, slots=True)
class Infeasible:
    """No setting meets the goal: the best percentile in seconds, and the workers that would do.

    `workers` is None where not even `MOST_WORKERS` would. `most_per_s` is the highest rate within the goal
    with the workers that there are; 0 for none, because a job alone takes longer or nearly as long.
    """

    best_s: float
    workers: int | None
    most_per_s: float


def tune(space: SettingSpace, bench: Bench, chance: Chance, rate_per_s: float | None) -> Tuned | Infeasible:
    """Return the setting that takes the highest rate within the goal; with a rate it must meet it there."""
    best = search(space, bench, chance)
    highest = None if best is None else _confirmed(best, bench)
    if best is None or highest is None:
        return Infeasible(best_latency_s(bench.answers), None, 0.0)
    most = highest.question.rate_per_s
    if rate_per_s is None:
        return Tuned(best.setting, bench.workers, highest, highest)
    if rate_per_s <= most:
        asked = _asked(best.setting, rate_per_s, bench)
        if asked is not None:
            chosen = asked.question.setting
            return Tuned(chosen, bench.workers, highest if chosen == best.setting else asked, asked)
    near = space.neighbours(best.setting)
    best_s = best_latency_s(bench.measure([best.setting, *near], [rate_per_s]))
    return Infeasible(best_s, _more_workers(best.setting, most, rate_per_s, bench), most)


def tune_workers(space: SettingSpace, bench: Bench, chance: Chance, rate_per_s: float) -> Tuned | Infeasible:
    """Return the settings with which the fewest workers meet the goal at a rate."""
    one = replace(bench, workers=1)
    best = search(space, one, chance)
    if best is None:
        _collect(bench, one)
        return Infeasible(best_latency_s(bench.answers), None, 0.0)
    setting, needed = best.setting, least_workers(best.setting, best.rate_per_s, rate_per_s, one)
    _collect(bench, one)
    if needed is None:
        return Infeasible(best_latency_s(bench.answers), None, best.rate_per_s)
    while needed > 1:
        fewer = replace(bench, workers=needed - 1)
        good = _meeting(space, setting, rate_per_s, fewer)
        _collect(bench, fewer)
        if good is None:
            break
        setting, needed = good, needed - 1
    return _tuned_with(space, setting, rate_per_s, bench, needed)


def least_workers(setting: TunedSetting, held_per_s: float, rate_per_s: float, bench: Bench) -> int | None:
    """Return the fewest workers with which a setting meets the goal at a rate; None if that is out of reach.

    The search begins where so many workers as the bench has take `held_per_s`.
    """
    if held_per_s <= 0.0:
        return None
    wanted = ceil(bench.workers * rate_per_s / held_per_s)
    while wanted <= MOST_WORKERS and not _meets_with(wanted, setting, rate_per_s, bench):
        wanted += max(1, wanted // 20)
    if wanted > MOST_WORKERS:
        return None
    while wanted > 1 and _meets_with(wanted - 1, setting, rate_per_s, bench):
        wanted -= 1
    return wanted


def _more_workers(setting: TunedSetting, held_per_s: float, rate_per_s: float, bench: Bench) -> int | None:
    """Return how many workers would do where those of the bench do not, checked with fresh numbers."""
    wanted = least_workers(setting, held_per_s, rate_per_s, bench)
    if wanted is None:
        return None
    least = max(wanted, bench.workers + 1)
    for workers in range(least, least + MOST_MORE + 1):
        more = replace(bench, workers=workers)
        good = bench.meets(more.check(setting, rate_per_s))
        _collect(bench, more)
        if good:
            return workers
    return None


def _meets_with(workers: int, setting: TunedSetting, rate_per_s: float, bench: Bench) -> bool:
    more = replace(bench, workers=workers)
    good = more.most_per_s(setting) >= rate_per_s and bench.meets(more.measure([setting], [rate_per_s])[0])
    _collect(bench, more)
    return good


def _meeting(
    space: SettingSpace, setting: TunedSetting, rate_per_s: float, bench: Bench
) -> TunedSetting | None:
    near = [setting, *space.neighbours(setting)]
    answers = bench.measure([one for one in near if bench.most_per_s(one) >= rate_per_s], [rate_per_s])
    good = [one for one in answers if bench.meets(one)]
    return min(good, key=lambda one: one.upper_s).question.setting if good else None


def _tuned_with(
    space: SettingSpace, setting: TunedSetting, rate_per_s: float, bench: Bench, workers: int
) -> Tuned | Infeasible:
    """Tune around a setting for a number of workers, one more where the check finds them too few."""
    most_per_s = 0.0
    for number in range(workers, workers + MOST_MORE + 1):
        own = replace(bench, workers=number)
        held = sustained(setting, rate_per_s, own)
        best = held and climbed(space, held, own)
        highest = best and _confirmed(best, own)
        asked = best and highest and _asked(best.setting, rate_per_s, own)
        _collect(bench, own)
        if highest and asked:
            chosen = asked.question.setting
            return Tuned(chosen, number, highest if chosen == highest.question.setting else asked, asked)
        most_per_s = highest.question.rate_per_s if highest else 0.0
    return Infeasible(best_latency_s(bench.answers), None, most_per_s)


def _confirmed(best: Sustained, bench: Bench) -> Estimated | None:
    """Return the answer at the highest rate that fresh random numbers confirm; None if there is none."""
    rate = best.rate_per_s
    for _ in range(MOST_LOWERED):
        answer = bench.check(best.setting, rate)
        if bench.meets(answer):
            return answer
        by_far = answer.upper_s > FAR * bench.goal.limit_s
        rate *= 1.0 - (3.0 if by_far else 1.0) * bench.effort.step
    return None


def _asked(best: TunedSetting, rate_per_s: float, bench: Bench) -> Estimated | None:
    """Return the checked answer at the given rate: of the best setting, or else of those after it.

    A setting that meets the goal at a high rate may miss it at a low one, where batches are small.
    """
    after = sorted(filter(bench.meets, bench.answers), key=lambda one: -one.question.rate_per_s)
    settings = list(dict.fromkeys([best, *(one.question.setting for one in after)]))[:FEW]
    answers = (bench.check(one, rate_per_s) for one in settings)
    return next(filter(bench.meets, answers), None)


def _collect(bench: Bench, other: Bench) -> None:
    """Count what another bench, made from this one, has simulated since; both have the same answers."""
    bench.simulated = max(bench.simulated, other.simulated)
