"""The jobs that a rule gave to the arms of its A/B test, as the statements of its report see them."""

from __future__ import annotations

from typing import LiteralString, NamedTuple
from uuid import UUID

from jobs.db.statement import Statement


class ExposedSpan(NamedTuple):
    """How many jobs a report counts, and the last of them; None without any."""

    jobs: int
    last: UUID | None


SPAN = Statement(
    """
SELECT count(*) AS jobs, (max(job_id::text))::uuid AS last FROM (
  SELECT job_id FROM jobs_route WHERE arm = 'ab' AND rule = %(rule)s ORDER BY job_id LIMIT %(most)s
) first
""",
    ExposedSpan,
)
# Later statements see no more jobs than the first one did. The arm is no parameter: a plan for any value
# could not use an index of one.
EXPOSED: LiteralString = """
exposed AS MATERIALIZED (
  SELECT job_id, version, key FROM jobs_route
  WHERE arm = 'ab' AND rule = %(rule)s AND job_id <= %(last)s
)
"""
