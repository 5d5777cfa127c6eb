"""The calls that cancel, replay and discard all jobs that match, and show how far that is."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpResponse
from ninja import Schema
from pydantic import Field

from jobs.api.auth import ApiRequest, needs
from jobs.api.docs.request_docs import BULK_ACT_DOC
from jobs.api.http.body import read_body
from jobs.api.http.body_limits import SMALL_BYTES
from jobs.api.responses import json_answer
from jobs.api.router import router
from jobs.core.access.scopes import Scope
from jobs.core.acting.bulk_request import parse_bulk_request
from jobs.core.acting.bulk_verbs import BulkState, BulkVerb
from jobs.core.submission.request import check_key
from jobs.services.bulk_acts.act_reads import last_acts, read_act
from jobs.services.bulk_acts.asked_acts import count_asked, start_asked
from jobs.services.bulk_acts.operate_many import stop_bulk_act


class BulkActSchema(Schema):
    """How far an act on many jobs is. With `dry_run` it has no `id`, and nothing was changed."""

    id: int | None
    verb: BulkVerb
    state: BulkState | None
    total: int = Field(description="The jobs that matched at its start.")
    more: bool = Field(description="Of a `dry_run`: more may match, a count stops after many jobs.")
    done: int
    failed: int = Field(description="Jobs that had changed meanwhile, or whose input is gone.")
    rate_per_s: float
    actor: str
    created_at: datetime | None
    ended_at: datetime | None


class BulkActsSchema(Schema):
    """Acts on many jobs, newest first."""

    acts: list[BulkActSchema]


@router.post(
    "/bulk-acts/cancel",
    operation_id="cancelMatching",
    response={202: BulkActSchema},
    summary="Cancel all jobs that match",
    **needs(Scope.CANCEL, **BULK_ACT_DOC),
)
def cancel_matching(request: ApiRequest) -> HttpResponse:
    """Cancel all of your jobs that match and have not ended, in the background, at `rate_per_s` at most.

    Jobs that are submitted later are not part of it. With `dry_run` the jobs are only counted.
    """
    return _begin(request, BulkVerb.CANCEL)


@router.post(
    "/bulk-acts/replay",
    operation_id="replayMatching",
    response={202: BulkActSchema},
    summary="Replay all jobs that match",
    **needs(Scope.REPLAY, **BULK_ACT_DOC),
)
def replay_matching(request: ApiRequest) -> HttpResponse:
    """Queue all of your jobs that match again that are dead, cancelled or expired, at `rate_per_s` at most.

    Each counts as a new job towards your client's quotas, but for their bytes: the act waits where they are
    used up. A client that may use some models only names one of them.
    """
    return _begin(request, BulkVerb.REPLAY)


@router.post(
    "/bulk-acts/discard",
    operation_id="discardMatching",
    response={202: BulkActSchema},
    summary="Discard the dead letters of all jobs that match",
    **needs(Scope.ADMIN, **BULK_ACT_DOC),
)
def discard_matching(request: ApiRequest) -> HttpResponse:
    """Discard the dead letters of all dead jobs that match: the jobs stay dead."""
    return _begin(request, BulkVerb.DISCARD)


@router.get(
    "/bulk-acts",
    operation_id="listBulkActs",
    response={200: BulkActsSchema},
    summary="How far your acts on many jobs are",
    **needs(Scope.READ),
)
def list_bulk_acts(request: ApiRequest) -> HttpResponse:
    """Return the last hundred acts that your client has started, newest first; an admin sees all."""
    acts = last_acts(client=request.auth.reach)
    return json_answer({"acts": [act._asdict() | {"more": False} for act in acts]})


@router.get(
    "/bulk-acts/{int:act_id}",
    operation_id="getBulkAct",
    response={200: BulkActSchema},
    summary="How far an act on many jobs is",
    **needs(Scope.READ),
)
def read_bulk_act(request: ApiRequest, act_id: int) -> HttpResponse:
    """Return one act that your client has started; an admin sees all."""
    return _answer(act_id, request)


@router.post(
    "/bulk-acts/{int:act_id}/stop",
    operation_id="stopBulkAct",
    response={200: BulkActSchema},
    summary="Stop an act on many jobs",
    **needs(Scope.CANCEL),
)
def stop_one(request: ApiRequest, act_id: int) -> HttpResponse:
    """Stop an act that your client has started; what was done stays done. 409 where it has ended."""
    read_act(act_id, client=request.auth.reach)
    stop_bulk_act(act=act_id, actor=request.auth.actor)
    return _answer(act_id, request)


def _begin(request: ApiRequest, verb: BulkVerb) -> HttpResponse:
    asked = parse_bulk_request(read_body(request, limit_bytes=SMALL_BYTES))
    key = check_key(request.META.get("HTTP_IDEMPOTENCY_KEY"))
    if not asked.dry_run:
        return _answer(start_asked(request.auth, verb, asked, key=key), request, status=202)
    total, more = count_asked(request.auth, verb, asked)
    nothing = dict.fromkeys(("id", "state", "created_at", "ended_at"))
    counted = {"verb": verb, "total": total, "more": more, "done": 0, "failed": 0}
    of_call = {"rate_per_s": asked.rate_per_s, "actor": request.auth.actor}
    return json_answer({**nothing, **counted, **of_call}, 202)


def _answer(act: int, request: ApiRequest, *, status: int = 200) -> HttpResponse:
    return json_answer(read_act(act, client=request.auth.reach)._asdict() | {"more": False}, status)
