from typing import cast

import pytest

from inference_site.stack.keeper import LONGEST_DELAY_S, SETTLED_S, Keeper, delay_s
from inference_site.stack.leash import Child


class FakeChild:
    def __init__(self, served: "FakeServed") -> None:
        self.served = served

    def ended(self) -> bool:
        return self.served.dead


class FakeServed:
    name = "fake"

    def __init__(self) -> None:
        self.dead = False
        self.starts = 0
        self.child: Child | None = cast("Child", FakeChild(self))

    def start(self) -> None:
        self.starts += 1
        self.dead = False

    def wait_ready(self) -> None: ...

    def ask_to_stop(self) -> None: ...

    def finish(self) -> None: ...


def test_a_living_program_is_not_touched() -> None:
    served = FakeServed()
    keeper = Keeper(served, now=0)
    assert not any(keeper.tend(now) for now in range(100))
    assert served.starts == 0


def test_an_ended_program_is_started_again_after_its_delay() -> None:
    served = FakeServed()
    keeper = Keeper(served, now=0)
    served.dead = True
    assert not keeper.tend(1)
    assert not keeper.tend(1 + delay_s(0) - 0.1)
    assert keeper.tend(1 + delay_s(0))
    assert served.starts == 1


def test_a_program_that_keeps_ending_is_started_less_and_less_often() -> None:
    served = FakeServed()
    keeper = Keeper(served, now=0)
    assert [_wait_of_next_start(keeper, served, now=n * 20.0) for n in range(8)] == pytest.approx(
        [0.5, 1, 2, 4, 8, 15, 15, 15], abs=0.11
    )


def test_a_long_life_is_forgiven() -> None:
    served = FakeServed()
    keeper = Keeper(served, now=0)
    _wait_of_next_start(keeper, served, now=0)
    _wait_of_next_start(keeper, served, now=10)
    assert _wait_of_next_start(keeper, served, now=20 + SETTLED_S) == pytest.approx(0.5, abs=0.11)


def test_the_delay_is_capped() -> None:
    assert delay_s(1_000_000) == LONGEST_DELAY_S


def _wait_of_next_start(keeper: Keeper, served: FakeServed, *, now: float) -> float:
    served.dead = True
    waited = 0.0
    while not keeper.tend(now + waited):
        waited += 0.1
    return waited
