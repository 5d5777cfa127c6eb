"""Actions on one dead letter: replay it, discard it, show its input, and replay it with an edited input."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_POST

from jobs.admin.dead_letters.many import LIST
from jobs.admin.rights import HIDDEN, act_on_job, may_act, may_see, require
from jobs.core.errors import PlatformError
from jobs.models import DeadLetter
from jobs.services.dead_letters.discard import discard_dead_letter
from jobs.services.dead_letters.dry_run import DryRun, dry_run_one
from jobs.services.dead_letters.edit import check_edit, replay_edited
from jobs.services.dead_letters.payload import read_payload
from jobs.services.lifecycle.replay import replay_job
from jobs.services.reads.payloads import ShownPayload
from models_registry.shared.admin_readonly import ReadOnlyAdmin
from models_registry.shared.admin_render import box, pretty

DEAD_LETTER_PAGE = "admin:jobs_deadletter_change"
EDITED_BYTES = 200_000  # a longer input makes no form


def panel(request: HttpRequest, dead_letter: DeadLetter) -> dict[str, Any]:
    """Return the actions of a dead letter's page for this user, and what a replay would do now."""
    foreseen: DryRun | None = None
    refused = ""
    try:
        foreseen = dry_run_one(job_id=dead_letter.job_id)
    except PlatformError as error:
        refused = str(error)
    may = {"may_act": may_act(request), "may_see": may_see(request), "hidden_note": HIDDEN}
    return {**may, "foreseen": foreseen, "refused": refused, "is_open": dead_letter.discarded_at is None}


@require_POST
def replay_one(request: HttpRequest, job: UUID, *, admin: ReadOnlyAdmin) -> HttpResponse:
    """Queue the job again."""
    return _act(request, admin, job, replay_job, f"{job} is queued again.")


@require_POST
def discard_one(request: HttpRequest, job: UUID, *, admin: ReadOnlyAdmin) -> HttpResponse:
    """Discard the dead letter; the job stays dead."""
    return _act(request, admin, job, discard_dead_letter, f"{job} stays dead; its dead letter is discarded.")


def _act(
    request: HttpRequest, admin: ReadOnlyAdmin, job: UUID, service: Callable[..., None], done: str
) -> HttpResponse:
    if act_on_job(request, admin, job, service, done):
        return redirect(LIST)
    return redirect(DEAD_LETTER_PAGE, job)


def input_page(request: HttpRequest, job: UUID, *, admin: ReadOnlyAdmin) -> HttpResponse:
    """Show the job's input, which is audited; `check` an edited one, or `replay` the job with it."""
    if request.method != "POST":
        return redirect(DEAD_LETTER_PAGE, job)
    require(admin, request, can=may_see(request))
    text = request.POST.get("text")
    if text is None:
        return _show(request, admin, job)
    require(admin, request, can=may_act(request))
    try:
        if "replay" in request.POST:
            return _replay_edited(request, job, text)
        size = len(check_edit(job_id=job, text=text).body)
    except PlatformError as error:
        return _page(request, admin, job, text=text, fault=str(error))
    return _page(request, admin, job, text=text, verdict=f"The version accepts this input of {size:,} bytes.")


def _show(request: HttpRequest, admin: ReadOnlyAdmin, job: UUID) -> HttpResponse:
    try:
        payload = read_payload(job_id=job, actor=request.user.get_username(), most=EDITED_BYTES)
    except PlatformError as error:
        messages.error(request, str(error))
        return redirect(LIST)
    if payload.is_complete and may_act(request):
        return _page(request, admin, job, text=readable(payload), payload=payload)
    return _page(request, admin, job, shown=box(readable(payload)), payload=payload)


def _replay_edited(request: HttpRequest, job: UUID, text: str) -> HttpResponse:
    replay_edited(job_id=job, actor=request.user.get_username(), text=text)
    messages.success(request, f"{job} is queued again with the new input.")
    return redirect(LIST)


def readable(payload: ShownPayload) -> str:
    """Return an input as indented JSON; unchanged where only its head was read or it is no JSON."""
    try:
        text = pretty(json.loads(payload.head)) if payload.is_complete else payload.head.decode()
    except (ValueError, RecursionError):
        text = payload.head.decode("utf-8", "backslashreplace")
    return text.encode("utf-8", "backslashreplace").decode()


def _page(request: HttpRequest, admin: ReadOnlyAdmin, job: UUID, **details: Any) -> HttpResponse:
    common = {"title": "Input of a dead job", "opts": admin.opts, "job": job, "may_act": may_act(request)}
    return TemplateResponse(
        request,
        "admin/jobs/deadletter/input.html",
        {**admin.admin_site.each_context(request), **common, **details},
    )
