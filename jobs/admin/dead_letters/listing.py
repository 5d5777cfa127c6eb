"""What the list's page shows: the queues beside the rows, the groups, and the letters of a filter."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict

from jobs.admin.base import BoundedChangeList, Rows, newest
from jobs.admin.dead_letters.forms import FILTERS, FilterForm
from jobs.admin.rights import may_act
from jobs.services.dead_letters import reads as letters
from jobs.services.dead_letters.queue_counts import queue_counts
from jobs.services.dead_letters.reads import GROUPS_SHOWN, LOOKED_AT, Groups, LetterFilter, LetterGroup


class LetterChangeList(BoundedChangeList):
    """A page of letters; the filter form's parameters are its own."""

    def get_filters_params(self, params: Any = None) -> Any:
        """Return the parameters that Django's own filters would read."""
        told = super().get_filters_params(params)
        return {name: value for name, value in told.items() if name not in FILTERS}


def matching(rows: Rows, query: QueryDict) -> tuple[Rows, bool]:
    """Return the open letters that a query asks for, and whether older ones were left out unseen.

    One whole group has an index; for anything else no more than the newest letters are looked at.
    """
    form = FilterForm(query)
    if not form.is_valid():
        return rows.none(), False
    wanted, found, cut = form.wanted(), rows.filter(discarded_at__isnull=True), False
    if not (wanted.model and wanted.kind and wanted.fingerprint):
        found, cut = newest(found)
    return found.filter(**_columns(wanted)), cut


def _columns(wanted: LetterFilter) -> dict[str, object]:
    told = {
        "model": wanted.model, "kind": wanted.kind, "fingerprint": wanted.fingerprint,
        "created_at__gte": wanted.since, "created_at__lte": wanted.until,
    }  # fmt: skip
    return {name: value for name, value in told.items() if value is not None}


def overview(request: HttpRequest) -> dict[str, Any]:
    """Return what stands above the list."""
    form = FilterForm(request.GET)
    queues = queue_counts()
    return {
        **grouped(form.wanted() if form.is_valid() else None),
        "title": "Dead letters",
        "filter": form,
        "chosen": urlencode({name: form[name].value() for name in FILTERS if form[name].value()}),
        "queues": queues,
        "rows_cut": sum(queue.rows for queue in queues) >= LOOKED_AT,
        "looked_at": LOOKED_AT,
        "may_act": may_act(request),
    }


def grouped(wanted: LetterFilter | None, *, most: int = GROUPS_SHOWN) -> dict[str, Any]:
    """Return the groups of the letters that match, each with the query that narrows a list to it."""
    found = Groups([]) if wanted is None else letters.groups(wanted, most=most)
    times = {} if wanted is None else {"since": wanted.since, "until": wanted.until}
    kept = {name: f"{at:%Y-%m-%dT%H:%M:%S}" for name, at in times.items() if at is not None}
    return {"groups": found, "grouped": [(group, _narrowed(group, kept)) for group in found.largest]}


def _narrowed(group: LetterGroup, times: dict[str, str]) -> str:
    return urlencode({"model": group.queue, "kind": group.kind, "fingerprint": group.fingerprint} | times)
