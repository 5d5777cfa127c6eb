"""The ledger counts what the surveyor would count; `test_simulation_ledger` compares it with the SQL."""

from __future__ import annotations

import pytest

from jobs.core.admission.queue_survey import LONGEST_BATCH_S, RUNS_WINDOW_S
from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.simulation.ledger import Ledger, LedgerRow

LIMITS = {0: BatchLimits(10), 1: BatchLimits(32, 400)}


def finished(ledger: Ledger, *rows: LedgerRow) -> None:
    for row in rows:
        ledger.open(row)
        ledger.close(row)


def test_an_open_batch_runs_and_a_closed_one_ended_once() -> None:
    ledger, row = Ledger(LIMITS), LedgerRow(0, 7, 7, claimed_s=1.0)
    ledger.open(row)
    assert (ledger.count(1.1, since_s=0.5).running, ledger.count(1.1, since_s=0.5).ended) == (7, 0)
    row.ran_s, row.finished_s = 0.2, 1.3
    ledger.close(row)
    assert [ledger.count(now, since_s=0.5).ended for now in (1.5, 2.0)] == [7, 0]
    assert ledger.count(1.5, since_s=0.5).running == 0


def test_runs_of_the_window_give_their_line_and_answer_time() -> None:
    ledger = Ledger(LIMITS)
    finished(ledger, *(LedgerRow(0, n, 2 * n, 1.0, 0.04 + 0.001 * 2 * n, 1.5) for n in (2, 4, 9)))
    runs = ledger.count(2.0, since_s=0.5).runs
    assert runs is not None
    assert (runs.jobs, runs.batches, runs.per_item, runs.max_batch) == (15, 3, 2.0, 10)
    assert (runs.fixed_s, runs.per_unit_s, runs.answer_s) == pytest.approx((0.04, 0.001, 0.5))


def test_runs_of_one_size_have_no_fitted_timing() -> None:
    ledger = Ledger(LIMITS)
    finished(ledger, *(LedgerRow(0, 3, 3, 1.0, 0.043, 1.5) for _ in range(4)))
    runs = ledger.count(2.0, since_s=0.5).runs
    assert runs is not None
    assert (runs.fixed_s, runs.per_unit_s) == (0.0, None)


def test_a_run_of_a_batch_that_was_claimed_too_long_ago_is_not_seen() -> None:
    ledger = Ledger(LIMITS)
    finished(ledger, LedgerRow(0, 3, 3, 0.0, LONGEST_BATCH_S + 1.0, LONGEST_BATCH_S + 2.0))
    count = ledger.count(LONGEST_BATCH_S + 2.0, since_s=0.5)
    assert (count.ended, count.runs) == (3, None)


def test_old_runs_are_forgotten_and_the_largest_version_of_late_gives_the_limits() -> None:
    ledger = Ledger(LIMITS)
    finished(ledger, LedgerRow(1, 3, 3, 0.0, 0.043, 0.1), LedgerRow(0, 3, 3, 5.0, 0.043, 5.1))
    late = ledger.count(LONGEST_BATCH_S - 1.0, since_s=0.5)
    assert late.runs is None
    finished(ledger, LedgerRow(0, 3, 3, 85.0, 0.043, 89.0))
    with_old = ledger.count(LONGEST_BATCH_S - 0.5, since_s=0.5).runs
    without = ledger.count(LONGEST_BATCH_S + 1.0, since_s=0.5).runs
    assert with_old is not None
    assert without is not None
    assert (with_old.max_batch, with_old.max_padded_size, with_old.jobs) == (32, 400, 3)
    assert (without.max_batch, without.max_padded_size) == (10, 0)
    assert ledger.count(89.0 + RUNS_WINDOW_S, since_s=0.5).runs is None
