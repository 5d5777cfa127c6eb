"""Jobs that harm their worker or batch, among many that do not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from tests.chaos.faults.fault import Fault
from tests.chaos.records import FINE, POISON
from tests.chaos.world import LIMIT_S, LOOK_S, World
from tests.support.wait import wait_until

INNOCENT, GUILTY = 400, 6
NEIGHBOURS, FITS = 40, 8
BURIED = "SELECT count(*) FROM jobs_job WHERE id = ANY(%s::uuid[]) AND state = 'dead'"
ENDED_ITS_WORKER = """
SELECT count(DISTINCT worker.id) FROM jobs_batch batch JOIN jobs_worker worker ON worker.id = batch.worker_id
WHERE batch.members && %s::uuid[] AND worker.ended_at IS NOT NULL
"""
LARGE_BATCHES = f"SELECT count(*) FROM jobs_batch WHERE size > {FITS} AND members && %s::uuid[]"


@contextlib.contextmanager
def poisoned(world: World, *, poison: dict[str, Any]) -> Iterator[None]:
    """Post innocent jobs with guilty ones among them, of one version and priority."""
    guilty = [poison | {"n": n} for n in range(GUILTY)]
    jobs = _post(world, "echo:faulty", innocent=INNOCENT, guilty=guilty)
    yield
    _count(world, BURIED, jobs, "jobs dead")


@contextlib.contextmanager
def killing(world: World, *, poison: dict[str, Any]) -> Iterator[None]:
    """Post a job that kills its worker, among others, all with one attempt only."""
    jobs = _post(world, "echo:killer", innocent=NEIGHBOURS, guilty=[poison], max_attempts=1)
    yield
    _count(world, ENDED_ITS_WORKER, jobs, "workers ended by their job")


def _count(world: World, query: str, jobs: list[str], what: str) -> None:
    """Wait until the query of these jobs counts any, and report them."""
    count = wait_until(lambda: world.rows(query, jobs)[0][0], limit_s=LIMIT_S, every_s=LOOK_S, what=what)
    world.hit(count, what)


def _post(
    world: World, model: str, *, innocent: int, guilty: list[dict[str, Any]], **fields: Any
) -> list[str]:
    jobs = [({"n": world.fresh()}, FINE) for _ in range(innocent)] + [(value, POISON) for value in guilty]
    world.chance.shuffle(jobs)
    values, expects = [value for value, _ in jobs], [expect for _, expect in jobs]
    return world.submit(model, values, expects=expects, **fields)


@contextlib.contextmanager
def too_large_batches(world: World) -> Iterator[None]:
    """Post jobs of a version whose larger batches run out of memory."""
    jobs = world.submit("echo:tight", [{"n": world.fresh()} for _ in range(INNOCENT)])
    yield
    _count(world, LARGE_BATCHES, jobs, "batches too large")


FAULTS = (
    Fault("poison that raises", partial(poisoned, poison={"fail": "raise"})),
    Fault("poison that is out of memory", partial(poisoned, poison={"fail": "memory"})),
    Fault("poison whose output is NaN", partial(poisoned, poison={"answer": "nan"})),
    Fault("batches out of memory", too_large_batches),
    Fault("poison that segfaults", partial(killing, poison={"fail": "segfault"})),
    Fault("poison that hangs", partial(killing, poison={"fail": "hang"})),
)
