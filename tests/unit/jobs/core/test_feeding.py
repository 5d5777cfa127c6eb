from jobs.core.feeding import copies_are_useless, rooms


def test_what_waits_in_lower_levels_takes_no_room_from_a_higher_one() -> None:
    room = rooms({0: 100}, depth=100)
    assert room[9] == 100
    assert room[0] == 0


def test_what_waits_in_higher_levels_takes_room_from_the_lower_ones() -> None:
    room = rooms({9: 60, 5: 30}, depth=100)
    assert (room[9], room[5], room[0]) == (40, 10, 10)


def test_priorities_of_one_broker_level_share_its_room() -> None:
    room = rooms({9: 70}, depth=100)
    assert room[8] == room[9] == 30


def test_a_level_beyond_its_depth_has_no_room() -> None:
    assert rooms({4: 500}, depth=100)[4] == 0


def test_copies_are_useless_while_the_broker_holds_all_that_is_in_flight() -> None:
    assert copies_are_useless(ready=10, consumers=1, in_flight=10)
    assert not copies_are_useless(ready=9, consumers=1, in_flight=10)


def test_copies_are_useless_where_messages_wait_and_nobody_consumes() -> None:
    assert copies_are_useless(ready=1, consumers=0, in_flight=10)
    assert not copies_are_useless(ready=0, consumers=0, in_flight=10)
