"""The calls that show what an A/B test has found."""

from __future__ import annotations

from datetime import datetime

import msgspec
from django.http import HttpResponse
from ninja import Schema
from pydantic import Field

from jobs.api.auth import ApiRequest, needs
from jobs.api.docs.feedback_docs import PAGE_DOC
from jobs.api.responses import json_answer
from jobs.api.router import rollouts_router
from jobs.core.ab_tests.ab_report import AbReport
from jobs.core.access.scopes import Scope
from jobs.services.ab_tests.ab_page import PAGE_POLICY, ab_page
from jobs.services.ab_tests.read_ab_report import read_ab_report
from models_registry.core.refs import DEFAULT_ALIAS


class AbDifferenceSchema(Schema):
    """An arm's mean less the reference's; the bounds hold at every look at once, with 95 %."""

    difference: float
    low: float | None = Field(
        description="Null while an arm has fewer than twenty keys, or all values are equal."
    )
    high: float | None
    certain: bool = Field(description="The bounds leave 0 out, and the test is valid.")


class AbRateSchema(Schema):
    """A rate from 0 to 1 with its 95 % interval, which holds for one look."""

    rate: float
    low: float
    high: float


class AbArmSchema(Schema):
    """One arm: counts of the jobs that the rule gave to it, whatever became of them."""

    version: str
    share: float
    is_reference: bool = Field(
        description="The others are compared with it: the stable version, or the first."
    )
    exposed: int
    keys: int = Field(description="Different sticky keys: each counts as one value.")
    finished: int
    answered: int = Field(description="Those that never died.")
    failed: int = Field(description="Those that died, also where a replay answered them later.")
    moved: int = Field(
        description="Jobs that another version answered: a circuit was open, or they were replayed."
    )
    with_feedback: int
    error_rate: AbRateSchema | None = Field(description="The mean over keys of the part that failed.")
    error_difference: AbDifferenceSchema | None
    p95_s: float | None = Field(description="From creation to the answer.")
    device_s_per_job: float | None = Field(
        description=(
            "Seconds on a device for each ended job: its part of each batch that ran it. Null while none has"
            " ended, and where it is unknown: the first batches of the test are no longer kept, or there are"
            " too many to count in five seconds."
        )
    )
    refused_s: float = Field(
        description=(
            "For how many seconds of the test circuits were open, so that jobs of this arm were refused:"
            " these are in no figure."
        )
    )
    refused_clients: int = Field(
        description="Clients whose jobs of this arm were refused for a time by circuits of their own."
    )


class AbNamedArmSchema(Schema):
    """The numbers that were given under one name in one arm."""

    version: str
    jobs: int
    keys: int
    mean: float | None = Field(description="Over keys, of the mean of each.")
    difference: AbDifferenceSchema | None


class AbNamedSchema(Schema):
    """What clients said under one name."""

    name: str
    arms: list[AbNamedArmSchema]
    labels: dict[str, dict[str, int]] = Field(description="For each text, how many jobs of each version.")


class AbReportSchema(Schema):
    """What the A/B test of a rule has shown so far; it never promotes a version."""

    model: str
    alias: str
    rule: int
    since: datetime
    until: datetime | None = Field(description="When the next rule took its place.")
    sticky: str
    reference: str
    valid: bool = Field(
        description=(
            "False: the arms did not get their shares, other versions answered more than 1 % of an arm's"
            " jobs, or these were refused for more than 1 % of the time, so no figure says anything about"
            " the versions."
        )
    )
    sample_ratio_p: float | None = Field(description="Of the chi-square test; below 0.001 it is invalid.")
    whole: bool = Field(description="False: only the first million jobs of the test are counted.")
    sentence: str
    arms: list[AbArmSchema]
    feedback: list[AbNamedSchema]


@rollouts_router.get(
    "/models/{name}/rules/{int:number}/report",
    operation_id="getAbReport",
    response={200: AbReportSchema},
    summary="What an A/B test has shown",
    **needs(Scope.ROLL_OUT),
)
def show(request: ApiRequest, name: str, number: int, alias: str = DEFAULT_ALIAS) -> HttpResponse:
    """Compare the arms of a rule by the feedback of their jobs, their errors, latency and cost."""
    return json_answer(msgspec.to_builtins(_report(request, name, number, alias)))


@rollouts_router.get(
    "/models/{name}/rules/{int:number}/report.html",
    operation_id="getAbReportPage",
    summary="What an A/B test has shown, as a page",
    **needs(Scope.ROLL_OUT, **PAGE_DOC),
)
def show_page(request: ApiRequest, name: str, number: int, alias: str = DEFAULT_ALIAS) -> HttpResponse:
    """Return the report as an HTML page with its pictures."""
    page = HttpResponse(
        ab_page(_report(request, name, number, alias)), content_type="text/html; charset=utf-8"
    )
    page["Cache-Control"], page["Content-Security-Policy"] = "no-store", PAGE_POLICY
    return page


def _report(request: ApiRequest, name: str, number: int, alias: str) -> AbReport:
    request.auth.check_model(name)
    return read_ab_report(model=name, alias=alias, number=number)
