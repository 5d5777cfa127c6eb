"""Trials: gates, duels and backtests, with their reports. Read-only: the API and commands start them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.filters import ColumnFilter, ModelNameFilter
from jobs.admin.links import registry_link, version_link
from jobs.admin.rights import may_see
from jobs.admin.rollouts.report_cells import DIFFERENCES, differences_table, report_tables
from jobs.admin.rollouts.trial_cells import trial_link
from jobs.models import Trial, TrialKind
from models_registry.shared.admin_moment import aged
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import NONE, bounded_text, pretty

_CONFIDENTIAL = "labels"  # of a spec: what people say that jobs' outputs should be


class TrialKindFilter(ColumnFilter):
    """Trials by what they are for."""

    title, parameter_name, column = "kind", "kind", "kind"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return the kinds."""
        return [(kind.value, kind.value) for kind in TrialKind]


@admin.register(Trial)
class TrialAdmin(ReadOnlyAdmin):
    """A run of two versions on the same inputs, beside the jobs of clients."""

    list_display = ("coloured_state", "key", "versions", "rollout_of", "outcome", "actor", "since")
    list_display_links = None
    list_filter = (TrialKindFilter, ModelNameFilter)
    ordering = ("-id",)
    readonly_fields = ("coloured_state", "versions", "rollout_of", "since", "result", "differences",
                       "difference_ids", "spec_shown")  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Trial]:
        """Return the trials with their versions."""
        rows: QuerySet[Trial] = super().get_queryset(request)
        return rows.select_related("candidate__model", "stable__model")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002  # Django's signature
        """Return the page's lines; links to jobs with payloads only for users who may see payloads."""
        differences = "differences" if may_see(request) else "difference_ids"
        return ("coloured_state", "kind", "versions", "rollout_of", "outcome", "actor", "node", "since",
                "result", differences, "spec_shown")  # fmt: skip

    def is_live(self, obj: Trial) -> bool:
        """Return whether the trial has not ended."""
        return obj.ended_at is None

    @admin.display(description="id")
    def key(self, trial: Trial) -> SafeString:
        """Return a link to its page."""
        return trial_link(trial)

    @admin.display(description="state")
    def coloured_state(self, trial: Trial) -> SafeString:
        """Return the state as a coloured word."""
        return format_html('<span class="state state-trial-{}">{}</span>', trial.state, trial.state)

    @admin.display(description="candidate, stable")
    def versions(self, trial: Trial) -> SafeString:
        """Return the versions."""
        if trial.stable is None:
            return version_link(trial.candidate)
        return format_html("{} against {}", version_link(trial.candidate), version_link(trial.stable))

    @admin.display(description="roll-out")
    def rollout_of(self, trial: Trial) -> SafeString | str:
        """Return a link to the roll-out that it is for."""
        return registry_link("rollout", trial.rollout, f"roll-out {trial.rollout}") if trial.rollout else NONE

    @admin.display(description="begun")
    def since(self, trial: Trial) -> SafeString:
        """Return when it was asked for."""
        return aged(trial.created_at)

    @admin.display(description="report")
    def result(self, trial: Trial) -> Any:
        """Return its report as tables."""
        return report_tables(trial.report) if trial.report else NONE

    @admin.display(description="largest differences")
    def differences(self, trial: Trial) -> Any:
        """Return the jobs whose outputs differ most, as links."""
        return differences_table((trial.report or {}).get(DIFFERENCES) or [], linked=True)

    @admin.display(description="largest differences")
    def difference_ids(self, trial: Trial) -> Any:
        """Return the ids of the jobs whose outputs differ most."""
        return differences_table((trial.report or {}).get(DIFFERENCES) or [], linked=False)

    @admin.display(description="asked for")
    def spec_shown(self, trial: Trial) -> SafeString:
        """Return the request of the trial, without true labels of jobs."""
        spec = {name: value for name, value in trial.spec.items() if name != _CONFIDENTIAL}
        return bounded_text(pretty(spec))
