"""The calls that list, show, put, remove and try flags.

A flag decides for the jobs of all models, and names clients. So a client that may use only some models
neither changes nor sees any.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.http import HttpResponse
from ninja import Query, Schema
from pydantic import AwareDatetime, Field

from jobs.api.auth import ApiRequest, needs
from jobs.api.docs.flag_docs import FLAG_DOC, FLAG_PREVIEW_DOC
from jobs.api.http.body import read_body
from jobs.api.http.body_limits import SMALL_BYTES
from jobs.api.responses import json_answer
from jobs.api.router import rollouts_router
from jobs.api.routes.rollouts.flag_schemas import (
    FlagChangeSchema,
    FlaggedJobsSchema,
    ListedFlagsSchema,
    ShownFlagSchema,
)
from jobs.core.access.scopes import Scope
from jobs.core.errors import ModelNotAllowedError
from jobs.core.rollouts.flag_requests import FlagPreview, FlagPut, checked_flag_preview
from jobs.core.rollouts.rollout_requests import LONGEST_REASON, parse_body
from jobs.services.access.owner import Owner
from jobs.services.access.request_origin import origin
from jobs.services.flags.flag_preview import preview_flag
from jobs.services.flags.flag_views import flag_changes, flag_view, list_flags
from jobs.services.flags.put_known import put_known_flag
from models_registry.services.flags import flag_users, remove_flag


class FlagQuerySchema(Schema):
    """The filters of a list of flags."""

    expired: bool | None = None
    at: AwareDatetime | None = None


class FlagRemovalQuerySchema(Schema):
    """Which flag is removed, and why."""

    number: int | None = Field(None, ge=0)
    reason: str = Field("", max_length=LONGEST_REASON, pattern=r"^[^\x00]*$")  # as `refuse_nul` for bodies


@rollouts_router.get(
    "/flags",
    operation_id="listFlags",
    response={200: ListedFlagsSchema},
    summary="The flags in force, or those of a moment",
    **needs(Scope.ROLL_OUT),
)
def list_all(request: ApiRequest, query: Query[FlagQuerySchema]) -> HttpResponse:
    """Return all flags by name: as they are, or as they were `at` a moment, and who had decided each."""
    _check_reach(request.auth)
    at: datetime | None = query.at
    return json_answer({"flags": [flag._asdict() for flag in list_flags(at=at, expired=query.expired)]})


@rollouts_router.get(
    "/flags/{flag}",
    operation_id="getFlag",
    response={200: ShownFlagSchema},
    summary="A flag, its users and its history",
    **needs(Scope.ROLL_OUT),
)
def show(request: ApiRequest, flag: str) -> HttpResponse:
    """Return a flag in force, what decides by it, and each of its changes."""
    _check_reach(request.auth)
    return _shown(flag)


@rollouts_router.put(
    "/flags/{flag}",
    operation_id="putFlag",
    response={200: ShownFlagSchema},
    summary="Put a flag in force, or change it",
    **needs(Scope.ROLL_OUT, **FLAG_DOC),
)
def put(request: ApiRequest, flag: str) -> HttpResponse:
    """Put a flag in force, for all jobs that come from within a second on.

    The document that is in force already changes nothing. With the `number` that you read, a flag that
    somebody else has changed since is left as it is: 409 `flag_conflict`.
    """
    _check_reach(request.auth)
    asked = parse_body(read_body(request, limit_bytes=SMALL_BYTES), FlagPut)
    put_known_flag(
        name=flag,
        document=asked.document,
        actor=request.auth.actor,
        reason=asked.reason,
        address=origin().address,
        number=asked.number,
    )
    return _shown(flag)


@rollouts_router.delete(
    "/flags/{flag}",
    operation_id="removeFlag",
    response={200: FlagChangeSchema},
    summary="Remove a flag",
    **needs(Scope.ROLL_OUT),
)
def remove(request: ApiRequest, flag: str, query: Query[FlagRemovalQuerySchema]) -> HttpResponse:
    """Remove a flag; its history stays. Refused while a rule in force or a live roll-out names it.

    A switch of the platform is on again once its flag is removed.
    """
    _check_reach(request.auth)
    remove_flag(
        name=flag,
        actor=request.auth.actor,
        reason=query.reason,
        address=origin().address,
        number=query.number,
    )
    return json_answer(FlagChangeSchema.of(flag_changes(flag, most=1)[0]))


@rollouts_router.post(
    "/flags/{flag}/preview",
    operation_id="previewFlag",
    response={200: FlaggedJobsSchema},
    summary="For whom a flag would be on",
    **needs(Scope.ROLL_OUT, **FLAG_PREVIEW_DOC),
)
def preview(request: ApiRequest, flag: str) -> HttpResponse:
    """Decide by a flag that is not in force, and change nothing: the same jobs would then get the same."""
    _check_reach(request.auth)
    body = read_body(request, limit_bytes=settings.INFERENCE.max_body_bytes)
    asked = checked_flag_preview(parse_body(body, FlagPreview))
    return json_answer(preview_flag(name=flag, asked=asked, client=request.auth.name))


def _shown(name: str) -> HttpResponse:
    flag = flag_view(name)
    return json_answer(ShownFlagSchema.of(flag, flag_users(name), flag_changes(name)))


def _check_reach(owner: Owner) -> None:
    if owner.models:
        raise ModelNotAllowedError(
            "A flag decides for all models, and this client may use only some: ask an operator."
        )
