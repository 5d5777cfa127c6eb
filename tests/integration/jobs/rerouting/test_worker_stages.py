"""A worker's claim and settle stages with roll-outs: they look once a second, and change nothing without."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.batching.sealed_batch import SealedBatch, SealReason
from jobs.core.failures import Outcome, Success
from jobs.core.retry.policy import Bury
from jobs.core.states import State
from jobs.db.engine import engine
from jobs.models import Batch, Job, Outbox, Tally
from jobs.services.lifecycle.rerouting.watched import Role
from jobs.services.lifecycle.settle import Verdict
from jobs.worker import rollout_monitor
from jobs.worker.message_delivery import MessageDelivery, Parcel
from jobs.worker.rollout_monitor import RolloutMonitor
from jobs.worker.stages.claimed_batch import ClaimedBatch
from jobs.worker.stages.claimer import Claimer
from jobs.worker.stages.settler import Settler
from models_registry.core.routing.decision import Arm
from models_registry.models import ModelVersion, Rollout
from tests.support.claims import batch_row, envelope_of
from tests.support.factories import make_jobs, make_version, make_worker
from tests.support.routes import ANSWER, FAULT, keys_of, make_rollout, routed_jobs

OURS = ("jobs_route", "jobs_tally", "models_registry_rollout")


def delivered(job: Job) -> MessageDelivery:
    message: Any = SimpleNamespace(delivery_info={"routing_key": "echo"})
    return MessageDelivery(Parcel(message, 1, 1), envelope_of(job), task=None)


def claimer() -> Claimer:
    circuits: Any = SimpleNamespace(hold_s=lambda *_: 0.0)
    loaded = SimpleNamespace(runner=None, info=SimpleNamespace(model="echo"))
    pool: Any = SimpleNamespace(has=lambda _: True, hold=lambda _, **__: loaded, release=lambda _: None)
    loads = MagicMock()
    return Claimer(
        engine(), batch_row().worker, pool, lambda: False, circuits, loads, RolloutMonitor(engine())
    )


def claimed(jobs: Sequence[Job], version: ModelVersion) -> tuple[ClaimedBatch, list[Any]]:
    deliveries = [delivered(job) for job in jobs]
    return claimer().claim(SealedBatch(version.id, deliveries, len(jobs), SealReason.FULL, 0.0))


def settler() -> Settler:
    return Settler(engine(), lambda: False, node="", expected_s=lambda *_: 0.0, circuits=MagicMock())


def judged(batch: ClaimedBatch, outcome: Outcome) -> ClaimedBatch:
    batch.lane_ended = batch.claim_ended = time.monotonic()
    after = None if isinstance(outcome, Success) else Bury("a test")
    batch.verdicts = [Verdict(job.job, job.epoch, outcome, after, attempt=job.attempts) for job in batch.jobs]
    return batch


@contextmanager
def seen_statements() -> Iterator[list[str]]:
    texts = list[str]()

    def see(_conn: object, _cursor: object, text: str, *_: object) -> None:
        texts.append(text)

    sa.event.listen(engine(), "before_cursor_execute", see)
    yield texts
    sa.event.remove(engine(), "before_cursor_execute", see)


def test_a_batch_of_an_unproven_candidate_goes_through_the_gate(db: str) -> None:
    assert db
    rollout = make_rollout(budget=2)
    jobs = routed_jobs(3, rollout, published=1)
    batch, refused = claimed(jobs, rollout.candidate)
    assert {job.job for job in batch.jobs} == {job.id for job in jobs[:2]}
    assert [watch.role for watch in batch.watches] == [Role.CANDIDATE]
    (refusal,) = refused
    assert refusal.state == State.QUEUED, "its message is acknowledged, and it is published again"
    out = Outbox.objects.get()
    assert timedelta(seconds=3) < out.due - timezone.now() < timedelta(seconds=6)
    assert Rollout.objects.get().met == 2


def test_a_gate_that_refuses_all_leaves_no_batch(db: str) -> None:
    assert db
    rollout = make_rollout(share_ppm=0)
    batch, refused = claimed(routed_jobs(2, rollout), rollout.candidate)
    assert (batch.jobs, len(refused), Batch.objects.count()) == ([], 2, 0)


def test_a_failed_batch_of_the_candidate_is_rescued_by_the_settle_stage(db: str) -> None:
    assert db
    rollout = make_rollout()
    jobs = routed_jobs(2, rollout, published=1)
    Outbox.objects.filter(job=jobs[0]).update(published_at=timezone.now() - timedelta(seconds=3))
    batch, _ = claimed(jobs, rollout.candidate)
    stored = settler().settle(judged(batch, FAULT))
    assert stored is not None
    assert {change.state for change in stored.settled} == {State.QUEUED}
    assert set(Job.objects.values_list("state", "version")) == {(State.QUEUED, rollout.stable_id)}
    tally = Tally.objects.get()
    assert sorted(tally.failed) == keys_of(jobs)
    assert tally.latency_s is not None
    assert 3.0 < tally.latency_s < 60.0, "from the oldest one's last publish"


def test_answers_of_watched_and_other_batches_are_stored_together(db: str) -> None:
    assert db
    rollout = make_rollout()
    jobs = routed_jobs(2, rollout, Arm.STABLE)
    watched, _ = claimed(jobs, rollout.stable)
    other = make_version("other")
    plain, _ = claimed(make_jobs(2, version=other, model="echo"), other)
    assert (len(watched.watches), plain.watches) == (1, ())
    stored = settler().together([judged(watched, ANSWER), judged(plain, ANSWER)])
    assert set(stored) == {watched.id, plain.id}
    assert sorted(Tally.objects.get().keys) == keys_of(jobs)


@pytest.mark.parametrize("outcome", [ANSWER, FAULT], ids=["answered", "failed"])
def test_without_roll_outs_no_statement_of_a_batch_names_them(db: str, outcome: Outcome) -> None:
    assert db
    make_rollout(state="done", ended_at=timezone.now())
    batch, _ = claimed(make_jobs(2), make_version())
    assert batch.watches == ()
    with seen_statements() as texts:
        assert settler().settle(judged(batch, outcome)) is not None
    assert texts
    assert not [text for text in texts if any(table in text for table in OURS)]


def test_the_monitor_reads_once_a_second_and_keeps_what_it_knew(
    db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert db
    rollout, now = make_rollout(), [1_000.0]
    monkeypatch.setattr("jobs.worker.rollout_monitor.time.monotonic", lambda: now[0])
    monitor = RolloutMonitor(engine())
    assert monitor.watches(rollout.candidate_id)[0].gated
    assert [watch.role for watch in monitor.watches(rollout.stable_id)] == [Role.STABLE]
    Rollout.objects.update(proven=True)
    assert monitor.watches(rollout.candidate_id)[0].gated, "it was read a moment ago"
    now[0] += rollout_monitor.REFRESH_S
    assert not monitor.watches(rollout.candidate_id)[0].gated

    def lost(_: object) -> None:
        raise sa.exc.OperationalError("", {}, Exception("gone"))

    monkeypatch.setattr(rollout_monitor, "read_watched", lost)
    now[0] += rollout_monitor.REFRESH_S
    assert monitor.watches(rollout.candidate_id), "the last view is used"


def test_a_roll_out_that_went_back_is_watched_for_an_hour(db: str, session: sa.Connection) -> None:
    assert db
    rollout = make_rollout(state="rolled_back", ended_at=timezone.now())
    monitor = RolloutMonitor(engine())
    (watch,) = monitor.watches(rollout.candidate_id)
    assert (watch.stopped, watch.is_live, watch.gated, watch.rescue) == (True, False, True, True)
    assert monitor.watches(rollout.stable_id) == ()
    Rollout.objects.update(ended_at=timezone.now() - timedelta(hours=2))
    assert RolloutMonitor(engine()).watches(rollout.candidate_id) == ()


@pytest.mark.parametrize(("p99_s", "limit_s"), [(None, 0.0), (0.01, 5.0), (3.0, 30.0)])
def test_a_batch_of_an_unproven_candidate_may_take_ten_times_the_stable_version_s_runs(
    db: str, p99_s: float | None, limit_s: float
) -> None:
    assert db
    rollout = make_rollout()
    worker = make_worker()
    for row in (batch_row(rollout.stable, worker.id), batch_row(rollout.candidate, worker.id)):
        Batch.objects.create(
            id=row.id, worker=worker, version_id=row.version, members=[], size=1, seal_reason="full",
            ran_s=p99_s if row.version == rollout.stable_id else 99.0, finished_at=timezone.now(),
        )  # fmt: skip
    monitor = RolloutMonitor(engine())
    assert monitor.watches(rollout.candidate_id)[0].limit_s == limit_s
    Rollout.objects.update(proven=True)
    assert RolloutMonitor(engine()).watches(rollout.candidate_id)[0].limit_s == 0.0
