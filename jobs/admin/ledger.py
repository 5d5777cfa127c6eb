"""Batches and workers: what ran together, why, and where."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import F
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from jobs.admin import page
from jobs.admin.bounded import BoundedAdmin, Rows
from jobs.admin.filters import ColumnFilter
from jobs.admin.links import batch_link, job_link, worker_link
from jobs.models import Batch, Worker
from models_registry.admin.readonly import ReadOnlyAdmin
from models_registry.admin.render import table

MEMBERS_SHOWN = 256
BATCHES_SHOWN = 50
STALE_AFTER_S = 15.0


class SealFilter(ColumnFilter):
    """Why a batch was sealed."""

    title, parameter_name, column = "why sealed", "seal", "seal_reason"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return the reasons."""
        return [(reason, reason) for reason in page.SEALED_BECAUSE]


class OpenFilter(admin.SimpleListFilter):
    """Whether a batch is being run."""

    title, parameter_name = "open", "open"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return both."""
        return [("yes", "being run"), ("no", "finished")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002  # Django's signature
        """Return the rows that are open, or not."""
        wanted = self.value()
        return queryset if wanted is None else queryset.filter(finished_at__isnull=wanted == "yes")


@admin.register(Batch)
class BatchAdmin(BoundedAdmin):
    """The ledger."""

    search_help_text = "A batch's whole id, a UUID."
    list_display = (
        "id", "claimed_at", "model_version", "node", "size", "seal_reason", "waited", "ran", "ended",
    )  # fmt: skip
    list_filter = (OpenFilter, SealFilter)
    shown_related = ("version__model", "worker")
    fields = (
        "id", "node", "version", "why", "padded_size", "claimed_at", "finished_at", "waited", "ran",
        "ended", "jobs",
    )  # fmt: skip
    readonly_fields = ("node", "why", "waited", "ran", "ended", "jobs")

    def node(self, batch: Batch) -> Any:
        """Return the worker, or its id where its row is gone."""
        try:
            return worker_link(batch.worker_id, batch.worker.node)
        except ObjectDoesNotExist:
            return batch.worker_id

    @admin.display(description="version")
    def model_version(self, batch: Batch) -> str:
        """Return the model version."""
        return str(batch.version)

    @admin.display(description="why this size")
    def why(self, batch: Batch) -> str:
        """Return why it has the size that it has."""
        return page.why(batch)

    def waited(self, batch: Batch) -> str:
        """Return the wait for the seal."""
        return f"{batch.waited_s * 1000:,.1f} ms"

    def ran(self, batch: Batch) -> str:
        """Return the run's time."""
        return page.NONE if batch.ran_s is None else f"{batch.ran_s * 1000:,.1f} ms"

    @admin.display(description="verdicts")
    def ended(self, batch: Batch) -> str:
        """Return how its members ended."""
        return page.verdicts(batch)

    def jobs(self, batch: Batch) -> SafeString:
        """Return links to the members."""
        return format_html_join("", "{}<br>", ((job_link(job),) for job in batch.members[:MEMBERS_SHOWN]))


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """One incarnation of a worker process: a small table."""

    list_display = ("node", "status", "device", "model_names", "host", "pid", "started_at", "heartbeat_at")
    ordering = (F("ended_at").desc(nulls_first=True), "-started_at")
    search_fields = ("node", "host")
    fields = (
        "id", "node", "status", "device", "model_names", "host", "pid", "started_at", "heartbeat_at",
        "ended_at", "end_reason", "open_batches",
    )  # fmt: skip
    readonly_fields = ("status", "open_batches")

    def get_queryset(self, request: HttpRequest) -> Rows:
        """Return the workers with the age of their heartbeats by the database's clock."""
        rows = super().get_queryset(request)
        annotated: Rows = rows.annotate(silent_for=Now() - F("heartbeat_at"))
        return annotated

    def status(self, worker: Any) -> SafeString | str:
        """Return whether it is alive, silent or ended."""
        if worker.ended_at is not None:
            return f"ended: {worker.end_reason or 'no reason given'}"
        silent_s = worker.silent_for.total_seconds()
        return "alive" if silent_s < STALE_AFTER_S else f"silent for {silent_s:,.0f} s"

    def open_batches(self, worker: Worker) -> Any:
        """Return what it is running."""
        rows = Batch.objects.filter(worker=worker, finished_at__isnull=True).order_by("-id")[:BATCHES_SHOWN]
        now = timezone.now()
        cells = [
            (batch_link(row.id), row.size, f"{(now - row.claimed_at).total_seconds():.1f} s") for row in rows
        ]
        return table(("batch", "size", "claimed for"), cells) if cells else page.NONE
