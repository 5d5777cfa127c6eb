"""A trial runs while the worker is idle, and for a tenth of the time where it never is."""

from __future__ import annotations

from jobs.worker.trials.turn import BUSY_SHARE, Turn


class World:
    def __init__(self, *, quiet: bool) -> None:
        self.now, self.quiet = 0.0, quiet
        self.turn = Turn(lambda: self.quiet, clock=lambda: self.now, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def run(self, seconds: float) -> None:
        self.now += seconds
        self.turn.ran(seconds)


def test_an_idle_worker_lets_a_trial_run_on() -> None:
    world = World(quiet=True)
    for _ in range(10):
        assert world.turn.wait(lambda: False)
        world.run(1.0)
    assert world.now == 10.0


def test_a_busy_worker_gives_it_a_tenth_of_the_time() -> None:
    world, ran = World(quiet=False), 0.0
    world.run(0.5)
    while world.now < 1_000.0:
        assert world.turn.wait(lambda: False)
        world.run(0.5)
        ran += 0.5
    assert 0.9 * BUSY_SHARE < ran / world.now <= BUSY_SHARE


def test_a_busy_worker_that_becomes_idle_lets_it_run_at_once() -> None:
    world = World(quiet=False)
    world.run(10.0)
    calls = iter([False, False, True])
    world.turn = Turn(lambda: next(calls), clock=lambda: world.now, sleep=world._sleep)
    world.turn.ran(10.0)
    began = world.now
    assert world.turn.wait(lambda: False)
    assert world.now - began < 1.0


def test_a_trial_that_is_stopped_gets_no_turn() -> None:
    world = World(quiet=False)
    world.run(10.0)
    assert not world.turn.wait(lambda: world.now > 12.0)
    assert world.now < 13.0
    assert not World(quiet=True).turn.wait(lambda: True)
