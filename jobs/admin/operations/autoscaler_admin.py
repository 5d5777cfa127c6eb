"""The autoscalers of hosts: what each decided last and why, and its workers. Read-only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import F
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.base import Rows
from jobs.admin.links import one_line, worker_link
from jobs.models import Autoscaler, QueueStanding, Worker
from jobs.services.scaling.autoscaler_rows import LIVE_S
from models_registry.shared.admin_moment import aged
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import NONE, table


@admin.register(Autoscaler)
class AutoscalerAdmin(ReadOnlyAdmin):
    """One autoscaler a host: a small table."""

    list_display = ("host", "zone", "status", "models_served", "bounds", "target", "workers", "last_decision",
                    "why", "dead_starts", "looked")  # fmt: skip
    list_display_links = ("host",)
    ordering = (F("ended_at").desc(nulls_first=True), "host")
    fields = ("host", "zone", "status", "models_served", "bounds", "target", "last_decision", "why",
              "workers", "dead_starts", "start_up", "looked", "started_at", "pid",
              "needs", "places")  # fmt: skip
    readonly_fields = ("status", "models_served", "bounds", "last_decision", "why", "workers", "dead_starts",
                       "start_up", "looked", "needs", "places")  # fmt: skip

    def is_live(self, obj: Autoscaler) -> bool:
        """Return whether it has not ended."""
        return obj.ended_at is None

    def title_of(self, obj: Autoscaler) -> str:
        """Return the name of its host."""
        return f"Autoscaler of {obj.host}"

    def get_queryset(self, request: HttpRequest) -> Rows:
        """Return the autoscalers with the ages of their looks and their pauses, by the database's clock."""
        ages = {"silent_for": Now() - F("heartbeat_at"), "pause_left": F("paused_until") - Now()}
        rows: Rows = super().get_queryset(request).annotate(**ages)
        return rows

    def status(self, row: Any) -> str:
        """Return whether it is alive, silent or ended."""
        if row.ended_at is not None:
            return "ended"
        silent_s = row.silent_for.total_seconds()
        return "alive" if silent_s < LIVE_S else f"silent for {silent_s:,.0f} s"

    @admin.display(description="models")
    def models_served(self, row: Autoscaler) -> str:
        """Return the models that each of its workers serves."""
        return ", ".join(row.model_names)

    @admin.display(description="minimum to maximum")
    def bounds(self, row: Autoscaler) -> SafeString:
        """Return how few and how many workers it may have now."""
        return one_line(f"{row.min_workers} to {row.max_workers}")

    def workers(self, row: Autoscaler) -> str:
        """Return how many of its workers serve, start or drain; a dash once it has ended."""
        if row.ended_at is not None:
            return NONE
        parts = (("serving", row.serving), ("starting", row.starting), ("draining", row.draining))
        return ", ".join(f"{count} {state}" for state, count in parts if count) or "none"

    @admin.display(description="last decision")
    def last_decision(self, row: Autoscaler) -> SafeString:
        """Return the last change of the number, and when that was."""
        change = "none" if row.target == row.target_before else f"{row.target_before} → {row.target}"
        return format_html("{}, {}", change, aged(row.decided_at))

    def why(self, row: Autoscaler) -> str:
        """Return why it is that number; a dash once it has ended."""
        return NONE if row.ended_at is not None else row.decision or NONE

    @admin.display(description="dead starts")
    def dead_starts(self, row: Any) -> str:
        """Return how many workers died in a row, and when the next one may be started."""
        if row.ended_at is not None or not row.deaths:
            return NONE
        left_s = 0.0 if row.pause_left is None else row.pause_left.total_seconds()
        return f"{row.deaths} in a row; next start {f'in {left_s:,.0f} s' if left_s > 0 else 'allowed'}"

    @admin.display(description="a worker's start-up")
    def start_up(self, row: Autoscaler) -> str:
        """Return the seconds that its last worker took to start."""
        return NONE if row.start_s is None else f"{row.start_s:,.1f} s"

    @admin.display(description="last look")
    def looked(self, row: Autoscaler) -> SafeString:
        """Return when it last looked; it does so twice a second."""
        return aged(row.heartbeat_at)

    @admin.display(description="what its models need")
    def needs(self, row: Autoscaler) -> SafeString:
        """Return what was counted of each of its models; models that share workers need the sum."""
        counted = QueueStanding.objects.in_bulk(row.model_names)
        cells = [_need(name, counted.get(name)) for name in row.model_names]
        words = ("model", "waiting jobs", "workers needed", "live workers", "a worker does", "counted")
        return table(words, cells)

    @admin.display(description="places")
    def places(self, row: Autoscaler) -> SafeString:
        """Return the worker of each of its places, if one lives."""
        live = {worker.node: worker for worker in Worker.objects.filter(node__in=row.nodes, ended_at=None)}
        return table(("node", "device", "heartbeat"), [_place(node, live.get(node)) for node in row.nodes])


def _need(name: str, queue: QueueStanding | None) -> tuple[object, ...]:
    if queue is None:
        return (name, None, None, None, None, None)
    load = None if queue.workers_load is None else f"{queue.workers_load:,.2f}"
    speed = None if queue.worker_per_s is None else f"{queue.worker_per_s:,.1f} jobs a second"
    return (name, f"{sum(queue.waiting):,}", load, queue.workers, speed, aged(queue.counted_at))


def _place(node: str, worker: Worker | None) -> tuple[object, ...]:
    if worker is None:
        return (node, None, None)
    return (worker_link(worker.id, node), worker.device, aged(worker.heartbeat_at))
