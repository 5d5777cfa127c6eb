from __future__ import annotations

from itertools import pairwise

from jobs.core.relay.past_walk import REST_S, SLICE_S, PastWalk

NOW_S = 1_700_000_000.0


def walk_to_the_end(walk: PastWalk, *, took_s: float, now_s: float = NOW_S) -> list[tuple[float, float]]:
    slices = []
    while (part := walk.slice(now_s)) is not None:
        slices.append(part)
        walk.read(part[0], took_s=took_s if part[1] > NOW_S - 1_000 else 0.0, now_s=now_s)
    return slices


def test_the_slices_leave_no_gap_and_reach_the_beginning() -> None:
    slices = walk_to_the_end(PastWalk(), took_s=0.0)
    assert slices[0][1] == NOW_S
    assert all(newer[0] == older[1] for newer, older in pairwise(slices))
    assert slices[-1][0] == 0.0
    assert len(slices) < 40


def test_slices_that_take_long_become_narrow() -> None:
    walk, widths = PastWalk(), []
    for took_s in (0.0, 0.0, 0.0, 2 * SLICE_S, 2 * SLICE_S, 0.0):
        part = walk.slice(NOW_S)
        assert part is not None
        widths.append(part[1] - part[0])
        walk.read(part[0], took_s=took_s, now_s=NOW_S)
    assert widths == [1.0, 2.0, 4.0, 8.0, 4.0, 2.0]


def test_a_database_that_is_slow_to_answer_does_not_hold_the_walk_up() -> None:
    walk, slices = PastWalk(), 0
    while (part := walk.slice(NOW_S)) is not None:
        walk.read(part[0], took_s=1.5 * SLICE_S, now_s=NOW_S)
        slices += 1
        assert slices < 60, "the way there takes so long, however narrow the slice is"
    later_s = NOW_S + 2 * REST_S
    assert walk.slice(later_s) == (later_s - 1.0, later_s)
    walk.read(later_s - 1.0, took_s=1.5 * SLICE_S, now_s=later_s)
    assert walk.slice(later_s) == (later_s - 1.5, later_s - 1.0), "the next walk begins as careful"


def test_a_walk_begins_again_after_a_rest() -> None:
    walk = PastWalk()
    walk_to_the_end(walk, took_s=0.0)
    assert walk.slice(NOW_S + REST_S / 2) is None
    later_s = NOW_S + 2 * REST_S
    assert walk.slice(later_s) == (later_s - 1.0, later_s)
