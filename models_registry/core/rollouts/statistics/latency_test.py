"""The test of live latency: batches of the candidate against those of the baseline arm, which is as large.

A batch is slow where its oldest member took longer than the median, or than the 95th percentile, of both
arms' latest batches before it. The bounds come from the past alone, so that the test is exact, and follow
the load.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from models_registry.core.rollouts.statistics.hypergeometric import Stratum, log_e_values
from models_registry.core.rollouts.statistics.mixture import e_value, log_mixture

RATIOS = (1.25, 1.5, 2.0, 4.0)
QUANTILES = (0.5, 0.95)
WEIGHTS = (1.0 / (len(RATIOS) * len(QUANTILES)),) * (len(RATIOS) * len(QUANTILES))
RECENT = 256  # batches of both arms that give the bounds
LEAST_RECENT = 20
_MOST_OPEN = 256  # of one arm while the other has none: the load is not comparable


class LatencyTest(Struct, frozen=True):
    """An e-process for each odds ratio and bound; latencies in seconds.

    `excess / weight` is how much larger the part of the candidate's batches above the median is.
    """

    logs: tuple[float, ...] = (0.0,) * len(WEIGHTS)
    recent_s: tuple[float, ...] = ()
    open_ours_s: tuple[float, ...] = ()
    open_theirs_s: tuple[float, ...] = ()
    batches_ours: int = 0
    batches_theirs: int = 0
    excess: float = 0.0
    weight: float = 0.0

    @property
    def e(self) -> float:
        """Return the e-value against "no slower"."""
        return e_value(log_mixture(self.logs, WEIGHTS))

    @property
    def harm(self) -> float:
        """Return the candidate's part of slow batches less the baseline's, from -1 to 1."""
        return self.excess / self.weight if self.weight else 0.0


def with_latencies(test: LatencyTest, ours_s: tuple[float, ...], theirs_s: tuple[float, ...]) -> LatencyTest:
    """Return the test after batches of both arms; those of one arm alone wait for the other's."""
    ours_s, theirs_s = test.open_ours_s + _rounded(ours_s), test.open_theirs_s + _rounded(theirs_s)
    if not ours_s or not theirs_s:
        too_many = max(len(ours_s), len(theirs_s)) > _MOST_OPEN
        return without_open(test) if too_many else replace(test, open_ours_s=ours_s, open_theirs_s=theirs_s)
    judged = _judged(test, ours_s, theirs_s) if len(test.recent_s) >= LEAST_RECENT else test
    recent_s = (*test.recent_s, *ours_s, *theirs_s)[-RECENT:]
    return replace(without_open(judged), recent_s=recent_s)


def without_open(test: LatencyTest) -> LatencyTest:
    """Return the test without the batches that wait for the other arm's."""
    return replace(test, open_ours_s=(), open_theirs_s=()) if test.open_ours_s or test.open_theirs_s else test


def _judged(test: LatencyTest, ours_s: tuple[float, ...], theirs_s: tuple[float, ...]) -> LatencyTest:
    ordered = sorted(test.recent_s)
    bounds_s = [ordered[int(quantile * (len(ordered) - 1))] for quantile in QUANTILES]
    strata = [Stratum(len(ours_s), len(theirs_s), _slow(ours_s, s), _slow(theirs_s, s)) for s in bounds_s]
    gains = [gain for stratum in strata for gain in log_e_values(stratum, RATIOS)]
    over_median = strata[0]
    return replace(
        test,
        logs=tuple(map(sum, zip(test.logs, gains, strict=True))),
        batches_ours=test.batches_ours + len(ours_s),
        batches_theirs=test.batches_theirs + len(theirs_s),
        excess=test.excess + over_median.excess,
        weight=test.weight + over_median.weight,
    )


def _rounded(latencies_s: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(float(f"{latency_s:.4g}") for latency_s in latencies_s)  # they are stored at each look


def _slow(latencies_s: tuple[float, ...], bound_s: float) -> int:
    return sum(latency_s > bound_s for latency_s in latencies_s)
