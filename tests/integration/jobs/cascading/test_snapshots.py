"""Streams look for the steps of those jobs alone that may have some."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.db import connection

from jobs.db.statement import fetch_all
from jobs.services.reads.snapshot import SNAPSHOTS, snapshot_of
from tests.support.cascades import answer, job_of, light_and_heavy, put_cascade, ran, submit


@pytest.fixture(autouse=True)
def _cascade(db: str) -> None:
    assert db
    light_and_heavy()
    put_cascade()


def test_no_step_is_looked_for_of_a_job_that_was_claimed_once_at_most() -> None:
    job = submit()
    assert "never executed" in steps_part(str(job.id))
    assert snapshot_of(fetch_all(SNAPSHOTS, {"ids": [job.id]})[0]).step is None
    assert ran(job_of(job.id), answer(0.3)).epoch > 1
    assert "never executed" not in steps_part(str(job.id))
    assert snapshot_of(fetch_all(SNAPSHOTS, {"ids": [job.id]})[0]).step == 2


def steps_part(job: str) -> str:
    """Return what the plan of a run says of the look at steps."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF) {SNAPSHOTS.sql}", {"ids": [UUID(job)]})
        plan = [str(line) for (line,) in cursor.fetchall()]
    return "".join(line for line in plan if "jobs_step" in line)
