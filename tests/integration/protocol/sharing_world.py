"""The protocol's world with identical requests, which come all the time and follow each other.

The settlers of followers here take no lock, miss half of the notifications, and die in mid-chunk.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from threading import Event
from typing import Literal
from uuid import UUID

import sqlalchemy as sa

from jobs.core.channels import SETTLED
from jobs.core.errors import PlatformError
from jobs.core.submission.request import JobRequest
from jobs.db.channel_names import listen
from jobs.db.session import driver, open_session, transaction
from jobs.services.reuse import settle_followers
from jobs.services.reuse.follower_settler import FollowerSettler
from jobs.services.submission.submit import submit_jobs
from tests.integration.protocol.world import QUEUE, World
from tests.support.submit import owner

INPUTS, CLIENTS = 12, 2
DEAF, DIES = 0.5, 0.2
CACHE: list[Literal["use", "refresh", "bypass"]] = [*["use"] * 17, "refresh", "bypass"]  # type: ignore[list-item]


class DiedError(Exception):
    """The settler's process died, and its transaction with it."""


class SharingWorld(World):
    """A World whose jobs are submitted during the storm, many of them identical; `made` has all their ids."""

    def __init__(self, *, version: int, seed: int) -> None:
        self.made = list[UUID]()
        super().__init__(version=version, jobs=self.made, hurried=set(), seed=seed)
        self._post(random.Random(seed))

    def doers(self) -> list[Callable[[random.Random], None]]:
        return [*super().doers(), *[self._submit] * 4, *[self._answer] * 2]

    def _submit(self, chance: random.Random) -> None:
        while not (self.stop.is_set() or self.quiet.is_set()):
            time.sleep(chance.random() * 0.02)
            self._post(chance)

    def _post(self, chance: random.Random) -> None:
        requests = [_request(chance) for _ in range(chance.choice((1, 1, 1, 6)))]
        for outcome in submit_jobs(owner=owner(f"app-{chance.randrange(CLIENTS)}"), requests=requests):
            if isinstance(outcome, PlatformError):
                self.errors.append(repr(outcome))
                continue
            self.made.append(outcome.id)
            self.count(hits=outcome.cached_from is not None)

    def _answer(self, chance: random.Random) -> None:
        answerer = FollowerSettler(stop=Event())
        with open_session() as session:
            listen(session, SETTLED)
            while not self.stop.is_set():
                payloads = [notice.payload for notice in driver(session).notifies(timeout=0.05, stop_after=1)]
                if chance.random() < DIES:
                    self._die_in_a_chunk(session)
                answerer.step(session, [payload for payload in payloads if chance.random() > DEAF])

    def _die_in_a_chunk(self, session: sa.Connection) -> None:
        followed = settle_followers.leaders(session, after=UUID(int=0), most=100)
        for leader in [leader.id for leader in followed if leader.ended][:1]:
            with contextlib.suppress(DiedError), transaction(session):
                self.count(undone=settle_followers.land(session, leader).looked_at)
                raise DiedError


def _request(chance: random.Random) -> JobRequest:
    return JobRequest(
        model=QUEUE,
        input={"n": chance.randrange(INPUTS)},
        priority=chance.randrange(10),
        deadline_s=chance.random() * 8 if chance.random() < 0.1 else None,
        max_attempts=chance.choice((50, 100)),
        cache=chance.choice(CACHE),
    )
