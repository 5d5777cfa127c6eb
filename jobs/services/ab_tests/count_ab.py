"""Count what an A/B test has shown: a few statements over its first jobs, so bounded however long it runs.

What a rule gave to its arms stands in the partial index `route_of_ab`, in the order of time: no statement
looks at other jobs. Jobs, feedback and batches are found by ids, which grow with time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from jobs.core.ab_tests.ab_counts import AbCounts, ExposedJobs, NamedValues
from jobs.core.ab_tests.feedback_request import LARGEST_VALUE
from jobs.core.ids import first_id_at
from jobs.core.states import TERMINAL, State
from jobs.db.statement import Statement, fetch_all
from models_registry.core.rollouts.statistics.mean_interval import Moments

MOST_JOBS = 1_000_000
MOST_NAMES, MOST_LABELS = 20, 200  # those with the most feedback
CLOCK_SKEW = timedelta(minutes=5)  # an id's time is another host's

# Later statements see no more jobs than the first one did. The arm is no parameter: a plan for any value
# could not use an index of one.
EXPOSED: LiteralString = """
exposed AS MATERIALIZED (
  SELECT job_id, version, key FROM jobs_route
  WHERE arm = 'ab' AND rule = %(rule)s AND job_id <= %(last)s
)
"""


class _ExposedSpan(NamedTuple):
    jobs: int
    last: UUID | None


class _ArmCountsRow(NamedTuple):
    version: int
    exposed: int
    keys: int
    finished: int
    answered: int
    failed: int
    moved: int
    p95_s: float | None
    judged: int
    error_mean: float | None
    error_squares: float | None
    ended_at: datetime | None


class _NumberRow(NamedTuple):
    name: str
    version: int
    jobs: int
    keys: int
    mean: float
    squares: float


class _LabelRow(NamedTuple):
    name: str
    version: int
    label: str
    jobs: int


class _ArmAmount(NamedTuple):
    version: int
    amount: float


SPAN = Statement(
    """
SELECT count(*) AS jobs, (max(job_id::text))::uuid AS last FROM (
  SELECT job_id FROM jobs_route WHERE arm = 'ab' AND rule = %(rule)s ORDER BY job_id LIMIT %(most)s
) first
""",
    _ExposedSpan,
)
JOBS = Statement(
    f"""
WITH {EXPOSED}, ended AS MATERIALIZED (
  SELECT exposed.version, exposed.key, job.version_id AS now, job.state, job.finished_at,
    extract(epoch FROM job.finished_at - job.created_at)::float8 AS seconds
  FROM exposed JOIN jobs_job job ON job.id = exposed.job_id
), by_key AS (
  SELECT version, key, avg((state = %(dead)s)::int)::float8 AS errors
  FROM ended WHERE state IN (%(succeeded)s, %(dead)s) GROUP BY version, key
), judged AS (
  SELECT version, count(*) AS judged, avg(errors) AS error_mean, var_pop(errors) * count(*) AS error_squares
  FROM by_key GROUP BY version
), arm AS (
  SELECT version, count(*) AS exposed, count(DISTINCT key) AS keys,
    count(*) FILTER (WHERE state = ANY(%(ends)s::text[])) AS finished,
    count(*) FILTER (WHERE state = %(succeeded)s) AS answered,
    count(*) FILTER (WHERE state = %(dead)s) AS failed,
    count(*) FILTER (WHERE now <> version) AS moved,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE state = %(succeeded)s) AS p95_s,
    max(finished_at) AS ended_at
  FROM ended GROUP BY version
)
SELECT arm.version, arm.exposed, arm.keys, arm.finished, arm.answered, arm.failed, arm.moved, arm.p95_s,
  coalesce(judged.judged, 0) AS judged, judged.error_mean, judged.error_squares, arm.ended_at
FROM arm LEFT JOIN judged USING (version)
""",  # noqa: S608  # built from our own constants
    _ArmCountsRow,
)
# Larger numbers are refused, but may have been stored before they were: their squares are an error.
NUMBERS = Statement(
    f"""
WITH {EXPOSED}, by_key AS (
  SELECT told.name, exposed.version, exposed.key, count(*) AS jobs, avg(told.value) AS value
  FROM exposed JOIN jobs_feedback told ON told.job_id = exposed.job_id
  WHERE abs(told.value) <= %(largest)s GROUP BY told.name, exposed.version, exposed.key
), often AS (SELECT name FROM by_key GROUP BY name ORDER BY sum(jobs) DESC, name LIMIT %(names)s)
SELECT name, version, sum(jobs)::bigint AS jobs, count(*) AS keys, avg(value) AS mean,
  var_pop(value) * count(*) AS squares
FROM by_key JOIN often USING (name) GROUP BY name, version
""",  # noqa: S608  # built from our own constants
    _NumberRow,
)
LABELS = Statement(
    f"""
WITH {EXPOSED}, counted AS (
  SELECT told.name, exposed.version, told.label, count(*) AS jobs
  FROM exposed JOIN jobs_feedback told ON told.job_id = exposed.job_id
  WHERE told.label IS NOT NULL GROUP BY told.name, exposed.version, told.label
), often AS (
  SELECT name, label FROM counted GROUP BY name, label ORDER BY sum(jobs) DESC, name, label LIMIT %(labels)s
)
SELECT name, version, label, jobs FROM counted JOIN often USING (name, label)
ORDER BY jobs DESC, name, label, version
""",  # noqa: S608  # built from our own constants
    _LabelRow,
)
WITH_FEEDBACK = Statement(
    f"""
WITH {EXPOSED}
SELECT exposed.version, count(*)::float8 AS amount
FROM (SELECT DISTINCT job_id FROM jobs_feedback WHERE job_id >= %(first)s AND job_id <= %(last)s) told
JOIN exposed USING (job_id) GROUP BY exposed.version
""",  # noqa: S608  # built from our own constants
    _ArmAmount,
)
# A job's part of a batch is that of each other job in it, whatever came of it: a retry costs as much.
DEVICE = Statement(
    f"""
WITH {EXPOSED}
SELECT exposed.version, sum(batch.ran_s / cardinality(batch.members)) AS amount
FROM jobs_batch batch CROSS JOIN LATERAL unnest(batch.members) AS member (job_id)
JOIN exposed USING (job_id)
WHERE batch.id >= %(first)s AND batch.id <= %(until)s AND batch.version_id = ANY(%(versions)s::bigint[])
  AND batch.ran_s IS NOT NULL GROUP BY exposed.version
""",  # noqa: S608  # built from our own constants
    _ArmAmount,
)
_NOW = Statement("SELECT statement_timestamp() AS now", datetime)


@dataclass(frozen=True, slots=True)
class _Counting:
    """The parameters of all statements of one report."""

    values: Mapping[str, Any]
    names: Mapping[int, str]  # of versions, by their row ids

    def amounts(self, statement: Statement[_ArmAmount], **more: Any) -> dict[str, float]:
        rows = fetch_all(statement, {**self.values, **more})
        return {self.names[row.version]: row.amount for row in rows if row.version in self.names}


def count_ab(*, rule: int, since: datetime, versions: Mapping[int, str], most: int = MOST_JOBS) -> AbCounts:
    """Return what the first `most` jobs of a rule's arms have shown; `versions` are row ids with names."""
    (span,) = fetch_all(SPAN, {"rule": rule, "most": most})
    if span.last is None:
        return AbCounts({}, {}, {})
    first = first_id_at(int((since - CLOCK_SKEW).timestamp() * 1_000))
    values = {
        "rule": rule, "last": span.last, "first": first, "dead": State.DEAD.value,
        "succeeded": State.SUCCEEDED.value, "ends": sorted(TERMINAL), "names": MOST_NAMES,
        "labels": MOST_LABELS, "versions": list(versions), "largest": LARGEST_VALUE,
    }  # fmt: skip
    counting = _Counting(values, versions)
    return AbCounts(_jobs(counting), _numbers(counting), _labels(counting), is_whole=span.jobs < most)


def _jobs(counting: _Counting) -> dict[str, ExposedJobs]:
    rows = [row for row in fetch_all(JOBS, counting.values) if row.version in counting.names]
    told = counting.amounts(WITH_FEEDBACK)
    device = counting.amounts(DEVICE, until=_latest(rows))
    return {name: _arm(row, told, device, name) for row in rows for name in [counting.names[row.version]]}


def _latest(rows: Sequence[_ArmCountsRow]) -> UUID:
    """Return the largest id that a batch of these jobs can have."""
    (now,) = fetch_all(_NOW)
    running = any(row.finished < row.exposed for row in rows)
    ends = [row.ended_at for row in rows if row.ended_at is not None]
    at = now if running or not ends else max(ends)
    return first_id_at(int((at + CLOCK_SKEW).timestamp() * 1_000))


def _arm(
    row: _ArmCountsRow, told: Mapping[str, float], device: Mapping[str, float], name: str
) -> ExposedJobs:
    errors = Moments(row.judged, row.error_mean or 0.0, row.error_squares or 0.0)
    return ExposedJobs(
        row.exposed, row.keys, row.finished, row.answered, row.failed, row.moved, int(told.get(name, 0)),
        row.p95_s, device.get(name, 0.0), errors,
    )  # fmt: skip


def _numbers(counting: _Counting) -> dict[str, dict[str, NamedValues]]:
    found = defaultdict[str, dict[str, NamedValues]](dict)
    for row in fetch_all(NUMBERS, counting.values):
        if row.version in counting.names:
            moments = Moments(row.keys, row.mean, row.squares)
            found[row.name][counting.names[row.version]] = NamedValues(row.jobs, moments)
    return dict(found)


def _labels(counting: _Counting) -> dict[str, dict[str, dict[str, int]]]:
    found = defaultdict[str, dict[str, dict[str, int]]](lambda: defaultdict(dict))
    for row in fetch_all(LABELS, counting.values):
        if row.version in counting.names:
            found[row.name][row.label][counting.names[row.version]] = row.jobs
    return {name: dict(labels) for name, labels in found.items()}
