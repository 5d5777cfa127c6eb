"""Places for workers, with short programs in the part of workers: start, adopt, drain, die, be killed."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from jobs.management.scaling.host_workers import KILL_AFTER_S, HostWorkers, make_places
from jobs.management.scaling.worker_place import WorkerCommand, WorkerPlace
from jobs.services.scaling.autoscaler_rows import LiveWorker
from tests.support.wait import wait_until

SLEEPS = "import time; print('ready', flush=True); time.sleep(600)"
DIES = "raise SystemExit(3)"
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(600)"
GRACE_S, START_LIMIT_S = 5.0, 900.0


@dataclass(frozen=True, slots=True)
class ShortCommand(WorkerCommand):
    program: str = SLEEPS

    def words(self, place: WorkerPlace) -> list[str]:  # noqa: ARG002  # each place runs the same
        return [sys.executable, "-c", self.program]


class World:
    """A host with places, a clock that the test turns, and the rows that its workers would write."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now_s = folder, 0.0
        self.hosts: list[HostWorkers] = []

    def host(self, program: str = SLEEPS, places: int = 2) -> HostWorkers:
        command = ShortCommand((), (), f"{self.folder}/lock", log_dir=self.folder, program=program)
        own = make_places(host="here", gpus=(), cpus=places, first_index=0)
        host = HostWorkers(
            own, command, grace_s=GRACE_S, start_limit_s=START_LIMIT_S, clock=lambda: self.now_s
        )
        self.hosts.append(host)
        return host

    def rows(self, host: HostWorkers, *, busy: int | None = None) -> list[LiveWorker]:
        return [
            LiveWorker(place.node, place.process.pid, True, True, True, place.index == busy)
            for place in host.places
            if place.process is not None
        ]

    def wait_ended(self, host: HostWorkers) -> None:
        def ended() -> bool:
            host.tend()
            return not host.left

        wait_until(ended, what="the end of all workers")

    def wait_gone(self, place: WorkerPlace, host: HostWorkers) -> None:
        def gone() -> bool:
            host.tend()
            return place.process is None

        wait_until(gone, what=f"the end of {place.name}")

    def wait_ready(self, name: str) -> None:
        wait_until(lambda: "ready" in (self.folder / f"{name}.log").read_text(), what=name)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    for place in (place for host in world.hosts for place in host.places):
        if place.process is not None:
            with suppress(psutil.NoSuchProcess):
                place.process.kill()
        if place.child is not None:
            place.child.wait()


def test_workers_start_up_to_the_target_and_the_idle_one_is_drained_first(world: World) -> None:
    host = world.host()
    assert (host.see([]).usable, host.running) == (2, 0)
    host.steer(2)
    world.now_s = 7.0
    state = host.see(world.rows(host, busy=1))
    assert (state.running, state.start_s, state.starting_s) == (2, 7.0, None)
    world.wait_ready("gpu-worker-0")
    host.steer(1)
    assert [place.runs for place in host.places] == [False, True]
    assert host.see(world.rows(host)).running == 1
    host.steer(0)
    world.wait_ended(host)


def test_a_starting_worker_is_reported_with_its_age_and_drained_before_one_that_serves(world: World) -> None:
    host = world.host()
    host.steer(1)
    served = world.rows(host)
    host.see(served)
    host.steer(2)
    world.now_s = 3.0
    state = host.see(served)
    assert (state.starting_s, state.running, state.starting, state.draining) == (3.0, 2, 1, 0)
    host.steer(1)
    assert [place.runs for place in host.places] == [True, False]
    assert (host.see(served).running, host.see(served).draining) == (1, 1)


def test_another_autoscaler_adopts_a_running_worker_and_no_helper_of_it(world: World) -> None:
    helped = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEPS!r}]); {SLEEPS}"
    first = world.host(helped)
    first.steer(1)
    world.wait_ready("gpu-worker-0")
    pid = first.places[0].process.pid  # type: ignore[union-attr]  # it was started
    second = world.host(helped)
    assert second.adopt() == 1
    assert [place.process and place.process.pid for place in second.places] == [pid, None]
    second.steer(1)
    assert second.left == 1, "it starts no other"
    second.steer(0)
    world.wait_ended(second)
    os.killpg(pid, signal.SIGKILL)


def test_adopted_workers_with_other_options_are_replaced_one_after_the_other(world: World) -> None:
    world.host().steer(2)
    for index in range(2):
        world.wait_ready(f"gpu-worker-{index}")
    host = world.host(f"{SLEEPS}  # with other options")
    assert host.adopt() == 2
    assert host.see(world.rows(host)).running == 2
    host.renew(2)
    host.renew(2)
    assert [place.runs for place in host.places] == [False, True], "one at a time"
    world.wait_gone(host.places[0], host)
    host.renew(2)
    assert host.running == 1, "not before the first has its successor"
    host.steer(2)
    host.renew(2)
    assert host.running == 2, "the successor does not serve yet"
    host.see(world.rows(host))
    host.renew(2)
    assert [place.runs for place in host.places] == [True, False]
    world.wait_gone(host.places[1], host)
    host.steer(2)
    host.see(world.rows(host))
    host.renew(2)
    assert host.running == 2, "all have the options of now"


def test_options_with_which_workers_die_cost_one_of_the_adopted_workers(world: World) -> None:
    world.host().steer(2)
    for index in range(2):
        world.wait_ready(f"gpu-worker-{index}")
    host = world.host(DIES)
    host.adopt()
    host.see(world.rows(host))
    host.renew(2)
    world.wait_gone(host.places[0], host)
    host.steer(2)
    world.wait_gone(host.places[0], host)
    host.see(world.rows(host))
    for target in (2, 1):
        host.renew(target)
        assert [place.runs for place in host.places] == [False, True]


def test_a_worker_whose_place_is_no_more_is_drained_at_the_adoption(world: World) -> None:
    before = world.host(places=2)
    before.steer(2)
    for index in range(2):
        world.wait_ready(f"gpu-worker-{index}")
    after = world.host(places=1)
    assert after.adopt() == 1
    world.wait_gone(before.places[1], before)
    assert before.left == 1


def test_a_worker_of_another_platform_on_the_same_host_is_not_adopted(world: World, tmp_path: Path) -> None:
    world.host().steer(1)
    (tmp_path / "other").mkdir()
    assert World(tmp_path / "other").host().adopt() == 0


def test_after_deaths_the_next_start_waits_and_other_hosts_may_take_over(world: World) -> None:
    host = world.host(DIES)
    starts = []
    for second in range(16):
        world.now_s = float(second)
        if host.see([]).usable:
            host.steer(1)
            if host.left:
                starts.append(second)
                world.wait_ended(host)
    assert starts == [0, 2, 6, 14]
    state = host.see([])
    assert (state.usable, state.deaths, state.pause_s) == (0, 4, 15.0)


def test_a_death_of_one_place_lets_the_next_start_be_at_another(world: World) -> None:
    host = world.host(DIES)
    host.steer(1)
    world.wait_ended(host)
    world.now_s = 2.0
    host.steer(1)
    assert [place.process is not None for place in host.places] == [False, True]


def test_a_worker_that_does_not_end_within_its_grace_is_killed(world: World) -> None:
    host = world.host(DEAF, places=1)
    host.steer(1)
    world.wait_ready("gpu-worker-0")
    host.steer(0)
    world.now_s = GRACE_S + KILL_AFTER_S
    host.tend()
    assert host.left == 1
    world.now_s += 0.1
    world.wait_ended(host)


def seen(world: World, host: HostWorkers, seconds: float) -> None:
    """Look every ten seconds at workers that do not serve yet."""
    for _ in range(int(seconds / 10.0)):
        world.now_s += 10.0
        host.see([])
        host.steer(1)


def test_an_adopted_worker_is_given_time_after_an_outage_and_its_end_is_a_death(
    world: World,
) -> None:
    first = world.host(places=1)
    first.steer(1)
    world.wait_ready("gpu-worker-0")
    host = world.host(places=1)
    assert host.adopt() == 1
    world.now_s = 2 * START_LIMIT_S  # no look: the database was away
    host.see([])
    host.steer(1)
    assert host.running == 1, "nobody could see whether it serves"
    seen(world, host, START_LIMIT_S)
    world.now_s += 0.1
    host.tend()
    world.wait_ended(host)
    assert host.see([]).deaths == 1


def test_a_worker_that_hangs_while_it_starts_is_killed_and_counts_as_dead(world: World) -> None:
    host = world.host(places=1)
    host.steer(1)
    seen(world, host, START_LIMIT_S)
    assert host.running == 1
    world.now_s += 0.1
    host.tend()
    world.wait_ended(host)
    state = host.see([])
    assert (state.deaths, state.usable) == (1, 0)
    assert state.pause_s is not None
    world.now_s += state.pause_s
    host.steer(1)
    host.see(world.rows(host))
    world.now_s += 2 * START_LIMIT_S
    host.steer(1)
    assert host.running == 1, "it has served"


def test_the_place_of_a_worker_that_no_autoscaler_started_stays_free(world: World) -> None:
    host = world.host(places=1)
    foreign = LiveWorker(host.places[0].node, os.getpid(), True, True, True, False)
    assert host.see([foreign]).usable == 0
    host.steer(1)
    assert host.left == 0
    gone = foreign._replace(pid=2**22 + 1)
    assert host.see([gone]).usable == 1, "its row outlives a dead worker for some seconds"
