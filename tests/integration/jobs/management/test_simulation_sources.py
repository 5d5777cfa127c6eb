"""Recorded jobs and runs become arrivals and models for the simulator."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from jobs.core.batching.sealed_batch import BatchLimits
from jobs.core.simulation.plan import Timing
from jobs.core.states import State
from jobs.db.new_ids import new_id
from jobs.management.simulate.simulation_arguments import SimulationArguments
from jobs.management.simulate.sources import models, recorded
from jobs.models import Batch, Job
from jobs.services.reads import history
from jobs.services.reads.history import recorded_jobs
from models_registry.selectors import forget
from tests.support.factories import make_client, make_job, make_version, make_worker


@pytest.fixture(autouse=True)
def _nothing_remembered(db: str) -> None:
    forget()  # because ids begin at 1 again with each test


def record_runs(version_id: int, sizes: list[int]) -> None:
    """Batches of 40 ms and 1 ms an item, padded to ten a unit; claimed in 2 ms, settled in as many."""
    worker = make_worker()
    for size in sizes:
        Batch.objects.create(
            id=new_id(),
            worker=worker,
            version_id=version_id,
            members=[],
            size=size,
            padded_size=size * 10,
            seal_reason="full",
            sealed_ago_s=0.001,
            claim_s=0.002,
            lane_s=0.0,
            ran_s=0.04 + 0.001 * size,
            claimed_at=timezone.now(),
            finished_at=timezone.now() + timedelta(seconds=0.041 + 0.001 * size),
        )


def test_a_model_s_jobs_come_back_in_the_order_and_at_the_distance_in_which_they_came(db: str) -> None:
    version, other = make_version("echo", padded=True), make_client("another")
    start = timezone.now()
    late = make_job(priority=9, size=30, client=other, version=version, state=State.SUCCEEDED)
    early = make_job(priority=0, version=version)
    make_job(model="sleeper")
    Job.objects.filter(id=late.id).update(
        created_at=start + timedelta(seconds=2.5), deadline=start + timedelta(seconds=4.0)
    )
    Job.objects.filter(id=early.id).update(created_at=start)
    first, second = recorded(SimulationArguments(from_history="echo")) or []
    assert (first.at_s, first.size, first.priority, first.deadline_in_s) == (0.0, 1, 0, None)
    assert (second.at_s, second.deadline_in_s) == pytest.approx((2.5, 1.5))
    assert (second.size, second.priority, second.client, second.version) == (30, 9, other.id, version.id)


def test_only_the_newest_jobs_are_read(db: str) -> None:
    for number in range(5):
        make_job(id=UUID(int=number), priority=number)
    arrivals = recorded(SimulationArguments(from_history="echo", limit=3)) or []
    assert {arrival.priority for arrival in arrivals} == {2, 3, 4}


def test_a_model_is_looked_for_among_the_newest_jobs_alone(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_version("echo")
    monkeypatch.setattr(history, "MOST_SCANNED", 3)
    for number, model in enumerate(("echo", "echo", "sleeper", "sleeper")):
        make_job(id=UUID(int=number), model=model, priority=number)
    (arrival,) = recorded_jobs("echo", limit=10)
    assert arrival.priority == 1


def test_a_version_s_timing_comes_from_its_batches_and_its_limits_from_the_registry(db: str) -> None:
    version = make_version("echo", max_batch=32, p95_goal_s=0.5, options={"max_waiting": 70})
    record_runs(version.id, [1, 5, 10, 20, 32])
    model = models(SimulationArguments(from_history="echo"), {version.id}).models[version.id]
    assert (model.run.base_s, model.run.per_unit_s) == pytest.approx((0.04, 0.001), rel=1e-3)
    assert model.limits == BatchLimits(32, p95_goal_s=0.5)
    assert model.max_waiting == 70


def test_the_timing_of_a_version_that_pads_is_by_padded_size(db: str) -> None:
    version = make_version("echo", padded=True, max_padded_size=4_000)
    record_runs(version.id, [1, 5, 10, 20, 32])
    model = models(SimulationArguments(from_history="echo"), {version.id}).models[version.id]
    assert model.run.per_unit_s == pytest.approx(0.0001, rel=1e-3)


def test_arguments_override_recorded_values(db: str) -> None:
    version = make_version("echo", max_batch=32)
    record_runs(version.id, [1, 5, 10, 20, 32])
    arguments = SimulationArguments(from_history="echo", per_item_s=0.002, max_batch=8)
    model = models(arguments, {version.id}).models[version.id]
    assert (model.run.base_s, model.run.per_unit_s) == pytest.approx((0.04, 0.002), rel=1e-3)
    assert model.limits.max_batch == 8


def test_the_command_simulates_the_recorded_jobs(db: str, capsys: pytest.CaptureFixture[str]) -> None:
    version = make_version("echo")
    record_runs(version.id, [1, 10, 30])
    for _ in range(20):
        make_job(version=version)
    call_command("simulate", "--from-history", "echo")
    assert "sealed because" in capsys.readouterr().out


def test_the_times_around_the_model_are_learned_too_unless_options_say_them(db: str) -> None:
    version = make_version("echo")
    record_runs(version.id, [1, 5, 10, 20, 32])
    learned = models(SimulationArguments(from_history="echo"), {version.id}).overheads
    assert learned.claim.mean_s(8) == pytest.approx(0.002, rel=0.05)
    said = models(SimulationArguments(from_history="echo", claim_s=0.5), {version.id}).overheads
    assert (said.claim, said.settle) == (Timing(0.5), learned.settle)


@pytest.mark.parametrize(
    ("registered", "jobs", "words"),
    [("", 0, "no model"), ("echo", 0, "no job of echo is stored"), ("echo", 3, "No batch of echo:")],
)
def test_without_a_model_jobs_or_batches_it_ends_with_2_and_a_sentence(
    db: str, registered: str, jobs: int, words: str
) -> None:
    if registered:
        version = make_version(registered)
        for _ in range(jobs):
            make_job(version=version)
    with pytest.raises(CommandError, match=words) as error:
        call_command("simulate", "--from-history", "echo")
    assert error.value.returncode == 2


def test_times_that_options_say_need_no_history(db: str, capsys: pytest.CaptureFixture[str]) -> None:
    version = make_version("echo")
    for _ in range(3):
        make_job(version=version)
    call_command("simulate", "--from-history", "echo", "--base-s", "0.04", "--per-item-s", "0.001")
    assert "sealed because" in capsys.readouterr().out
