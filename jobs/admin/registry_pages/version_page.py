"""A version's page: where it is served, how fast it runs, how it fails, and the aliases that it may get."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, Q
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.links import one_line, worker_link
from jobs.admin.registry_pages.failure_counts import failures_of_a_day
from jobs.admin.registry_pages.picture import drawn
from jobs.admin.registry_pages.service_times import by_size, fitted, recent_runs
from jobs.admin.registry_pages.version_acts import ACT, offered_verbs, version_act
from jobs.admin.rights import may_roll_out
from jobs.admin.rollouts.rollout_columns import rollouts_of, rollouts_table
from jobs.core.operations import amounts
from jobs.models import Worker
from models_registry.admin.registry import ModelVersionAdmin
from models_registry.core.version_states import VersionState
from models_registry.models import ModelVersion, VersionLoad
from models_registry.shared.admin_moment import moment
from models_registry.shared.admin_render import NONE, bounded_text, table

PICTURE = "models_registry_modelversion_picture"
WORKERS_SHOWN = 100
_IMAGE = (
    '<img src="{}" alt="Service time by batch size; the table below has the numbers"'
    ' class="picture">'
    "<p>{}</p>{}"
)
FIRST = ("model", "version", "coloured_state", "aliases", "rollouts")
admin.site.unregister(ModelVersion)


@admin.register(ModelVersion)
class ServedVersionAdmin(ModelVersionAdmin):
    """One build, and what the workers do with it."""

    fields = (
        *FIRST, "served_by", "service_time", "failures",
        *(name for name in ModelVersionAdmin.fields if name not in {*FIRST, "loads"}),
    )  # fmt: skip
    list_display = ("coloured_state", *ModelVersionAdmin.list_display)
    list_display_links = ("__str__",)
    list_filter = ("state", *ModelVersionAdmin.list_filter)
    readonly_fields = (
        *ModelVersionAdmin.readonly_fields, "coloured_state", "rollouts", "served_by", "service_time",
        "failures",
    )  # fmt: skip
    change_form_template = "admin/jobs/registry/version.html"

    def get_urls(self) -> list[URLPattern]:
        """Return the addresses of the picture and of the acts before Django's own."""
        view = self.admin_site.admin_view
        return [
            path("<int:key>/service-time.svg", view(self.picture), name=PICTURE),
            path("<int:key>/act/<slug:name>/", view(partial(version_act, admin=self)), name=ACT),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show the version, and what this user may do to it."""
        version = kwargs["obj"]
        context["verbs"] = offered_verbs(request, version)
        context["can_roll_out"] = may_roll_out(request) and version.state == VersionState.STAGED
        return super().render_change_form(request, context, *args, **kwargs)

    def picture(self, request: HttpRequest, key: int) -> HttpResponse:
        """Return the picture of the service times."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        runs = recent_runs(key)
        if not runs:
            raise Http404
        return HttpResponse(drawn(runs, fitted(runs)), content_type="image/svg+xml")

    @admin.display(description="state")
    def coloured_state(self, version: ModelVersion) -> SafeString:
        """Return the state as a coloured word."""
        return format_html('<span class="state state-{}">{}</span>', version.state, version.state)

    @admin.display(description="roll-outs")
    def rollouts(self, version: ModelVersion) -> SafeString | str:
        """Return the newest roll-outs in which it is or was the candidate or the stable version."""
        return rollouts_table(rollouts_of(Q(candidate=version) | Q(stable=version)))

    @admin.display(description="workers")
    def served_by(self, version: ModelVersion) -> SafeString | str:
        """Return the live workers of the model, and whether each has loaded the version."""
        workers: Any = Worker.objects.filter(ended_at=None, model_names__contains=[version.model.name])
        rows = list(workers.annotate(silent_for=Now() - F("heartbeat_at")).order_by("node")[:WORKERS_SHOWN])
        shown = VersionLoad.objects.filter(version=version, node__in=[worker.node for worker in rows])
        loads = {row.node: row for row in shown}  # a table that also holds rows of workers that are gone
        cells = [
            (
                worker_link(worker.pk, worker.node),
                worker.device,
                f"{worker.silent_for.total_seconds():,.0f} s ago",
                *_loading(loads.get(worker.node)),
            )
            for worker in rows
        ]
        headers = (
            "worker",
            "device",
            "heartbeat",
            "state",
            "since",
            "memory",
            "load time",
            "failed loads",
            "last load error",
        )
        return table(headers, cells) if cells else "no live worker serves this model"

    @admin.display(description="service time")
    def service_time(self, version: ModelVersion) -> SafeString | str:
        """Return the picture and the numbers of its recent batches."""
        runs = recent_runs(version.pk)
        if not runs:
            return "none of the last 20,000 batches is of this version"
        line = fitted(runs)
        fit = (
            f"fitted line: {line.fixed_s * 1000:,.1f} ms and {line.per_item_s * 1000:,.1f} ms for each job"
            if line
            else "all batches have one size: no line can be fitted"
        )
        cells = [
            (
                str(row.low) if row.low == row.high else f"{row.low} to {row.high}",
                row.runs,
                _ms(row.median_s),
                _ms(row.p95_s),
                _ms(line.seconds(row.high)) if line else NONE,
            )
            for row in by_size(runs)
        ]
        numbers = table(("jobs in the batch", "batches", "median", "p95", "line at the largest"), cells)
        words = f"The newest {amounts.things(len(runs), 'batch', 'batches')}; {fit}."
        return format_html(_IMAGE, reverse(f"admin:{PICTURE}", args=(version.pk,)), words, numbers)

    @admin.display(description="failed attempts, last 24 hours")
    def failures(self, version: ModelVersion) -> SafeString | str:
        """Return the failed attempts by kind and code."""
        cells = [(*row[:3], moment(row.last_at)) for row in failures_of_a_day(version.pk)]
        return table(("kind", "code", "attempts", "last"), cells) if cells else "none"


def _loading(load: VersionLoad | None) -> tuple[object, ...]:
    if load is None:
        return "not loaded", NONE, NONE, NONE, NONE, NONE
    memory = NONE if load.memory_bytes is None else filesizeformat(load.memory_bytes)
    took = NONE if load.load_s is None else f"{load.load_s:,.1f} s"
    error = bounded_text(load.reason) if load.reason else NONE
    return load.state, moment(load.since), memory, took, load.tries, error


def _ms(value_s: float) -> SafeString:
    return one_line(f"{value_s * 1000:,.1f} ms")
