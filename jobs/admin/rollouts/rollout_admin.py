"""Roll-outs: the list, and a page for each with its sentence, curves, evidence, people and jobs."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString

from jobs.admin.filters import ColumnFilter, model_names
from jobs.admin.links import registry_link
from jobs.admin.rights import may_roll_out, may_see
from jobs.admin.rollouts import rollout_columns as columns
from jobs.admin.rollouts.act_page import act_page
from jobs.admin.rollouts.curve_points import CurvePoint, points_of
from jobs.admin.rollouts.evidence_cells import (
    PICTURE,
    errors_cell,
    evidence_cell,
    latency_cell,
    timeline_cell,
)
from jobs.admin.rollouts.job_lists import troubled_jobs
from jobs.admin.rollouts.latencies import latencies_of
from jobs.admin.rollouts.people_cells import approvals_cell, events_cell, rules_cell
from jobs.admin.rollouts.pictures import errors_drawn, evidence_drawn, latencies_drawn, shares_drawn
from jobs.admin.rollouts.rollout_acts import offered
from jobs.admin.rollouts.start_page import START, start_page
from jobs.admin.rollouts.trial_cells import differences_cell, duels_cell, gate_cell
from models_registry.core.rollouts.rollout_states import RolloutState
from models_registry.models import Rollout
from models_registry.shared.admin_moment import aged
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import NONE, bounded_text, pretty

ACT = "models_registry_rollout_act"
_CURVES = {"shares": shares_drawn, "evidence": evidence_drawn, "errors": errors_drawn}


class RolloutModelFilter(ColumnFilter):
    """Roll-outs by the name of their model."""

    title, parameter_name, column = "model", "model", "model__name"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return the models by name."""
        return model_names()


class RolloutStateFilter(ColumnFilter):
    """Roll-outs by their state."""

    title, parameter_name, column = "state", "state", "state"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return the states in the order of a roll-out's life."""
        return [(state.value, columns.words(state)) for state in RolloutState]


@admin.register(Rollout)
class RolloutAdmin(ReadOnlyAdmin):
    """A candidate on its way to all jobs of an alias, or back."""

    list_display = ("coloured_state", "key", "alias_name", "versions", "share_now", "met_of", "how", "since")
    list_display_links = None
    list_filter = (RolloutStateFilter, RolloutModelFilter)
    list_select_related = ("model", "stable__model", "candidate__model")
    ordering = ("-id",)
    readonly_fields = (
        "coloured_state", "alias_name", "versions", "steps", "met_of", "started", "since",
        "shares", "evidence", "errors", "latency", "gate", "duels", "differences", "difference_ids",
        "approvals", "rules", "events", "troubled", "whole_plan",
    )  # fmt: skip
    change_list_template = "admin/jobs/rollouts/change_list.html"
    change_form_template = "admin/jobs/rollouts/rollout.html"

    def get_urls(self) -> list[URLPattern]:
        """Return our pages before Django's own."""
        view = self.admin_site.admin_view
        return [
            path("start/", view(partial(start_page, admin=self)), name=START),
            path("<int:key>/act/<slug:name>/", view(partial(act_page, admin=self)), name=ACT),
            path("<int:key>/<slug:name>.svg", view(self.picture), name=PICTURE),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rollout]:
        """Return the roll-outs with the rows that each names."""
        rows: QuerySet[Rollout] = super().get_queryset(request)
        return rows.select_related("model", "stable__model", "candidate__model")

    def get_fieldsets(self, request: HttpRequest, obj: Rollout | None = None) -> Any:  # noqa: ARG002  # Django's signature
        """Return the page's parts; links to jobs with payloads only for users who may see payloads."""
        differences = "differences" if may_see(request) else "difference_ids"
        return (
            (None, {"fields": ("coloured_state", "how", "alias_name", "versions", "steps", "met_of", "deaths",
                               "since", "started", "reason", "ticket")}),
            ("Shares", {"fields": ("shares",)}),
            ("Evidence", {"fields": ("evidence", "errors", "latency")}),
            ("Beside the jobs", {"fields": ("gate", "duels", differences)}),
            ("Jobs", {"fields": ("troubled",)}),
            ("People and rules", {"fields": ("approvals", "rules", "events")}),
            ("Plan", {"fields": ("whole_plan", "sha256"), "classes": ("collapse",)}),
        )  # fmt: skip

    def is_live(self, obj: Rollout) -> bool:
        """Return whether the roll-out has not ended."""
        return columns.is_live(obj)

    def title_of(self, obj: Rollout) -> str:
        """Return what is rolled out where."""
        return f"Roll-out {obj.pk}: {obj.candidate} at @{obj.alias}"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list and, to whom may start one, the way to the form."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {"can_start": may_roll_out(request), "title": "Roll-outs"}
        return super().changelist_view(request, context | (extra_context or {}))

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show one roll-out, and what this user may do to it."""
        rollout = kwargs["obj"]
        context["acts"] = offered(request, rollout)
        context["subtitle"] = None  # the sentence stands there
        return super().render_change_form(request, context, *args, **kwargs)

    def picture(self, request: HttpRequest, key: int, name: str) -> HttpResponse:
        """Return a picture of a roll-out; 404 before it has anything to show."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rollout = Rollout.objects.filter(pk=key).first()
        image = _drawn(rollout, name) if rollout else None
        if image is None:
            raise Http404
        return HttpResponse(image, content_type="image/svg+xml")

    @admin.display(description="id")
    def key(self, rollout: Rollout) -> SafeString:
        """Return a link to its page."""
        return registry_link("rollout", rollout.pk, str(rollout.pk))

    @admin.display(description="state")
    def coloured_state(self, rollout: Rollout) -> SafeString:
        """Return the state as a coloured word."""
        return columns.state_badge(rollout)

    @admin.display(description="alias")
    def alias_name(self, rollout: Rollout) -> SafeString:
        """Return the alias with its model."""
        return columns.alias_name(rollout)

    @admin.display(description="from → to")
    def versions(self, rollout: Rollout) -> SafeString:
        """Return both versions."""
        return columns.from_to(rollout)

    @admin.display(description="share")
    def share_now(self, rollout: Rollout) -> str:
        """Return the candidate's share."""
        return columns.share(rollout)

    @admin.display(description="share")
    def steps(self, rollout: Rollout) -> str:
        """Return the candidate's share and the steps of its plan."""
        return columns.steps(rollout)

    @admin.display(description="jobs met")
    def met_of(self, rollout: Rollout) -> SafeString:
        """Return the jobs that the candidate has met, of its budget."""
        return columns.met(rollout)

    @admin.display(description="how it stands")
    def how(self, rollout: Rollout) -> str:
        """Return the sentence."""
        return rollout.sentence or NONE

    @admin.display(description="since")
    def since(self, rollout: Rollout) -> SafeString:
        """Return when the state began."""
        return aged(rollout.state_since)

    @admin.display(description="started")
    def started(self, rollout: Rollout) -> SafeString:
        """Return who started it, and when."""
        return columns.started(rollout)

    @admin.display(description="shares over time")
    def shares(self, rollout: Rollout) -> Any:
        """Return the timeline of shares."""
        return timeline_cell(rollout, _points(rollout))

    @admin.display(description="evidence")
    def evidence(self, rollout: Rollout) -> Any:
        """Return the evidence against its bounds."""
        return evidence_cell(rollout, _points(rollout))

    @admin.display(description="error rates")
    def errors(self, rollout: Rollout) -> Any:
        """Return the error rates with their intervals."""
        return errors_cell(rollout, _points(rollout))

    @admin.display(description="latency")
    def latency(self, rollout: Rollout) -> Any:
        """Return the latencies of candidate and baseline."""
        return latency_cell(rollout, latencies_of(rollout))

    @admin.display(description="gate")
    def gate(self, rollout: Rollout) -> Any:
        """Return the gate's report."""
        return gate_cell(rollout)

    @admin.display(description="duels and agreement")
    def duels(self, rollout: Rollout) -> Any:
        """Return what the duels have shown."""
        return duels_cell(rollout)

    @admin.display(description="largest differences")
    def differences(self, rollout: Rollout) -> Any:
        """Return the jobs whose outputs differ most, as links."""
        return differences_cell(rollout, linked=True)

    @admin.display(description="largest differences")
    def difference_ids(self, rollout: Rollout) -> Any:
        """Return the ids of the jobs whose outputs differ most."""
        return differences_cell(rollout, linked=False)

    @admin.display(description="failed, rescued, taken back")
    def troubled(self, rollout: Rollout) -> Any:
        """Return the jobs that the candidate did not answer."""
        return troubled_jobs(rollout)

    @admin.display(description="approvals")
    def approvals(self, rollout: Rollout) -> Any:
        """Return who approved the plan."""
        return approvals_cell(rollout)

    @admin.display(description="rules")
    def rules(self, rollout: Rollout) -> Any:
        """Return the rules that it has put in force."""
        return rules_cell(rollout)

    @admin.display(description="events")
    def events(self, rollout: Rollout) -> Any:  # noqa: ARG002  # the same for all
        """Return the way to the audit."""
        return events_cell()

    @admin.display(description="plan")
    def whole_plan(self, rollout: Rollout) -> SafeString:
        """Return the plan with every field."""
        return bounded_text(pretty(rollout.plan))


def _points(rollout: Rollout) -> list[CurvePoint]:
    """Return the points, which are read once a page: its lines share the object."""
    if not hasattr(rollout, "curve_points"):
        rollout.curve_points = points_of(rollout.pk)  # type: ignore[attr-defined]  # kept with the row of this page
    points: list[CurvePoint] = rollout.curve_points  # type: ignore[attr-defined]  # see above
    return points


def _drawn(rollout: Rollout, name: str) -> bytes | None:
    if name == "latency":
        seconds = latencies_of(rollout)
        return latencies_drawn(seconds) if seconds else None
    points = points_of(rollout.pk)
    return _CURVES[name](points) if points and name in _CURVES else None
