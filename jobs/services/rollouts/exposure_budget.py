"""How many jobs a candidate may meet until it is proven, where the plan does not say.

The alias's mean day is estimated from two small reads. The ledger of batches says how many jobs the stable
version ran in the last week, as far as its MOST_BATCHES newest batches reach, and over which time. Jobs that
name the version count too: the alias they came by is not stored. Followers and answers from the cache did
not run, so they do not count; the budget is of jobs that run.
"""

from __future__ import annotations

from jobs.core.ids import first_id_at
from jobs.db.statement import Statement, execute
from models_registry.core.rollouts.rollout_plan import BUDGET_SHARE, DAY_S, LEAST_BUDGET

MOST_BATCHES = 10_000
WEEK_S = 7 * DAY_S
_NOW_MS = Statement("SELECT (extract(epoch FROM now()) * 1000)::bigint", int)
# The id of a batch begins with its time, so the range is read along the primary key. A ledger whose newest
# MOST_BATCHES rows are of the last hour stands for the week.
_A_DAY = Statement(
    """
WITH newest AS (
  SELECT version_id, size, claimed_at FROM jobs_batch WHERE id >= %(first)s ORDER BY id DESC LIMIT %(most)s
), span AS (
  SELECT CASE WHEN count(*) < %(most)s THEN %(week_s)s::float8
    ELSE greatest(extract(epoch FROM now() - min(claimed_at)), 1) END AS span_s FROM newest
)
SELECT (coalesce(sum(newest.size), 0) / min(span.span_s) * %(day_s)s)::float8
FROM span LEFT JOIN newest ON newest.version_id = %(version)s
""",
    float,
)


def default_budget(version: int) -> int:
    """Return 1 % of the jobs that the stable version runs on a mean day, at least LEAST_BUDGET."""
    (now_ms,) = execute(_NOW_MS)
    values = {
        "first": first_id_at(now_ms - WEEK_S * 1_000),
        "most": MOST_BATCHES,
        "week_s": WEEK_S,
        "day_s": DAY_S,
        "version": version,
    }
    (a_day,) = execute(_A_DAY, values)
    return max(LEAST_BUDGET, round(BUDGET_SHARE * a_day))
