"""The history has a row of all models for each second that was recorded, and a model's where it was busy."""

from __future__ import annotations

import pytest

from jobs.core.operations.history_steps import ALL, MOST_MODELS, HistoryStep, HistorySteps, QueueLook
from jobs.core.operations.recent_jobs import JobTally
from jobs.core.operations.spread import Spread, bucket_of


def look(waiting: int = 0, **fields: float) -> QueueLook:
    values = {"oldest_s": 0.0, "in_per_s": 0.0, "workers": 1} | fields
    return QueueLook(waiting=waiting, **values)  # type: ignore[arg-type]  # any of its fields


def tally(seconds: float, jobs: int = 1, *, died: int = 0, retries: int = 0) -> JobTally:
    total = Spread({bucket_of(seconds): jobs})
    return JobTally(succeeded=jobs, died=died, retries=retries, batches=1, batch_jobs=jobs, total=total)


def by_model(rows: list[HistoryStep], step_s: int = 1) -> dict[str, HistoryStep]:
    return {row.queue: row for row in rows if row.step_s == step_s}


def test_a_quiet_model_has_no_row_and_all_together_always_has_one() -> None:
    rows = by_model(HistorySteps().add(60, {}, {"echo": look(), "busy": look(3, oldest_s=2.0)}))
    assert set(rows) == {ALL, "busy"}
    assert (rows[ALL].waiting, rows[ALL].oldest_s, rows[ALL].out_per_s, rows[ALL].p95_s) == (
        3,
        2.0,
        0.0,
        None,
    )


def test_a_count_that_is_too_old_is_unknown_and_not_none() -> None:
    rows = by_model(HistorySteps().add(60, {"echo": tally(0.1, 5, died=1, retries=2)}, None))
    echo = rows["echo"]
    assert (echo.waiting, echo.in_per_s, echo.workers) == (None, None, None)
    assert (echo.out_per_s, echo.failed_per_s, echo.batch_size) == (6, 3, 5)


def test_a_minute_s_row_comes_with_the_first_second_after_it_and_adds_up_what_was_recorded() -> None:
    steps = HistorySteps()
    for second in range(60, 90):  # half a minute: the recorder began later, or paused
        assert (
            by_model(steps.add(second, {"echo": tally(0.1, 4)}, {"echo": look(2, oldest_s=second)}), 60) == {}
        )
    echo = by_model(steps.add(120, {}, {"echo": look()}), 60)["echo"]
    assert (echo.at, echo.out_per_s, echo.waiting, echo.oldest_s) == (60, 4.0, 2, 89)
    assert echo.p95_s == pytest.approx(0.1, rel=0.026)
    assert by_model(steps.add(180, {}, {"echo": look()}), 60)[ALL].out_per_s == 0.0


def test_the_rows_of_a_second_are_bounded() -> None:
    looks = {f"m{number}": look(number) for number in range(1, 201)}
    rows = by_model(HistorySteps().add(60, {}, looks))
    assert len(rows) == 1 + MOST_MODELS
    assert "m200" in rows
    assert rows[ALL].waiting == sum(range(201)), "the others count there"
