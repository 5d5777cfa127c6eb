"""What is red, on top of the admin's index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from jobs.admin.rights import may_watch
from jobs.core.operations.operations_reading import Reading
from jobs.core.operations.page_content import level_of, red_lines, verdict

SHOWN = 8  # the live page has all
NO_READING = "What is red could not be read. The live page tries again each second."


def red_on_index(request: HttpRequest, *, newest: Callable[[], Reading | None]) -> dict[str, Any] | None:
    """Return the context of the index's first part; None for a user who may not see the live page."""
    if not may_watch(request):
        return None
    reading, href = newest(), reverse("admin:operations")
    if reading is None:
        return {"href": href, "trouble": NO_READING}
    red = red_lines(reading.red)
    return {
        "href": href,
        "red": red[:SHOWN],
        "more": len(red[SHOWN:]),
        "verdict": verdict(red),
        "level": level_of(red),
    }
