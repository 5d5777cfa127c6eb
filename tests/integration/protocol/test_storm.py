"""The protocol under everything at once: no job is lost, doubled or stuck, and nothing deadlocks.

Seeded: `PROTOCOL_SEED=… pytest tests/integration/protocol/test_storm.py` draws the same chances again.
"""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from jobs.core.ids import uuid7
from jobs.core.states import TERMINAL
from jobs.db.engine import engine
from jobs.models import Client, Job, JobInput
from jobs.services.lifecycle.enqueue import enqueue
from jobs.services.relay import statements as feed
from models_registry.services import register_builtin_models
from tests.integration.protocol.storm import WRONG, nonzero, rage, rows, wait_until_all_ended
from tests.integration.protocol.world import QUEUE, World

JOBS = 2_500
MEDDLE_S, LONGEST_STORM_S = 10.0, 90.0
DEADLINE_S = 90.0
DANGERS = (
    "crashes", "zombies", "released", "reaped", "spared",
    "fenced", "refused", "cancelled", "replayed", "expired",
)  # fmt: skip


@pytest.fixture
def world(db: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    # A lost message is published again after this long, doubled each time.
    monkeypatch.setattr(feed, "VISIBILITY_S", 0.8)
    monkeypatch.setattr(feed, "VISIBILITY_CAP_S", 3.0)
    version = next(info.id for info in register_builtin_models() if info.model == QUEUE)
    jobs = submit(version, random.Random(seed))
    hurried = {job for (job,) in rows("SELECT id FROM jobs_job WHERE deadline IS NOT NULL")}
    world = World(version=version, jobs=jobs, hurried=hurried, seed=seed)
    yield world
    world.finish()
    engine().dispose()


def submit(version: int, chance: random.Random) -> list[UUID]:
    """Store jobs of every priority, a tenth of them with a deadline that many will miss."""
    ids = [uuid7(1_700_000_000_000, chance.getrandbits(74)) for _ in range(JOBS)]
    client = Client.objects.create(name="protocol")
    now = rows("SELECT now()")[0][0]
    with transaction.atomic():
        Job.objects.bulk_create(job_row(i, client, version, now, chance) for i in ids)
        JobInput.objects.bulk_create(JobInput(job_id=i, body=b"{}") for i in ids)
    with engine().begin() as connection:
        enqueue(connection, dict.fromkeys(ids, 0.0))
    return ids


def job_row(job: UUID, client: Client, version: int, now: Any, chance: random.Random) -> Job:
    from datetime import timedelta

    late = now + timedelta(seconds=chance.random() * MEDDLE_S) if chance.random() < 0.1 else None
    return Job(
        id=job, client=client, version_id=version, model=QUEUE, priority=chance.randrange(10),
        state="queued", epoch=0, attempts=0, max_attempts=1_000, size=0, deadline=late,
        error_kind="", error_code="", created_at=now,
    )  # fmt: skip


def test_no_job_is_lost_doubled_or_stuck_through_every_fault_at_once(world: World) -> None:
    world.start()
    rage(world, MEDDLE_S, LONGEST_STORM_S, lambda: missing(world))
    world.quiet.set()
    wait_until_all_ended(world, DEADLINE_S)
    world.finish()
    print(dict(world.seen), dict(world.broker.counts))
    assert world.errors == []
    assert_one_end_each(world)
    assert nonzero(WRONG) == {}


def missing(world: World) -> list[str]:
    """Return the dangers that have not occurred yet."""
    lost = [name for name in ("lost", "doubled") if not world.broker.counts[name]]
    return [name for name in DANGERS if not world.seen[name]] + lost


def assert_one_end_each(world: World) -> None:
    """Check that each life of a job (one, and one a replay) ended once: by settle, cancel or expiry."""
    assert rows("SELECT count(*) FROM jobs_job") == [(JOBS,)]
    states = dict(rows("SELECT id, state FROM jobs_job"))
    assert set(states.values()) <= {state.value for state in TERMINAL}
    assert set(world.succeeded.values()) <= {1}
    assert {job for job, state in states.items() if state == "succeeded"} == set(world.succeeded)
    done = {(job, kind): count for job, kind, count in rows(
        "SELECT job_id, kind, count(*) FROM jobs_event WHERE actor = 'test' GROUP BY 1, 2")}  # fmt: skip
    lives = Counter(
        world.ended[job] + done.get((job, "cancel"), 0) - done.get((job, "replay"), 0)
        for job in states
        if job not in world.hurried
    )
    assert set(lives) == {1}, lives
