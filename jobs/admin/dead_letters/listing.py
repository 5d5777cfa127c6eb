"""The list's page: the queues beside the rows, the groups, and the dead letters of a filter."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, QueryDict
from django.utils.safestring import SafeString

from jobs.admin.base import Rows, newest
from jobs.admin.dead_letters.forms import FILTERS, FilterForm
from jobs.admin.rights import may_act, may_see
from jobs.services.dead_letters import reads as dead_letters
from jobs.services.dead_letters.queue_counts import queue_counts
from jobs.services.dead_letters.reads import (
    GROUPS_SHOWN,
    LOOKED_AT,
    DeadLetterFilter,
    DeadLetterGroup,
    Groups,
)
from models_registry.shared.admin_moment import moment


def matching(rows: Rows, query: QueryDict) -> tuple[Rows, bool]:
    """Return the open dead letters that match a query, and whether older ones were not looked at.

    A whole group has an index; for any other query only the newest dead letters are looked at.
    """
    form = FilterForm(query)
    if not form.is_valid():
        return rows.none(), False
    selection, matches, cut = form.selection(), rows.filter(discarded_at__isnull=True), False
    if not (selection.model and selection.kind and selection.fingerprint):
        matches, cut = newest(matches)
    return matches.filter(**_conditions(selection)), cut


def _conditions(selection: DeadLetterFilter) -> dict[str, object]:
    conditions = {
        "model": selection.model, "kind": selection.kind, "fingerprint": selection.fingerprint,
        "created_at__gte": selection.since, "created_at__lte": selection.until,
    }  # fmt: skip
    return {name: value for name, value in conditions.items() if value is not None}


def overview(request: HttpRequest) -> dict[str, Any]:
    """Return the context of the part above the list."""
    form = FilterForm(request.GET)
    queues = queue_counts()
    return {
        **grouped(form.selection() if form.is_valid() else None, quoting=may_see(request)),
        "edits": may_act(request) and may_see(request),
        "title": "Dead letters",
        "filter": form,
        "chosen": urlencode({name: form[name].value() for name in FILTERS if form[name].value()}),
        "queues": queues,
        "rows_cut": sum(queue.rows for queue in queues) >= LOOKED_AT,
        "looked_at": LOOKED_AT,
        "may_act": may_act(request),
    }


def grouped(
    selection: DeadLetterFilter | None, *, most: int = GROUPS_SHOWN, quoting: bool = False
) -> dict[str, Any]:
    """Return the groups of the matching dead letters, each with the query string that lists it alone.

    If `quoting` with a message of each, which may quote an input.
    """
    groups = Groups([]) if selection is None else dead_letters.groups(selection, most=most)
    times = {} if selection is None else {"since": selection.since, "until": selection.until}
    bounds = {name: f"{at:%Y-%m-%dT%H:%M:%S}" for name, at in times.items() if at is not None}
    samples = dead_letters.sample_messages(groups.largest) if quoting else [""] * len(groups.largest)
    rows = zip(groups.largest, samples, strict=True)
    return {
        "groups": groups,
        "quoting": quoting,
        "grouped": [(group, _query(group, bounds), sample, *_seen(group)) for group, sample in rows],
    }


def _seen(group: DeadLetterGroup) -> tuple[SafeString, SafeString]:
    return moment(group.first_seen), moment(group.last_seen)


def _query(group: DeadLetterGroup, bounds: dict[str, str]) -> str:
    return urlencode({"model": group.queue, "kind": group.kind, "fingerprint": group.fingerprint} | bounds)
