"""Count what an A/B test has shown: a few statements over its first jobs, so bounded however long it runs.

What a rule gave to its arms stands in the partial index `route_of_ab`, in the order of time. Jobs, feedback
and Events are found from there by their jobs' ids. Only the time on devices needs a look at batches of other
models, too, and is limited in time (`device_time`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from jobs.core.ab_tests.ab_counts import AbCounts, ExposedJobs, NamedValues
from jobs.core.ab_tests.feedback_request import LARGEST_VALUE
from jobs.core.ids import first_id_at, unix_ms_of
from jobs.core.states import TERMINAL, State, Verb
from jobs.db import database_clock
from jobs.db.statement import Statement, fetch_all
from jobs.services.ab_tests.device_time import ArmAmount, device_time
from jobs.services.ab_tests.exposed_jobs import EXPOSED, SPAN
from jobs.services.ab_tests.refused_jobs import refused_jobs
from models_registry.core.rollouts.statistics.mean_interval import Moments

MOST_JOBS = 1_000_000
MOST_NAMES, MOST_LABELS = 20, 200  # those with the most feedback
CLOCK_SKEW = timedelta(minutes=5)  # an id's time is another host's


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


# A job that was replayed had died all the same. A look at Events costs only jobs that were claimed again.
JOBS = Statement(
    f"""
WITH {EXPOSED}, ended AS MATERIALIZED (
  SELECT exposed.version, exposed.key, job.version_id AS now, job.state, job.finished_at,
    extract(epoch FROM job.finished_at - job.created_at)::float8 AS seconds,
    job.state = %(dead)s OR (job.epoch > 1 AND COALESCE((
      SELECT true FROM jobs_event event
      WHERE event.job_id = job.id AND event.kind = %(replay)s AND event.detail->>'was' = %(dead)s LIMIT 1
    ), false)) AS died
  FROM exposed JOIN jobs_job job ON job.id = exposed.job_id
), by_key AS (
  SELECT version, key, avg(died::int)::float8 AS errors
  FROM ended WHERE died OR state = %(succeeded)s GROUP BY version, key
), judged AS (
  SELECT version, count(*) AS judged, avg(errors) AS error_mean, var_pop(errors) * count(*) AS error_squares
  FROM by_key GROUP BY version
), arm AS (
  SELECT version, count(*) AS exposed, count(DISTINCT key) AS keys,
    count(*) FILTER (WHERE state = ANY(%(ends)s::text[])) AS finished,
    count(*) FILTER (WHERE state = %(succeeded)s AND NOT died) AS answered,
    count(*) FILTER (WHERE died) AS failed,
    count(*) FILTER (WHERE now <> version) AS moved,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE state = %(succeeded)s AND NOT died)
      AS p95_s,
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
# Each job's own rows, by their key: the feedback of other jobs, of any model, is not read.
WITH_FEEDBACK = Statement(
    f"""
WITH {EXPOSED}
SELECT exposed.version, count(*)::float8 AS amount
FROM exposed CROSS JOIN LATERAL (SELECT FROM jobs_feedback WHERE job_id = exposed.job_id LIMIT 1) told
GROUP BY exposed.version
""",  # noqa: S608  # built from our own constants
    ArmAmount,
)


@dataclass(frozen=True, slots=True)
class CountedRule:
    """The rule of an A/B test: row ids of itself, its stable version and its arms, these with names.

    It was in force from `since` until `until`, or is still.
    """

    id: int
    stable: int
    versions: Mapping[int, str]
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class _Counting:
    """The parameters of all statements of one report."""

    values: Mapping[str, Any]
    names: Mapping[int, str]  # of versions, by their row ids
    since: datetime

    def by_name(self, rows: Iterable[ArmAmount]) -> dict[str, float]:
        return {self.names[row.version]: row.amount for row in rows if row.version in self.names}


def count_ab(rule: CountedRule, *, most: int = MOST_JOBS) -> AbCounts:
    """Return what the first `most` jobs of a rule's arms have shown."""
    (span,) = fetch_all(SPAN, {"rule": rule.id, "most": most})
    now = database_clock.read_now()
    until = rule.until or now
    is_whole = span.last is None or span.jobs < most
    if span.last is not None and not is_whole:
        until = min(until, datetime.fromtimestamp(unix_ms_of(span.last) / 1_000, UTC))
    refused = refused_jobs(stable=rule.stable, versions=rule.versions, since=rule.since, until=until)
    lasted_s = _seconds(rule.since, until)
    if span.last is None:
        return AbCounts({}, {}, {}, refused, lasted_s=lasted_s)
    values = {
        "rule": rule.id, "last": span.last, "first": _id_at(rule.since - CLOCK_SKEW),
        "dead": State.DEAD.value, "succeeded": State.SUCCEEDED.value, "ends": sorted(TERMINAL),
        "replay": Verb.REPLAY.value, "names": MOST_NAMES, "labels": MOST_LABELS,
        "versions": list(rule.versions), "largest": LARGEST_VALUE,
    }  # fmt: skip
    counting = _Counting(values, rule.versions, rule.since)
    return AbCounts(
        _jobs(counting, now), _numbers(counting), _labels(counting), refused, is_whole=is_whole,
        lasted_s=lasted_s,
    )  # fmt: skip


def _seconds(since: datetime, until: datetime) -> float:
    return max((until - since).total_seconds(), 0.0)


def _id_at(at: datetime) -> UUID:
    return first_id_at(int(at.timestamp() * 1_000))


def _jobs(counting: _Counting, now: datetime) -> dict[str, ExposedJobs]:
    rows = [row for row in fetch_all(JOBS, counting.values) if row.version in counting.names]
    told = counting.by_name(fetch_all(WITH_FEEDBACK, counting.values))
    times = device_time({**counting.values, "until": _latest(rows, now)}, since=counting.since)
    device = None if times is None else counting.by_name(times)
    return {name: _arm(row, told, device, name) for row in rows for name in [counting.names[row.version]]}


def _latest(rows: Sequence[_ArmCountsRow], now: datetime) -> UUID:
    """Return the largest id that a batch of these jobs can have."""
    running = any(row.finished < row.exposed for row in rows)
    ends = [row.ended_at for row in rows if row.ended_at is not None]
    return _id_at((now if running or not ends else max(ends)) + CLOCK_SKEW)


def _arm(
    row: _ArmCountsRow, told: Mapping[str, float], device: Mapping[str, float] | None, name: str
) -> ExposedJobs:
    errors = Moments(row.judged, row.error_mean or 0.0, row.error_squares or 0.0)
    return ExposedJobs(
        row.exposed, row.keys, row.finished, row.answered, row.failed, row.moved, int(told.get(name, 0)),
        row.p95_s, None if device is None else device.get(name, 0.0), errors,
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
