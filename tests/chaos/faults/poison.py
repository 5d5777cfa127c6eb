"""Jobs that harm their worker or batch, among many that do not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from tests.chaos.faults.fault import Fault
from tests.chaos.records import FINE, POISON
from tests.chaos.world import World

INNOCENT, GUILTY = 400, 6
NEIGHBOURS = 40


@contextlib.contextmanager
def poisoned(world: World, *, poison: dict[str, Any]) -> Iterator[None]:
    """Post innocent jobs with guilty ones among them, of one version and priority."""
    _post(world, "echo:faulty", innocent=INNOCENT, guilty=[poison | {"n": n} for n in range(GUILTY)])
    yield


@contextlib.contextmanager
def killing(world: World, *, poison: dict[str, Any]) -> Iterator[None]:
    """Post a job that kills its worker, among others, all with one attempt only."""
    _post(world, "echo:killer", innocent=NEIGHBOURS, guilty=[poison], max_attempts=1)
    yield


def _post(world: World, model: str, *, innocent: int, guilty: list[dict[str, Any]], **fields: Any) -> None:
    jobs = [({"n": world.fresh()}, FINE) for _ in range(innocent)] + [(value, POISON) for value in guilty]
    world.chance.shuffle(jobs)
    world.submit(model, [value for value, _ in jobs], expects=[expect for _, expect in jobs], **fields)


@contextlib.contextmanager
def too_large_batches(world: World) -> Iterator[None]:
    """Post jobs of a version whose larger batches run out of memory."""
    world.submit("echo:tight", [{"n": world.fresh()} for _ in range(INNOCENT)])
    yield


FAULTS = (
    Fault("poison that raises", partial(poisoned, poison={"fail": "raise"})),
    Fault("poison that is out of memory", partial(poisoned, poison={"fail": "memory"})),
    Fault("poison whose output is NaN", partial(poisoned, poison={"answer": "nan"})),
    Fault("batches out of memory", too_large_batches),
    Fault("poison that segfaults", partial(killing, poison={"fail": "segfault"})),
    Fault("poison that hangs", partial(killing, poison={"fail": "hang"})),
)
