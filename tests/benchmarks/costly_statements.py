"""The costliest statements of a stack's database, planning included, by `pg_stat_statements`."""

from __future__ import annotations

from collections.abc import Iterator

from tests.benchmarks.bed import Bed
from tests.benchmarks.figure import Figure

MOST, WORDS = 10, 70
COSTLY = """
SELECT query, calls, total_plan_time, total_exec_time FROM pg_stat_statements
ORDER BY total_plan_time + total_exec_time DESC
"""


def forget_statements(ground: Bed) -> None:
    """Count from now on, and none of the benchmark's own."""
    ground.database.execute("SET pg_stat_statements.track = 'none'")
    ground.database.execute("SELECT pg_stat_statements_reset()")


def costly_statements(ground: Bed, jobs: int = 0) -> Iterator[Figure]:
    """Yield the sum of all statements since they were forgotten, and a row for each of the costliest."""
    rows = ground.database.execute(COSTLY).fetchall()
    calls = sum(row[1] for row in rows)
    plan_ms, exec_ms = sum(row[2] for row in rows), sum(row[3] for row in rows)
    a_job = f", {calls / jobs:.1f} a job" if jobs else ""
    both = f"{exec_ms:,.0f} ms run, {plan_ms:,.0f} ms planned"
    yield Figure(f"   {calls:,} statements{a_job}, of them the costliest", both)
    for query, times, planned, ran in rows[:MOST]:
        value = f"{ran:,.0f} + {planned:,.0f} ms: {times:,} times {ran / times:.3f} + {planned / times:.3f}"
        yield Figure(f"      {brief(query)}", value)


def brief(query: str) -> str:
    """Return a statement in one line, without comments and doubled spaces, and cut where it is long."""
    lines = (line.partition("--")[0] for line in query.splitlines())
    text = " ".join(" ".join(lines).split())
    return text if len(text) <= WORDS else text[: WORDS - 1] + "…"
