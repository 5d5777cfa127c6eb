"""The simulated relay chooses the rows that the relay's statement takes."""

from __future__ import annotations

import random
from collections import Counter, defaultdict, deque
from datetime import timedelta

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.relay.publish_policy import reserve, rooms
from jobs.core.simulation.arrivals import Arrival
from jobs.core.simulation.fresh_rows import LEAST_A_CLIENT, Key, OutboxRow, choose
from jobs.services.relay import statements as feed
from tests.support.factories import make_client, make_job


@pytest.mark.parametrize(("seed", "depth"), [(1, 24), (2, 64), (3, 200), (4, 8)])
def test_both_choose_the_same_rows_in_the_same_order(session: sa.Connection, seed: int, depth: int) -> None:
    chance, now = random.Random(seed), timezone.now()
    clients = [make_client(f"client-{number}") for number in range(3)]
    waiting, names = defaultdict[Key, deque[OutboxRow]](deque), dict[OutboxRow, object]()
    for number in range(60):  # the earliest due first
        client, priority = chance.choice(clients), chance.choice([0, 3, 4, 9])
        due = now - timedelta(seconds=100 - number)
        job = make_job(client=client, priority=priority, due=due)
        row = OutboxRow(Arrival(0.0, priority=priority, client=client.id), due.timestamp(), retry=False)
        waiting[priority, client.id].append(row)
        names[row] = job.id
    held = Counter({(4, clients[0].id): 10, (9, clients[1].id): 3})
    room, few = rooms(held, depth), reserve(depth)
    chosen = choose(waiting, room, held=held, most=40, reserve=few)
    taken = feed.take_fresh(session, "echo", rooms=room, most=40, held=held, reserve=few)
    assert [names[row] for row in chosen] == [row.envelope.job for row in taken]
    assert [row.turn for row in chosen] == [row.turn for row in taken]
    assert LEAST_A_CLIENT == feed.LEAST_A_CLIENT
