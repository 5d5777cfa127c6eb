"""The output of the demo: a progress bar, one search, the figures, and what to try next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from jobs.management.demo.figures import Figures

NEXT = (
    "make up                      the whole stack until Ctrl-C, addresses in .run/stack.json",
    "less README.md               three lines of curl, a model of your own, the documents",
    "make bench                   the other figures, measured on this machine",
)


def show_progress(console: Console, counts: Iterable[int], *, total: int) -> None:
    """Draw a progress bar from the counts up to the total."""
    columns = (TextColumn("embedding"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("embedding", total=total)
        for count in counts:
            progress.update(task, completed=count)


def show_search(console: Console, query: str, hits: Sequence[tuple[float, str]]) -> None:
    """Print the texts closest to the query with their cosines."""
    table = Table("cosine", "sentence", title=f"closest to “{query}”", title_justify="left", show_lines=False)
    for score, text in hits:
        table.add_row(f"{score:.3f}", text)
    console.print(table)


def show_figures(console: Console, figures: Figures, *, direct_per_s: float, size: int) -> None:
    """Print each figure with its unit."""
    rows = (
        ("jobs succeeded", f"{figures.succeeded} of {figures.jobs}"),
        (
            "throughput",
            f"{figures.throughput_per_s:.1f} jobs/s, from the first request to the last stored result",
        ),
        (
            "latency",
            f"p50 {figures.latency_p50_s:.2f} s, p95 {figures.latency_p95_s:.2f} s, all jobs posted at once",
        ),
        ("mean batch", f"{figures.mean_batch:.1f} jobs"),
        (
            "the model alone",
            f"{direct_per_s:.1f} sentences/s in this process, batches of {size} in arrival order",
        ),
        ("share of direct", f"{figures.share_of_direct:.2f}"),
    )
    table = Table(show_header=False, box=None)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def show_next(console: Console) -> None:
    """Print commands to try next."""
    console.print("\nnext:", *(f"  {line}" for line in NEXT), sep="\n", highlight=False, soft_wrap=True)
