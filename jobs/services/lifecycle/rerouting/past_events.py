"""How often something happened to a job, as SQL: only of jobs whose epoch shows an earlier life."""

from __future__ import annotations

from typing import LiteralString


def times_of(job: LiteralString, kind: LiteralString) -> LiteralString:
    """Return the SQL that counts the Events of a job's `kind`, by the job's index.

    For an EXISTS under an OR the planner may read the Events of all jobs into a hash.
    """
    return f"(SELECT count(*) FROM jobs_event event WHERE event.job_id = {job} AND event.kind = {kind})"  # noqa: S608  # of constants
