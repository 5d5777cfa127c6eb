"""The verdict on an experiment, by two load reports; and which settings two measurements differ in. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from jobs.core.loadtest.load_comparison import ComparedFigure, ComparedWord, compared, overall
from jobs.core.loadtest.load_report import LoadReport
from jobs.core.simulation.arrivals import Chance


class ExperimentVerdict(StrEnum):
    """Whether the candidate did what the hypothesis says; `invalid`: a measurement cannot be believed."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    INVALID = "invalid"


class Judged(NamedTuple):
    """One word for all figures, the figures, and whether both reports can be believed."""

    word: ComparedWord
    figures: Sequence[ComparedFigure]
    believable: bool


def judged(first: LoadReport, second: LoadReport, chance: Chance) -> Judged:
    """Compare two reports of the same load."""
    figures = compared(first, second, chance)
    return Judged(overall(figures), figures, "invalid" not in {first.verdict, second.verdict})


def verdict_on(expected: str, result: Judged) -> ExperimentVerdict:
    """Return whether the candidate was as expected: `better`, `same` or `worse` than the baseline."""
    if not result.believable:
        return ExperimentVerdict.INVALID
    return ExperimentVerdict.SUPPORTED if result.word == expected else ExperimentVerdict.REFUTED


def sentence_of(result: Judged) -> str:
    """Return the figures in words: those that differ, or that none does."""
    parts = [
        f"{one.name} {one.a:,.1f} -> {one.b:,.1f} ({one.word})"
        for one in result.figures
        if one.word != "same"
    ]
    unsure = "" if result.believable else "; of no worth, because a run is invalid"
    return f"{result.word}: {', '.join(parts) or 'no figure differs beyond chance'}{unsure}"


def differing_settings(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return both values of each setting that differs; None where one of them has none."""
    names = sorted({*first, *second})
    pairs = {name: (first.get(name), second.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
