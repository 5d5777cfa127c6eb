"""How long jobs of a roll-out's arms took lately, from admission to the result."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import NamedTuple

from jobs.admin.rollouts.route_span import ROUTES, span_of
from jobs.db.statement import Statement, fetch_all
from models_registry.core.routing.decision import Arm
from models_registry.models import Rollout

MOST_JOBS = 5_000
LEAST_JOBS = 2


class _Took(NamedTuple):
    arm: str
    seconds: float


# A rescued job's time has the run of both versions in it, so it counts for neither.
_TOOK = Statement(
    f"""
SELECT t.arm, extract(epoch FROM j.finished_at - j.created_at)::float8 AS seconds
FROM ({ROUTES}) t JOIN jobs_job j ON j.id = t.job_id
WHERE t.rollout = %(rollout)s AND j.state = 'succeeded' AND j.batch_id IS NOT NULL
  AND (t.arm = 'baseline' OR (t.arm = 'candidate' AND j.version_id = %(candidate)s))
LIMIT %(most)s
""",  # noqa: S608  # built from our own constants
    _Took,
)


class ArmLatency(NamedTuple):
    """Percentiles of an arm, in seconds."""

    arm: str
    jobs: int
    p50_s: float
    p95_s: float
    p99_s: float


def latencies_of(rollout: Rollout) -> dict[str, list[float]]:
    """Return the seconds of jobs that succeeded, by arm: candidate, then baseline, where it has some."""
    values = {**span_of(rollout), "candidate": rollout.candidate_id, "most": MOST_JOBS}
    found = defaultdict[str, list[float]](list)
    for row in fetch_all(_TOOK, values):
        found[row.arm].append(row.seconds)
    return {arm: found[arm] for arm in (Arm.CANDIDATE, Arm.BASELINE) if len(found[arm]) >= LEAST_JOBS}


def percentiles(seconds: Mapping[str, Sequence[float]]) -> list[ArmLatency]:
    """Return the percentiles of each arm."""
    return [_percentiles(arm, values) for arm, values in seconds.items()]


def _percentiles(arm: str, values: Sequence[float]) -> ArmLatency:
    cuts = quantiles(values, n=100, method="inclusive")
    return ArmLatency(arm, len(values), median(values), cuts[94], cuts[98])
