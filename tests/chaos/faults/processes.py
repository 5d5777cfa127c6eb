"""Processes that are killed or stopped for a while."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from functools import partial

import psutil

from tests.chaos.faults.fault import Act, Fault
from tests.chaos.world import LIMIT_S, LOOK_S, World
from tests.support.wait import wait_until

PAST_HEARTBEAT_S = 22.0  # the sweeper ends a worker that was silent for 15 s
NEWEST = "SELECT coalesce(max(seq), 0) FROM chaos_history"
REGISTERED = "SELECT count(*) FROM jobs_worker WHERE pid = %s AND ended_at IS NULL"
MADE_SINCE = "SELECT count(*) FROM chaos_history WHERE seq > %s AND kind = 'state' AND before IS NULL"


@contextlib.contextmanager
def killed(world: World, *, name: str, number: signal.Signals = signal.SIGKILL) -> Iterator[None]:
    world.stack.kill(name, number)
    yield


@contextlib.contextmanager
def paused(world: World, *, name: str) -> Iterator[None]:
    pid = world.stack.kill(name, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def killed_after_commit(world: World) -> Iterator[None]:
    """Kill the web workers while a commit's answer is on its way to them: stored, but not answered."""
    world.network.slow("web-postgres", answer_latency_s=0.5)
    try:
        ((newest,),) = world.rows(NEWEST)
        wait_until(
            lambda: world.rows(MADE_SINCE, newest)[0][0], limit_s=LIMIT_S, every_s=LOOK_S, what="a new job"
        )
        for worker in psutil.Process(world.stack.pid("web")).children(recursive=True):
            worker.kill()
        yield
    finally:
        world.network.slow("web-postgres")


@contextlib.contextmanager
def restarted_in_turn(world: World) -> Iterator[None]:
    """Stop one worker after the other, each once the one before has registered again."""
    for name in ("gpu-worker-0", "gpu-worker-1"):
        world.stack.wait_restarted(name, old_pid=world.stack.kill(name, signal.SIGTERM))
        _wait_registered(world, world.stack.pid(name))
    yield


def _wait_registered(world: World, pid: int) -> None:
    wait_until(
        lambda: world.rows(REGISTERED, pid)[0][0], limit_s=LIMIT_S, every_s=LOOK_S, what=f"worker {pid}"
    )


def kill(name: str) -> Act:
    return partial(killed, name=name)


FAULTS = (
    Fault("worker killed", kill("gpu-worker-0")),
    Fault("workers restarted in turn", restarted_in_turn),
    Fault("relay and sweeper killed", kill("relay")),
    Fault("web killed after commit", killed_after_commit),
    Fault("web killed with its parent", kill("web")),
    Fault("worker stopped past its heartbeat", partial(paused, name="gpu-worker-0"), PAST_HEARTBEAT_S),
    Fault("relay and sweeper stopped", partial(paused, name="relay"), PAST_HEARTBEAT_S),
)
