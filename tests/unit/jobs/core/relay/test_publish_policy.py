from __future__ import annotations

import itertools
from dataclasses import dataclass

from jobs.core.relay.publish_policy import (
    FAST_CREDIT,
    FAST_TURNS,
    FastSide,
    copies_are_useless,
    jobs_a_message,
    rooms,
)


@dataclass(frozen=True)
class Row:
    turn: int


def test_a_client_with_few_jobs_in_flight_is_fast_and_one_with_many_is_not() -> None:
    assert FastSide().choose([Row(1), Row(FAST_TURNS), Row(FAST_TURNS + 1), Row(5_000)]) == [
        True,
        True,
        False,
        False,
    ]


def test_many_small_clients_take_no_more_than_every_second_place_for_long() -> None:
    side = FastSide()
    first = side.choose([Row(1)] * FAST_CREDIT)
    later = side.choose([Row(1)] * 1_000)
    assert all(first)
    assert 490 <= sum(later) <= 510
    assert not any(a and b for a, b in itertools.pairwise(later))


def test_jobs_of_lower_levels_take_no_room_from_a_higher_one() -> None:
    room = rooms({(0, 1): 100}, depth=100)
    assert room[9] == 100
    assert room[0] == 0


def test_jobs_of_higher_levels_take_room_from_lower_ones() -> None:
    room = rooms({(9, 1): 40, (9, 2): 20, (5, 1): 30}, depth=100)
    assert (room[9], room[5], room[0]) == (40, 10, 10)


def test_priorities_of_one_broker_level_share_its_room() -> None:
    room = rooms({(9, 1): 70}, depth=100)
    assert room[8] == room[9] == 30


def test_a_level_beyond_its_depth_has_no_room() -> None:
    assert rooms({(4, 1): 500}, depth=100)[4] == 0


def test_copies_are_useless_while_the_broker_holds_all_that_is_in_flight() -> None:
    assert copies_are_useless(ready=10, bundled=1, consumers=1, in_flight=10)
    assert not copies_are_useless(ready=9, bundled=1, consumers=1, in_flight=10)


def test_a_message_may_hold_several_of_the_jobs_in_flight() -> None:
    assert copies_are_useless(ready=2, bundled=8, consumers=1, in_flight=16)
    assert not copies_are_useless(ready=2, bundled=8, consumers=1, in_flight=17)


def test_jobs_share_messages_only_under_backlog_and_a_bundle_is_a_part_of_a_batch() -> None:
    assert jobs_a_message(rows=100, max_batch=64) == 1
    assert jobs_a_message(rows=256, max_batch=64) == 4
    assert jobs_a_message(rows=1_024, max_batch=64) == 8
    assert jobs_a_message(rows=1_024, max_batch=8) == 1
    assert jobs_a_message(rows=0, max_batch=1) == 1


def test_copies_are_useless_while_messages_wait_without_a_consumer() -> None:
    assert copies_are_useless(ready=1, bundled=1, consumers=0, in_flight=10)
    assert not copies_are_useless(ready=0, bundled=1, consumers=0, in_flight=10)
