"""Writes a report as JSON, as a page and as charts, prints it, and reads it again."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import msgspec
from django.template.loader import render_to_string
from rich.console import Console
from rich.table import Table

from jobs.core.loadtest.load_report import LatencySpread, LoadReport
from jobs.core.loadtest.load_words import LoadWordError
from jobs.management.loadtest.load_charts import draw_load

REPORT, PAGE = "report.json", "report.html"
HEADS = ("count", "mean", "p50", "p95", "p99", "p999", "max")
WIDTH = 110


def check_folder(folder: Path) -> None:
    """Make the folder of a report, before anything is sent; LoadWordError where nothing can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise LoadWordError(f"--out {folder} cannot be written: {error.strerror}") from None


def write_load(report: LoadReport, folder: Path) -> None:
    """Write everything into a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / REPORT).write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    charts = {path.stem: base64.b64encode(path.read_bytes()).decode() for path in draw_load(report, folder)}
    (folder / PAGE).write_text(render_to_string("loadtest/report.html", _context(report, charts)))


def read_load(path: Path) -> LoadReport:
    """Return a report that was written, by its file or its folder; LoadWordError."""
    file = path / REPORT if path.is_dir() else path
    try:
        return msgspec.json.decode(file.read_bytes(), type=LoadReport)
    except OSError as error:
        raise LoadWordError(f"--compare {file} cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise LoadWordError(f"--compare {file} is no report of a load test: {error}") from None


def show_load(report: LoadReport, console: Console) -> None:
    """Print the figures, the sums, and the verdict as the last line."""
    table = Table("ms from the intended moment", *HEADS, title_justify="left")
    for name, cells in spreads(report):
        table.add_row(name, *cells)
    console.print(table)
    for line in _lines(report):
        console.print(line, highlight=False, soft_wrap=True)


def spreads(report: LoadReport) -> Iterator[tuple[str, list[str]]]:
    """Yield the rows of times, as texts."""
    rows = {"to its end": report.latency_ms} if report.measured == "ended" else {}
    rows |= {"to the acknowledgement": report.accepted_ms, "the sender's own lateness": report.lateness_ms}
    models = report.models if len(report.models) > 1 else {}
    for name, spread in (rows | {f"   {model}": spread for model, spread in models.items()}).items():
        yield name, cells(spread)


def cells(spread: LatencySpread) -> list[str]:
    """Return a spread as texts."""
    values = [getattr(spread, name) for name in HEADS[1:]]
    return [f"{spread.count:,}", *("-" if value is None else f"{value:,.1f}" for value in values)]


def _lines(report: LoadReport) -> Iterator[str]:
    sums, rates = report.sums, report.rates
    ended = "" if rates.throughput is None else f", ended {rates.throughput:,.1f}"
    yield f"jobs a second: intended {rates.intended:,.1f}, sent {rates.sent:,.1f}{ended}"
    yield f"intended {sums.intended:,} = sent {sums.sent:,} + not sent {sums.not_sent:,}"
    yield (
        f"sent {sums.sent:,} = accepted {sums.accepted:,} + refused {sums.refused:,} + failed {sums.failed:,}"
    )
    yield (
        f"accepted {sums.accepted:,} = succeeded {sums.succeeded:,} + dead {sums.dead:,}"
        f" + expired {sums.expired:,} + cancelled {sums.cancelled:,} + unfinished {sums.unfinished:,}"
    )
    for reason, count in report.errors.items():
        detail = report.details.get(reason, "")
        yield f"   {count:,} times {reason}{': ' if detail else ''}{detail}"
    for goal in report.goals:
        seen = "never" if goal.seen_ms is None else f"{goal.seen_ms:,.1f} ms"
        yield f"goal {goal.goal}: {seen}, {'met' if goal.met else 'missed'}"
    yield f"{report.verdict}{': ' if report.reasons else ''}{'; '.join(report.reasons)}"


def _context(report: LoadReport, charts: dict[str, str]) -> dict[str, Any]:
    own, sums = report.settings, msgspec.structs.asdict(report.sums)
    counts = [(name.replace("_", " "), f"{count:,}") for name, count in sums.items()]
    rates = [
        (name, value) for name, value in msgspec.structs.asdict(report.rates).items() if value is not None
    ]
    errors = [
        (" · ".join(filter(None, (reason, report.details.get(reason)))), f"{count:,}")
        for reason, count in report.errors.items()
    ]
    mix = ", ".join(f"{model} {weight:g}" if len(own.mix) > 1 else model for model, weight in own.mix.items())
    settings = [
        mix, f"{own.profile} at {own.rate:g}/s for {own.duration_s:g} s", own.mode, f"waits by {own.wait}",
        f"{own.clients} client apps" if own.clients > 1 else "one client app", f"seed {own.seed}",
    ]  # fmt: skip
    replay = [f"replay of {own.replay}, {own.speed:g} times as fast"] if own.replay else []
    tables = {"the plan": counts[:3], "what was sent": counts[3:6], "what was accepted": counts[6:],
              "jobs a second": rates, "why jobs have no result": errors}  # fmt: skip
    return {
        "report": report,
        "charts": charts,
        "settings": " · ".join([*settings, *replay]),
        "spreads": list(spreads(report)),
        "tables": [(caption, rows) for caption, rows in tables.items() if rows],
    }
