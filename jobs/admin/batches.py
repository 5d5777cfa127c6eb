"""Batches and workers: what ran together, why, and where."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import F
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs.admin import job_page
from jobs.admin.base import BoundedAdmin, Rows
from jobs.admin.batch_filters import LaneFilter, ModelFilter, OpenMenu, SealFilter, WorkerFilter
from jobs.admin.links import batch_link, job_link, one_line, row_link, worker_link
from jobs.admin.waterfall import batch_waterfall
from jobs.core.batching.explain import seconds
from jobs.core.operations import amounts
from jobs.models import Batch, Worker
from models_registry.models import VersionLoad
from models_registry.shared.admin_moment import aged
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import NONE, table

MEMBERS_SHOWN = 256
BATCHES_SHOWN = 50
OPEN_LISTED = 2_000
STALE_AFTER_S = 15.0


@admin.register(Batch)
class BatchAdmin(BoundedAdmin):
    """The ledger."""

    search_help_text = "A batch's complete id, a UUID."
    list_display = (
        "key", "model_version", "size", "ended", "seal_reason", "waited", "ran", "node_and_device", "claimed",
    )  # fmt: skip
    list_display_links = None
    list_filter = (OpenMenu, LaneFilter, SealFilter, ModelFilter, WorkerFilter)
    shown_related = ("version__model", "worker")
    fields = (
        "id", "why", "version", "lane", "node", "device", "size", "padded_size", "seal_reason", "claimed",
        "finished", "waited", "ran", "ended", "side_by_side", "jobs",
    )  # fmt: skip
    readonly_fields = (
        "lane", "node", "device", "why", "claimed", "finished", "waited", "ran", "ended", "side_by_side",
        "jobs",
    )  # fmt: skip

    def is_live(self, obj: Batch) -> bool:
        """Return whether it is being run."""
        return obj.finished_at is None

    def listed(self, request: HttpRequest) -> tuple[Rows, bool]:
        """Return the newest batches, or all open ones of any age."""
        if request.GET.get(OpenMenu.parameter_name) != OpenMenu.OPEN:
            return super().listed(request)
        ids = list(
            Batch.objects.filter(finished_at__isnull=True).values_list("pk", flat=True)[: OPEN_LISTED + 1]
        )
        rows = self.get_queryset(request).prefetch_related(*self.shown_related)
        return rows.filter(pk__in=ids[:OPEN_LISTED]), len(ids) > OPEN_LISTED

    @admin.display(description="id")
    def key(self, batch: Batch) -> SafeString:
        """Return a link to its page."""
        return row_link("batch", batch.pk)

    @admin.display(description="claimed")
    def claimed(self, batch: Batch) -> SafeString:
        """Return the claim's time."""
        return aged(batch.claimed_at)

    @admin.display(description="finished")
    def finished(self, batch: Batch) -> SafeString | str:
        """Return the settle's time."""
        return aged(batch.finished_at) if batch.finished_at else NONE

    @admin.display(description="worker")
    def node(self, batch: Batch) -> Any:
        """Return a link to the worker, or its id where its row is gone."""
        worker = job_page.worker_of(batch)
        return worker_link(worker.id, worker.node) if worker else batch.worker_id

    @admin.display(description="worker")
    def node_and_device(self, batch: Batch) -> SafeString:
        """Return a link to the worker, and its device."""
        return format_html('{} <span class="note">{}</span>', self.node(batch), self.device(batch))

    def device(self, batch: Batch) -> str:
        """Return the worker's device."""
        worker = job_page.worker_of(batch)
        return worker.device if worker else NONE

    def lane(self, batch: Batch) -> str:
        """Return the lane whose queue its jobs came by."""
        return "slow" if batch.slow else "fast"

    @admin.display(description="version")
    def model_version(self, batch: Batch) -> str:
        """Return the model version."""
        return str(batch.version)

    @admin.display(description="why this size")
    def why(self, batch: Batch) -> str:
        """Return the reason for its size."""
        return job_page.why(batch)

    def waited(self, batch: Batch) -> SafeString:
        """Return how long it waited for its seal."""
        return one_line(seconds(batch.waited_s))

    def ran(self, batch: Batch) -> SafeString:
        """Return how long it ran."""
        return one_line(job_page.ran(batch))

    @admin.display(description="verdicts")
    def ended(self, batch: Batch) -> str:
        """Return how its members ended."""
        return job_page.verdicts(batch)

    @admin.display(description="members side by side")
    def side_by_side(self, batch: Batch) -> Any:
        """Return how long each member was in each stage."""
        return batch_waterfall(batch)

    def jobs(self, batch: Batch) -> SafeString:
        """Return links to the members."""
        return format_html_join("", "{}<br>", ((job_link(job),) for job in batch.members[:MEMBERS_SHOWN]))


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """One incarnation of a worker process: a small table."""

    list_display = (
        "status",
        "node",
        "device",
        "model_names",
        "heartbeat_at",
        "started_at",
        "host",
        "zone",
        "pid",
    )
    list_display_links = ("node",)
    ordering = (F("ended_at").desc(nulls_first=True), "-started_at")
    search_fields = ("node", "host")
    fields = (
        "id", "node", "status", "device", "device_uuid", "memory", "model_names", "takes", "host", "zone",
        "pid", "started_at", "heartbeat_at", "ended_at", "end_reason", "open_batches", "loads",
    )  # fmt: skip
    readonly_fields = ("status", "memory", "takes", "open_batches", "loads")

    def is_live(self, obj: Worker) -> bool:
        """Return whether it has not ended."""
        return obj.ended_at is None

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

    @admin.display(description="lanes")
    def takes(self, worker: Worker) -> str:
        """Return how many batches it runs at once, and whether it takes the jobs of one lane alone."""
        only = f", {worker.lane} jobs only" if worker.lane else ""
        return amounts.count(worker.lanes) + only

    @admin.display(description="device's memory in use")
    def memory(self, worker: Worker) -> str:
        """Return how much of the device's memory was used at the last heartbeat; a dash once it has ended."""
        if worker.ended_at is not None:
            return NONE
        return amounts.memory(worker.memory_used_bytes, worker.memory_total_bytes)

    @admin.display(description="versions")
    def loads(self, worker: Worker) -> Any:
        """Return the versions that it holds, loads or cannot load, and why."""
        rows = VersionLoad.objects.filter(node=worker.node).select_related("version__model").order_by("id")
        cells = [
            (str(row.version), row.state, row.since, row.load_s, _memory(row), row.tries, row.reason)
            for row in rows
        ]
        if worker.ended_at is not None or not cells:
            return NONE
        words = ("version", "state", "since", "seconds to load", "memory", "failed loads", "last error")
        return table(words, cells)

    def open_batches(self, worker: Worker) -> Any:
        """Return the batches that it is running."""
        rows = Batch.objects.filter(worker=worker, finished_at__isnull=True).order_by("-id")[:BATCHES_SHOWN]
        now = timezone.now()
        cells = [
            (batch_link(row.id), row.size, f"{(now - row.claimed_at).total_seconds():.1f} s") for row in rows
        ]
        return table(("batch", "size", "claimed for"), cells) if cells else NONE


def _memory(load: VersionLoad) -> str | None:
    return None if load.memory_bytes is None else amounts.volume(load.memory_bytes)
