"""Compares two reports of load tests, and prints what is better and worse."""

from __future__ import annotations

import random
from math import isnan
from pathlib import Path

from rich.console import Console
from rich.table import Table

from jobs.core.loadtest.load_comparison import ComparedFigure, compared, overall
from jobs.core.loadtest.load_report import LoadReport
from jobs.core.loadtest.load_words import LoadWordError
from jobs.management.loadtest.load_writer import read_load

SEED = 1
OF_THE_PLATFORM = {"target"}  # what may differ between two runs that are compared


def compare_loads(first: Path, second: Path, console: Console) -> int:
    """Print the comparison, and return the exit status: 0, 1 where B is worse, 3 where a run is invalid.

    LoadWordError where they cannot be compared.
    """
    a, b = read_load(first), read_load(second)
    if a.measured != b.measured:
        raise LoadWordError(
            f"--compare: A measured to where a job is {a.measured}, B to where it is {b.measured}"
        )
    for name in sorted(differing(a, b)):
        pair = (getattr(report.settings, name) for report in (a, b))
        console.print("{} differs: {} and {}".format(name, *pair), highlight=False)
    figures = compared(a, b, random.Random(SEED).random)  # noqa: S311  # it must be repeatable, not secret
    table = Table("figure", "A", "95 %", "B", "95 %", "B is")
    for figure in figures:
        table.add_row(*_cells(figure))
    console.print(table)
    word, invalid = overall(figures), "invalid" in {a.verdict, b.verdict}
    console.print(f"{word}{', but of no worth: a run is invalid' if invalid else ''}", highlight=False)
    return 3 if invalid else int(word == "worse")


def differing(a: LoadReport, b: LoadReport) -> set[str]:
    """Return the names of the settings in which two loads differ."""
    names = set(a.settings.__struct_fields__) - OF_THE_PLATFORM
    return {name for name in names if getattr(a.settings, name) != getattr(b.settings, name)}


def _cells(figure: ComparedFigure) -> list[str]:
    a, b = ("{} to {}".format(*map(_text, interval)) for interval in (figure.a_interval, figure.b_interval))
    return [figure.name, _text(figure.a), a, _text(figure.b), b, figure.word]


def _text(value: float) -> str:
    return "-" if isnan(value) else f"{value:,.1f}"
