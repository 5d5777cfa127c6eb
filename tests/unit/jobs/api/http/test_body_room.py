"""The room for arriving bodies: each sender's share, and who gives up a place."""

from __future__ import annotations

import pytest

from jobs.api.http import body_room
from jobs.api.http.body_room import BodyRoom, Share, Visit
from jobs.core.errors import SlowBodyError, TooManyCallsError, UnavailableError

QUARTER = 0.25


def of(sender: str) -> tuple[Share, ...]:
    return (Share(sender, QUARTER),)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_room, "PATIENT_S", 0.0)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of the room, which the test moves."""
    now = [1_000.0]
    monkeypatch.setattr(body_room, "monotonic", lambda: now[0])
    return now


def driven_out(visits: list[Visit]) -> list[int]:
    return [at for at, visit in enumerate(visits) if visit.is_given_up]


def test_slow_bodies_of_a_sender_drive_out_only_each_other(impatient: None) -> None:
    room = BodyRoom(most=16, most_bytes=1_000)
    innocent = room.enter(of("b"), 0)
    visits = [room.enter(of("a"), 0) for _ in range(6)]
    assert driven_out(visits) == [0, 1]
    assert not innocent.is_given_up
    with pytest.raises(SlowBodyError):
        visits[0].check()


def test_bodies_that_came_just_now_are_not_driven_out() -> None:
    room = BodyRoom(most=16, most_bytes=1_000)
    visits = [room.enter(of("a"), 0) for _ in range(4)]
    with pytest.raises(TooManyCallsError):
        room.enter(of("a"), 0)
    assert driven_out(visits) == []
    room.enter(of("b"), 0)


def test_a_burst_of_brief_bodies_is_let_in_and_slow_ones_among_them_give_way(now: list[float]) -> None:
    room = BodyRoom(most=8, most_bytes=4_000)
    burst = [room.enter(of("a"), 10, brief=True) for _ in range(40)]
    now[0] += 3.0  # so late may a busy process come to read what has arrived
    burst += [room.enter(of("a"), 10, brief=True) for _ in range(40)]
    assert not any(visit.is_given_up for visit in burst)
    now[0] += 8.0
    room.enter(of("a"), 10, brief=True)
    assert burst[0].is_given_up
    with pytest.raises(TooManyCallsError):
        room.enter(of("a"), 600, brief=True)  # their bytes are bounded as others' are


def test_of_a_full_room_whoever_holds_most_gives_up_a_place(impatient: None) -> None:
    room = BodyRoom(most=4, most_bytes=1_000)
    half = [room.enter((Share("a", 0.5),), 0) for _ in range(2)]
    others = [room.enter(of(name), 0) for name in "bc"]
    room.enter(of("d"), 0)
    assert (driven_out(half), driven_out(others)) == ([0], [])


def test_a_full_room_of_bodies_that_came_just_now_lets_nobody_in() -> None:
    room = BodyRoom(most=2, most_bytes=1_000)
    for name in "ab":
        room.enter(of(name), 0)
    with pytest.raises(UnavailableError):
        room.enter(of("c"), 0)


def test_a_sender_s_share_of_bytes_counts_what_it_announces() -> None:
    room = BodyRoom(most=100, most_bytes=1_000)
    visit = room.enter(of("a"), 200)
    with pytest.raises(TooManyCallsError):
        room.enter(of("a"), 100)
    room.enter(of("b"), 200)
    room.arrived(visit)  # its bytes are held until the call is answered
    with pytest.raises(TooManyCallsError):
        room.enter(of("a"), 100)
    room.leave(visit)
    room.enter(of("a"), 100)


def test_a_body_that_announced_nothing_counts_as_it_comes() -> None:
    room = BodyRoom(most=100, most_bytes=1_000)
    room.enter(of("a"), 100)
    unannounced = room.enter(of("a"), 0)
    room.grow(unannounced, 150)
    with pytest.raises(TooManyCallsError):
        room.grow(unannounced, 1)


def test_one_body_fits_in_any_share_but_never_more_than_the_room() -> None:
    room = BodyRoom(most=100, most_bytes=1_000)
    visit = room.enter(of("a"), 0)
    room.grow(visit, 1_000)
    with pytest.raises(UnavailableError):
        room.grow(visit, 1)


def test_nothing_is_left_of_those_that_went() -> None:
    room = BodyRoom(most=100, most_bytes=1_000)
    visits = [room.enter((*of(name), Share("together", 0.5)), 10) for name in "aab"]
    for visit in visits:
        room.grow(visit, 20)
        room.leave(visit)
    assert room.is_empty
