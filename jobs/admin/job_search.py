"""The search for the list of jobs: each filter reads an index, a small table, or a bounded number of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from jobs.admin.base import Rows, newest
from jobs.core.ids import first_id_at
from jobs.core.states import State
from jobs.models import Batch, DeadLetter, Job, Outbox

SIDE_ROWS = 2_000
WINDOWS_S = {"1h": 3_600, "24h": 86_400, "7d": 7 * 86_400, "30d": 30 * 86_400}
DEFAULT_WINDOW = "24h"
ANY_TIME = "any"
SIDE_STATES = frozenset({State.QUEUED, State.WAITING, State.RUNNING, State.DEAD})


@dataclass(frozen=True, slots=True)
class JobSearch:
    """The filters of one list; an unusable value is no filter."""

    state: State | None = None
    model: str = ""
    priority: int | None = None
    client: int | None = None
    window: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> JobSearch:
        """Read a query string's parameters."""
        state, window = query.get("state", ""), query.get("when", "")
        return cls(
            state=State(state) if state in set(State) else None,
            model=query.get("model", "")[:63],
            priority=_small_number(query.get("priority", "")),
            client=_small_number(query.get("client", "")),
            window=window if window in WINDOWS_S or window == ANY_TIME else "",
        )

    @property
    def by_side_table(self) -> bool:
        """Return whether the state's own small table is read; a client's jobs have an index instead."""
        return self.state in SIDE_STATES and self.client is None

    @property
    def since_s(self) -> int | None:
        """Return how many seconds back to look: the chosen window, else a day if nothing else is a bound."""
        default = ANY_TIME if self.by_side_table or self.client is not None else DEFAULT_WINDOW
        return WINDOWS_S.get(self.window or default)


def search_jobs(search: JobSearch, now_ms: int) -> tuple[Rows, bool]:
    """Return the jobs that match, and whether older ones were not looked at."""
    since = None if search.since_s is None else first_id_at(now_ms - search.since_s * 1000)
    rows: Rows = Job.objects.filter(id__gte=since) if since else Job.objects.all()
    if search.client is not None:
        rows = rows.filter(client_id=search.client)
    if search.by_side_table:
        ids = _side_ids(search, since or UUID(int=0))
        rows, cut = rows.filter(id__in=ids[:SIDE_ROWS]), len(ids) > SIDE_ROWS
    else:
        rows, cut = newest(rows)
    return rows.filter(**_columns(search)), cut


def _columns(search: JobSearch) -> dict[str, object]:
    columns = {"state": search.state, "model": search.model or None, "priority": search.priority}
    return {name: value for name, value in columns.items() if value is not None}


def _side_ids(search: JobSearch, since: UUID) -> list[UUID]:
    if search.state is State.RUNNING:
        return _running_ids(since)
    rows: Rows = DeadLetter.objects.all() if search.state is State.DEAD else Outbox.objects.all()
    if search.state is State.WAITING:
        rows = rows.filter(epoch__gt=0)  # a waiting job was claimed before
    if search.state is not State.DEAD and search.priority is not None:
        rows = rows.filter(priority=search.priority)
    if search.model:
        rows = rows.filter(model=search.model)
    ids = rows.filter(job_id__gte=since).order_by("-job_id").values_list("job_id", flat=True)
    return list(ids[: SIDE_ROWS + 1])


def _running_ids(since: UUID) -> list[UUID]:
    members = Batch.objects.filter(finished_at__isnull=True).values_list("members", flat=True)
    ids = {job for batch in members[:SIDE_ROWS] for job in batch if job >= since}
    return sorted(ids, reverse=True)[: SIDE_ROWS + 1]


def _small_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None  # noqa: PLR2004  # fits an int
