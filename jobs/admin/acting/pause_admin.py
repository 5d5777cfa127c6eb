"""What is paused, by whom and why; and the form that pauses a model, a version or a client."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from jobs.admin.rights import require
from jobs.core.circuits.paused_work import PauseKind
from jobs.core.errors import PlatformError
from jobs.models import WorkPause
from jobs.services.circuits.pause_work import pause, resume_row
from models_registry.shared.admin_moment import aged
from models_registry.shared.admin_readonly import ReadOnlyAdmin

LIST = "admin:jobs_workpause_changelist"


class PauseForm(forms.Form):
    """What to pause, and why."""

    kind = forms.ChoiceField(choices=[(kind.value, kind.value) for kind in PauseKind], label="Pause the")
    name = forms.CharField(
        max_length=255, label="named", widget=forms.TextInput(attrs={"placeholder": "echo, echo:2 or search"})
    )
    reason = forms.CharField(max_length=500, label="because")


@admin.register(WorkPause)
class PauseAdmin(ReadOnlyAdmin):
    """Paused models, versions and clients: their jobs are accepted and wait; what runs goes on."""

    list_display = ("kind", "name", "reason", "actor", "began")
    list_display_links = ("kind", "name")
    ordering = ("-id",)
    fields = ("kind", "name", "reason", "actor", "began")
    readonly_fields = ("began",)
    actions = ("resume",)
    change_list_template = "admin/jobs/pause/change_list.html"

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Return whether this user may pause and resume."""
        return bool(request.user.has_perm("jobs.change_workpause"))

    def get_urls(self) -> list[URLPattern]:
        """Return the address of the form before Django's own pages."""
        view = self.admin_site.admin_view(self.begin)
        return [path("begin/", view, name="jobs_workpause_begin"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the form and what is paused."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = PauseForm() if self.has_operate_permission(request) else None
        return super().changelist_view(request, {"pause_form": form} | (extra_context or {}))

    @method_decorator(require_POST)
    def begin(self, request: HttpRequest) -> HttpResponse:
        """Pause what the form names."""
        require(self, request, can=self.has_operate_permission(request))
        form = PauseForm(request.POST)
        if not form.is_valid():
            messages.error(request, "Say what to pause, its name, and why.")
            return redirect(LIST)
        said = form.cleaned_data
        kind, name = PauseKind(said["kind"]), said["name"].strip()
        try:
            name = pause(kind=kind, name=name, reason=said["reason"], actor=request.user.get_username())
        except PlatformError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"The {kind} {name} is paused: its jobs are accepted and wait.")
        return redirect(LIST)

    @admin.action(description="Resume: let the jobs go on", permissions=["operate"])
    def resume(self, request: HttpRequest, pauses: QuerySet[WorkPause]) -> None:
        """Let the jobs of what is selected go on."""
        for row in pauses:
            try:
                resume_row(
                    kind=PauseKind(row.kind), target=row.target, name=row.name,
                    actor=request.user.get_username(),
                )  # fmt: skip
            except PlatformError as error:
                self.message_user(request, str(error), messages.WARNING)
            else:
                self.message_user(request, f"The {row.kind} {row.name} goes on.", messages.SUCCESS)

    @admin.display(description="since")
    def began(self, row: WorkPause) -> SafeString:
        """Return when it was paused."""
        return aged(row.since)
