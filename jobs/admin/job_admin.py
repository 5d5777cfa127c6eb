"""Jobs: the list with its filters, the page, and the two actions of an operator."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString

from jobs.admin import job_page
from jobs.admin.acting.bulk_pages import BulkPage, all_links, bulk_page, jobs_selected
from jobs.admin.acting.job_buttons import cancel_one, job_buttons, replay_this
from jobs.admin.acting.search_form import FORM_PARAMS, SearchForm, list_panel
from jobs.admin.actions import act_on
from jobs.admin.base import BoundedAdmin, Rows
from jobs.admin.filters import ClientMenu, ModelMenu, PriorityMenu, StateMenu, WhenMenu
from jobs.admin.job_reuse import shared
from jobs.admin.job_search import JobSearch, search_jobs
from jobs.admin.links import flower_link, row_link, trace_link
from jobs.admin.progress_cell import progress
from jobs.admin.rights import HIDDEN, may_act, may_see
from jobs.admin.rollouts.job_routed import routed
from jobs.admin.waterfall import job_waterfall
from jobs.core.acting.bulk_verbs import BulkVerb
from jobs.core.payloads.keyring import Column
from jobs.core.states import CELERY_STATES, TERMINAL, State
from jobs.models import Batch, Job
from jobs.services.access.audit import view_payload
from jobs.services.lifecycle.cancel import cancel_job
from jobs.services.lifecycle.replay import replay_job
from models_registry.shared.admin_moment import aged
from models_registry.shared.admin_refresh import is_refresh
from models_registry.shared.admin_render import NONE

PAYLOAD = {"fields": ("input_document", "parameters", "metadata", "output_document", "whole_error")}
NO_PAYLOAD = {"fields": ("error",), "description": HIDDEN}
LIST = "admin:jobs_job_changelist"
PAGES: tuple[tuple[str, Any, str], ...] = (
    ("all/cancel/", partial(bulk_page, page=BulkPage(BulkVerb.CANCEL, jobs_selected, LIST)), "cancel_all"),
    ("all/replay/", partial(bulk_page, page=BulkPage(BulkVerb.REPLAY, jobs_selected, LIST)), "replay_all"),
    ("<uuid:job>/cancel/", cancel_one, "cancel"),
    ("<uuid:job>/replay/", replay_this, "replay"),
)


@admin.register(Job)
class JobAdmin(BoundedAdmin):
    """One request for one answer."""

    list_display = ("coloured_state", "key", "model", "owner", "priority", "tries", "created", "took")
    list_display_links = None
    list_filter = (StateMenu, ModelMenu, PriorityMenu, ClientMenu, WhenMenu)
    shown_related = ("client",)
    actions = ("cancel", "replay")
    form_params = FORM_PARAMS
    readonly_fields = (
        "coloured_state", "key", "celery_state", "tries", "why", "timeline", "next_publish", "webhook",
        "ledger", "trace", "task", "routed",
        "whole_events", "events", "whole_progress", "seen_progress", "shared",
        "input_document", "parameters", "metadata", "output_document", "whole_error", "error",
    )  # fmt: skip

    def get_urls(self) -> list[URLPattern]:
        """Return the pages of our acts before Django's own."""
        view = self.admin_site.admin_view
        own = [path(at, view(partial(f, admin=self)), name=f"jobs_job_{n}") for at, f, n in PAGES]
        return own + super().get_urls()

    def get_fieldsets(self, request: HttpRequest, obj: Job | None = None) -> Any:  # noqa: ARG002  # Django's signature
        """Return the page's parts; those with payloads only for users who may see payloads."""
        shows = _shows_payload(request)
        named = ("coloured_state", "key", "version", "client", "priority", "tries")
        seen = ("whole_progress", "whole_events") if shows else ("seen_progress", "events")
        times = (
            "why",
            "timeline",
            "routed",
            "shared",
            "next_publish",
            "ledger",
            "webhook",
            "trace",
            "task",
            *seen,
        )
        details = ("model", "celery_state", "epoch", "size", "idempotency_key")
        return (
            (None, {"fields": named}),
            ("Timeline", {"fields": times}),
            ("Payload", PAYLOAD if shows else NO_PAYLOAD),
            ("Details", {"fields": details, "classes": ("collapse",)}),
        )

    def is_live(self, obj: Job) -> bool:
        """Return whether the job has not ended."""
        return State(obj.state) not in TERMINAL

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show one job and what this user may do to it; showing its payloads is audited first."""
        if _shows_payload(request):
            view_payload(job_id=kwargs["obj"].pk, actor=request.user.get_username())
        context |= job_buttons(request, kwargs["obj"])
        return super().render_change_form(request, context, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the form and the list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        panel = list_panel(request) | {"all_links": all_links(request)}
        return super().changelist_view(request, panel | (extra_context or {}))

    def get_queryset(self, request: HttpRequest) -> Rows:
        """Return every job; for a job's page with the related rows that it names."""
        rows = super().get_queryset(request)
        one = request.resolver_match is not None and "object_id" in request.resolver_match.kwargs
        return rows.select_related("client", "version__model") if one else rows

    def listed(self, request: HttpRequest) -> tuple[Rows, bool]:
        """Return the jobs that match the filters."""
        search = JobSearch.from_query({key: str(value) for key, value in request.GET.items()})
        form = SearchForm(request.GET)
        if not form.is_valid():
            return self.get_queryset(request).none(), False
        search = search.narrowed(form.cleaned_data)
        rows, cut = search_jobs(search, int(timezone.now().timestamp() * 1000))
        return rows.prefetch_related(*self.shown_related), cut

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Return whether this user may cancel and replay."""
        return may_act(request)

    @admin.action(description="Cancel the selected jobs", permissions=["operate"])
    def cancel(self, request: HttpRequest, _jobs: QuerySet[Job]) -> None:
        """Cancel each selected job that has not ended."""
        act_on(self, request, cancel_job, "cancelled")

    @admin.action(description="Replay the selected jobs", permissions=["operate"])
    def replay(self, request: HttpRequest, _jobs: QuerySet[Job]) -> None:
        """Queue each selected dead, cancelled or expired job again."""
        act_on(self, request, replay_job, "queued again")

    @admin.display(description="id")
    def key(self, job: Job) -> SafeString:
        """Return a link to its page."""
        return row_link("job", job.pk)

    @admin.display(description="created")
    def created(self, job: Job) -> SafeString:
        """Return the creation's time."""
        return aged(job.created_at)

    @admin.display(description="state")
    def coloured_state(self, job: Job) -> SafeString:
        """Return the state as a coloured word."""
        return job_page.badge(job.state)

    @admin.display(description="state in Celery")
    def celery_state(self, job: Job) -> str:
        """Return the state that Celery's own clients see."""
        return CELERY_STATES[State(job.state)]

    @admin.display(description="client")
    def owner(self, job: Job) -> str:
        """Return the client's name; for the column itself Django would join every foreign key."""
        return job.client.name

    @admin.display(description="attempts")
    def tries(self, job: Job) -> str:
        """Return the attempts made, of those allowed."""
        return f"{job.attempts} of {job.max_attempts}"

    @admin.display(description="took")
    def took(self, job: Job) -> str:
        """Return the seconds from creation to the end."""
        return f"{(job.finished_at - job.created_at).total_seconds():.3f} s" if job.finished_at else NONE

    @admin.display(description="why it took so long")
    def why(self, job: Job) -> Any:
        """Return the cause of its longest wait, and its stages as a waterfall."""
        return job_waterfall(job)

    @admin.display(description="times")
    def timeline(self, job: Job) -> SafeString:
        """Return the job's times."""
        return job_page.timeline(job)

    @admin.display(description="route")
    def routed(self, job: Job) -> Any:
        """Return how a rule chose its version, and who answered instead."""
        return routed(job)

    @admin.display(description="shared run")
    def shared(self, job: Job) -> Any:
        """Return which identical job answers it or is answered by it."""
        return shared(job)

    # Not named as the relation, because Django would then show the relation instead.
    @admin.display(description="outbox")
    def next_publish(self, job: Job) -> Any:
        """Return when it is published next, and how many jobs are ahead of it."""
        return job_page.outbox(job)

    def webhook(self, job: Job) -> Any:
        """Return the state of its webhook."""
        return job_page.webhook(job)

    def trace(self, job: Job) -> SafeString:
        """Return its trace, as a link where one can be shown."""
        return trace_link(job.pk)

    @admin.display(description="in Celery")
    def task(self, job: Job) -> SafeString:
        """Return its task in Flower, as a link where Flower's address is known."""
        return flower_link(job.pk)

    @admin.display(description="batch")
    def ledger(self, job: Job) -> Any:
        """Return the batch's row of the ledger."""
        rows = Batch.objects.select_related("version__model")
        return job_page.ledger(rows.filter(pk=job.batch_id).first() if job.batch_id else None)

    @admin.display(description="progress")
    def seen_progress(self, job: Job) -> Any:
        """Return its model's last report, without the message, which may quote the input."""
        return progress(job, quoting=False)

    @admin.display(description="progress")
    def whole_progress(self, job: Job) -> Any:
        """Return its model's last report."""
        return progress(job, quoting=True)

    def events(self, job: Job) -> Any:
        """Return its events, without the parts that may quote the input."""
        return job_page.events(job)

    @admin.display(description="events")
    def whole_events(self, job: Job) -> Any:
        """Return its events."""
        return job_page.events(job, quoting=True)

    @admin.display(description="input")
    def input_document(self, job: Job) -> Any:
        """Return the input."""
        return job_page.document(job, Column.INPUT)

    def parameters(self, job: Job) -> Any:
        """Return the parameters."""
        return job_page.document(job, Column.PARAMETERS)

    def metadata(self, job: Job) -> Any:
        """Return the metadata."""
        return job_page.document(job, Column.METADATA)

    @admin.display(description="output")
    def output_document(self, job: Job) -> Any:
        """Return the output."""
        return job_page.document(job, Column.RESULT)

    def error(self, job: Job) -> Any:
        """Return why it failed, without the parts that may quote the input."""
        return job_page.error(job, quoting=False)

    @admin.display(description="error")
    def whole_error(self, job: Job) -> Any:
        """Return why it failed."""
        return job_page.error(job, quoting=True)


def _shows_payload(request: HttpRequest) -> bool:
    """Return whether a page shows payloads; a page that reads itself again does not, and leaves no audit."""
    return may_see(request) and not is_refresh(request)
