"""Experiments: what was claimed, measured and concluded. Read-only: `manage.py experiment` writes them."""

from __future__ import annotations

import shlex
from typing import Any

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.filters import ColumnFilter
from jobs.core.errors import ExperimentStateError
from jobs.core.experiments.experiment_verdict import ExperimentVerdict
from jobs.models import Experiment
from jobs.services.experiments.experiment_rows import arms_differ
from models_registry.shared.admin_moment import aged, moment
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import NONE, bounded_text, pretty, table


class VerdictFilter(ColumnFilter):
    """Experiments by their verdict."""

    title, parameter_name, column = "verdict", "verdict", "verdict"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return the verdicts, and that there is none yet."""
        return [("", "open"), *((verdict.value, verdict.value) for verdict in ExperimentVerdict)]


@admin.register(Experiment)
class ExperimentAdmin(ReadOnlyAdmin):
    """A claim about the platform, with its load tests."""

    list_display = ("id", "outcome", "claim", "expected", "commit", "actor", "since")
    list_filter = (VerdictFilter,)
    ordering = ("-id",)
    fields = ("outcome", "claim", "expected", "conclusion", "measured", "differences", "load_test", "seed",
              "commit", "actor", "since", "concluded_at", "recorded")  # fmt: skip
    readonly_fields = ("outcome", "claim", "commit", "since", "measured", "differences", "load_test",
                       "recorded")  # fmt: skip

    def is_live(self, obj: Experiment) -> bool:
        """Return whether it has no verdict yet."""
        return not obj.verdict

    def title_of(self, obj: Experiment) -> str:
        """Return its number."""
        return f"Experiment {obj.pk}"

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

    @admin.display(description="load")
    def load_test(self, row: Experiment) -> SafeString:
        """Return the command of its load test."""
        return bounded_text(shlex.join(["manage.py", "loadtest", *row.load.get("words", ())]))

    @admin.display(description="measurements")
    def measured(self, row: Experiment) -> SafeString | str:
        """Return a table of its load tests, oldest first, with what is wrong with a run."""
        rows = [
            (one.arm, moment(one.created_at), one.revision[:12], one.report.get("verdict"), _p95(one.report),
             "; ".join(one.report.get("reasons", ())) or NONE)
            for one in row.measurements.order_by("id")
        ]  # fmt: skip
        return table(("arm", "at", "revision", "run", "p95", "why"), rows) if rows else NONE

    @admin.display(description="baseline and candidate differ in")
    def differences(self, row: Experiment) -> SafeString | str:
        """Return both values of each setting that differs between the newest runs of the arms."""
        try:
            differing = arms_differ(row)
        except ExperimentStateError:
            return NONE  # an arm has no run yet
        rows = [(name, *values) for name, values in differing.items()]
        return table(("setting", "baseline", "candidate"), rows) if rows else "no setting"

    @admin.display(description="settings")
    def recorded(self, row: Experiment) -> SafeString:
        """Return the platform's settings at its start, by name."""
        return bounded_text(pretty(dict(sorted(row.settings.items()))))


def _p95(report: dict[str, Any]) -> str:
    p95 = (report.get("latency_ms") or {}).get("p95")
    return NONE if p95 is None else f"{p95:,.1f} ms"
