"""A client's jobs, page by page, newest first, along the index on (client, id).

A page looks at no more than WINDOW_JOBS jobs, so that it stays quick where few jobs match its filter. Such a
page may hold fewer jobs than its limit, or none, and still name a next cursor. The client is an array and
leads the order: otherwise the planner could walk the primary key past the jobs of all other clients.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from jobs.core.ids import first_id_at
from jobs.db.statement import Statement, fetch_all, storable
from jobs.services.reads.job_views import LISTED_COLUMNS, ListedJob, View, listed_view

WINDOW_JOBS = 10_000
CLOCK_SKEW = timedelta(minutes=5)  # an id's time is the web host's, created_at the database's
LAST_ID = UUID(int=(1 << 128) - 1)


class _PageRow(ListedJob, frozen=True):
    """A job, without an edge; or the edge, the last id that was looked at, and None in all other columns."""

    edge: UUID | None


_PAGE = Statement(
    f"""
WITH near AS MATERIALIZED (
  SELECT * FROM jobs_job
  WHERE client_id = ANY(%(client)s::bigint[]) AND id < %(before)s AND id >= %(since_id)s
  ORDER BY client_id, id DESC LIMIT %(window)s
), page AS (
  SELECT {LISTED_COLUMNS} FROM near j JOIN models_registry_modelversion v ON v.id = j.version_id
  WHERE j.erased_at IS NULL
    AND (%(state)s::text IS NULL OR j.state = %(state)s) AND (%(model)s::text IS NULL OR j.queue = %(model)s)
    AND (%(priority)s::int IS NULL OR j.priority = %(priority)s)
    AND (%(created_after)s::timestamptz IS NULL OR j.created_at > %(created_after)s)
  ORDER BY j.id DESC LIMIT %(limit)s
)
SELECT page.*, last.id AS edge FROM page
FULL JOIN (SELECT id FROM near ORDER BY id DESC OFFSET %(window)s - 1 LIMIT 1) last ON false
ORDER BY page.id DESC
""",  # noqa: S608  # built from our own constants
    _PageRow,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a page shows; None is no filter."""

    state: str | None = None
    model: str | None = None
    priority: int | None = None
    created_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, newest first, and the cursor of the next page, None at the end."""

    jobs: list[View]
    next_cursor: UUID | None


def jobs_page(*, client_id: int, filters: Filters, cursor: UUID | None, limit: int) -> JobPage:
    """Return the page of a client's jobs that are older than `cursor`."""
    if filters.model and not storable(filters.model):
        return JobPage([], None)
    rows = fetch_all(_PAGE, _params(client_id, filters, cursor, limit))
    jobs = [row for row in rows if row.edge is None]
    edges = [row.edge for row in rows if row.edge is not None]
    next_cursor = jobs[-1].id if len(jobs) == limit else next(iter(edges), None)
    return JobPage([listed_view(job) for job in jobs], next_cursor)


def _params(client_id: int, filters: Filters, cursor: UUID | None, limit: int) -> dict[str, Any]:
    since, narrows = filters.created_after, (filters.state, filters.model, filters.priority)
    # Seconds, because a moment before the first year does not exist.
    since_ms = max(0, int((since.timestamp() - CLOCK_SKEW.total_seconds()) * 1000)) if since else 0
    return {
        "client": [client_id],
        "before": cursor or LAST_ID,
        "since_id": first_id_at(since_ms) if since else UUID(int=0),
        "window": limit if since is None and narrows == (None,) * 3 else WINDOW_JOBS,
        "limit": limit,
        "state": filters.state,
        "model": filters.model,
        "priority": filters.priority,
        "created_after": since,
    }
