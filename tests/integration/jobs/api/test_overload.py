"""Admission on a real Postgres: positions and estimates, and 429 for jobs that would finish too late."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from django.utils import timezone

from jobs.core.circuits.paused_work import PauseKind
from jobs.core.ids import uuid7
from jobs.core.states import State
from jobs.db.engine import engine
from jobs.db.session import open_session
from jobs.models import Batch, CacheEntry, Client, Job, Outbox, QueueStanding
from jobs.services.admission.queues import forget_queues
from jobs.services.admission.surveyor import QueueSurveyor
from jobs.services.circuits.operate import close_by_hand, open_by_hand
from jobs.services.circuits.pause_work import pause, resume
from jobs.services.lifecycle.enqueue import enqueue
from models_registry import selectors
from models_registry.selectors import resolve
from tests.support.factories import make_client, make_job, make_jobs, make_version, make_worker

pytestmark = pytest.mark.usefixtures("road")
BULK = "/api/v1/jobs/bulk"


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    forget_queues()
    yield
    forget_queues()


def stands(
    model: str,
    waiting: dict[int, int],
    per_s: float | None = None,
    answer_s: float = 0.1,
    whose: Client | None = None,
) -> None:
    """Store a count, as the surveyor does; all jobs are those of `whose`."""
    by_client = [
        {whose.pk: waiting[priority]} if whose and priority in waiting else {} for priority in range(10)
    ]
    counts = [waiting.get(priority, 0) for priority in range(10)]
    QueueStanding.objects.update_or_create(
        model=model,
        defaults={
            "waiting": counts, "head_age_s": [60.0] * 10, "mean_age_s": [30.0] * 10,
            "per_s": per_s, "answer_s": answer_s,
            "counted_at": timezone.now(), "by_client": by_client,
        },
    )  # fmt: skip
    forget_queues()


def job(model: str, **fields: Any) -> dict[str, Any]:
    return {"model": model, "input": {}, **fields}


def test_without_counts_a_job_has_no_estimate_and_none_is_shed(post: Callable[..., Any]) -> None:
    view = post(job("echo")).json()
    assert (view["queue_position"], view["eta_s"]) == (None, None)
    assert view["eta_unknown"] == "not_counted"


def test_an_acknowledgement_has_the_position_and_the_estimate(post: Callable[..., Any], app: Any) -> None:
    stands("echo", {4: 100, 0: 50, 9: 20}, per_s=1.0)
    view = post(job("echo")).json()
    assert 115 <= view["queue_position"] <= 120
    assert view["eta_s"] == pytest.approx(view["queue_position"] + 0.1, abs=0.01)
    urgent = post(job("echo", priority=9)).json()
    assert 15 <= urgent["queue_position"] <= 20
    again = app.get(f"/api/v1/jobs/{view['id']}").json()
    assert 110 <= again["queue_position"] <= 122
    listed = app.get("/api/v1/jobs").json()["jobs"]
    assert all(view["queue_position"] is not None for view in listed)


def test_without_workers_there_is_a_position_and_no_estimate(post: Callable[..., Any]) -> None:
    stands("echo", {4: 100})
    view = post(job("echo")).json()
    assert (view["queue_position"], view["eta_s"]) == (100, None)
    assert view["eta_unknown"] == "no_worker"
    QueueStanding.objects.update(workers=1)
    forget_queues()
    assert post(job("echo")).json()["eta_unknown"] == "not_measured"


def test_a_job_that_a_circuit_holds_has_no_estimate(post: Callable[..., Any], app: Any) -> None:
    stands("echo", {4: 100}, per_s=1.0)
    view = post(job("echo")).json()
    assert (view["eta_s"] is not None, view["eta_unknown"]) == (True, None)
    open_by_hand(version=resolve("echo"), actor="olga")
    held = app.get(f"/api/v1/jobs/{view['id']}").json()
    assert (held["eta_s"], held["eta_unknown"]) == (None, "circuit_open")
    assert held["queue_position"] > 0
    close_by_hand(version=resolve("echo"), actor="olga")
    assert app.get(f"/api/v1/jobs/{view['id']}").json()["eta_s"] is not None


def test_a_job_too_late_for_the_goal_is_refused_with_retry_after(post: Callable[..., Any]) -> None:
    make_version("quick", p95_goal_s=2.0, options={"shed": True})
    stands("quick", {4: 1_000}, per_s=100.0)
    answer = post(job("quick"))
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["reason"]) == (429, "overloaded", "goal")
    assert 7 <= int(answer.headers["Retry-After"]) <= 9
    assert problem["retry_after_s"] == int(answer.headers["Retry-After"])
    assert "higher priority" in problem["detail"]
    assert not Job.objects.exists()
    assert post(job("quick", priority=9)).status_code == 202


def test_jobs_of_a_model_without_a_goal_wait_as_long_as_their_deadline_allows(
    post: Callable[..., Any],
) -> None:
    stands("echo", {4: 100_000}, per_s=1.0)
    assert post(job("echo")).status_code == 202
    late = post(job("echo", deadline_s=60))
    assert (late.status_code, late.json()["reason"]) == (429, "deadline")
    assert post(job("echo", deadline_s=1_000_000)).status_code == 202


def test_a_full_queue_takes_the_urgent_and_of_a_bulk_call_as_many_as_fit(post: Callable[..., Any]) -> None:
    make_version("small", options={"max_waiting": 10})
    stands("small", {4: 8})
    answer = post([job("small")] * 5, BULK).json()
    assert (answer["accepted"], answer["rejected"]) == (2, 3)
    assert [item["index"] for item in answer["jobs"] if "problem" in item] == [2, 3, 4]
    assert {item["problem"]["code"] for item in answer["jobs"] if "problem" in item} == {"overloaded"}
    full = post(job("small"))
    assert (full.status_code, full.json()["reason"], full.headers["Retry-After"]) == (429, "full", "30")
    assert post(job("small", priority=5)).status_code == 202
    assert Job.objects.filter(priority=4).count() == 2


def test_of_one_call_the_urgent_jobs_find_room_before_the_others(post: Callable[..., Any]) -> None:
    make_version("small", options={"max_waiting": 3})
    stands("small", {})
    sent = [job("small", priority=priority) for priority in (0, 0, 0, 9, 9)]
    answer = post(sent, BULK).json()
    assert [item["index"] for item in answer["jobs"] if "problem" in item] == [1, 2]


def test_jobs_that_this_process_admits_count_at_once(post: Callable[..., Any]) -> None:
    stands("echo", {})
    assert [post(job("echo")).json()["queue_position"] for _ in range(3)] == [0, 1, 2]


def test_the_surveyor_counts_by_priority_and_learns_the_rate(db: str) -> None:
    worker, version = make_worker(), make_version("echo", max_batch=10)
    make_jobs(7, priority=4)
    make_jobs(3, priority=9)
    make_jobs(5, model="other")
    Batch.objects.bulk_create(ended(worker.id, version.id, size) for size in (2, 4, 6, 8, 10))
    with open_session() as session:
        models = QueueSurveyor(stop=Event()).survey(session)
    row = QueueStanding.objects.get(model="echo")
    assert (row.waiting[4], row.waiting[9], sum(row.waiting)) == (7, 3, 10)
    assert row.per_s == pytest.approx(10 / 0.15, rel=0.01)  # 0.05 s and 0.01 s an item, batches of ten
    assert row.answer_s == pytest.approx(0.2, abs=0.02)
    assert models["other"].per_s is None


def ended(worker: Any, version: int, size: int) -> Batch:
    now = timezone.now()
    return Batch(
        id=uuid7(int((now.timestamp() - 5) * 1000), size), worker_id=worker, version_id=version, members=[],
        size=size, padded_size=size, seal_reason="full", claimed_at=now - timedelta(seconds=1.2),
        finished_at=now - timedelta(seconds=1), ran_s=0.05 + 0.01 * size,
    )  # fmt: skip


def test_a_gone_queue_is_deleted_and_a_silent_worker_has_no_rate(db: str) -> None:
    stands("gone", {4: 1}, per_s=1.0)
    old = timezone.now() - timedelta(minutes=5)
    worker, version = make_worker(heartbeat_at=old), make_version("echo")
    Batch.objects.bulk_create([ended(worker.id, version.id, 4)])
    with open_session() as session:
        models = QueueSurveyor(stop=Event()).survey(session)
    assert list(QueueStanding.objects.values_list("model", "per_s")) == [("echo", None)]
    assert models["echo"].per_s is None


def test_counting_reads_the_outbox_along_its_indexes(db: str) -> None:
    from jobs.services.admission.waiting_count import _WHOLE

    make_jobs(200)
    with open_session() as session:
        session.exec_driver_sql("VACUUM (ANALYZE) jobs_outbox")
        # Of a small table without dead rows the planner reads all; with dead ones the indexes are cheaper.
        session.exec_driver_sql("SET enable_seqscan = off")
        lines = session.exec_driver_sql(f"EXPLAIN {_WHOLE.sql}").scalars()
        plan = "\n".join(lines)
    assert plan.count("using outbox_") == 2, plan


def test_the_counts_are_read_at_most_once_a_second(
    post: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    selectors.forget()
    stands("echo", {4: 5})
    post(job("echo"))
    queries: list[str] = []
    monkeypatch.setattr("jobs.services.admission.queues.fetch_all", lambda text, _: [queries.append(text)])  # type: ignore[func-returns-value]
    post(job("echo"))
    assert queries == []


def test_a_noisy_client_gets_no_other_client_refused(post: Callable[..., Any], app: Any) -> None:
    make_version("quick", p95_goal_s=2.0, options={"shed": True})
    stands("quick", {4: 10_000}, per_s=100.0, whose=make_client("noisy"))
    answer = post(job("quick"))
    assert (answer.status_code, answer.json()["queue_position"]) == (202, 1)
    assert app.get(f"/api/v1/jobs/{answer.json()['id']}").json()["queue_position"] <= 3
    stands("quick", {4: 10_000}, per_s=100.0, whose=Job.objects.get().client)
    assert post(job("quick")).json()["code"] == "overloaded"


def test_repeats_and_cache_hits_succeed_in_an_overload(post: Callable[..., Any]) -> None:
    version = make_version("quick", p95_goal_s=2.0, options={"shed": True, "cache_ttl_s": 60})
    first = post(job("quick", idempotency_key="once"))
    done = make_job(version=version, model="quick", state=State.SUCCEEDED, client=Job.objects.get().client)
    shared = post(job("quick", input={"text": "known"}))
    CacheEntry.objects.filter(job_id=shared.json()["id"]).update(job_id=done.id)
    stands("quick", {4: 10_000}, per_s=100.0)
    assert post(job("quick", idempotency_key="once")).json()["id"] == first.json()["id"]
    hit = post(job("quick", input={"text": "known"}))
    assert (hit.status_code, hit.json()["cached_from"]) == (200, str(done.id))
    refused = [job("quick", input={"text": "new"}), job("quick", input={"text": "known"}, cache="refresh")]
    assert {post(body).status_code for body in refused} == {429}


def test_the_surveyor_counts_by_client(db: str) -> None:
    make_jobs(7, client=make_client("one"))
    make_jobs(2, client=make_client("other"))
    with open_session() as session:
        QueueSurveyor(stop=Event()).survey(session)
    counts = QueueStanding.objects.get(model="echo").by_client[4]
    assert counts == {str(make_client("one").id): 7, str(make_client("other").id): 2}


def test_a_wait_is_counted_from_its_beginning_and_no_publish_moves_it(db: str) -> None:
    """350 jobs wait for a model without a worker, and all are in flight."""
    make_version("lonely")
    make_jobs(350, model="lonely", published=3, due=timezone.now() + timedelta(seconds=60))
    Outbox.objects.update(since=timezone.now() - timedelta(seconds=120))
    with open_session() as session:
        count = QueueSurveyor(stop=Event()).survey(session)["lonely"]
    assert count.waiting[4] == 350
    assert count.head_age_s[4] == pytest.approx(120.0, abs=5.0)
    assert count.mean_age_s[4] == pytest.approx(120.0, abs=5.0)
    (span,) = count.spans[4].values()
    ids = sorted(str(key) for key in Job.objects.values_list("id", flat=True))
    assert (span.first, span.last) == (ids[0], ids[-1])
    assert (count.per_s, count.workers) == (None, 0)


def test_a_submit_and_a_retry_begin_a_wait(post: Callable[..., Any]) -> None:
    view = post(job("echo")).json()
    row = Outbox.objects.get(job_id=view["id"])
    assert row.since == row.due
    Outbox.objects.update(since=timezone.now() - timedelta(days=1))
    with engine().begin() as session:
        enqueue(session, {row.job_id: 30.0})
    row.refresh_from_db()
    assert row.since == row.due > timezone.now()


def test_a_job_that_is_paused_says_so(post: Callable[..., Any], app: Any) -> None:
    stands("echo", {4: 100}, per_s=1.0)
    pause(kind=PauseKind.MODEL, name="echo", reason="an upgrade", actor="olga")
    view = post(job("echo")).json()
    assert (view["eta_s"], view["eta_unknown"]) == (None, "paused")
    assert app.get(f"/api/v1/jobs/{view['id']}").json()["eta_unknown"] == "paused"
    resume(kind=PauseKind.MODEL, name="echo", actor="olga")
    assert app.get(f"/api/v1/jobs/{view['id']}").json()["eta_s"] is not None
