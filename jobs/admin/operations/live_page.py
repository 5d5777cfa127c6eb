"""The live page's first paint: the newest reading as tables, which need no script.

Its script then follows the stream of readings, which the event loop serves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jobs.admin.rights import may_watch
from jobs.core.operations.operations_history import HistorySpan
from jobs.core.operations.operations_reading import Reading
from jobs.core.operations.page_content import PageContent, page_content
from jobs.core.operations.past_table import past_table
from jobs.services.operations.history_reads import read_history

TEMPLATE = "admin/jobs/operations/page.html"
NO_READING = "The platform could not be read yet. Load this page again in a few seconds."


@require_safe
@never_cache
def live_page(request: HttpRequest, *, newest: Callable[[], Reading | None]) -> HttpResponse:
    """Show what is red, and how it stands with models, clients, workers, relays, broker and database."""
    if not may_watch(request):
        raise PermissionDenied
    reading = newest()
    context = {
        **admin.site.each_context(request),
        "title": "Operations",
        "trouble": NO_READING,
        "readings_url": reverse("operations_readings"),
        "history_url": reverse("operations_history"),
        "login_url": f"{reverse('admin:login')}?next={reverse('admin:operations')}",
        **(_shown(request, reading) if reading else {}),
    }
    return render(request, TEMPLATE, context)


def _shown(request: HttpRequest, reading: Reading) -> dict[str, Any]:
    content = page_content(reading)
    models = sorted(model.model for model in reading.models)
    chosen = request.GET.get("model", "")
    chosen = chosen if chosen in models else ""
    return {
        "content": content,
        "at": datetime.fromtimestamp(content.at, UTC),
        "models": models,
        "chosen_model": chosen,
        "chosen_span": request.GET.get("span", ""),
        "past": past_table(read_history(HistorySpan.DAY, chosen)),
        "meanings": sorted(set(_meanings(content))),
        "first": msgspec.to_builtins(
            {name: getattr(content, name) for name in ("at", "age_s", "points", "stages")}
        ),
    }


def _meanings(content: PageContent) -> Iterator[tuple[str, str]]:
    for table in content.tables:
        yield from ((column.title, column.meaning) for column in table.columns if column.meaning)
