"""The test of failures, and of refusals: whether the candidate's are more, exact at every look."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from models_registry.core.rollouts.statistics.hypergeometric import Stratum, log_e_values
from models_registry.core.rollouts.statistics.mixture import e_value, log_mixture

RATIOS = (1.5, 2.0, 5.0, 20.0, 100.0)
MARGIN = 0.01  # one point worse is what must be found
LEAST_RATE = 1e-4  # a smaller rate of the stable version counts as this one
WEIGHTS = (*[0.5 / len(RATIOS)] * len(RATIOS), 0.5)
_PRIOR_FAILED, _PRIOR_SEEN = 0.5, 200.0


class RateTest(Struct, frozen=True):
    """An e-process for each odds ratio, the last of which is a point above the stable's rate, and the counts.

    `excess / weight` is the difference of both rates, stratum by stratum (Mantel-Haenszel): the difference
    of the totals would mistake a drift of the rate under a growing share for harm.
    """

    logs: tuple[float, ...] = (0.0,) * len(WEIGHTS)
    seen_ours: int = 0
    seen_theirs: int = 0
    failed_ours: int = 0
    failed_theirs: int = 0
    excess: float = 0.0
    weight: float = 0.0
    batch_excess: float = 0.0
    batch_weight: float = 0.0

    @property
    def log_e(self) -> float:
        """Return the log of the e-value against "no worse"."""
        return log_mixture(self.logs, WEIGHTS)

    @property
    def e(self) -> float:
        """Return the e-value against "no worse"."""
        return e_value(self.log_e)

    @property
    def harm(self) -> float:
        """Return how far the candidate's rate is above the stable's: of keys or batches, the larger."""
        batches = self.batch_excess / self.batch_weight if self.batch_weight else 0.0
        return max(self.harm_of_keys, batches)

    @property
    def harm_of_keys(self) -> float:
        """Return how far the candidate's rate of keys is above the stable's, from -1 to 1; 0 without any."""
        return self.excess / self.weight if self.weight else 0.0

    @property
    def rate_theirs(self) -> float:
        """Return the stable version's rate so far."""
        return self.failed_theirs / self.seen_theirs if self.seen_theirs else 0.0

    @property
    def expected_ours(self) -> float:
        """Return how many of the candidate's would have failed at the stable version's rate."""
        return self.seen_ours * self.rate_theirs

    @property
    def part(self) -> float:
        """Return the candidate's part of all that was judged, from 0 to 1."""
        seen = self.seen_ours + self.seen_theirs
        return self.seen_ours / seen if seen else 0.0

    @property
    def ratios(self) -> tuple[float, ...]:
        """Return the odds ratios of the next stratum; the last depends on the past alone."""
        rate = max((self.failed_theirs + _PRIOR_FAILED) / (self.seen_theirs + _PRIOR_SEEN), LEAST_RATE)
        return (*RATIOS, (rate + MARGIN) / rate)


def with_keys(test: RateTest, stratum: Stratum) -> RateTest:
    """Return the test after a closed stratum of sticky keys; one with an empty side counts for nothing."""
    if not stratum.tells:
        return test
    return replace(
        test,
        logs=_logs(test, stratum),
        seen_ours=test.seen_ours + stratum.ours,
        seen_theirs=test.seen_theirs + stratum.theirs,
        failed_ours=test.failed_ours + stratum.failed_ours,
        failed_theirs=test.failed_theirs + stratum.failed_theirs,
        excess=test.excess + stratum.excess,
        weight=test.weight + stratum.weight,
    )


def with_batches(test: RateTest, stratum: Stratum) -> RateTest:
    """Return the test after a closed stratum of batches; one that failed as a whole is one failure."""
    if not stratum.tells:
        return test
    return replace(
        test,
        logs=_logs(test, stratum),
        batch_excess=test.batch_excess + stratum.excess,
        batch_weight=test.batch_weight + stratum.weight,
    )


def _logs(test: RateTest, stratum: Stratum) -> tuple[float, ...]:
    if not stratum.failed:
        return test.logs
    return tuple(map(sum, zip(test.logs, log_e_values(stratum, test.ratios), strict=True)))
