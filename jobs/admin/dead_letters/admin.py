"""Dead letters: the queues beside the rows, the groups, the list, and the page of one."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse

from jobs.admin.acting.bulk_pages import BulkPage, bulk_page
from jobs.admin.actions import selected
from jobs.admin.base import Rows
from jobs.admin.dead_letters.columns import DeadLetterColumns
from jobs.admin.dead_letters.edit_group import edit_group
from jobs.admin.dead_letters.forms import FILTERS, letters_selected
from jobs.admin.dead_letters.listing import matching, overview
from jobs.admin.dead_letters.many import DISCARD, LIST, REPLAY, Act, many
from jobs.admin.dead_letters.one import discard_one, input_page, panel, replay_one
from jobs.admin.rights import may_act, may_see
from jobs.core.acting.bulk_verbs import BulkVerb
from jobs.models import DeadLetter
from jobs.services.access.audit import view_payload

_REPLAY_ALL = BulkPage(BulkVerb.REPLAY, letters_selected, LIST)
_DISCARD_ALL = BulkPage(BulkVerb.DISCARD, letters_selected, LIST)
PAGES: tuple[tuple[str, Any, str], ...] = (
    ("all/replay/", partial(bulk_page, page=BulkPage(BulkVerb.REPLAY, letters_selected, LIST)), "replay_all"),
    (
        "all/discard/",
        partial(bulk_page, page=BulkPage(BulkVerb.DISCARD, letters_selected, LIST)),
        "discard_all",
    ),
    ("edit/", edit_group, "edit_group"),
    ("replay/", partial(many, act=REPLAY), "replay"),
    ("discard/", partial(many, act=DISCARD), "discard"),
    ("<uuid:job>/replay/", replay_one, "replay_one"),
    ("<uuid:job>/discard/", discard_one, "discard_one"),
    ("<uuid:job>/input/", input_page, "input"),
)


@admin.register(DeadLetter)
class DeadLetterAdmin(DeadLetterColumns):
    """Why jobs are dead, and what an operator can do about it."""

    actions = ("replay", "discard")
    refresh_s = 15  # its groups read many rows
    form_params = FILTERS

    def get_urls(self) -> list[URLPattern]:
        """Return our pages of many dead letters and of one, before Django's own."""
        view = self.admin_site.admin_view
        own = [path(at, view(partial(f, admin=self)), name=f"jobs_deadletter_{n}") for at, f, n in PAGES]
        return own + super().get_urls()

    def listed(self, request: HttpRequest) -> tuple[Rows, bool]:
        """Return the open dead letters that match the filter form."""
        return matching(self.get_queryset(request), request.GET)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the queues, the groups and the list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {} if request.method == "POST" else overview(request)
        return super().changelist_view(request, context | (extra_context or {}))

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show one dead letter and what this user may do about it; showing its traceback is audited."""
        if may_see(request):
            view_payload(job_id=kwargs["obj"].pk, actor=request.user.get_username())
        context |= panel(request, kwargs["obj"]) | {"title": "Dead letter", "subtitle": None}
        return super().render_change_form(request, context, *args, **kwargs)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Return whether this user may replay and discard."""
        return may_act(request)

    @admin.action(description="Replay the selected jobs…", permissions=["operate"])
    def replay(self, request: HttpRequest, _letters: QuerySet[DeadLetter]) -> HttpResponse:
        """Go to the page that shows what a replay of the selected jobs would do."""
        return _confirm(request, REPLAY)

    @admin.action(description="Discard the selected dead letters…", permissions=["operate"])
    def discard(self, request: HttpRequest, _letters: QuerySet[DeadLetter]) -> HttpResponse:
        """Go to the page that shows what would be discarded."""
        return _confirm(request, DISCARD)


def _confirm(request: HttpRequest, act: Act) -> HttpResponse:
    ids = [("job", str(job)) for job in selected(request)]
    confirm = reverse(f"admin:jobs_deadletter_{act.verb}")
    return redirect(f"{confirm}?{urlencode(ids)}" if ids else request.path)
