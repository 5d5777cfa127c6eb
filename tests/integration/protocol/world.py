"""A world that drives the project's own statements from many connections at once, with every fault.

Its broker loses and doubles messages and gives them out in any order; its workers crash, stall past their
heartbeat and settle as zombies, release, retry and bury; other threads cancel and replay any job, and a
worker dies while another one runs jobs that its own batch still names.
"""

from __future__ import annotations

import contextlib
import random
import sys
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event, Lock, Thread
from typing import TypeVar
from uuid import UUID, uuid4

import sqlalchemy as sa
from django.db import connections

from jobs.core.errors import WrongStateError
from jobs.core.failures import Failure, FailureKind, Success
from jobs.core.ids import uuid7
from jobs.core.messages.envelope import Envelope
from jobs.core.retry.policy import Bury, RetryAfter
from jobs.core.stages import StageTimes
from jobs.core.states import TERMINAL
from jobs.db.engine import engine
from jobs.db.session import open_session
from jobs.services.lifecycle import reap as sweep
from jobs.services.lifecycle import worker_row
from jobs.services.lifecycle.cancel import cancel_job
from jobs.services.lifecycle.claim import BatchRow, Claimed, claim
from jobs.services.lifecycle.end_times import EndedJob
from jobs.services.lifecycle.overdue import OverdueJobs, expire
from jobs.services.lifecycle.release import release
from jobs.services.lifecycle.replay import replay_job
from jobs.services.lifecycle.settle import Settled, Verdict, settle
from jobs.services.lifecycle.settle_answers import AnsweredBatch, only_answers, settle_answers
from jobs.services.relay import statements as feed
from tests.integration.protocol.lossy_broker import Broker

QUEUE = "echo"
BATCH = 32
STALE_S, HELD_S = 0.8, 0.2
CRASH, ZOMBIE, RELEASE = 0.05, 0.08, 0.10
LATE, ROBBED = 0.5, 0.5  # of the releases, of the crashes

Answer = TypeVar("Answer")


class World:
    """Threads that run until `stop` is set; their counts are in `seen`, `ended` and `errors`."""

    def __init__(self, *, version: int, jobs: Sequence[UUID], hurried: set[UUID], seed: int) -> None:
        """Drive `jobs` of a model version; `hurried` are those that have a deadline."""
        self.version, self.jobs, self.hurried, self.seed = version, jobs, hurried, seed
        self.broker, self.stop, self.quiet = Broker(), Event(), Event()
        self.seen: Counter[str] = Counter()
        self.ended: Counter[UUID] = Counter()  # verdicts by settle that ended a job
        self.succeeded: Counter[UUID] = Counter()
        self.errors: list[str] = []
        self._lock, self._threads = Lock(), list[Thread]()

    def doers(self) -> list[Callable[[random.Random], None]]:
        return [self._relay, self._relay, self._sweep, *[self._work] * 8, *[self._meddle] * 3]

    def start(self) -> None:
        for number, doer in enumerate(self.doers()):
            chance = random.Random(f"{self.seed}/{number}")
            self._threads.append(
                Thread(target=self._guarded, args=(doer, chance), name=f"{doer.__name__}-{number}")
            )
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive(), f"{thread.name} hangs:\n{_where(thread)}"

    def _guarded(self, doer: Callable[[random.Random], None], chance: random.Random) -> None:
        try:
            doer(chance)
        except Exception:  # noqa: BLE001  # the error is reported, not lost
            self.errors.append(traceback.format_exc())
        finally:
            connections.close_all()

    def count(self, **seen: int) -> None:
        with self._lock:
            self.seen.update(seen)

    def _relay(self, chance: random.Random) -> None:
        with open_session() as session:
            while not self.stop.is_set():
                rows = feed.take_fresh(session, QUEUE, rooms=dict.fromkeys(range(10), 200), most=200)
                rows += feed.take_overdue(session, QUEUE, most=200)
                for row in rows:
                    self.broker.publish(row.envelope, chance.random())
                self.count(published=len(rows))
                if not rows:
                    time.sleep(0.005)

    def _sweep(self, _chance: random.Random) -> None:
        while not self.stop.is_set():
            time.sleep(0.1)
            with engine().begin() as connection:
                sweep.end_silent_workers(connection, STALE_S)
            for orphan in self._ask(lambda c: sweep.orphaned_batches(c, 100)):
                self._reap(orphan.id)
            overdue = self._ask(lambda c: OverdueJobs().find(c, 500))
            self.count(expired=len(self._ask(partial(_expired, jobs=overdue))))

    def _reap(self, batch: UUID) -> None:
        with engine().begin() as connection:
            own, others = _members(connection, batch)
            if others:  # locked only then, so that other reaps meet concurrent changes
                own, others = _members(connection, batch, lock="FOR UPDATE")
            reaped = sweep.reap(connection, batch)
        self.count(reaped=reaped.queued, spared=others)
        if others and reaped.queued + len(reaped.dead) != own:
            self.errors.append(f"{own} of batch {batch} ran in it and {others} elsewhere, yet {reaped}")

    def _ask(self, read: Callable[[sa.Connection], list[Answer]]) -> list[Answer]:
        with engine().begin() as connection:
            return read(connection)

    def _work(self, chance: random.Random) -> None:
        worker = Worker(self, chance)
        while not self.stop.is_set():
            worker.turn()

    def _meddle(self, chance: random.Random) -> None:
        while not (self.stop.is_set() or self.quiet.is_set()):
            time.sleep(chance.random() * 0.012)
            job = chance.choice(self.jobs)
            if chance.random() < 0.5:
                self.meddle("cancelled", partial(cancel_job, job_id=job, actor="test"))
            if chance.random() < 0.5:
                self.meddle("replayed", partial(replay_job, job_id=job, actor="test"))

    def meddle(self, name: str, act: Callable[[], object]) -> None:
        with contextlib.suppress(WrongStateError):
            self.count(**{name: act() is not False})

    def saw(self, settled: Sequence[Settled]) -> None:
        with self._lock:
            self.ended.update(row.job for row in settled if row.state in TERMINAL)
            self.succeeded.update(row.job for row in settled if row.state == "succeeded")


def _where(thread: Thread) -> str:
    """Return the thread's stack, to show where it hangs."""
    return "".join(traceback.format_stack(sys._current_frames()[thread.ident or 0]))


class Worker:
    """One worker thread; each crash begins a new incarnation, under the same name or as another node."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world, self.chance = world, chance
        self.beaten, self.batch = 0.0, UUID(int=0)
        self._begin(f"node-{chance.getrandbits(30)}")

    def _begin(self, node: str) -> None:
        self.self = worker_row.Incarnation(uuid4(), node, "here", 1, "cpu", (QUEUE,))
        with engine().begin() as connection:
            worker_row.register(connection, self.self)

    def turn(self) -> None:
        self._beat()
        groups = defaultdict[int, list[Envelope]](list)
        for envelope in self.world.broker.take(BATCH):
            groups[envelope.isolation_group].append(envelope)
        for group in groups.values():
            self._finish(self._claim(group), group)

    def _beat(self) -> None:
        if time.monotonic() - self.beaten > 0.2:
            with engine().begin() as connection:
                alive = worker_row.beat(connection, self.self.id, lambda: [self.batch]).known
            self.beaten = time.monotonic()
            if not alive:
                self._begin(self.self.node)

    def _claim(self, envelopes: Sequence[Envelope]) -> list[Claimed]:
        self.batch = uuid7(int(time.time() * 1000), self.chance.getrandbits(74))
        row = BatchRow(
            self.batch, self.self.id, self.world.version, QUEUE, 0, "test", 0.0, envelopes[0].isolation_group
        )
        with engine().begin() as connection:
            jobs = claim(connection, batch=row, envelopes=envelopes)
        self._hold({(e.job, e.epoch + 1) for e in envelopes}, {(job.job, job.epoch) for job in jobs})
        self.world.count(claimed=len(jobs), refused=len(envelopes) - len(jobs))
        return sorted(jobs, key=lambda _: self.chance.random())

    def _finish(self, jobs: list[Claimed], envelopes: Sequence[Envelope]) -> None:
        fate = self.chance.random()
        if fate < CRASH:
            self._die(jobs, envelopes)
        elif fate < CRASH + ZOMBIE:
            self.world.count(zombies=1)
            self._stall(jobs)
            self._settle(jobs)
        elif fate < CRASH + ZOMBIE + RELEASE:
            if self.chance.random() < LATE:
                self._stall(jobs)
            self._release(jobs)
        else:
            time.sleep(self.chance.random() * HELD_S)
            self._settle(jobs)

    def _die(self, jobs: list[Claimed], envelopes: Sequence[Envelope]) -> None:
        spared = self.world.seen["spared"] and self.chance.random() > ROBBED
        if spared or not jobs or self.world.quiet.is_set():
            self._crash(envelopes)
        else:
            self._die_robbed(jobs, envelopes)

    def _die_robbed(self, jobs: list[Claimed], envelopes: Sequence[Envelope]) -> None:
        """Crash while another worker runs jobs of this batch that were cancelled and replayed."""
        robbed = jobs[: len(jobs) // 2 + 1]
        for job in robbed:
            self.world.meddle("cancelled", partial(cancel_job, job_id=job.job, actor="test"))
            self.world.meddle("replayed", partial(replay_job, job_id=job.job, actor="test"))
        other, batch = Worker(self.world, self.chance), self.batch
        replayed = [
            Envelope(job.job, job.epoch + 2, self.world.version, 0, client=job.client) for job in robbed
        ]
        claimed = other._claim(replayed)
        self._crash(envelopes)
        other._outlive(batch, claimed)

    def _outlive(self, batch: UUID, jobs: list[Claimed]) -> None:
        """Settle `jobs` after another worker's batch was reaped."""
        until = time.monotonic() + 3 * STALE_S
        while time.monotonic() < until and not self.world.stop.is_set():
            self._beat()
            with engine().begin() as connection:
                if not _is_open(connection, batch):
                    break
            time.sleep(0.02)
        self._settle(jobs)

    def _stall(self, jobs: list[Claimed]) -> None:
        """Sleep until another worker runs the reaped jobs: the worst moment to settle them."""
        until = time.monotonic() + 3 * STALE_S
        while jobs and time.monotonic() < until and not self.world.stop.is_set():
            time.sleep(0.05)
            with engine().begin() as connection:
                if _run_elsewhere(connection, self.batch, [job.job for job in jobs]):
                    return

    def _crash(self, envelopes: Sequence[Envelope]) -> None:
        self.world.count(crashes=1)
        self.world.broker.requeue(envelopes)
        same = self.chance.random() < 0.5
        self._begin(self.self.node if same else f"node-{self.chance.getrandbits(30)}")

    def _release(self, jobs: list[Claimed]) -> None:
        with engine().begin() as connection:
            released = release(connection, batch=self.batch, jobs=[(job.job, job.epoch) for job in jobs])
            self._hold({(job.job, job.epoch + 1) for job in jobs}, _epochs(connection, released))
        self.world.count(released=len(released))

    def _settle(self, jobs: list[Claimed]) -> None:
        if not jobs:
            return
        with engine().begin() as connection:
            verdicts = [self._verdict(job) for job in jobs]
            settled = self._settle_in_one(connection, verdicts)
            if not settled:
                settled, _locked = settle(connection, batch=self.batch, verdicts=verdicts)
            changed = [row.job for row in settled if row.state != "expired"]
            self._hold({(job.job, job.epoch) for job in jobs}, _epochs(connection, changed))
        self.world.saw(settled)
        self.world.count(settled=len(settled), fenced=len(jobs) - len(settled))

    def _settle_in_one(self, connection: sa.Connection, verdicts: list[Verdict]) -> list[Settled]:
        if not only_answers(verdicts):
            return []
        states = settle_answers(connection, [AnsweredBatch(self.batch, StageTimes(ran_s=0.0), verdicts)])
        self.world.count(answers=len(states))
        return [Settled(job, state) for job, state in states.items()]

    def _hold(self, mine: set[tuple[UUID, int]], changed: set[tuple[UUID, int]]) -> None:
        """A change that is not by the epoch this worker held is another's, stolen."""
        if stolen := changed - mine:
            self.world.errors.append(f"changed without the epoch: {stolen}")

    def _verdict(self, job: Claimed) -> Verdict:
        kind = job.job.int % 10
        if kind == 0:
            failure = Failure(FailureKind.INVALID, "bad", "this one never succeeds")
            return Verdict(job.job, job.epoch, failure, Bury("bad"))
        if kind == 1 and job.attempts < 3:
            failure = Failure(FailureKind.TRANSIENT, "flaky", "not yet")
            return Verdict(job.job, job.epoch, failure, RetryAfter(self.chance.random() * 0.05))
        return Verdict(job.job, job.epoch, Success(b"{}"))


def _epochs(connection: sa.Connection, jobs: Sequence[UUID]) -> set[tuple[UUID, int]]:
    """Return each job's epoch as this transaction left it."""
    query = sa.text("SELECT id, epoch FROM jobs_job WHERE id = ANY(CAST(:jobs AS uuid[]))")
    return {(job, epoch) for job, epoch in connection.execute(query, {"jobs": list(jobs)})}


def _run_elsewhere(connection: sa.Connection, batch: UUID, jobs: Sequence[UUID]) -> bool:
    query = "SELECT count(*) FROM jobs_job WHERE id = ANY(:jobs) AND state = 'running' AND batch_id <> :batch"
    return bool(connection.execute(sa.text(query), {"jobs": list(jobs), "batch": batch}).scalar_one())


def _is_open(connection: sa.Connection, batch: UUID) -> bool:
    query = "SELECT finished_at IS NULL FROM jobs_batch WHERE id = :batch"
    return bool(connection.execute(sa.text(query), {"batch": batch}).scalar())


def _expired(connection: sa.Connection, jobs: list[UUID]) -> list[EndedJob]:
    return expire(connection, jobs).all


def _members(connection: sa.Connection, batch: UUID, lock: str = "") -> tuple[int, int]:
    """Count the batch's members that run in it, and those that run elsewhere."""
    query = f"""
    SELECT count(*) FILTER (WHERE batch_id = :batch), count(*) FILTER (WHERE batch_id <> :batch)
    FROM (SELECT state, batch_id FROM jobs_job
          WHERE id IN (SELECT unnest(members) FROM jobs_batch WHERE id = :batch) ORDER BY id {lock}) AS member
    WHERE state = 'running'
    """
    own, others = connection.execute(sa.text(query), {"batch": batch}).one()
    return own, others
