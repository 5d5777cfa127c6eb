"""Figures that several threads draw at once."""

from __future__ import annotations

from threading import Event, Thread
from typing import Any

import matplotlib as mpl

from jobs.admin.drawing import svg_of

OVERLAP_S = 0.3  # how long the first figure waits for the second to be drawn beside it


class Figure:
    """Runs a function instead of drawing."""

    def __init__(self, draw: Any) -> None:
        self._draw = draw

    def savefig(self, *_: object, **__: object) -> None:
        self._draw()


def test_a_figure_that_is_done_takes_no_setting_from_one_that_is_being_drawn() -> None:
    first_draws, second_draws, first_done = Event(), Event(), Event()
    seen: list[str] = []

    def first() -> None:
        first_draws.set()
        second_draws.wait(OVERLAP_S)

    def second() -> None:
        second_draws.set()
        assert first_done.wait(30)
        seen.append(mpl.rcParams["svg.fonttype"])

    def draw_first() -> None:
        svg_of(Figure(first))  # type: ignore[arg-type]  # it has what is called
        first_done.set()

    def draw_second() -> None:
        assert first_draws.wait(30)
        svg_of(Figure(second))  # type: ignore[arg-type]  # see above

    threads = [Thread(target=draw_first), Thread(target=draw_second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["none"]
