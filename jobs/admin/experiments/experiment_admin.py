"""Experiments: what was claimed, measured and concluded. Read-only: `manage.py experiment` writes them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.filters import ColumnFilter
from jobs.core.experiments.experiment_verdict import ExperimentVerdict
from jobs.models import Experiment
from models_registry.shared.admin_moment import aged, moment
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import NONE, bounded_text, table


class VerdictFilter(ColumnFilter):
    """Experiments by their verdict."""

    title, parameter_name, column = "verdict", "verdict", "verdict"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return the verdicts."""
        return [(verdict.value, verdict.value) for verdict in ExperimentVerdict]


@admin.register(Experiment)
class ExperimentAdmin(ReadOnlyAdmin):
    """A claim about the platform, with its load tests."""

    list_display = ("id", "outcome", "claim", "expected", "commit", "actor", "since")
    list_filter = (VerdictFilter,)
    ordering = ("-id",)
    fields = ("outcome", "claim", "expected", "conclusion", "commit", "seed", "load", "actor", "since",
              "measured", "settings")  # fmt: skip
    readonly_fields = ("outcome", "claim", "commit", "since", "measured")

    @admin.display(description="verdict")
    def outcome(self, row: Experiment) -> str:
        """Return the verdict."""
        return row.verdict or "open"

    @admin.display(description="hypothesis")
    def claim(self, row: Experiment) -> SafeString:
        """Return the hypothesis."""
        return bounded_text(row.hypothesis)

    @admin.display(description="revision")
    def commit(self, row: Experiment) -> SafeString:
        """Return the start of the commit."""
        return format_html("<code>{}</code>", row.revision[:12])

    @admin.display(description="started")
    def since(self, row: Experiment) -> SafeString:
        """Return when it began."""
        return aged(row.created_at)

    @admin.display(description="measurements")
    def measured(self, row: Experiment) -> SafeString | str:
        """Return a table of its load tests, oldest first."""
        rows = [
            (one.arm, moment(one.created_at), one.revision[:12], one.report.get("verdict"), _p95(one.report))
            for one in row.measurements.order_by("id")
        ]
        return table(("arm", "at", "revision", "run", "p95"), rows) if rows else NONE


def _p95(report: dict[str, Any]) -> str:
    p95 = (report.get("latency_ms") or {}).get("p95")
    return NONE if p95 is None else f"{p95:,.1f} ms"
