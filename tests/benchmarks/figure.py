"""A figure, its goal, and the table of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value, as words; `met` is None where there is no goal."""

    what: str
    value: str
    goal: str = ""
    met: bool | None = None


Benchmark = Callable[[], Iterator[Figure]]


def at_least(what: str, value: float, goal: float, unit: str = "") -> Figure:
    return Figure(what, f"{value:,.4g} {unit}".strip(), f"≥ {goal:,g}", value >= goal)


def at_most(what: str, value: float, goal: float, unit: str = "") -> Figure:
    return Figure(what, f"{value:,.4g} {unit}".strip(), f"≤ {goal:,g}", value <= goal)


def show(console: Console, name: str, figures: list[Figure]) -> None:
    table = Table("figure", "measured", "goal", "met", title=name, title_justify="left")
    marks = {True: "yes", False: "NO", None: ""}
    for figure in figures:
        table.add_row(figure.what, figure.value, figure.goal, marks[figure.met])
    console.print(table)
    console.print(f"again: .venv/bin/python -m tests.benchmarks {name}\n", soft_wrap=True)
