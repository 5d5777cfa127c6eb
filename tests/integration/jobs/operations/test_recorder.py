"""The recorder stores what ended in each second, from a bounded part of the ledger of batches."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from django.db import connection

from jobs.core.ids import uuid7
from jobs.core.operations.recent_jobs import RecentJobs
from jobs.core.operations.spread import bucket_of
from jobs.core.stages import Waits, waits
from jobs.core.states import State
from jobs.db.statement import run
from jobs.models import Batch, Job, OperationsRecent, OperationsStep, Worker
from jobs.services.operations import ended_statements
from jobs.services.operations.ended_reads import EndedReads
from jobs.services.operations.recorder import OperationsRecorder
from models_registry.models import ModelVersion
from tests.support.factories import make_client, make_jobs, make_version, make_worker

SECOND = 1_800_000_000


def an_id(at_s: float) -> Any:
    return uuid7(int(at_s * 1_000), secrets.randbits(74))


def ended_batch(
    worker: Worker,
    version: ModelVersion,
    *,
    created_s: Sequence[float],
    finished_s: float | None,
    **fields: Any,
) -> Batch:
    """Return a batch whose jobs succeeded in its 50 ms run, and were created at `created_s`."""
    claimed_s = (finished_s or SECOND + 0.9) - 0.1
    made = [make_jobs(1, version=version, id=an_id(at), state=State.SUCCEEDED)[0] for at in created_s]
    batch = Batch(
        id=an_id(claimed_s), worker=worker, version=version, members=[job.id for job in made], size=len(made),
        padded_size=8 * len(made), seal_reason="full", succeeded=len(made) if finished_s else 0,
        due_ago_s=[claimed_s - at for at in created_s],
        published_ago_s=[claimed_s - at - 0.01 for at in created_s],
        buffered_s=[0.005 for _ in created_s], sealed_ago_s=0.002, claim_s=0.01, lane_s=0.02, ran_s=0.05,
    )  # fmt: skip
    for name, value in fields.items():
        setattr(batch, name, value)
    batch.save()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE jobs_batch SET claimed_at = to_timestamp(%s), finished_at = to_timestamp(%s)"
            " WHERE id = %s",
            (claimed_s, finished_s, batch.id),
        )
    Job.objects.filter(id__in=batch.members).update(batch=batch)
    return batch


def recorded(session: sa.Connection, *seconds: int) -> RecentJobs:
    recorder = OperationsRecorder(stop=Event())
    for second in seconds:
        recorder.record(session, second)
    return msgspec.json.decode(bytes(OperationsRecent.objects.get().body), type=RecentJobs)


def test_a_second_s_jobs_are_counted_once_with_their_times_by_model_client_and_worker(
    session: sa.Connection,
) -> None:
    worker, version = make_worker(), make_version("echo", p95_goal_s=1.0)
    ended_batch(worker, version, created_s=[SECOND - 1.5, SECOND + 0.0], finished_s=SECOND + 0.5)
    ended_batch(worker, version, created_s=[SECOND + 0.4], finished_s=SECOND + 1.0)  # of the next second
    recent = recorded(session, SECOND)
    echo = recent.models["echo"]
    assert (echo.succeeded, echo.batches, echo.batch_size, echo.seals) == (2, 1, 2.0, {"full": 1})
    assert echo.total.count == 2
    assert [echo.total.p50_s, echo.total.p95_s] == pytest.approx([0.5, 2.0], rel=0.03)
    assert echo.stages["run"].p50_s == pytest.approx(0.05, rel=0.03)
    assert echo.stages["settle"].p50_s == pytest.approx(0.1 + 0.002 - 0.08, rel=0.03)
    assert recent.clients[make_client().pk].total.count == 2
    assert recent.workers[str(worker.pk)].ended == 2
    assert recorded(session, SECOND, SECOND + 1).models["echo"].succeeded == 3


def test_the_parts_of_the_wait_are_those_of_the_stages_rule(session: sa.Connection) -> None:
    worker, version = make_worker(), make_version("echo")
    batch = ended_batch(worker, version, created_s=[SECOND - 3.0], finished_s=SECOND + 0.5)
    rows = run(session, ended_statements.WAITS, {"ids": [batch.id], "models": ["echo"], "mixed": [False]})
    since_s = SECOND + 0.4 - (SECOND - 3.0)  # from the creation until the claim
    expected: Waits = waits(
        due_ago_s=since_s, published_ago_s=since_s - 0.01, buffered_s=0.005, sealed_ago_s=0.002
    )
    assert {row.stage: row.bucket for row in rows} == {
        "total": bucket_of(3.5),
        "outbox": bucket_of(expected.outbox_s),
        "broker": bucket_of(expected.broker_s),
        "buffer": bucket_of(expected.buffer_s),
    }


def test_a_batch_that_was_open_for_minutes_is_counted_in_the_second_of_its_end(
    session: sa.Connection,
) -> None:
    worker, version = make_worker(), make_version("echo")
    batch = ended_batch(worker, version, created_s=[SECOND], finished_s=None)
    reads = EndedReads()
    assert reads.read(session, SECOND + 1).models == {}
    for second in range(SECOND + 2, SECOND + 300, 50):
        assert reads.read(session, second).models == {}
    Batch.objects.filter(pk=batch.pk).update(succeeded=1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE jobs_batch SET finished_at = to_timestamp(%s)", (SECOND + 300.5,))
    assert reads.read(session, SECOND + 300).models["echo"].succeeded == 1
    assert reads.read(session, SECOND + 301).models == {}


def test_of_a_batch_in_which_some_failed_the_dead_are_told_from_those_that_try_again(
    session: sa.Connection,
) -> None:
    worker, version = make_worker(), make_version("echo")
    batch = ended_batch(
        worker, version, created_s=[SECOND, SECOND, SECOND], finished_s=SECOND + 0.5, succeeded=1, failed=2
    )
    _good, dead, again = batch.members
    Job.objects.filter(id=dead).update(state=State.DEAD)
    Job.objects.filter(id=again).update(state=State.WAITING, finished_at=None)
    echo = recorded(session, SECOND).models["echo"]
    assert (echo.succeeded, echo.died, echo.retries, echo.total.count) == (1, 1, 1, 1)


def test_the_history_has_the_seconds_on_record_and_nothing_of_more_than_an_hour_ago(
    session: sa.Connection,
) -> None:
    worker, version = make_worker(), make_version("echo")
    ended_batch(worker, version, created_s=[SECOND], finished_s=SECOND + 0.5)
    recorded(session, SECOND, SECOND + 60)
    rows = {(row.step_s, row.at, row.model): row for row in OperationsStep.objects.all()}
    minute = SECOND - SECOND % 60
    assert {(1, SECOND, ""), (1, SECOND, "echo"), (60, minute, ""), (60, minute, "echo")} <= set(rows)
    assert rows[1, SECOND, "echo"].p95_s == pytest.approx(0.5, rel=0.03)
    recorded(session, SECOND + 3_600)
    assert set(OperationsStep.objects.filter(step_s=1).values_list("at", flat=True)) == {
        SECOND + 60,
        SECOND + 3_600,
    }
    assert OperationsStep.objects.filter(step_s=60).count() == 2
    recorded(session, SECOND + 90_000)
    assert set(OperationsStep.objects.values_list("step_s", "at")) == {(1, SECOND + 90_000)}


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Return what steps at these times of the database record, one after the other."""
    seconds = list[int]()
    monkeypatch.setattr(OperationsRecorder, "record", lambda _, __, second: seconds.append(second))

    def recorded_at(*times: float) -> list[int]:
        recorder = OperationsRecorder(stop=Event())
        for now in times:
            monkeypatch.setattr("jobs.services.operations.recorder.run", lambda *_, now=now: [now])
            recorder.step(None, ())  # type: ignore[arg-type]  # nothing is read
        return seconds

    return recorded_at


def test_each_second_is_recorded_once_and_a_gap_is_left(stopped_clock: Callable[..., list[int]]) -> None:
    assert stopped_clock(100.0, 100.5, 102.0, 101.0, 103.0, 200.0) == [98, 99, 100, 101, 198]


def test_a_clock_that_is_set_back_stops_no_recording(stopped_clock: Callable[..., list[int]]) -> None:
    assert stopped_clock(10_000.0, 6_400.0, 6_401.0) == [9_998, 6_398, 6_399]


def test_a_batch_that_began_within_a_gap_is_counted_at_its_end(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, times = OperationsRecorder(stop=Event()), {"now": SECOND + 2.0}
    monkeypatch.setattr(
        "jobs.services.operations.recorder.run",
        lambda on, statement, *rest: (
            [times["now"]] if statement is ended_statements.NOW else run(on, statement, *rest)
        ),
    )
    recorder.step(session, ())
    worker, version = make_worker(), make_version("echo")
    ended_batch(
        worker, version, created_s=[SECOND + 5.0], finished_s=None, id=an_id(SECOND + 10.0), succeeded=1
    )
    times["now"] = SECOND + 32.0  # the recorder stood still
    recorder.step(session, ())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE jobs_batch SET finished_at = to_timestamp(%s)", (SECOND + 31.5,))
    times["now"] = SECOND + 33.5
    recorder.step(session, ())
    stored = msgspec.json.decode(bytes(OperationsRecent.objects.get().body), type=RecentJobs)
    assert stored.models["echo"].succeeded == 1


FILL = """
INSERT INTO jobs_batch (id, worker_id, version_id, members, due_ago_s, published_ago_s, buffered_s,
  sealed_ago_s, claim_s, lane_s, ran_s, size, padded_size, seal_reason, waited_s, succeeded, failed, released,
  fenced, claimed_at, finished_at)
SELECT batch.id, %(worker)s, %(version)s, members.ids, due, due, due, 0.001, 0.001, 0.001, 0.001, 20, 20,
  'full', 0, 20, 0, 0, 0, to_timestamp(at_s), to_timestamp(at_s + 0.01)
FROM generate_series(1, %(batches)s) AS n
CROSS JOIN LATERAL (SELECT %(second)s + 1 - n / %(per_s)s::float8 AS at_s) AS time
CROSS JOIN LATERAL (SELECT CAST(lpad(to_hex((at_s * 1000)::bigint), 12, '0') || '70008000'
  || lpad(to_hex(n), 12, '0') AS uuid) AS id) AS batch
CROSS JOIN LATERAL (
  SELECT array_agg(CAST(lpad(to_hex((at_s * 1000)::bigint - 500), 12, '0') || '70008000'
    || lpad(to_hex(n * 20 + m), 12, '0') AS uuid)) AS ids, array_agg(0.4::float8) AS due
  FROM generate_series(1, 20) AS m
) AS members;
INSERT INTO jobs_job (id, client_id, version_id, queue, priority, state, epoch, attempts, max_attempts,
  created_at, finished_at, batch_id)
SELECT unnest(members), %(client)s, %(version)s, 'echo', 4, 'succeeded', 1, 1, 3, now(), now(), id
FROM jobs_batch;
"""


def test_a_second_of_a_thousand_jobs_reads_its_own_batches_and_a_sample_by_their_keys(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    values: dict[str, Any] = {
        "worker": make_worker().pk, "version": make_version("echo").pk, "client": make_client().pk,
        "batches": 1_500, "per_s": 50, "second": SECOND,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(FILL, values)
        cursor.execute("ANALYZE jobs_batch, jobs_job")
    plans = list[str]()

    def explained(on: sa.Connection, statement: Any, given: dict[str, Any]) -> list[Any]:
        lines = on.exec_driver_sql(f"EXPLAIN (ANALYZE, TIMING OFF) {statement.sql}", given).scalars()
        plans.append("\n".join(lines))
        return run(on, statement, given)

    reads = EndedReads()
    reads.read(session, SECOND - 1)
    monkeypatch.setattr("jobs.services.operations.ended_reads.run", explained)
    echo = reads.read(session, SECOND).models["echo"]
    assert (echo.succeeded, echo.total.total()) == (1_000, 1_000)
    assert len(plans) == 3
    for plan in plans:
        assert not re.search(r"Seq Scan on jobs_(batch|job)\b", plan), plan
    looked_up = re.search(r"on jobs_job job .*actual rows=(\d+)(?:\.\d+)? loops=(\d+)", plans[2])
    assert looked_up, plans[2]
    assert int(looked_up[1]) * int(looked_up[2]) <= ended_statements.SAMPLED
    read = re.findall(r"jobs_batch.*?(?:actual rows=|Removed by Filter: )(\d+)", plans[0], re.DOTALL)
    assert sum(map(int, read)) <= 7 * 50, plans[0]  # of the slack before the second, and the second's
