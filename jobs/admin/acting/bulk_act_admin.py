"""Acts on many jobs: how far each is, and the button that stops it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from jobs.admin.acting.bulk_pages import ACT_PAGE
from jobs.admin.base import BoundedAdmin
from jobs.admin.rights import may_act, may_see, require
from jobs.core.acting.bulk_verbs import BulkState
from jobs.core.errors import PlatformError
from jobs.models import BulkAct
from jobs.services.bulk_acts.operate_many import stop_bulk_act
from models_registry.shared.admin_moment import aged
from models_registry.shared.admin_render import NONE, bounded_text, pretty


@admin.register(BulkAct)
class BulkActAdmin(BoundedAdmin):
    """Acts on all jobs that matched a filter, newest first."""

    list_display = ("state", "verb", "progress", "done", "failed", "rate_per_s", "began", "actor")
    list_display_links = ("state", "verb")
    list_filter = ("state", "verb")
    search_fields = ()
    ordering = ("-id",)
    fields = ("verb", "state", "progress", "done", "failed", "total", "rate_per_s", "chosen", "actor",
              "began", "ended", "ended_by")  # fmt: skip
    readonly_fields = ("progress", "chosen", "began", "ended")
    change_form_template = "admin/jobs/bulkact/act.html"

    def get_urls(self) -> list[URLPattern]:
        """Return the address of the button before Django's own pages."""
        view = self.admin_site.admin_view(self.stop)
        return [path("<int:act>/stop/", view, name="jobs_bulkact_stop"), *super().get_urls()]

    def is_live(self, obj: BulkAct) -> bool:
        """Return whether the act runs."""
        return obj.state == BulkState.RUNNING

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show one act, and the button that stops it while it runs."""
        runs = self.is_live(kwargs["obj"])
        context |= {"can_stop": runs and may_act(request), "subtitle": None}
        return super().render_change_form(request, context, *args, **kwargs)

    def get_fields(self, request: HttpRequest, obj: BulkAct | None = None) -> tuple[str, ...]:  # noqa: ARG002  # Django's signature
        """Return the page's lines; the filter, which may hold a value of metadata, only for some users."""
        return tuple(name for name in self.fields if may_see(request) or name != "chosen")

    @method_decorator(require_POST)
    def stop(self, request: HttpRequest, act: int) -> HttpResponse:
        """Stop the act after its current slice."""
        require(self, request, can=may_act(request))
        try:
            stop_bulk_act(act=act, actor=request.user.get_username())
        except PlatformError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "It is stopped; what was done stays done.")
        return redirect(ACT_PAGE, act)

    @admin.display(description="progress")
    def progress(self, act: BulkAct) -> SafeString:
        """Return how far it is of what a person saw."""
        looked = act.done + act.failed
        most = max(act.total, looked, 1)
        share = 100 if act.state == BulkState.FINISHED else 100 * looked // most
        return format_html('<progress max="100" value="{}"></progress> {} %', share, share)

    @admin.display(description="which jobs")
    def chosen(self, act: BulkAct) -> SafeString:
        """Return the filter."""
        return bounded_text(pretty(act.selection))

    @admin.display(description="began")
    def began(self, act: BulkAct) -> SafeString:
        """Return when it began."""
        return aged(act.created_at)

    @admin.display(description="ended")
    def ended(self, act: BulkAct) -> SafeString | str:
        """Return when it ended."""
        return aged(act.ended_at) if act.ended_at else NONE
