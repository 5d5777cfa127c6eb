"""The calls that start a backtest of a version, show its report, and cancel it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from ninja import Schema
from pydantic import Field

from jobs.api.auth import ApiRequest, needs
from jobs.api.docs.backtest_docs import BACKTEST_DOC, REPORT_PAGE_DOC
from jobs.api.http.body import read_body
from jobs.api.responses import json_answer
from jobs.core.access.scopes import Scope
from jobs.core.errors import ResourceNotFoundError, WrongStateError
from jobs.core.trials.trial_specs import parse_backtest
from jobs.models.rollouts.version_trial import TrialKind, TrialState
from jobs.services.access.owner import Owner
from jobs.services.trials.backtests import cancel_backtest, start_backtest
from jobs.services.trials.report_page import report_page
from jobs.services.trials.start_trial import TrialView, trial_view
from models_registry.api import router

# Nothing on the page loads anything, and no label that a model made up is a script.
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


class BacktestSchema(Schema):
    """A backtest. Its report holds ids, counts and scores, and no part of an input or output but labels."""

    id: int
    model: str
    version: str = Field(description="The version that is tried, as `name:version`.")
    against: str | None = Field(description="The version that it is compared with.")
    state: TrialState
    done: float | None = Field(description="The part of it that is done, from 0 to 1; null before it runs.")
    outcome: str = Field(description="Its result in a sentence, or why it failed.")
    report: dict[str, Any] | None = Field(
        description="Jobs, failures, agreement, service times by batch size, confusion by label and the"
        " largest differences."
    )
    actor: str
    created_at: datetime
    ended_at: datetime | None


@router.post(
    "/models/{name}/backtests",
    operation_id="startBacktest",
    response={202: BacktestSchema},
    summary="Run stored inputs under a version",
    **needs(Scope.ROLL_OUT, **BACKTEST_DOC),
)
def start(request: ApiRequest, name: str) -> HttpResponse:
    """Have a worker run stored inputs of all clients under a version, beside its jobs, and compare.

    No job changes, and no client sees anything of it. The sample is the same at each call.
    """
    request.auth.check_model(name)
    asked = parse_backtest(read_body(request, limit_bytes=settings.INFERENCE.max_body_bytes))
    trial = start_backtest(model=name, asked=asked, actor=request.auth.actor)
    return json_answer(_shown(_seen(request.auth, trial)), 202)


@router.get(
    "/backtests/{int:backtest_id}",
    operation_id="getBacktest",
    response={200: BacktestSchema},
    summary="A backtest and its report",
    **needs(Scope.ROLL_OUT),
)
def show(request: ApiRequest, backtest_id: int) -> HttpResponse:
    """Return a backtest of a model that your client may use."""
    return json_answer(_shown(_seen(request.auth, backtest_id)))


@router.get(
    "/backtests/{int:backtest_id}/report.html",
    operation_id="getBacktestPage",
    summary="The report of a backtest as a page",
    **needs(Scope.ROLL_OUT, **REPORT_PAGE_DOC),
)
def show_page(request: ApiRequest, backtest_id: int) -> HttpResponse:
    """Return the report as an HTML page with its pictures; 409 where there is none."""
    trial = _seen(request.auth, backtest_id)
    if trial.report is None:
        raise WrongStateError(f"Backtest {trial.id} is {trial.state}: it has no report.")
    page = HttpResponse(report_page(trial), content_type="text/html; charset=utf-8")
    page["Cache-Control"], page["Content-Security-Policy"] = "no-store", PAGE_POLICY
    return page


@router.post(
    "/backtests/{int:backtest_id}/cancel",
    operation_id="cancelBacktest",
    response={200: BacktestSchema},
    summary="Cancel a backtest",
    **needs(Scope.ROLL_OUT),
)
def cancel(request: ApiRequest, backtest_id: int) -> HttpResponse:
    """End a backtest without a report; its worker stops within seconds. 409 where it has ended otherwise."""
    cancel_backtest(_seen(request.auth, backtest_id).id, actor=request.auth.actor)
    return json_answer(_shown(_seen(request.auth, backtest_id)))


def _seen(owner: Owner, trial_id: int) -> TrialView:
    trial = trial_view(trial_id, kind=TrialKind.BACKTEST)
    if trial is None or not owner.may_use(trial.model):
        raise ResourceNotFoundError("There is no such backtest.")
    return trial


def _shown(trial: TrialView) -> dict[str, Any]:
    shown = trial._asdict()
    return {name: shown[_NAMES.get(name, name)] for name in BacktestSchema.model_fields}


_NAMES = {"version": "candidate", "against": "stable"}
