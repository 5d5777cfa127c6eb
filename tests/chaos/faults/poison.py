"""Jobs that hurt what runs them, between many that do not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from tests.chaos.faults.fault import Fault
from tests.chaos.records import FINE, POISON
from tests.chaos.world import World

INNOCENT, GUILTY = 400, 6


@contextlib.contextmanager
def poisoned(world: World, *, poison: dict[str, Any], guilty: int = GUILTY) -> Iterator[None]:
    """Post innocent jobs with guilty ones anywhere between them, of one version and priority."""
    jobs: list[tuple[Any, str]] = [({"n": n}, FINE) for n in range(INNOCENT)] + [(poison, POISON)] * guilty
    world.chance.shuffle(jobs)
    world.submit("echo:faulty", [value for value, _ in jobs], expects=[expect for _, expect in jobs])
    yield


@contextlib.contextmanager
def too_large_batches(world: World) -> Iterator[None]:
    """Post jobs of a version that runs out of memory with more than a few of them at once."""
    world.submit("echo:tight", [{"n": n} for n in range(INNOCENT)])
    yield


FAULTS = (
    Fault("poison that raises", partial(poisoned, poison={"fail": "raise"})),
    Fault("poison that is out of memory", partial(poisoned, poison={"fail": "memory"})),
    Fault("poison whose output is NaN", partial(poisoned, poison={"answer": "nan"})),
    Fault("batches out of memory", too_large_batches),
    Fault(
        "poison that segfaults", partial(poisoned, poison={"fail": "segfault"}, guilty=1), needs="quarantine"
    ),
    Fault("poison that exits", partial(poisoned, poison={"fail": "exit"}, guilty=1), needs="quarantine"),
    Fault("poison that hangs", partial(poisoned, poison={"fail": "hang"}, guilty=1), needs="watchdog"),
)
