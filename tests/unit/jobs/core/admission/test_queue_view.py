"""One process's view of a queue: what it admitted after a count is added, and scaled for other processes."""

from __future__ import annotations

import pytest

from jobs.core.admission.queue_count import QueueCount
from jobs.core.admission.queue_view import STALE_S, QueueView

ME = 1


def waiting(view: QueueView, now: float) -> int:
    assert view.estimate is not None
    return view.estimate.place(4, ME, now).waiting


def test_nothing_is_known_before_the_first_count() -> None:
    view = QueueView()
    view.add(4, ME, 3, now=0.0)
    assert view.estimate is None


def test_jobs_admitted_after_the_count_are_added_at_any_later_read() -> None:
    view = QueueView()
    view.add(4, ME, 7, now=0.9)  # before the count, so it is in it
    view.add(4, ME, 2, now=1.1)
    view.renew(QueueCount(waiting=(0, 0, 0, 0, 7, 0, 0, 0, 0, 0)), 1.0)
    view.add(4, ME, 3, now=1.2)
    assert waiting(view, 1.2) == 12


def test_a_process_with_a_third_of_the_admissions_counts_each_of_its_own_three_times() -> None:
    view = QueueView()
    for number in range(20):
        view.add(4, ME, 1, now=number / 10)
    view.add(4, ME, 40, now=2.1)  # after the count, so it says nothing of the part
    view.renew(QueueCount(arriving_per_s=30.0), 2.0)
    view.add(4, ME, 4, now=2.2)
    assert waiting(view, 2.2) == 3 * 44


def test_a_rising_load_is_not_mistaken_for_that_of_other_processes() -> None:
    view = QueueView()
    for at_s in (-1.0, -0.5, 0.0):
        view.renew(QueueCount(), at_s)
    view.add(4, ME, 50, now=0.3)
    view.renew(QueueCount(arriving_per_s=50 / 0.5), 0.5)
    view.add(4, ME, 10, now=0.5)
    assert waiting(view, 0.5) == 10


@pytest.mark.parametrize("late_s", [0.0, STALE_S - 1.0])
def test_admissions_are_remembered_as_long_as_a_count_may_be_old(late_s: float) -> None:
    view = QueueView()
    view.add(4, ME, 5, now=10.1)
    view.add(4, ME, 1, now=10.1 + late_s)
    view.renew(QueueCount(), 10.0)
    assert waiting(view, 10.1 + late_s) == 6
