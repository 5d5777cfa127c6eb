"""Shadows of rules with their standing reports; who may roll out stops them and starts them again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.filters import ColumnFilter, ModelNameFilter
from jobs.admin.links import one_line, version_link
from jobs.admin.rights import may_roll_out, may_see
from jobs.admin.rollouts.report_cells import DIFFERENCES, differences_table, report_tables
from jobs.core.errors import PlatformError
from jobs.core.shadow.shadow_report import shadow_sentence
from jobs.models import Shadow, ShadowState
from jobs.services.shadow.shadow_acts import start_shadow, stop_shadow
from jobs.services.shadow.shadow_views import report_of
from jobs.services.trials.report_page import report_pictures
from models_registry.core.routing.rule_changes import share_text
from models_registry.models import Rule
from models_registry.shared.admin_moment import aged
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import NONE, wide

PICTURE = "jobs_shadow_picture"
_ABOUT = {
    "times": "Service time of a batch of copies against its size; the numbers stand below",
    "labels_between": "How often each label is answered by each; the API's report has the numbers",
}


class ShadowStateFilter(ColumnFilter):
    """Shadows by their state."""

    title, parameter_name, column = "state", "state", "state"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        """Return the states."""
        return [(state.value, state.value) for state in ShadowState]


@admin.register(Shadow)
class ShadowAdmin(ReadOnlyAdmin):
    """A version that runs copies of an alias's jobs, and answers none."""

    list_display = ("coloured_state", "key", "versions", "copied", "result", "reason", "began")
    list_display_links = None
    list_filter = (ShadowStateFilter, ModelNameFilter)
    ordering = ("-rule",)
    actions = ("stop", "start")
    readonly_fields = ("coloured_state", "rule_of", "versions", "copied", "result", "began", "ran",
                       "pictures", "report", "differences", "difference_ids")  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """Return the address of the pictures before Django's own pages."""
        view = self.admin_site.admin_view(self.picture)
        return [path("<int:key>/<slug:name>.png", view, name=PICTURE), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Shadow]:
        """Return the shadows with their versions."""
        rows: QuerySet[Shadow] = super().get_queryset(request)
        return rows.select_related("version__model", "stable__model")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002  # Django's signature
        """Return the page's lines; links to jobs with payloads only for users who may see payloads."""
        differences = "differences" if may_see(request) else "difference_ids"
        return ("coloured_state", "reason", "actor", "rule_of", "versions", "copied", "batch_s", "time_share",
                "result", "began", "ran", "pictures", "report", differences)  # fmt: skip

    def is_live(self, obj: Shadow) -> bool:
        """Return whether its rule is in force."""
        return obj.state != ShadowState.ENDED

    def has_roll_out_permission(self, request: HttpRequest) -> bool:
        """Return whether this user may stop and start shadows."""
        return may_roll_out(request)

    def picture(self, request: HttpRequest, key: int, name: str) -> HttpResponse:
        """Return a picture of a shadow; 404 before it has anything to show."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        shadow = self.get_queryset(request).filter(pk=key).first()
        image = report_pictures(report_of(shadow)).get(name) if shadow else None
        if image is None:
            raise Http404
        return HttpResponse(image, content_type="image/png")

    @admin.action(description="Stop: drop copies, make no more", permissions=["roll_out"])
    def stop(self, request: HttpRequest, shadows: QuerySet[Shadow]) -> None:
        """Stop what is selected."""
        self._act(request, shadows, stop_shadow, "is stopped.")

    @admin.action(description="Start stopped shadows again", permissions=["roll_out"])
    def start(self, request: HttpRequest, shadows: QuerySet[Shadow]) -> None:
        """Start what is selected again."""
        self._act(request, shadows, start_shadow, "runs again.")

    def _act(
        self, request: HttpRequest, shadows: QuerySet[Shadow], service: Callable[..., None], done: str
    ) -> None:
        by = {"actor": request.user.get_username(), "reason": "By the admin's pages."}
        for one in shadows:
            try:
                service(model=one.model, alias=one.alias, number=one.number, **by)
            except PlatformError as error:
                self.message_user(request, str(error), messages.WARNING)
            else:
                self.message_user(request, f"The {one} {done}", messages.SUCCESS)

    @admin.display(description="shadow")
    def key(self, shadow: Shadow) -> SafeString:
        """Return a link to its page."""
        address = reverse("admin:jobs_shadow_change", args=(shadow.pk,))
        return format_html('<a href="{}">{}</a>', address, f"{shadow.model}@{shadow.alias} {shadow.number}")

    @admin.display(description="state")
    def coloured_state(self, shadow: Shadow) -> SafeString:
        """Return the state as a coloured word."""
        return format_html('<span class="state state-trial-{}">{}</span>', shadow.state, shadow.state)

    @admin.display(description="rule")
    def rule_of(self, shadow: Shadow) -> SafeString:
        """Return a link to the rule."""
        rule = Rule.objects.filter(pk=shadow.rule).first()
        name = one_line(f"{shadow.model}@{shadow.alias} rule {shadow.number}")
        if rule is None:
            return name
        address = reverse("admin:models_registry_rule_change", args=(rule.pk,))
        return format_html('<a href="{}">{}</a>', address, name)

    @admin.display(description="shadow, stable")
    def versions(self, shadow: Shadow) -> SafeString:
        """Return the versions."""
        return format_html("{} against {}", version_link(shadow.version), version_link(shadow.stable))

    @admin.display(description="share that is copied")
    def copied(self, shadow: Shadow) -> str:
        """Return the share in per cent."""
        return share_text(shadow.share)

    @admin.display(description="so far")
    def result(self, shadow: Shadow) -> str:
        """Return the result in sentences."""
        return shadow_sentence(_report(shadow), shadow.batch_s)

    @admin.display(description="begun")
    def began(self, shadow: Shadow) -> SafeString:
        """Return when it began."""
        return aged(shadow.since)

    @admin.display(description="copies last ran")
    def ran(self, shadow: Shadow) -> SafeString | str:
        """Return when copies last ran."""
        return aged(shadow.ran_at) if shadow.ran_at else NONE

    @admin.display(description="pictures")
    def pictures(self, shadow: Shadow) -> Any:
        """Return the pictures that there are."""
        report = _report(shadow)
        labels = (report["labels"] or {}).get("between")
        there = {"times": report["service_times"], "labels_between": labels}
        images = [_image(shadow, name) for name, shown in there.items() if shown]
        return format_html("{}" * len(images), *images) if images else NONE

    @admin.display(description="report")
    def report(self, shadow: Shadow) -> Any:
        """Return its report as tables."""
        return report_tables({name: part for name, part in _report(shadow).items() if name != "labels"})

    @admin.display(description="largest differences")
    def differences(self, shadow: Shadow) -> Any:
        """Return the jobs whose outputs differ most, as links."""
        return differences_table(_report(shadow)[DIFFERENCES], linked=True)

    @admin.display(description="largest differences")
    def difference_ids(self, shadow: Shadow) -> Any:
        """Return the ids of the jobs whose outputs differ most."""
        return differences_table(_report(shadow)[DIFFERENCES], linked=False)


def _report(shadow: Shadow) -> dict[str, Any]:
    """Return the report, which is made once a page: its lines share the object."""
    if not hasattr(shadow, "shown_report"):
        shadow.shown_report = report_of(shadow)  # type: ignore[attr-defined]  # kept with the row of this page
    report: dict[str, Any] = shadow.shown_report  # type: ignore[attr-defined]  # see above
    return report


def _image(shadow: Shadow, name: str) -> SafeString:
    address = reverse(f"admin:{PICTURE}", args=(shadow.pk, name))
    image = '<img src="{}?at={}" alt="{}" class="picture">'
    return wide(format_html(image, address, shadow.run, _ABOUT[name]))
