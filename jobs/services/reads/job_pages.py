"""A client's jobs, page by page, newest first, along the index on (client, id).

A page looks at no more than WINDOW_JOBS jobs, so that a filter which few jobs pass stays quick: it may then
hold fewer jobs than asked for, or none, and still name a next cursor. The client is given as an array and
leads the order, so that no plan can walk the primary key past everybody else's jobs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID

from jobs.core.ids import first_id_at
from jobs.db.positional import Row, fetch_all, storable
from jobs.services.reads.job_views import LISTED, View, listed_view

WINDOW_JOBS = 10_000
CLOCK_SKEW = timedelta(minutes=5)  # an id's time is the web host's, created_at the database's
LAST_ID = UUID(int=(1 << 128) - 1)
PAGE: LiteralString = f"""
WITH near AS MATERIALIZED (
  SELECT * FROM jobs_job
  WHERE client_id = ANY(%(client)s::bigint[]) AND id < %(before)s AND id >= %(since_id)s
  ORDER BY client_id, id DESC LIMIT %(window)s
), page AS (
  SELECT {LISTED} FROM near j JOIN models_registry_modelversion v ON v.id = j.version_id
  WHERE (%(state)s::text IS NULL OR j.state = %(state)s) AND (%(model)s::text IS NULL OR j.queue = %(model)s)
    AND (%(priority)s::int IS NULL OR j.priority = %(priority)s)
    AND (%(created_after)s::timestamptz IS NULL OR j.created_at > %(created_after)s)
  ORDER BY j.id DESC LIMIT %(limit)s
)
SELECT page.*, edge.id FROM page
FULL JOIN (SELECT id FROM near ORDER BY id DESC OFFSET %(window)s - 1 LIMIT 1) edge ON false
ORDER BY page.id DESC
"""  # noqa: S608  # built from our own constants


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a page shows; None is no filter."""

    state: str | None = None
    model: str | None = None
    priority: int | None = None
    created_after: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs, newest first, and the cursor of the next page: the last id looked at, None at the end."""

    jobs: list[View]
    next_cursor: UUID | None


def jobs_page(*, client_id: int, filters: Filters, cursor: UUID | None, limit: int) -> JobPage:
    """Return the page of a client's jobs that are older than `cursor`."""
    if filters.model and not storable(filters.model):
        return JobPage([], None)
    rows = fetch_all(PAGE, _params(client_id, filters, cursor, limit))
    shown = [row for row in rows if row[0] is not None]
    return JobPage([listed_view(row) for row in shown], _next_cursor(rows, shown, limit))


def _params(client_id: int, filters: Filters, cursor: UUID | None, limit: int) -> dict[str, Any]:
    since, narrows = filters.created_after, (filters.state, filters.model, filters.priority)
    since_ms = max(0, int((since - CLOCK_SKEW).timestamp() * 1000)) if since else 0
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


def _next_cursor(rows: list[Row], shown: list[Row], limit: int) -> UUID | None:
    if len(shown) == limit:
        last: UUID = shown[-1][0]
        return last
    return next((row[-1] for row in rows if row[0] is None), None)
