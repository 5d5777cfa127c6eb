"""The moments at which a worker is stopped are those of statements that it sends."""

from __future__ import annotations

import re

import pytest

from jobs.services.lifecycle import claim, release, settle, worker_row
from tests.chaos.faults.pauses import MOMENTS

VISIBLE = 1_000  # characters of a statement that pg_stat_activity shows
SENT = {
    "its claim": claim._CLAIM.sql,
    "its settle": settle._SETTLE.sql,
    "its farewell": release._RELEASE.sql,
    "its heartbeat": worker_row._CLOCK.sql,
}


def test_every_moment_is_covered() -> None:
    assert SENT.keys() == MOMENTS.keys()


@pytest.mark.parametrize("what", list(SENT))
def test_a_moment_is_that_of_its_statement_alone(what: str) -> None:
    shown = SENT[what][:VISIBLE]
    assert [name for name, moment in MOMENTS.items() if re.search(moment.query, shown)] == [what]


def test_a_worker_without_jobs_takes_its_leave_too() -> None:
    assert re.search(MOMENTS["its farewell"].query, worker_row._END.sql)
