"""The search for the setting that takes the highest rate within the goal.

Successive halving: a spread of settings on short traces at a rate that rises until few are left, then those
few on longer ones. Then a local search: a neighbour has to do within the goal what the best one does, at a
rate a step higher, so most neighbours cost one look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.core.simulation.arrivals import Chance
from jobs.core.tuning.bench import Bench
from jobs.core.tuning.evaluation import Estimated
from jobs.core.tuning.setting_space import SettingSpace, TunedSetting

START = 0.5  # of the highest rate that any setting could reach
RISE, FALL = 1.25, 0.4
LONELY = 0.05  # where jobs alone would keep a worker busy for so small a part, they wait for no other
FEW, FEWER = 8, 3
GALLOP = 1.15
MOST_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Sustained:
    """A setting and the highest rate at which its bound was within the goal, with the answer there."""

    setting: TunedSetting
    answer: Estimated

    @property
    def rate_per_s(self) -> float:
        """Return the rate."""
        return self.answer.question.rate_per_s


def search(space: SettingSpace, bench: Bench, chance: Chance) -> Sustained | None:
    """Return the best setting; None where none meets the goal at any rate."""
    rate, few = _halved(space.spread(bench.effort.candidates, chance), bench)
    if not few:
        return None
    best: Sustained | None = None
    for setting in few:
        best = _challenged(best, setting, rate, bench)
    if best is None:
        return None
    return _plainer(space, climbed(space, best, bench), bench)


def sustained(setting: TunedSetting, rate_per_s: float, bench: Bench) -> Sustained | None:
    """Return the highest rate of a setting, searched from a rate upwards or downwards; None: it has none."""
    most = bench.most_per_s(setting)
    rate, held, missed = min(rate_per_s, most), None, most
    while held is None:
        answers = bench.measure([setting], [rate, rate / GALLOP])
        held = next(filter(bench.meets, answers), None)
        if held is not answers[0]:
            missed = rate if held is not None else rate / GALLOP
        rate /= GALLOP * GALLOP
        if held is None and rate < lonely_per_s(bench):
            return None
    while missed == most and held.question.rate_per_s * GALLOP < most:
        rates = [held.question.rate_per_s * GALLOP, held.question.rate_per_s * GALLOP * GALLOP]
        first, second = bench.measure([setting], [min(one, most) for one in rates])
        if not bench.meets(first):
            missed = first.question.rate_per_s
        elif not bench.meets(second):
            held, missed = first, second.question.rate_per_s
        else:
            held = second
    return Sustained(setting, _between(setting, held, missed, bench))


def lonely_per_s(bench: Bench) -> float:
    """Return a rate at which jobs hardly ever meet: what is missed there is missed at any rate."""
    own = bench.workload
    alone_s = own.run.mean_s(own.mean_size if own.limits.padded else 1.0)
    return LONELY * bench.workers / max(alone_s, bench.goal.limit_s / 10.0)


def _between(setting: TunedSetting, held: Estimated, missed: float, bench: Bench) -> Estimated:
    """Close in on the highest rate, two rates at a time."""
    while missed > held.question.rate_per_s * (1.0 + bench.effort.step):
        low, third = held.question.rate_per_s, (missed - held.question.rate_per_s) / 3.0
        first, second = bench.measure([setting], [low + third, low + 2.0 * third])
        if bench.meets(second) and bench.meets(first):
            held = second
        elif bench.meets(first):
            held, missed = first, second.question.rate_per_s
        else:
            missed = first.question.rate_per_s
    return held


def _halved(settings: Sequence[TunedSetting], bench: Bench) -> tuple[float, list[TunedSetting]]:
    """Return a rate, and the few settings that short traces found best there, the best first."""
    rate = START * max(bench.workload.most_per_s(one, bench.workers) for one in settings)
    jobs = bench.effort.screen_jobs
    rate, many = _raced(settings, rate, bench, most=FEW, jobs=jobs, replications=1)
    if not many:
        return rate, []
    return _raced(many, rate, bench, most=FEWER, jobs=2 * jobs, replications=2)


def _raced(
    settings: Sequence[TunedSetting], rate: float, bench: Bench, *, most: int, jobs: int, replications: int
) -> tuple[float, list[TunedSetting]]:
    """Raise the rate until at most `most` settings meet the goal there, or lower it until some do.

    Where fewer meet it, those that came nearest are returned too; none where no setting meets it at all.
    """
    ranked = _ranked(settings, rate, bench, jobs, replications)
    while True:
        good = [one.question.setting for one in ranked if one.latency_s <= bench.goal.limit_s]
        if len(good) > most:
            higher = _ranked(good, rate * RISE, bench, jobs, replications)
            if not any(one.latency_s <= bench.goal.limit_s for one in higher):
                return rate, [one.question.setting for one in higher or ranked][:most]
            ranked, rate = higher, rate * RISE
        elif good or rate <= lonely_per_s(bench):
            break
        else:
            rate *= FALL
            ranked = _ranked(_nearest(ranked, settings, most), rate, bench, jobs, replications)
    return rate, [one.question.setting for one in ranked][:most] if good else []


def _nearest(
    ranked: Sequence[Estimated], settings: Sequence[TunedSetting], most: int
) -> Sequence[TunedSetting]:
    """Return what is worth a look at a lower rate: what came nearest, or all where nothing was simulated."""
    return [one.question.setting for one in ranked[: 2 * most]] or settings


def _ranked(
    settings: Sequence[TunedSetting], rate: float, bench: Bench, jobs: int, replications: int
) -> list[Estimated]:
    answers = bench.screen(settings, rate, jobs=jobs, replications=replications)
    return sorted(answers, key=lambda answer: answer.latency_s)


def _challenged(best: Sustained | None, setting: TunedSetting, rate: float, bench: Bench) -> Sustained | None:
    """Return the better of the best setting so far and another one."""
    if best is None:
        return sustained(setting, rate, bench)
    return _beaten(best, [setting], bench) or best


def _beaten(best: Sustained, settings: Sequence[TunedSetting], bench: Bench) -> Sustained | None:
    """Return the setting that does more than the best, at its own highest rate; None if none does."""
    rate, effort = best.rate_per_s * (1.0 + bench.effort.step), bench.effort
    looks = bench.screen(settings, rate, jobs=effort.jobs)
    likely = [look.question.setting for look in looks if look.latency_s <= bench.goal.limit_s]
    likely = [one for one in likely if bench.most_per_s(one) >= rate]
    better = [answer for answer in bench.measure(likely, [rate]) if bench.meets(answer)]
    if not better:
        return None
    lowest = min(better, key=lambda answer: answer.upper_s)
    return sustained(lowest.question.setting, rate, bench) or Sustained(lowest.question.setting, lowest)


def climbed(space: SettingSpace, best: Sustained, bench: Bench) -> Sustained:
    """Move from neighbour to neighbour as long as one does more."""
    seen = {best.setting}
    for _ in range(MOST_ROUNDS):
        fresh = [one for one in space.neighbours(best.setting) if one not in seen]
        seen.update(fresh)
        better = _beaten(best, fresh, bench)
        if better is None:
            break
        best = better
    return best


def _plainer(space: SettingSpace, best: Sustained, bench: Bench) -> Sustained:
    """Leave the product's own choice where another one gains nothing: prefetch, depth, lanes."""
    for axis in ("prefetch", "depth", "lanes"):
        plain = getattr(space, axis)[0]
        setting = space.moved(best.setting, {axis: -len(space)})
        if getattr(best.setting, axis) != plain:
            answer = bench.measure([setting], [best.rate_per_s])[0]
            best = Sustained(setting, answer) if bench.meets(answer) else best
    return best
