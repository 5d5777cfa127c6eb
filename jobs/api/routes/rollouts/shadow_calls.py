"""The calls that show the shadow of a rule, stop it and start it again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from ninja import Schema
from pydantic import Field

from jobs.api.auth import ApiRequest, needs
from jobs.api.docs.shadow_docs import ACT_DOC, PAGE_DOC, PICTURE_DOC
from jobs.api.http.body import read_body
from jobs.api.http.body_limits import SMALL_BYTES
from jobs.api.responses import json_answer
from jobs.api.router import rollouts_router
from jobs.api.routes.backtest_calls import PAGE_POLICY
from jobs.core.access.scopes import Scope
from jobs.core.errors import WrongStateError
from jobs.core.rollouts.rollout_requests import ShadowAct, parse_body
from jobs.models.rollouts.shadow import ShadowState
from jobs.services.shadow.shadow_acts import start_shadow, stop_shadow
from jobs.services.shadow.shadow_page import shadow_page
from jobs.services.shadow.shadow_views import shadow_view
from jobs.services.trials.report_pictures import times_picture
from models_registry.core.refs import DEFAULT_ALIAS


class RuleShadowSchema(Schema):
    """The shadow of a rule. Its report holds ids, counts and scores, and no part of a payload but labels."""

    model: str
    alias: str
    number: int = Field(description="The number of the rule.")
    version: str = Field(description="The version that runs copies, as `name:version`.")
    stable: str = Field(description="The version that it is compared with.")
    share: float = Field(description="The share of the jobs that are copied, from 0 to 1.")
    batch_s: float = Field(description="Both versions run a batch of copies within so many seconds.")
    time_share: float = Field(description="The part of a worker's time in which copies may run.")
    state: ShadowState
    reason: str = Field(description="Why it was stopped; empty while it runs.")
    actor: str = Field(description="Who stopped it or started it again, last; `platform` by itself.")
    sentence: str = Field(description="Its result so far.")
    report: dict[str, Any] = Field(
        description="Copies, failures, agreement, service times by batch size, confusion by label and the"
        " largest differences."
    )
    since: datetime
    changed_at: datetime = Field(description="When its state last changed.")
    ran_at: datetime | None = Field(description="When copies last ran.")


_PATH = "/models/{name}/rules/{int:number}/shadow"


@rollouts_router.get(
    _PATH,
    operation_id="getShadow",
    response={200: RuleShadowSchema},
    summary="What the shadow of a rule has shown so far",
    **needs(Scope.ROLL_OUT),
)
def show(request: ApiRequest, name: str, number: int, alias: str = DEFAULT_ALIAS) -> HttpResponse:
    """Return the shadow of a rule with its standing report; 404 where the rule has none."""
    return _answer(request, name, alias, number)


@rollouts_router.get(
    f"{_PATH}/report.html",
    operation_id="getShadowPage",
    summary="What the shadow of a rule has shown so far, as a page",
    **needs(Scope.ROLL_OUT, **PAGE_DOC),
)
def show_page(request: ApiRequest, name: str, number: int, alias: str = DEFAULT_ALIAS) -> HttpResponse:
    """Return the standing report as an HTML page with its pictures."""
    request.auth.check_model(name)
    page = HttpResponse(
        shadow_page(shadow_view(name, alias, number)), content_type="text/html; charset=utf-8"
    )
    page["Cache-Control"], page["Content-Security-Policy"] = "no-store", PAGE_POLICY
    return page


@rollouts_router.get(
    f"{_PATH}/times.png",
    operation_id="getShadowPicture",
    summary="The service times of a shadow as a picture",
    **needs(Scope.ROLL_OUT, **PICTURE_DOC),
)
def show_picture(request: ApiRequest, name: str, number: int, alias: str = DEFAULT_ALIAS) -> HttpResponse:
    """Return the service time against the batch size as a PNG; 409 while no batch was timed."""
    request.auth.check_model(name)
    rows = shadow_view(name, alias, number).report["service_times"]
    if not rows:
        raise WrongStateError("No batch of copies was timed yet.")
    picture = HttpResponse(times_picture(rows), content_type="image/png")
    picture["Cache-Control"] = "no-store"
    return picture


@rollouts_router.post(
    f"{_PATH}/stop",
    operation_id="stopShadow",
    response={200: RuleShadowSchema},
    summary="Stop the shadow of a rule",
    **needs(Scope.ROLL_OUT, **ACT_DOC),
)
def stop(request: ApiRequest, name: str, number: int, alias: str = DEFAULT_ALIAS) -> HttpResponse:
    """Make no more copies, and drop those that wait; the rule stays in force. 409 where it does not run."""
    return _act(stop_shadow, request, name, alias, number)


@rollouts_router.post(
    f"{_PATH}/start",
    operation_id="startShadow",
    response={200: RuleShadowSchema},
    summary="Start a stopped shadow again",
    **needs(Scope.ROLL_OUT, **ACT_DOC),
)
def start(request: ApiRequest, name: str, number: int, alias: str = DEFAULT_ALIAS) -> HttpResponse:
    """Make copies again; what the shadow has shown stays. 409 where it was not stopped."""
    return _act(start_shadow, request, name, alias, number)


def _act(
    service: Callable[..., None], request: ApiRequest, name: str, alias: str, number: int
) -> HttpResponse:
    request.auth.check_model(name)
    asked = parse_body(read_body(request, limit_bytes=SMALL_BYTES), ShadowAct)
    service(model=name, alias=alias, number=number, actor=request.auth.actor, reason=asked.reason)
    return _answer(request, name, alias, number)


def _answer(request: ApiRequest, name: str, alias: str, number: int) -> HttpResponse:
    request.auth.check_model(name)
    return json_answer(shadow_view(name, alias, number)._asdict())
