"""One dead letter as cells of a list and as lines of its page."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin import job_page
from jobs.admin.base import BoundedAdmin
from jobs.admin.links import batch_link, job_link, row_link
from jobs.admin.rights import may_see
from jobs.core.errors import PayloadUnreadableError
from jobs.core.operations import amounts
from jobs.core.payloads.sealed_words import Words
from jobs.models import DeadLetter
from jobs.services.dead_letters.payload import words_of
from models_registry.shared.admin_moment import aged, moment
from models_registry.shared.admin_render import NONE, bounded_text, table

SHOWN_CHARS = 120
QUOTING = {"short_message", "whole_message", "whole_traceback"}
ATTEMPT = ("when", "epoch", "kind", "code", "worker", "batch")


class DeadLetterColumns(BoundedAdmin):
    """A dead letter's columns."""

    list_display = ("key", "model", "kind", "code", "short_message", "died")
    list_display_links = None
    fields = (
        "link", "model", "kind", "code", "whole_message", "fingerprint", "died", "dead_letter", "attempts",
        "events", "whole_traceback",
    )  # fmt: skip
    readonly_fields = (
        "link",
        "whole_message",
        "died",
        "dead_letter",
        "attempts",
        "events",
        "whole_traceback",
    )

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the columns; the message, which may quote the input, only for users who may see payloads."""
        return tuple(name for name in self.list_display if may_see(request) or name not in QUOTING)

    def get_fields(self, request: HttpRequest, obj: DeadLetter | None = None) -> tuple[str, ...]:  # noqa: ARG002  # Django's signature
        """Return the page's lines; message and traceback only for users who may see payloads."""
        return tuple(name for name in self.fields if may_see(request) or name not in QUOTING)

    @admin.display(description="job")
    def key(self, dead_letter: DeadLetter) -> SafeString:
        """Return a link to its page."""
        return row_link("deadletter", dead_letter.pk)

    @admin.display(description="job")
    def link(self, dead_letter: DeadLetter) -> SafeString:
        """Return a link to the job."""
        return job_link(dead_letter.job_id)

    @admin.display(description="died")
    def died(self, dead_letter: DeadLetter) -> SafeString:
        """Return the time of death."""
        return aged(dead_letter.created_at)

    @admin.display(description="message")
    def short_message(self, dead_letter: DeadLetter) -> str:
        """Return the message's beginning."""
        return dead_letter.message[:SHOWN_CHARS]

    @admin.display(description="message")
    def whole_message(self, dead_letter: DeadLetter) -> SafeString:
        """Return the message."""
        words = _words(dead_letter)
        return bounded_text(words.message if words else dead_letter.message)

    @admin.display(description="traceback")
    def whole_traceback(self, dead_letter: DeadLetter) -> SafeString:
        """Return the traceback."""
        words = _words(dead_letter)
        return bounded_text((words.traceback if words else dead_letter.traceback) or "none was kept")

    def dead_letter(self, dead_letter: DeadLetter) -> SafeString | str:
        """Return the state of its message in the broker."""
        if dead_letter.discarded_at is not None:
            return format_html("discarded {}", moment(dead_letter.discarded_at))
        if dead_letter.published_at is not None:
            return format_html("in the dead-letter queue since {}", moment(dead_letter.published_at))
        return f"not confirmed by the broker yet, published {amounts.things(dead_letter.published, 'time')}"

    @admin.display(description="attempts before")
    def attempts(self, dead_letter: DeadLetter) -> SafeString | str:
        """Return the failed attempts before the last, oldest first."""
        rows = [_attempt(row) for row in dead_letter.history]
        return table(ATTEMPT, rows) if rows else NONE

    def events(self, dead_letter: DeadLetter) -> SafeString | str:
        """Return the job's events."""
        return job_page.events(dead_letter.job)


def _words(dead_letter: DeadLetter) -> Words | None:
    """Return the model's own words where they are sealed; that the page shows them is in the audit."""
    if dead_letter.words is None:
        return None
    try:
        return words_of(dead_letter.pk)
    except PayloadUnreadableError as error:
        return Words(str(error), "")


def _attempt(entry: dict[str, Any]) -> list[object]:
    """Return an attempt's cells; an entry of the history may lack any key."""
    at, batch = entry.get("at"), entry.get("batch")
    when = moment(datetime.fromisoformat(at)) if at else NONE
    cells = [entry.get(name) or NONE for name in ("epoch", "kind", "code", "worker")]
    return [when, *cells, batch_link(UUID(batch)) if batch else NONE]
