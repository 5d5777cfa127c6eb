"""Messages that should not come: copies, old, reordered, unknown and malformed ones."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from amqp.basic_message import Message

from jobs.broker.job_message import job_message
from jobs.broker.topology import INFER
from jobs.core.ids import uuid7
from jobs.core.messages.envelope import Envelope
from tests.chaos.faults.fault import Fault
from tests.chaos.world import LIMIT_S, LOOK_S, World
from tests.support.malformed_messages import MALFORMED
from tests.support.wait import wait_until

SOME_LIVE = """
SELECT id, epoch, version_id, priority, client_id FROM jobs_job
WHERE queue = 'sleeper' AND id = ANY(%s::uuid[])
"""
SOME_ENDED = """
SELECT id, greatest(epoch - 1, 0), version_id, priority, client_id FROM jobs_job
WHERE queue = 'sleeper' AND finished_at IS NOT NULL LIMIT 2000
"""
A_VERSION = "SELECT version_id FROM jobs_job WHERE queue = 'sleeper' LIMIT 1"
Make = Callable[[World], list[Message]]


def copies(world: World) -> list[Message]:
    """Return three messages for each of many waiting jobs, in random order."""
    ids = world.submit("sleeper", [{"n": world.fresh()} for _ in range(2_000)])
    messages = [_message(*row) for row in world.rows(SOME_LIVE, ids) for _ in range(3)]
    world.chance.shuffle(messages)
    return messages


def late(world: World) -> list[Message]:
    """Return messages of ended jobs, at an earlier epoch."""
    rows = wait_until(lambda: world.rows(SOME_ENDED), limit_s=LIMIT_S, every_s=LOOK_S, what="ended jobs")
    return [_message(*row) for row in rows]


def reordered(world: World) -> list[Message]:
    """Return messages of many jobs, last first, twenty jobs in each."""
    ids = world.submit("sleeper", [{"n": world.fresh()} for _ in range(2_000)], priority=4)
    rows = sorted(world.rows(SOME_LIVE, ids), reverse=True)
    pointers = [_envelope(*row) for row in rows]
    return [job_message(*pointers[start : start + 20]) for start in range(0, len(pointers), 20)]


def unknown(world: World) -> list[Message]:
    ((version,),) = wait_until(
        lambda: world.rows(A_VERSION), limit_s=LIMIT_S, every_s=LOOK_S, what="a job of sleeper"
    )
    ids = (uuid7(1_700_000_000_000, world.chance.getrandbits(74)) for _ in range(200))
    return [_message(job, 0, version, 5) for job in ids]


def malformed(_: World) -> list[Message]:
    return [message for message in MALFORMED.values() for _ in range(5)]


def _message(*columns: Any) -> Message:
    return job_message(_envelope(*columns))


def _envelope(job: Any, epoch: int, version: int, priority: int, client: int = 0) -> Envelope:
    return Envelope(job, epoch, version, priority, client=client)


@contextlib.contextmanager
def published(world: World, *, make: Make) -> Iterator[None]:
    messages = make(world)
    with world.broker() as broker, broker.channel() as channel:
        channel.confirm_select()
        for message in messages:
            channel.basic_publish_confirm(message, exchange=INFER.name, routing_key="sleeper")
    world.hit(len(messages), "messages")
    yield


FAULTS = tuple(
    Fault(f"{make.__name__} messages", partial(published, make=make))
    for make in (copies, late, reordered, unknown, malformed)
)
