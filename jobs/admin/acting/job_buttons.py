"""A job's page: cancel it, replay it, replay it on another version, and the way to its dead letter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from jobs.admin.rights import act_on_job, may_act
from jobs.core.states import Verb, sources
from jobs.models import DeadLetter, Job
from jobs.services.dead_letters.edit import replay_at
from jobs.services.lifecycle.cancel import cancel_job
from jobs.services.lifecycle.replay import replay_job
from models_registry.models import ModelVersion
from models_registry.selectors import resolve
from models_registry.shared.admin_readonly import ReadOnlyAdmin

JOB_PAGE = "admin:jobs_job_change"
VERSIONS_SHOWN = 100


def job_buttons(request: HttpRequest, job: Job) -> dict[str, Any]:
    """Return what the page of a job offers this user."""
    letter = DeadLetter.objects.filter(pk=job.pk).only("model", "kind", "fingerprint").first()
    acts = may_act(request)
    can_replay = acts and job.state in sources(Verb.REPLAY)
    return {
        "can_cancel": acts and job.state in sources(Verb.CANCEL),
        "can_replay": can_replay,
        "other_versions": _other_versions(job) if can_replay else [],
        "has_letter": letter is not None and request.user.has_perm("jobs.view_deadletter"),
        "alike": "" if letter is None else _alike(letter),
    }


def _other_versions(job: Job) -> list[str]:
    rows = ModelVersion.objects.filter(model__name=job.model).exclude(pk=job.version_id).order_by("-id")
    return list(rows.values_list("version", flat=True)[:VERSIONS_SHOWN])


def _alike(letter: DeadLetter) -> str:
    return urlencode({"model": letter.model, "kind": letter.kind, "fingerprint": letter.fingerprint})


@require_POST
def cancel_one(request: HttpRequest, job: UUID, *, admin: ReadOnlyAdmin) -> HttpResponse:
    """Cancel the job."""
    return _act(request, admin, job, cancel_job, "The job is cancelled.")


@require_POST
def replay_this(request: HttpRequest, job: UUID, *, admin: ReadOnlyAdmin) -> HttpResponse:
    """Queue the job again, on the version of the form where one is chosen."""
    version = request.POST.get("version", "")[:63]
    if not version:
        return _act(request, admin, job, replay_job, "The job is queued again.")

    def at_version(*, job_id: UUID, actor: str) -> None:
        model = Job.objects.filter(pk=job_id).values_list("model", flat=True).first()
        replay_at(job_id=job_id, actor=actor, version=resolve(f"{model}:{version}"))

    return _act(request, admin, job, at_version, f"The job is queued again, on version {version}.")


def _act(
    request: HttpRequest, admin: ReadOnlyAdmin, job: UUID, service: Callable[..., Any], done: str
) -> HttpResponse:
    act_on_job(request, admin, job, service, done)
    return redirect(JOB_PAGE, job)
