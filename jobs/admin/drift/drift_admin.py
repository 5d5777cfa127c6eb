"""Versions whose jobs are watched and have a reference: how far their jobs are from it. Read-only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.admin.drift.drift_cells import PICTURE, alarm_table, field_parts
from jobs.admin.drift.drift_pictures import hours_drawn
from jobs.admin.links import version_link
from jobs.admin.rights import may_see
from jobs.models import DriftAlarm, FrozenReference
from jobs.services.drift.reads import VersionDrift, drift_of, hours_of_field
from models_registry.shared.admin_moment import aged, moment
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import NONE

DAYS = 7


@admin.register(FrozenReference)
class DriftAdmin(ReadOnlyAdmin):
    """A watched version: its fields by hour, against its reference."""

    list_display = ("of_version", "last_alarm", "origin", "jobs", "since")
    list_display_links = ("since",)
    ordering = ("-frozen_at",)
    readonly_fields = ("of_version", "sentence", "alarms", "by_hour", "by_hour_alone", "compared", "since")
    refresh_s = 60

    def get_urls(self) -> list[URLPattern]:
        """Return our picture before Django's own pages."""
        view = self.admin_site.admin_view(self.picture)
        return [path("<int:key>/field.svg", view, name=PICTURE), *super().get_urls()]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002  # Django's signature
        """Return the page's lines; values of jobs only for users who may see payloads."""
        by_hour = "by_hour" if may_see(request) else "by_hour_alone"
        return ("of_version", "sentence", "alarms", by_hour, "origin", "jobs", "compared", "actor", "since")

    def get_queryset(self, request: HttpRequest) -> QuerySet[FrozenReference]:
        """Return the rows with their versions."""
        rows: QuerySet[FrozenReference] = super().get_queryset(request)
        return rows.select_related("version__model")

    def title_of(self, obj: FrozenReference) -> str:
        """Return the version."""
        return f"Drift of {obj.version}"

    def is_live(self, obj: FrozenReference) -> bool:  # noqa: ARG002  # a version is watched for as long as it is there
        """Return True: each hour adds to the page."""
        return True

    def picture(self, request: HttpRequest, key: int) -> HttpResponse:
        """Return the picture of the field that the query names; 404 where there is none."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        hours = hours_of_field(key, request.GET.get("field", ""), hours=24 * DAYS)
        if not hours:
            raise Http404
        return HttpResponse(hours_drawn(hours), content_type="image/svg+xml")

    @admin.display(description="version")
    def of_version(self, row: FrozenReference) -> SafeString:
        """Return a link to the version."""
        return version_link(row.version)

    @admin.display(description="last alarm")
    def last_alarm(self, row: FrozenReference) -> SafeString | str:
        """Return when fields last began to drift, and which."""
        alarm = DriftAlarm.objects.filter(version_id=row.pk).order_by("-hour").first()
        if alarm is None:
            return NONE
        return format_html("{}: {}", moment(alarm.hour), ", ".join(sorted(alarm.fields)))

    @admin.display(description="now")
    def sentence(self, row: FrozenReference) -> str:
        """Return how it stands."""
        return _drift(row).sentence

    @admin.display(description="alarms")
    def alarms(self, row: FrozenReference) -> Any:
        """Return the newest alarms."""
        return alarm_table(_drift(row).alarms)

    @admin.display(description="by hour")
    def by_hour(self, row: FrozenReference) -> Any:
        """Return each field with its picture, its figures and its values."""
        return field_parts(row.pk, _drift(row), values=True)

    @admin.display(description="by hour")
    def by_hour_alone(self, row: FrozenReference) -> Any:
        """Return each field with its picture and its figures."""
        return field_parts(row.pk, _drift(row), values=False)

    @admin.display(description="compared since")
    def compared(self, row: FrozenReference) -> SafeString:
        """Return the first hour that is compared with the reference."""
        return moment(row.compared_from)

    @admin.display(description="frozen")
    def since(self, row: FrozenReference) -> SafeString:
        """Return when the reference was frozen."""
        return aged(row.frozen_at)


def _drift(row: FrozenReference) -> VersionDrift:
    """Return the drift of a version, which is read once a page: its lines share the row."""
    if not hasattr(row, "drift"):
        (row.drift,) = drift_of(  # type: ignore[attr-defined]  # kept with the row of this page
            row.version.model.name, version=row.version.version, hours=24 * DAYS
        )
    drift: VersionDrift = row.drift  # type: ignore[attr-defined]  # see above
    return drift
