"""The jobs that wait for each model, as they were counted last: this explains why a job waits."""

from __future__ import annotations

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from jobs.core.priority import HIGHEST, LOWEST
from jobs.db.statement import fetch_all
from jobs.models import Client, QueueStanding
from jobs.services.reads.horizon import HOLDER, OLD_S
from models_registry.shared.admin_moment import aged
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import NONE, table

CLIENTS_SHOWN = 20


@admin.register(QueueStanding)
class QueueStandingAdmin(ReadOnlyAdmin):
    """A model's queue."""

    list_display = ("model", "jobs", "longest", "rate", "answer", "counted")
    ordering = ("model",)
    fields = ("model", "jobs", "rate", "answer", "counted", "levels", "clients")

    def is_live(self, obj: QueueStanding) -> bool:  # noqa: ARG002  # of every queue
        """Return True: a queue is counted again and again."""
        return True

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, str] | None = None
    ) -> HttpResponse:
        """Show the queues, and above them the transaction that keeps dead rows, if one has been open long."""
        for holder in fetch_all(HOLDER):
            if holder.age_s >= OLD_S:
                messages.warning(request, f"Dead rows cannot be removed: {holder}.")
        return super().changelist_view(request, extra_context)

    @admin.display(description="waiting jobs")
    def jobs(self, row: QueueStanding) -> str:
        """Return how many jobs wait."""
        return f"{sum(row.waiting):,}"

    @admin.display(description="longest wait")
    def longest(self, row: QueueStanding) -> str:
        """Return for how long the first job has waited."""
        return f"{max(row.head_age_s):,.1f} s"

    @admin.display(description="drain rate")
    def rate(self, row: QueueStanding) -> str:
        """Return how many jobs its workers finish a second."""
        if row.per_s is None:
            return "not measured lately" if row.workers else "no worker"
        return f"{row.per_s:,.1f} a second"

    @admin.display(description="claim to verdict")
    def answer(self, row: QueueStanding) -> str:
        """Return how long a job takes once a worker has claimed it."""
        return f"{row.answer_s:.3f} s"

    @admin.display(description="counted")
    def counted(self, row: QueueStanding) -> SafeString:
        """Return the time of the count."""
        return aged(row.counted_at)

    @admin.display(description="by priority")
    def levels(self, row: QueueStanding) -> SafeString:
        """Return the waiting jobs of each priority, highest first."""
        rows = (
            (priority, f"{row.waiting[priority]:,}", f"{row.head_age_s[priority]:,.1f} s")
            for priority in range(HIGHEST, LOWEST - 1, -1)
            if row.waiting[priority]
        )
        return table(("priority", "waiting jobs", "longest wait"), rows)

    @admin.display(description="clients with most")
    def clients(self, row: QueueStanding) -> SafeString:
        """Return the clients with most waiting jobs; within a priority, clients are served in turn."""
        most = sorted(
            ((count, priority, int(client)) for priority in range(HIGHEST + 1)
             for client, count in row.by_client[priority].items()), reverse=True,
        )[:CLIENTS_SHOWN]  # fmt: skip
        names = Client.objects.in_bulk([client for _, _, client in most])
        rows = (
            (names[client].name if client in names else NONE, priority, f"{count:,}")
            for count, priority, client in most
        )
        return table(("client", "priority", "waiting jobs"), rows)
