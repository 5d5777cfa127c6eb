"""How many jobs of a model were stored in each minute, newest first: what a plan of capacity begins with."""

from __future__ import annotations

from typing import NamedTuple

from jobs.core.ids import first_id_at
from jobs.core.planning.stored_arrivals import MinuteCount
from jobs.db.statement import Statement, fetch_all
from jobs.services.reads.history import MOST_SCANNED

_NOW = Statement("SELECT CAST(extract(epoch FROM now()) * 1000 AS bigint)", int)
_COUNTS = Statement(
    """
SELECT minute, count(*)::bigint AS jobs FROM (
  SELECT floor(extract(epoch FROM created_at) / 60)::bigint AS minute, queue FROM jobs_job
  WHERE id >= %(first)s ORDER BY id DESC LIMIT %(scanned)s
) AS newest WHERE queue = %(model)s GROUP BY minute
""",
    MinuteCount,
)


class StoredMinutes(NamedTuple):
    """The counts by minute, and the minute that is not over yet by the database's clock."""

    counts: list[MinuteCount]
    now_minute: int


def arrivals_by_minute(model: str, *, window_s: float) -> StoredMinutes:
    """Return the arrivals of a model in the last `window_s`, among the newest `MOST_SCANNED` jobs of all.

    UnavailableError.
    """
    now_ms = fetch_all(_NOW)[0]
    first = first_id_at(now_ms - int(window_s * 1e3))
    counts = fetch_all(_COUNTS, {"model": model, "first": first, "scanned": MOST_SCANNED})
    return StoredMinutes(counts, now_ms // 60_000)
