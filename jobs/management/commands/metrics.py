"""Prints the catalogue of metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from jobs import metrics  # noqa: F401  # it fills the catalogue
from jobs.metrics.metric_kinds import CATALOGUE, MetricEntry

COLUMNS = ("metric", "type", "labels", "unit", "meaning")


class Command(BaseCommand):
    help = "Print each metric: its name, type, labels, unit and meaning; needs no server."
    requires_system_checks = []  # it reads no configuration

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--markdown", action="store_true", help="Print the table of the documents.")

    def handle(self, *, markdown: bool, **_options: Any) -> None:
        entries = [CATALOGUE[name] for name in sorted(CATALOGUE)]
        for line in markdown_table(entries) if markdown else plain_table(entries):
            self.stdout.write(line)


def cells(entry: MetricEntry) -> tuple[str, ...]:
    """Return what the columns say of a metric."""
    return entry.name, entry.kind, ", ".join(entry.labels), entry.unit, entry.meaning


def plain_table(entries: list[MetricEntry]) -> Iterator[str]:
    """Yield the lines of a table for a terminal."""
    rows = [COLUMNS, *map(cells, entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for row in rows:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        yield "  ".join((*padded, row[-1]))


def markdown_table(entries: list[MetricEntry]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---" * len(COLUMNS) + "|"
    for name, *others in map(cells, entries):
        yield f"| `{name}` | {' | '.join(others)} |"
