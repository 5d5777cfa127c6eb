"""The search for the list of jobs: each filter reads an index, a small table, or a bounded number of rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from jobs.admin.base import Rows, newest
from jobs.core.ids import first_id_at
from jobs.core.states import State
from jobs.models import Batch, DeadLetter, Job, JobLabel, Outbox

SIDE_ROWS = 2_000
WINDOWS_S = {"1h": 3_600, "24h": 86_400, "7d": 7 * 86_400, "30d": 30 * 86_400}
DEFAULT_WINDOW = "24h"
ANY_TIME = "any"
SIDE_STATES = frozenset({State.QUEUED, State.WAITING, State.RUNNING, State.DEAD})


@dataclass(frozen=True, slots=True)
class JobSearch:
    """The filters of one list; an unusable value of a menu is no filter.

    `since` and `until` are times of creation. `label` is a model, a field of its jobs' metadata, and a value.
    """

    state: State | None = None
    model: str = ""
    priority: int | None = None
    client: int | None = None
    window: str = ""
    kind: str = ""
    code: str = ""
    version: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    label: tuple[str, str, str] | None = None

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

    def narrowed(self, cleaned: Mapping[str, Any]) -> JobSearch:
        """Return the search with what the form above the list says."""
        version, (model, _, field) = cleaned["version"], cleaned["label"].partition(":")
        return replace(
            self,
            kind=cleaned["kind"],
            code=cleaned["code"],
            version=version.id if version else None,
            since=cleaned["since"],
            until=cleaned["until"],
            label=(model, field, cleaned["value"]) if field else None,
        )

    @property
    def by_side_table(self) -> bool:
        """Return whether the state's own small table is read; a client's jobs have an index instead."""
        return self.state in SIDE_STATES and self.client is None and self.label is None

    @property
    def since_s(self) -> int | None:
        """Return how many seconds back to look: the chosen window, else a day if nothing else is a bound."""
        is_bound = self.by_side_table or self.client is not None or self.label or self.since or self.until
        return WINDOWS_S.get(self.window or (ANY_TIME if is_bound else DEFAULT_WINDOW))

    def since_ms(self, now_ms: int) -> int | None:
        """Return the earliest creation that matches, in milliseconds; None without a bound."""
        bounds = [] if self.since_s is None else [now_ms - self.since_s * 1000]
        bounds += [] if self.since is None else [int(self.since.timestamp() * 1000)]
        return max(bounds, default=None)

    @property
    def is_narrow(self) -> bool:
        """Return whether a filter is set that no index of a small table answers."""
        narrows = self.kind or self.code or self.version or self.until
        return bool(narrows) or self.state is State.WAITING


def search_jobs(search: JobSearch, now_ms: int) -> tuple[Rows, bool]:
    """Return the jobs that match, and whether older ones were not looked at."""
    since_ms = search.since_ms(now_ms)
    since = UUID(int=0) if since_ms is None else first_id_at(since_ms)
    rows: Rows = Job.objects.filter(id__gte=since) if since_ms else Job.objects.all()
    if search.until is not None:
        rows = rows.filter(id__lt=first_id_at(int(search.until.timestamp() * 1000)))
    if search.client is not None:
        rows = rows.filter(client_id=search.client)
    if search.label is not None:
        ids = _labelled_ids(search.label, since)
        rows, cut = rows.filter(id__in=ids[:SIDE_ROWS]), len(ids) > SIDE_ROWS
    elif search.by_side_table:
        ids, was_cut = _side_ids(search, since)
        rows, cut = rows.filter(id__in=ids[:SIDE_ROWS]), was_cut or len(ids) > SIDE_ROWS
    else:
        rows, cut = newest(rows)
    return rows.filter(**_columns(search)), cut


def _columns(search: JobSearch) -> dict[str, object]:
    columns = {
        "state": search.state, "model": search.model or None, "priority": search.priority,
        "error_kind": search.kind or None, "error_code": search.code or None, "version_id": search.version,
    }  # fmt: skip
    return {name: value for name, value in columns.items() if value is not None}


def _labelled_ids(label: tuple[str, str, str], since: UUID) -> list[UUID]:
    model, field, value = label
    rows = JobLabel.objects.filter(model=model, field=field, value=value, job_id__gte=since)
    return list(rows.order_by("-job_id").values_list("job_id", flat=True)[: SIDE_ROWS + 1])


def _side_ids(search: JobSearch, since: UUID) -> tuple[list[UUID], bool]:
    """Return the newest jobs of a state by its own table, and whether older rows were not looked at."""
    if search.state is State.RUNNING:
        return _running_ids(search, since), False
    rows: Rows = DeadLetter.objects.all() if search.state is State.DEAD else Outbox.objects.all()
    if search.until is not None:
        rows = rows.filter(job_id__lt=first_id_at(int(search.until.timestamp() * 1000)))
    rows, cut = newest(rows.filter(job_id__gte=since)) if search.is_narrow else (rows, False)
    rows = rows.filter(job_id__gte=since, **_side_columns(search))
    return list(rows.order_by("-job_id").values_list("job_id", flat=True)[: SIDE_ROWS + 1]), cut


def _side_columns(search: JobSearch) -> dict[str, object]:
    """Return what the state's own table knows of the filters."""
    of_letter = {
        "kind": search.kind or None, "code": search.code or None, "job__version_id": search.version,
    }  # fmt: skip
    of_row = {"priority": search.priority, "version_id": search.version}
    columns = {"model": search.model or None} | (of_letter if search.state is State.DEAD else of_row)
    if search.state is State.WAITING:
        columns["epoch__gt"] = 0  # a waiting job was claimed before
    return {name: value for name, value in columns.items() if value is not None}


def _running_ids(search: JobSearch, since: UUID) -> list[UUID]:
    batches = Batch.objects.filter(finished_at__isnull=True)
    if search.version is not None:
        batches = batches.filter(version_id=search.version)
    members = batches.values_list("members", flat=True)
    ids = {job for batch in members[:SIDE_ROWS] for job in batch if job >= since}
    return sorted(ids, reverse=True)[: SIDE_ROWS + 1]


def _small_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None  # noqa: PLR2004  # fits an int
