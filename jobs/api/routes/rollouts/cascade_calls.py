"""The calls that report on a rule's cascade: as JSON, as a page, or as a picture."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from ninja import Query, Schema
from pydantic import Field

from jobs.api.auth import ApiRequest, needs
from jobs.api.docs.cascade_docs import CASCADE_DOC, LABELLED_DOC
from jobs.api.http.body import read_body
from jobs.api.responses import json_answer
from jobs.api.router import rollouts_router
from jobs.core.access.scopes import Scope
from jobs.core.cascades.report_request import MOST_JOBS, MOST_PLACE_CHARS, CascadeAsk, parse_ask
from jobs.services.rollouts.cascades.cascade_page import report_page
from jobs.services.rollouts.cascades.rule_report import RuleReport, rule_report
from jobs.services.rollouts.cascades.threshold_picture import curve_picture
from models_registry.core.refs import DEFAULT_ALIAS

HTML, PNG = "text/html", "image/png"


class RatedCascadeQuerySchema(Schema):
    """Whose rule; which jobs, and which labels, says the body."""

    alias: str = DEFAULT_ALIAS


class CascadeQuerySchema(RatedCascadeQuerySchema):
    """Whose rule, how many of its jobs, and where the label is in their outputs."""

    most: int = Field(MOST_JOBS, ge=1, le=MOST_JOBS)
    at: str | None = Field(
        None,
        max_length=MOST_PLACE_CHARS,
        pattern=r"^(/[^/\x00]*)*$",  # as that of the body; this library knows no `\Z`, and its `$` is the end
        description="A JSON pointer, such as `/digit`. By default where the last version's option `agreement`"
        " compares labels, or `/label`.",
    )


class CascadeStepSchema(Schema):
    """What the version of a step did."""

    version: str
    jobs: int
    ends: dict[str, int] = Field(description="How many of its steps ended in each way.")
    device_s: float
    device_s_per_job: float | None


class CascadePointSchema(Schema):
    """What a threshold would do; between the two accuracies lies what no stored answer says."""

    below: float
    escalated_share: float
    device_s_per_job: float | None
    accuracy_low: float | None
    accuracy_high: float | None


class CascadeReportSchema(Schema):
    """What a cascade did. Shares and accuracies are from 0 to 1, and null where nothing is known."""

    jobs: int = Field(description="Its newest jobs that have ended, up to `most`.")
    escalated: int
    escalated_share: float | None
    degraded: int = Field(description="Jobs whose result is of an earlier step than was due.")
    device_s: float
    device_s_per_job: float | None
    steps: list[CascadeStepSchema]
    labelled: int = Field(description="Jobs whose right label is known.")
    first_accuracy: float | None
    last_accuracy: float | None
    changed_share: float | None = Field(
        description="Of labelled jobs that went on, those whose label the later step changed."
    )
    threshold: float = Field(description="The one in force after the first step.")
    curve: list[CascadePointSchema]


class RuleCascadeSchema(Schema):
    """The cascade of a rule: its plan, and the report on its jobs."""

    model: str
    alias: str
    rule: int
    plan: list[dict[str, Any]] = Field(
        description="Each step's `version` and `checks`, of which one sends a job on to the step at `goto`."
    )
    report: CascadeReportSchema


@rollouts_router.get(
    "/models/{name}/rules/{int:number}/cascade",
    operation_id="getCascadeReport",
    response={200: RuleCascadeSchema},
    summary="What a cascade did, and what other thresholds would do",
    **needs(Scope.ROLL_OUT, **CASCADE_DOC),
)
def show_cascade(
    request: ApiRequest, name: str, number: int, query: Query[CascadeQuerySchema]
) -> HttpResponse:
    """Return the report on a rule's newest jobs, from stored steps and without a run.

    With `Accept: text/html` it is a page, with `image/png` the curve over the threshold.
    """
    request.auth.check_model(name)
    asked = CascadeAsk(most=query.most, at=query.at)
    return _in_form(request, rule_report(model=name, number=number, alias=query.alias, asked=asked))


@rollouts_router.post(
    "/models/{name}/rules/{int:number}/cascade",
    operation_id="rateCascade",
    response={200: RuleCascadeSchema},
    summary="How right a cascade was, by right labels",
    **needs(Scope.ROLL_OUT, **LABELLED_DOC),
)
def rate_cascade(
    request: ApiRequest, name: str, number: int, query: Query[RatedCascadeQuerySchema]
) -> HttpResponse:
    """Return the same report with accuracies, by the right labels of jobs; nothing is stored."""
    request.auth.check_model(name)
    asked = parse_ask(read_body(request, limit_bytes=settings.INFERENCE.max_body_bytes))
    return _in_form(request, rule_report(model=name, number=number, alias=query.alias, asked=asked))


def _in_form(request: ApiRequest, seen: RuleReport) -> HttpResponse:
    accept, headers = request.META.get("HTTP_ACCEPT", ""), {"Cache-Control": "no-store"}
    if HTML in accept:
        return HttpResponse(report_page(seen), content_type=f"{HTML}; charset=utf-8", headers=headers)
    if PNG in accept and seen.report.jobs:
        return HttpResponse(curve_picture(seen.report, "png"), content_type=PNG, headers=headers)
    return json_answer(seen)
