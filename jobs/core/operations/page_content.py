"""All that the live page shows of one reading: the first paint and each update are made here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from jobs.core.operations import amounts
from jobs.core.operations.host_tables import clients_table, parts_table, relays_table, workers_table
from jobs.core.operations.model_tables import (
    batches_table,
    in_order,
    is_uncounted,
    letters_table,
    models_table,
    priorities_table,
    stages_table,
)
from jobs.core.operations.operations_history import HistoryPoint
from jobs.core.operations.operations_reading import Reading, Red, Severity
from jobs.core.operations.page_table import Level, PageTable

ALL_MODELS = ""
Point = tuple[int, float | None, float | None, int | None, float | None, float | None, float | None]


class Tile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A figure of the whole platform."""

    title: str
    text: str
    level: Level = ""


class RedLine(msgspec.Struct, frozen=True):
    """What is wrong in a sentence, and where to act on it; `key` stays the same while it lasts."""

    key: str
    level: Level
    text: str
    href: str


class PageContent(msgspec.Struct, frozen=True):
    """What the page shows, `age_s` after the reading of the moment `at`.

    `points` has the next point of each chart by model, of all together under an empty name: its second, jobs
    in and out a second, jobs that wait, and p50, p95 and p99 in seconds. `stages` has these three by
    model and stage.
    """

    at: float
    age_s: float
    window_s: float
    watchers: int
    verdict: str
    level: Level
    red: list[RedLine]
    tiles: list[Tile]
    tables: list[PageTable]
    points: dict[str, Point]
    stages: dict[str, list[tuple[str, float | None, float | None, float | None]]]


def page_content(reading: Reading) -> PageContent:
    """Return what the page shows of a reading."""
    red = red_lines(reading.red)
    return PageContent(
        at=reading.at,
        age_s=reading.age_s,
        window_s=reading.window_s,
        watchers=reading.watchers,
        verdict=verdict(red),
        level=level_of(red),
        red=red,
        tiles=_tiles(reading),
        tables=[
            models_table(reading), priorities_table(reading), letters_table(reading), stages_table(reading),
            batches_table(reading), clients_table(reading), workers_table(reading), relays_table(reading),
            parts_table(reading),
        ],
        points=_points(reading),
        stages=_stages(reading),
    )  # fmt: skip


def red_lines(red: Iterable[Red]) -> list[RedLine]:
    """Return what is red, then what is amber."""
    lines = [
        RedLine(
            "/".join(
                (thing.kind, thing.model or "", thing.client or "", thing.fingerprint or "", thing.href)
            ),
            "red" if thing.severity is Severity.RED else "amber",
            thing.text,
            thing.href,
        )
        for thing in red
    ]
    return sorted(lines, key=lambda line: line.level != "red")


def verdict(red: Iterable[RedLine]) -> str:
    """Return in a few words how it stands."""
    levels = [line.level for line in red]
    parts = [f"{levels.count(level)} {level}" for level in ("red", "amber") if level in levels]
    return ", ".join(parts) or "Nothing is red"


def level_of(red: Sequence[RedLine]) -> Level:
    """Return the level of what is worst, which comes first."""
    return red[0].level if red else "good"


def _tiles(reading: Reading) -> list[Tile]:
    counted: Level = "amber" if is_uncounted(reading) else ""
    waiting = sum(sum(model.waiting) for model in reading.models)
    oldest_s = max((max(model.oldest_s, default=0.0) for model in reading.models), default=0.0)
    letters = _sum(model.dead_letters for model in reading.models)
    alive = sum(worker.alive for worker in reading.workers)
    silent = len(reading.workers) - alive
    return [
        Tile("waiting", amounts.count(waiting), counted),
        Tile("oldest", amounts.span(oldest_s if waiting else None), counted),
        Tile("in", amounts.rate(_sum(model.in_per_s for model in reading.models))),
        Tile("out", amounts.rate(_sum(model.out_per_s for model in reading.models))),
        Tile("in flight", amounts.things(sum(model.batch_jobs for model in reading.models), "job")),
        Tile("workers", f"{alive}{f', {silent} silent' if silent else ''}", "red" if silent else ""),
        Tile("dead letters", amounts.count(letters), "red" if letters else ""),
    ]


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _points(reading: Reading) -> dict[str, Point]:
    newest = {ALL_MODELS: reading.newest, **{model.model: model.newest for model in reading.models}}
    return {name: _point(point) for name, point in newest.items() if point is not None}


def _point(at: HistoryPoint) -> Point:
    return at.at, at.in_per_s, at.out_per_s, at.waiting, at.p50_s, at.p95_s, at.p99_s


def _stages(reading: Reading) -> dict[str, list[tuple[str, float | None, float | None, float | None]]]:
    return {
        model.model: [(stage, t.p50_s, t.p95_s, t.p99_s) for stage, t in model.stages.items() if t.count]
        for model in in_order(reading)
        if any(times.count for times in model.stages.values())
    }
