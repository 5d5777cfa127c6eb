"""What the judge costs at 5,000 jobs a second, and how long 10,000 jobs take to go back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from threading import Event as Stop

import pytest
import sqlalchemy as sa

from jobs.models import Job, Tally
from jobs.services.rollouts import acts
from jobs.services.rollouts.judge_loop import EVERY_S, RolloutJudge
from jobs.services.rollouts.take_back import any_take_back, take_back
from models_registry import selectors
from models_registry.core.routing.decision import SAMPLE, Arm
from tests.support.rollout_rows import Judged

JOBS_PER_S, BATCH, TICKS = 5_000, 64, 5
CPU_SHARE = 0.01
MANY, GOAL_S = 10_000, 10.0
SLACK = 2.0  # a busy machine's caches are cold


@pytest.fixture(autouse=True)
def fresh(db: str) -> Iterator[None]:
    selectors.forget()
    yield
    selectors.forget()


def second_by_second(judged: Judged, share: float) -> None:
    """Store what batches of two seconds show: the stable side is sampled to SAMPLE times the candidate's."""
    jobs = int(JOBS_PER_S * EVERY_S)
    batches = jobs // BATCH
    candidate, stable = int(jobs * share), int(jobs * min(SAMPLE * share, 1 - share))
    for arm, keys, rows in ((Arm.CANDIDATE, candidate, batches), (Arm.STABLE, stable, batches)):
        for _ in range(min(rows, keys)):
            judged.tally(arm, keys // min(rows, keys), latency_s=0.1)


def cpu_share(session: sa.Connection, share: float) -> float:
    """Return the part of a core that the judge's thread takes, of the time between two looks."""
    judged = Judged(budget=100_000, steps=[100 * share, 100], step_s=9_000)
    judged.running()
    loop = RolloutJudge(stop=Stop(), trials=judged.trials)
    spent = []
    for _ in range(TICKS + 1):
        second_by_second(judged, share)
        loop._look_next_s = 0.0
        began = time.thread_time()
        loop.step(session, ())
        spent.append(time.thread_time() - began)
        assert not Tally.objects.exists()
    return sorted(spent[1:])[TICKS // 2] / EVERY_S


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
def test_the_judge_takes_a_hundredth_of_a_core_at_five_thousand_jobs_a_second(
    session: sa.Connection, share: float, record_property: Callable[[str, object], None]
) -> None:
    taken = cpu_share(session, share)
    record_property("judge_cpu_share", taken)
    assert taken < CPU_SHARE * SLACK


def test_ten_thousand_waiting_jobs_go_back_within_ten_seconds(
    session: sa.Connection, record_property: Callable[[str, object], None]
) -> None:
    judged = Judged()
    judged.running()
    for _ in range(MANY // 1_000):
        judged.jobs(1_000)
    acts.roll_back(judged.id, actor="olga")
    (back,) = any_take_back(session)
    began = time.monotonic()
    assert take_back(session, back) == MANY
    took_s = time.monotonic() - began
    record_property("take_back_s", took_s)
    assert set(Job.objects.values_list("version_id", flat=True).distinct()) == {judged.stable.pk}
    assert took_s < GOAL_S
