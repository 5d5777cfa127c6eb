"""The line of a run that goes on, and its place where there is no terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from jobs.core.loadtest.load_plan import PlannedJob, calls_of
from jobs.management.loadtest import load_progress
from jobs.management.loadtest.load_progress import LoadProgress, shown_progress
from jobs.management.loadtest.load_record import LoadRecord
from jobs.management.loadtest.load_run import Clock
from tests.support.wait import wait_until


def record() -> LoadRecord:
    own = LoadRecord(calls_of([PlannedJob(float(number), "echo") for number in range(4)], 0))
    for number in range(3):
        own.sent(number, number + 0.005)
    own.accepted(own.jobs_of[0][0], "a", 1.0)
    own.accepted(own.jobs_of[1][0], "b", 1.0)
    own.ended(own.jobs_of[1][0], "succeeded", 2.0)
    return own


def test_the_line_says_how_far_the_run_is() -> None:
    words = LoadProgress(record(), Clock()).words()
    assert "0.0 s of 3   sent 3 of 4   succeeded 1   open 1   no answer yet or failed 1" in words
    assert words.endswith("late p99 5.0 ms")


@pytest.mark.parametrize("terminal", [True, False])
def test_it_is_shown_on_a_terminal_and_beside_one(*, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_progress, "EVERY_S", 0.01)
    monkeypatch.setattr(load_progress, "LINE_EVERY_S", 0.01)
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=200)
    with shown_progress(console) as watch:
        watch(record(), Clock())
        wait_until(lambda: "sent 3 of 4" in out.getvalue(), limit_s=10, every_s=0.01)
