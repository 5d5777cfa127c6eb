"""From counts to rates: full batches before the first backlog, what the workers finish during one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.core.admission.drain_rate import BACKLOG_COUNTS, FORGET_S, RecentRuns
from jobs.core.admission.queue_count import QueueCount, Span, WaitingGroup, counted
from jobs.core.admission.queue_survey import LedgerCount, QueueSurvey
from jobs.core.ids import uuid7

RUNS = RecentRuns(
    jobs=40, batches=10, ran_s=4.4, per_item=1.0, fixed_s=0.04, per_unit_s=0.001, answer_s=0.3, max_batch=10
)  # 50 ms for a full batch: 200 jobs a second on one lane


def surveyed(survey: QueueSurvey, jobs: int, ledger: LedgerCount, *, workers: int = 1) -> QueueCount:
    return survey.observe(
        counted([WaitingGroup(4, 1, jobs)] if jobs else []), ledger, workers=workers, since_s=0.5
    )


def test_groups_add_up_to_a_count_with_the_oldest_and_the_mean_age() -> None:
    count = counted(
        [WaitingGroup(4, 1, 3, 9.0, 12.0), WaitingGroup(4, 2, 1, 2.0, 2.0), WaitingGroup(0, 1, 5, 1.0, 5.0)]
    )
    assert (count.waiting[4], count.waiting[0], sum(count.waiting)) == (4, 5, 9)
    assert (count.head_age_s[4], count.mean_age_s[4]) == (9.0, 3.5)
    assert count.by_client[4] == {1: 3, 2: 1}


def test_without_a_backlog_the_rate_is_that_of_full_batches() -> None:
    count = surveyed(QueueSurvey(), 3, LedgerCount(ended=8, runs=RUNS), workers=2)
    assert count.per_s == pytest.approx(2 * 200.0)
    assert count.answer_s == 0.3


def test_a_padded_limit_makes_full_batches_smaller() -> None:
    runs = replace(RUNS, per_item=50.0, per_unit_s=0.001, max_padded_size=200)
    assert runs.full == 4
    assert runs.capacity_per_s == pytest.approx(4 / 0.24)


def test_without_workers_or_before_the_first_run_the_rate_is_unknown() -> None:
    assert surveyed(QueueSurvey(), 3, LedgerCount(runs=RUNS), workers=0).per_s is None
    assert surveyed(QueueSurvey(), 3, LedgerCount()).per_s is None


def test_a_lasting_backlog_gives_the_rate_at_which_jobs_end_and_corrects_the_calculated_one() -> None:
    survey, slow = QueueSurvey(), LedgerCount(ended=50, runs=RUNS)
    rates = [surveyed(survey, 1_000, slow).per_s for _ in range(BACKLOG_COUNTS + 4)]
    assert rates == pytest.approx([200.0] * (BACKLOG_COUNTS + 3) + [100.0])
    assert surveyed(survey, 0, LedgerCount(ended=5)).per_s == pytest.approx(100.0)


def test_a_backlog_whose_batches_end_at_once_is_measured_over_seconds() -> None:
    survey = QueueSurvey()
    runs = replace(RUNS, jobs=40, batches=5, ran_s=5.0, per_unit_s=None, answer_s=2.0, max_batch=8)
    ends = [8 * (number % 2) for number in range(80)]  # eight jobs a second
    rates = [surveyed(survey, 800, LedgerCount(ended=ended, runs=runs)).per_s for ended in ends]
    assert all(rate == pytest.approx(8.0, rel=0.25) for rate in rates[BACKLOG_COUNTS:])
    assert all(rate == pytest.approx(8.0, rel=0.05) for rate in rates[40:])


@pytest.mark.parametrize("run_s", [1.0, 7.0, 30.0])
def test_a_backlog_of_long_runs_is_measured_too(run_s: float) -> None:
    """Four lanes finish four jobs in the time of a run; what is calculated knows of one lane."""
    survey, every = QueueSurvey(), int(2 * run_s)
    runs = replace(
        RUNS, jobs=8, batches=8, ran_s=8 * run_s, fixed_s=run_s, per_unit_s=0.0, answer_s=run_s, max_batch=1
    )
    for number in range(20 * every):
        ended = 4 if number % every == every - 1 else 0
        count = surveyed(survey, 1_000, LedgerCount(ended=ended, runs=runs))
    assert count.per_s == pytest.approx(4 / run_s, rel=0.35)


def test_a_worker_that_starts_in_a_backlog_adds_its_part_at_once_and_is_no_slower() -> None:
    survey, alone, both = QueueSurvey(), LedgerCount(ended=50, runs=RUNS), LedgerCount(ended=100, runs=RUNS)
    for _ in range(40):
        one = surveyed(survey, 1_000, alone)
    counts = [surveyed(survey, 1_000, both, workers=2) for _ in range(4)]
    assert one.worker_per_s == pytest.approx(100.0)
    assert [count.worker_per_s for count in counts] == pytest.approx([100.0] * 4)
    assert counts[0].per_s == pytest.approx(200.0)
    assert surveyed(survey, 1_000, alone).per_s == pytest.approx(100.0)  # and one that ends takes its part


def test_the_rate_of_short_runs_is_bound_by_the_time_around_them() -> None:
    quick = RecentRuns(
        jobs=10, batches=10, ran_s=0.004, per_item=1.0, fixed_s=0.0004, per_unit_s=0.0, answer_s=0.01,
        max_batch=64,
    )  # fmt: skip
    assert 10_000 < quick.capacity_per_s <= 3 * 64 / 0.01


def test_the_rate_of_a_queue_that_ran_nothing_for_long_is_forgotten() -> None:
    survey = QueueSurvey()
    assert surveyed(survey, 3, LedgerCount(ended=8, runs=RUNS)).per_s
    rates = [surveyed(survey, 0, LedgerCount()).per_s for _ in range(int(2 * FORGET_S) + 1)]
    assert rates[0] == pytest.approx(200.0)
    assert rates[-1] is None


def test_a_count_knows_the_workers_and_where_each_client_s_jobs_stand() -> None:
    ids = [str(uuid7(7, number)) for number in range(5)]
    count = counted(
        [WaitingGroup(4, 1, 3, 9.0, 12.0, ids[1], ids[2]), WaitingGroup(4, 1, 1, 4.0, 4.0, ids[0], ids[0])]
    )
    assert count.spans[4] == {1: Span(9.0, 4.0, ids[0], ids[2])}
    assert surveyed(QueueSurvey(), 3, LedgerCount(), workers=2).workers == 2


def test_arrivals_are_the_growth_plus_the_ends() -> None:
    survey = QueueSurvey()
    first = survey.observe(counted([WaitingGroup(4, 1, 5)]), LedgerCount(3), workers=1, since_s=None)
    assert first.arriving_per_s == 0.0
    assert surveyed(survey, 9, LedgerCount(running=4, ended=10)).arriving_per_s == (13 - 8 + 10) / 0.5
    assert surveyed(survey, 0, LedgerCount()).arriving_per_s == 0.0


def test_arrivals_are_a_mean_over_ten_seconds_and_unknown_before_the_second_count() -> None:
    survey = QueueSurvey()
    count = counted([])
    first = survey.observe(count, LedgerCount(), workers=0, since_s=None)
    assert first.arrivals_per_s is None
    for _ in range(20):  # half a second each, and all of them came in one
        one = survey.observe(count, LedgerCount(), workers=0, since_s=0.5)
    assert one.arrivals_per_s == 0.0
    burst = survey.observe(count, LedgerCount(ended=40), workers=0, since_s=0.5)
    assert (burst.arriving_per_s, burst.arrivals_per_s) == (80.0, 4.0)
    for _ in range(20):
        one = survey.observe(count, LedgerCount(), workers=0, since_s=0.5)
    assert one.arrivals_per_s == 0.0
    assert survey.observe(count, LedgerCount(), workers=0, since_s=None).arrivals_per_s is None


def test_what_one_worker_does_is_remembered_when_none_is_left() -> None:
    survey = QueueSurvey()
    assert surveyed(survey, 0, LedgerCount(), workers=0).worker_per_s is None
    both = surveyed(survey, 3, LedgerCount(ended=8, runs=RUNS), workers=2)
    assert both.per_s is not None
    assert both.worker_per_s == both.per_s / 2
    none = surveyed(survey, 3, LedgerCount(), workers=0)
    assert (none.per_s, none.worker_per_s) == (None, both.worker_per_s)
