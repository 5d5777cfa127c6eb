"""Processes that are killed or stopped for a while."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from functools import partial

import psutil

from tests.chaos.faults.fault import Act, Fault
from tests.chaos.world import LIMIT_S, LOOK_S, World
from tests.support.wait import wait_until

REGISTERED = "SELECT count(*) FROM jobs_worker WHERE pid = %s AND ended_at IS NULL"
MADE_SINCE = "SELECT count(*) FROM chaos_history WHERE seq > %s AND kind = 'state' AND before IS NULL"
# Jobs that a process's open batches hold.
HELD_BY = """
SELECT job.id::text, job.epoch FROM jobs_job job
JOIN jobs_batch batch ON batch.id = job.batch_id JOIN jobs_worker worker ON worker.id = batch.worker_id
WHERE job.state = 'running' AND worker.pid = %s AND batch.finished_at IS NULL AND job.id = ANY(%s::uuid[])
"""
RUN_AGAIN = """
SELECT count(*) FROM unnest(%s::uuid[], %s::int[]) AS held(id, epoch) JOIN jobs_job job USING (id)
WHERE job.state = 'running' AND job.epoch > held.epoch
"""
LEFT_SINCE = """
SELECT count(DISTINCT job) FROM chaos_history WHERE seq > %s AND before = 'running' AND job = ANY(%s::uuid[])
"""
LONG, LONG_JOBS = "sleeper:long", 48  # several batches for each worker
PAUSED, AGAIN_S = "gpu-worker-1", 60.0
BETWEEN_KILLS_S = 6.0  # so long that the judge has looked, or has not yet


@contextlib.contextmanager
def killed(world: World, *, name: str, number: signal.Signals = signal.SIGKILL) -> Iterator[None]:
    pid = world.stack.kill(name, number)
    yield
    world.stack.wait_restarted(name, old_pid=pid)
    world.hit(1, "process ended")


@contextlib.contextmanager
def busy_worker_killed(world: World, *, name: str) -> Iterator[None]:
    """Kill a worker that holds jobs, which must all be taken back from it."""
    held = held_by(world, name)
    newest, pid = world.newest(), world.stack.kill(name)
    yield
    world.stack.wait_restarted(name, old_pid=pid)
    left = wait_until(
        lambda: world.rows(LEFT_SINCE, newest, [job for job, _ in held])[0][0],
        limit_s=LIMIT_S, every_s=LOOK_S, what="jobs taken back from the dead worker",
    )  # fmt: skip
    world.hit(left, "jobs taken from it")


def held_by(world: World, name: str) -> list[tuple[str, int]]:
    """Post long jobs; return which of them the worker holds, once it holds some."""
    jobs = world.submit(LONG, [{"n": world.fresh()} for _ in range(LONG_JOBS)], priority=9)
    pid = world.stack.pid(name)
    return wait_until(
        lambda: world.rows(HELD_BY, pid, jobs),
        limit_s=LIMIT_S,
        every_s=LOOK_S,
        what=f"jobs that {name} holds",
    )


@contextlib.contextmanager
def stopped_until_its_jobs_run_again(world: World, *, name: str) -> Iterator[None]:
    """Stop a worker that holds long jobs past its heartbeat, and wake it while others run the same jobs."""
    with paused(world, name=name, wait=True) as held:
        began = time.monotonic()
        jobs, epochs = [job for job, _ in held], [epoch for _, epoch in held]
        again = wait_until(
            lambda: world.rows(RUN_AGAIN, jobs, epochs)[0][0],
            limit_s=AGAIN_S, every_s=LOOK_S, what="its jobs running elsewhere",
        )  # fmt: skip
        world.note(f"run again after {time.monotonic() - began:.1f} s")
    world.hit(again, "jobs that ran elsewhere when it woke")
    yield


@contextlib.contextmanager
def paused(world: World, *, name: str, wait: bool = False) -> Iterator[list[tuple[str, int]]]:
    """Stop a process; with `wait`, a worker once it holds jobs, which are returned."""
    held = held_by(world, name) if wait else []
    pid = world.stack.kill(name, signal.SIGSTOP)
    try:
        yield world.rows(HELD_BY, pid, [job for job, _ in held]) if wait else held
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def killed_after_commit(world: World) -> Iterator[None]:
    """Kill the web workers while a commit's answer is on its way to them: stored, but not answered."""
    world.network.slow("web-postgres", answer_latency_s=0.5)
    try:
        newest = world.newest()
        made = wait_until(
            lambda: world.rows(MADE_SINCE, newest)[0][0], limit_s=LIMIT_S, every_s=LOOK_S, what="a new job"
        )
        for worker in psutil.Process(world.stack.pid("web")).children(recursive=True):
            worker.kill()
        world.hit(made, "jobs stored and perhaps not answered")
        yield
    finally:
        world.network.slow("web-postgres")


@contextlib.contextmanager
def restarted_in_turn(world: World) -> Iterator[None]:
    """Stop one worker after the other, each once the one before has registered again."""
    for name in ("gpu-worker-0", "gpu-worker-1"):
        world.stack.wait_restarted(name, old_pid=world.stack.kill(name, signal.SIGTERM))
        _wait_registered(world, world.stack.pid(name))
        world.hit(1, "workers")
    yield


def _wait_registered(world: World, pid: int) -> None:
    wait_until(
        lambda: world.rows(REGISTERED, pid)[0][0], limit_s=LIMIT_S, every_s=LOOK_S, what=f"worker {pid}"
    )


@contextlib.contextmanager
def killed_again_and_again(world: World, *, name: str, times: int) -> Iterator[None]:
    """Kill a process as soon as it runs again, whatever it is in the middle of."""
    for _ in range(times):
        pid = world.stack.kill(name)
        world.stack.wait_restarted(name, old_pid=pid)
        # At a moment of its work that no condition names: this is the fault, not a wait for something.
        time.sleep(world.chance.uniform(0.0, BETWEEN_KILLS_S))
        world.hit(1, "processes ended")
    yield


def kill(name: str) -> Act:
    return partial(killed, name=name)


FAULTS = (
    Fault("worker killed", partial(busy_worker_killed, name="gpu-worker-0")),
    Fault("workers restarted in turn", restarted_in_turn),
    Fault("relay and sweeper killed", kill("relay")),
    Fault("relay killed twenty times", partial(killed_again_and_again, name="relay", times=20)),
    Fault("web killed after commit", killed_after_commit),
    Fault("web killed with its parent", kill("web")),
    Fault("worker stopped past its heartbeat", partial(stopped_until_its_jobs_run_again, name=PAUSED)),
)
