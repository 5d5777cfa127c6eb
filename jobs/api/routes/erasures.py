"""The calls that erase all jobs of a subject."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.http import HttpResponse
from ninja import Schema
from pydantic import Field

from jobs.api.auth import ApiRequest, needs
from jobs.api.docs.request_docs import ERASURE_DOC
from jobs.api.http.body import read_body
from jobs.api.responses import json_answer
from jobs.api.router import router
from jobs.core.access.scopes import Scope
from jobs.core.submission.erasure_request import parse_erasure
from jobs.services.erasure.erase_subject import count_jobs, read_erasures, request_erasure

MOST_BYTES = 10_000


class ErasureSchema(Schema):
    """An erasure's receipt, without its subject. With `dry_run` it has no `id` and nothing was erased."""

    id: UUID | None
    jobs: int = Field(description="The jobs of the subject when the erasure was requested.")
    erased: int = Field(description="The jobs of them that are erased by now.")
    created_at: datetime | None
    finished_at: datetime | None = Field(description="Null while jobs are left; they go within minutes.")


class ErasureReceiptsSchema(Schema):
    """Receipts of erasures, newest first."""

    erasures: list[ErasureSchema]


@router.post(
    "/erasures",
    operation_id="eraseSubject",
    response={202: ErasureSchema},
    summary="Erase all jobs of a subject",
    **needs(Scope.ERASE, **ERASURE_DOC),
)
def erase_all(request: ApiRequest) -> HttpResponse:
    """Erase all of your jobs whose input holds this subject, where their model marks it with `x-subject`.

    Jobs that are submitted later are not part of it. The first jobs go at once, the rest within minutes.
    """
    asked = parse_erasure(read_body(request, limit_bytes=MOST_BYTES))
    if asked.dry_run:
        jobs = count_jobs(client=request.auth.id, subject=asked.subject)
        return json_answer(
            {"id": None, "jobs": jobs, "erased": 0, "created_at": None, "finished_at": None}, 202
        )
    receipt = request_erasure(client=request.auth.id, subject=asked.subject, actor=request.auth.actor)
    return json_answer(receipt._asdict(), 202)


@router.get(
    "/erasures",
    operation_id="listErasures",
    response={200: ErasureReceiptsSchema},
    summary="How far your erasures are",
    **needs(Scope.ERASE),
)
def list_erasures(request: ApiRequest) -> HttpResponse:
    """Return the receipts of your client's last hundred erasures, newest first."""
    receipts = read_erasures(client_id=request.auth.id)
    return json_answer({"erasures": [receipt._asdict() for receipt in receipts]})
