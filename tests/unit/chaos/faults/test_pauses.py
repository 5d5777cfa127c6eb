"""The moments at which a worker is stopped are those of statements that it sends."""

from __future__ import annotations

import re

import pytest

from jobs.db.statement import Statement
from jobs.services.lifecycle import claim, release, settle, worker_row
from tests.chaos.faults.pauses import MOMENTS

VISIBLE = 1_000  # characters of a statement that pg_stat_activity shows
SENT: dict[str, Statement[object]] = {
    "its claim": claim._CLAIM,
    "its settle": settle._SETTLE,
    "its release": release._RELEASE,
    "its heartbeat": worker_row._CLOCK,
}  # type: ignore[dict-item]  # of any row


def test_every_moment_is_covered() -> None:
    assert SENT.keys() == MOMENTS.keys()


@pytest.mark.parametrize("what", list(SENT))
def test_a_moment_is_that_of_its_statement_alone(what: str) -> None:
    shown = SENT[what].sql[:VISIBLE]
    assert [name for name, moment in MOMENTS.items() if re.search(moment.query, shown)] == [what]
