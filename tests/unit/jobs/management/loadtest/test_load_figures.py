"""The report of a record: times from the intended moment, whatever the sender did."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from jobs.core.loadtest.load_plan import PlannedJob, calls_of
from jobs.core.loadtest.load_report import LoadReport
from jobs.core.loadtest.load_words import parse_goals
from jobs.management.loadtest.load_figures import report_of
from jobs.management.loadtest.load_record import LoadRecord
from tests.unit.jobs.core.loadtest.reports import SETTINGS

LATE_S, ACCEPT_S, END_S = 0.2, 0.3, 0.5


def ended(count: int = 100, *, late_s: float = 0.0, unseen: int = 0, dead: int = 0) -> LoadRecord:
    """Return a record in which every job was accepted and ended at the same times after it was due."""
    record = LoadRecord(calls_of([PlannedJob(number / 10, "echo") for number in range(count)], 0))
    for number, (job,) in enumerate(record.jobs_of):
        record.sent(number, job.due_s + late_s)
        record.accepted(job, str(number), job.due_s + ACCEPT_S)
        state = "dead" if number < dead else "succeeded"
        record.ended(job, state, None if number >= count - unseen else job.due_s + END_S)
    return record


def reported(record: LoadRecord, goals: str = "p95=1s", **settings: object) -> LoadReport:
    own = msgspec.structs.replace(SETTINGS, duration_s=10.0, **settings)
    return report_of(record, own, parse_goals(goals), datetime.now(UTC))


def test_times_count_from_the_intended_moment_although_the_sender_was_late() -> None:
    report = reported(ended(late_s=LATE_S))
    assert report.latency_ms.p50 == pytest.approx(500, rel=0.01)
    assert report.accepted_ms.p50 == pytest.approx(300, rel=0.01)
    assert report.lateness_ms.p99 == pytest.approx(200, rel=0.01)
    assert (report.verdict, "late by" in report.reasons[0]) == ("invalid", True)


def test_dead_jobs_have_no_latency_but_miss_the_goal() -> None:
    report = reported(ended(dead=10))
    assert (report.latency_ms.count, report.sums.dead, report.errors) == (90, 10, {"dead": 10})
    assert (report.verdict, report.goals[0].seen_ms) == ("missed", None)
    assert reported(ended(dead=10), "p90=1s").verdict == "good"


def test_ends_that_nobody_saw_are_counted_apart() -> None:
    assert (reported(ended(unseen=1)).unmeasured, reported(ended(unseen=1)).verdict) == (1, "good")
    assert reported(ended(unseen=2)).verdict == "invalid"
    assert reported(ended(unseen=100), wait="none").verdict == "good"


def test_slices_hold_the_jobs_that_were_due_in_them() -> None:
    report = reported(ended())
    assert [one.intended for one in report.slices] == [10] * 10
    assert [one.finished for one in report.slices] == [5, *[10] * 9]
    assert sum(sum(one.latencies_us.values()) for one in report.slices) == 100


def test_rates_count_what_happened_in_the_time() -> None:
    rates = reported(ended()).rates
    assert (rates.intended, rates.sent, rates.throughput) == (10.0, 10.0, 9.6)


def test_a_call_that_found_no_connection_was_not_sent() -> None:
    record = ended()
    late = LoadRecord(calls_of([PlannedJob(0.0, "echo")], 0))
    late.sent(0, 0.0)
    late.unsent(0, "no free connection")
    assert (late.sums().not_sent, late.sums().sent, late.sums().closes) == (1, 0, True)
    assert record.sums().closes
    assert reported(late).verdict == "invalid"
