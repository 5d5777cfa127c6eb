"""Jobs: the list with its filters, the page, and the two things that an operator may do to one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from jobs.admin import page
from jobs.admin.act import act_on
from jobs.admin.bounded import BoundedAdmin, Rows
from jobs.admin.filters import ClientMenu, ModelMenu, PriorityMenu, StateMenu, WhenMenu
from jobs.admin.links import whole_id
from jobs.admin.search import JobSearch, found
from jobs.core.states import CELERY_STATES, State
from jobs.models import Batch, Job, JobInput, JobResult
from jobs.services.cancel import cancel_job
from jobs.services.replay import replay_job


@admin.register(Job)
class JobAdmin(BoundedAdmin):
    """One request for one answer."""

    list_display = ("key", "coloured_state", "queue", "priority", "owner", "tries", "created", "took")
    list_filter = (StateMenu, ModelMenu, PriorityMenu, ClientMenu, WhenMenu)
    shown_related = ("client",)
    actions = ("cancel", "replay")
    readonly_fields = (
        "coloured_state", "celery_state", "tries", "timeline", "outbox", "ledger", "events",
        "asked", "parameters", "metadata", "answered", "error",
    )  # fmt: skip
    fieldsets = (
        (
            None,
            {"fields": ("id", "coloured_state", "celery_state", "version", "client", "priority", "tries")},
        ),
        ("Road", {"fields": ("timeline", "outbox", "ledger", "events")}),
        ("Documents", {"fields": ("asked", "parameters", "metadata", "answered", "error")}),
        ("Keys", {"fields": ("queue", "epoch", "size", "idempotency_key"), "classes": ("collapse",)}),
    )

    def get_queryset(self, request: HttpRequest) -> Rows:
        """Return every job; a page's rows come with what the page names."""
        rows = super().get_queryset(request)
        one = request.resolver_match is not None and "object_id" in request.resolver_match.kwargs
        return rows.select_related("client", "version__model") if one else rows

    def listed(self, request: HttpRequest) -> tuple[Rows, bool]:
        """Return the jobs that the filters ask for."""
        search = JobSearch.from_query({key: str(value) for key, value in request.GET.items()})
        rows, cut = found(search, int(timezone.now().timestamp() * 1000))
        return rows.prefetch_related(*self.shown_related), cut

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Say whether this user may cancel and replay."""
        return bool(request.user.has_perm("jobs.change_job"))

    @admin.action(description="Cancel the selected jobs", permissions=["operate"])
    def cancel(self, request: HttpRequest, _jobs: QuerySet[Job]) -> None:
        """Cancel each selected job that can be."""
        act_on(self, request, cancel_job, "cancelled")

    @admin.action(description="Replay the selected jobs", permissions=["operate"])
    def replay(self, request: HttpRequest, _jobs: QuerySet[Job]) -> None:
        """Queue each selected dead, cancelled or expired job again."""
        act_on(self, request, replay_job, "queued again")

    @admin.display(description="id")
    def key(self, job: Job) -> SafeString:
        """Return the id on one line."""
        return whole_id(job.pk)

    @admin.display(description="created (UTC)")
    def created(self, job: Job) -> str:
        """Return the creation's time to the millisecond."""
        return page.moment(job.created_at)

    @admin.display(description="state")
    def coloured_state(self, job: Job) -> SafeString:
        """Return the state as a coloured word."""
        return page.badge(job.state)

    @admin.display(description="state in Celery")
    def celery_state(self, job: Job) -> str:
        """Return what Celery's own clients see."""
        return CELERY_STATES[State(job.state)]

    @admin.display(description="client")
    def owner(self, job: Job) -> str:
        """Return the client's name; not its column, for which Django would join every foreign key."""
        return job.client.name

    @admin.display(description="attempts")
    def tries(self, job: Job) -> str:
        """Return the attempts made, of those allowed."""
        return f"{job.attempts} of {job.max_attempts}"

    @admin.display(description="took")
    def took(self, job: Job) -> str:
        """Return the seconds from creation to the end."""
        return f"{(job.finished_at - job.created_at).total_seconds():.3f} s" if job.finished_at else page.NONE

    def timeline(self, job: Job) -> SafeString:
        """Return the job's times."""
        return page.timeline(job)

    def outbox(self, job: Job) -> Any:
        """Return when it is published next."""
        return page.outbox(job)

    @admin.display(description="batch")
    def ledger(self, job: Job) -> Any:
        """Return the batch's row of the ledger."""
        rows = Batch.objects.select_related("version__model")
        return page.ledger(rows.filter(pk=job.batch_id).first() if job.batch_id else None)

    def events(self, job: Job) -> Any:
        """Return what was written down about it."""
        return page.events(job)

    @admin.display(description="input")
    def asked(self, job: Job) -> Any:
        """Return the input."""
        return page.document(JobInput, job, "body")

    def parameters(self, job: Job) -> Any:
        """Return the parameters."""
        return page.document(JobInput, job, "parameters")

    def metadata(self, job: Job) -> Any:
        """Return the metadata."""
        return page.document(JobInput, job, "metadata")

    @admin.display(description="output")
    def answered(self, job: Job) -> Any:
        """Return the output."""
        return page.document(JobResult, job, "body")

    def error(self, job: Job) -> Any:
        """Return why it failed."""
        return page.error(job)
