"""The calls that show the drift of a model's versions, and give a version another reference."""

from __future__ import annotations

from django.http import HttpResponse
from ninja import Query, Schema
from pydantic import Field

from jobs.api.auth import ApiRequest, needs
from jobs.api.docs.rollout_docs import REFERENCE_DOC
from jobs.api.http.body import read_body
from jobs.api.http.body_limits import SMALL_BYTES
from jobs.api.responses import json_answer
from jobs.api.router import rollouts_router
from jobs.api.routes.rollouts.drift_schemas import DriftSchema
from jobs.core.access.scopes import Scope
from jobs.core.drift.drift_requests import DriftReferenceRequest
from jobs.core.errors import MalformedRequestError
from jobs.core.rollouts.rollout_requests import parse_body
from jobs.services.access.request_origin import origin
from jobs.services.drift.reads import MOST_HOURS, SHOWN_HOURS, drift_of
from jobs.services.drift.reference import freeze_as_asked


class DriftQuerySchema(Schema):
    """Which version, and how far back."""

    version: str | None = None
    hours: int = Field(
        SHOWN_HOURS, ge=1, le=MOST_HOURS, description=f"More than {SHOWN_HOURS} only with `version`."
    )


@rollouts_router.get(
    "/models/{name}/drift",
    operation_id="getDrift",
    response={200: DriftSchema},
    summary="Whether jobs are still like those at the promotion",
    **needs(Scope.ROLL_OUT),
)
def show(request: ApiRequest, name: str, query: Query[DriftQuerySchema]) -> HttpResponse:
    """Return how far inputs and outputs of each watched version are from its reference, hour by hour.

    A version is watched where its option `monitor` says so. More than two days are shown of one version at a
    time, because each hour of each field is a row.
    """
    request.auth.check_model(name)
    if query.version is None and query.hours > SHOWN_HOURS:
        raise MalformedRequestError(f"more than {SHOWN_HOURS} `hours` are shown of one `version`: name it")
    return json_answer(DriftSchema.of(name, drift_of(name, version=query.version, hours=query.hours)))


@rollouts_router.post(
    "/models/{name}/drift/reference",
    operation_id="freezeDriftReference",
    response={200: DriftSchema},
    summary="Give a version another reference",
    **needs(Scope.ROLL_OUT, **REFERENCE_DOC),
)
def freeze(request: ApiRequest, name: str) -> HttpResponse:
    """Freeze a period of a version's own jobs as its reference, or copy that of another version.

    What was compared with an earlier reference is dropped; alarms stay.
    """
    request.auth.check_model(name)
    asked = parse_body(read_body(request, limit_bytes=SMALL_BYTES), DriftReferenceRequest)
    _check_other(request, asked)
    info = freeze_as_asked(name, asked, actor=request.auth.actor, address=origin().address)
    return json_answer(DriftSchema.of(name, drift_of(name, version=info.version)))


def _check_other(request: ApiRequest, asked: DriftReferenceRequest) -> None:
    """Raise ModelNotAllowedError where the reference would be of a model that the client may not use."""
    if asked.like is not None and {":", "@"} & set(asked.like):
        request.auth.check_model(asked.like.replace("@", ":").partition(":")[0])
