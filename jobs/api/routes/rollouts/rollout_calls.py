"""The calls that start, list and show roll-outs."""

from __future__ import annotations

from django.http import HttpResponse
from ninja import Query, Schema
from pydantic import Field

from jobs.api.auth import ApiRequest, needs
from jobs.api.docs.rollout_docs import RECORD_DOC, START_DOC
from jobs.api.http.body import read_body
from jobs.api.http.body_limits import SMALL_BYTES
from jobs.api.responses import json_answer
from jobs.api.router import rollouts_router
from jobs.api.routes.rollouts.rollout_schemas import ListedRolloutsSchema, RecordSchema, RolloutSchema
from jobs.core.access.scopes import Scope
from jobs.core.rollouts.rollout_requests import RolloutStart, parse_body
from jobs.services.access.request_origin import origin
from jobs.services.rollouts.change_record import record, record_markdown
from jobs.services.rollouts.followed import reached
from jobs.services.rollouts.reads import list_rollouts, rollout_view
from jobs.services.rollouts.start import start_rollout
from models_registry.core.rollouts.rollout_states import RolloutState

MARKDOWN = "text/markdown"
MOST_LISTED = 100


class RolloutQuerySchema(Schema):
    """The filters of a list of roll-outs."""

    state: RolloutState | None = None
    model: str | None = None
    limit: int = Field(MOST_LISTED, ge=1, le=MOST_LISTED)


@rollouts_router.post(
    "/models/{name}/rollouts",
    operation_id="startRollout",
    response={201: RolloutSchema},
    summary="Roll out a version",
    **needs(Scope.ROLL_OUT, **START_DOC),
)
def start(request: ApiRequest, name: str) -> HttpResponse:
    """Start a roll-out: its gate comes first, then step by step a larger share, or the way back.

    An alias has one live roll-out. Where the answer to this call was lost, send it again: a 409
    `rollout_conflict` names the live one as `rollout`. An alias that answers by a cascade is refused with
    `cascade_in_force`, because a roll-out would end the cascade.
    """
    request.auth.check_model(name)
    asked = parse_body(read_body(request, limit_bytes=SMALL_BYTES), RolloutStart)
    row = start_rollout(
        model=name,
        alias=asked.alias,
        candidate=asked.candidate,
        plan=asked.plan,
        actor=request.auth.actor,
        reason=asked.reason,
        ticket=asked.ticket,
        address=origin().address,
    )
    return json_answer(RolloutSchema.of(rollout_view(row.pk)), 201)


@rollouts_router.get(
    "/rollouts",
    operation_id="listRollouts",
    response={200: ListedRolloutsSchema},
    summary="Roll-outs, newest first",
    **needs(Scope.ROLL_OUT),
)
def list_all(request: ApiRequest, query: Query[RolloutQuerySchema]) -> HttpResponse:
    """Return the newest roll-outs of the models that your client may use, ended ones too."""
    if query.model is not None:
        request.auth.check_model(query.model)
    views = list_rollouts(state=query.state, model=query.model, most=query.limit, among=request.auth.models)
    return json_answer(ListedRolloutsSchema.of(views))


@rollouts_router.get(
    "/rollouts/{int:rollout_id}",
    operation_id="getRollout",
    response={200: RolloutSchema},
    summary="How a roll-out stands",
    **needs(Scope.ROLL_OUT),
)
def show(request: ApiRequest, rollout_id: int) -> HttpResponse:
    """Return one roll-out with its plan and its approvals."""
    reached(request.auth, rollout_id)
    return json_answer(RolloutSchema.of(rollout_view(rollout_id)))


@rollouts_router.get(
    "/rollouts/{int:rollout_id}/record",
    operation_id="getRolloutRecord",
    response={200: RecordSchema},
    summary="The change record of a roll-out",
    **needs(Scope.ROLL_OUT, **RECORD_DOC),
)
def show_record(request: ApiRequest, rollout_id: int) -> HttpResponse:
    """Return who rolled out what, why and by which ticket; gate, evidence at each step, exposure, approvals.

    With `Accept: text/markdown` it is a page of Markdown.
    """
    reached(request.auth, rollout_id)
    if MARKDOWN in request.META.get("HTTP_ACCEPT", ""):
        text = record_markdown(rollout_id)
        headers = {"Cache-Control": "no-store"}
        return HttpResponse(text, content_type=f"{MARKDOWN}; charset=utf-8", headers=headers)
    return json_answer(record(rollout_id))
