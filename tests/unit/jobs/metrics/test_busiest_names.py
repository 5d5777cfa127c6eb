"""A label has few names, however many there are: the busiest."""

from __future__ import annotations

import random
from collections import Counter

from jobs.metrics.busiest_names import MOST_NAMES, OTHER, BusiestNames, FirstNames


def labelled(names: BusiestNames, *counted: str) -> list[str]:
    labels = list[str]()
    for name in counted:
        names.count(name, 1, labels.append)
    return labels


def test_the_first_names_are_taken_at_once() -> None:
    assert labelled(BusiestNames(), "a", "b", "a") == ["a", "b", "a"]


def test_of_a_thousand_clients_the_busiest_have_names() -> None:
    drawn, gone = random.Random(7), list[str]()
    names = BusiestNames(forget=gone.append)
    clients = [f"c{number}" for number in range(1_000)]
    weights = [1 / (number + 1) for number in range(1_000)]
    sent = Counter(drawn.choices(clients, weights, k=50_000))
    order = [client for client, count in sent.items() for _ in range(count)]
    drawn.shuffle(order)
    series = Counter(labelled(names, *order))
    living = {name for name in series if name not in gone} - {OTHER}
    assert len(living) <= MOST_NAMES
    assert {client for client, _ in sent.most_common(10)} <= living


def test_a_newcomer_takes_the_place_of_the_least_busy_and_its_series_ends() -> None:
    gone = list[str]()
    names = BusiestNames(2, forget=gone.append)
    labelled(names, *["big"] * 100, "small")
    assert labelled(names, "new") == [OTHER]
    assert labelled(names, *["new"] * 5)[-1] == "new"
    assert gone == ["small"]
    assert labelled(names, "small") == [OTHER]


def test_where_no_series_can_end_a_name_keeps_its_place() -> None:
    names = BusiestNames(2)
    labelled(names, "a", "b")
    assert set(labelled(names, *["new"] * 500)) == {OTHER}


def test_names_that_came_once_are_not_kept_for_ever() -> None:
    names = BusiestNames(1)
    labelled(names, "first")
    labelled(names, *(f"c{number}" for number in range(10_000)))
    assert len(names._unnamed) <= 2_000


def test_the_first_names_of_a_process_are_taken_and_no_more() -> None:
    names = FirstNames(2)
    assert [names.label(name) for name in ("a", "b", "c", "a")] == ["a", "b", OTHER, "a"]


def test_names_that_others_have_taken_are_taken_here_too_and_leave_less_room() -> None:
    names = BusiestNames(2, known=lambda: ["old", "older"])
    assert labelled(names, *["new"] * 1_000)[-1] == OTHER
    assert labelled(names, "old", "older") == ["old", "older"]


def test_a_name_that_means_all_others_takes_no_place_and_is_never_ended() -> None:
    gone = list[str]()
    names = BusiestNames(1, forget=gone.append)
    assert labelled(names, OTHER, "a") == [OTHER, "a"]
    labelled(names, *["b"] * 10)
    assert gone == ["a"]
