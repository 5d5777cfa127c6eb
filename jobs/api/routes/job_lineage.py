"""The call that returns the origin of a result."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.http import HttpResponse
from ninja import Schema
from pydantic import Field

from jobs.api.auth import ApiRequest, needs
from jobs.api.responses import existing, json_answer
from jobs.api.router import router
from jobs.core.access.scopes import Scope
from jobs.core.cascades.step_ends import Hindrance, StepEnd
from jobs.core.failures import FailureKind
from jobs.core.states import State
from jobs.services.reads.lineage import lineage
from models_registry.core.routing.decision import Arm


class ModelBuildSchema(Schema):
    """The model version of a job; an entry point has no artifact and no hash."""

    name: str
    version: str
    loader: str
    sha256: str | None = Field(
        description="The SHA-256 of the artifact, which workers check when they load it."
    )
    source: str | None = Field(description="Where the artifact was fetched from; null where it was not.")
    origin: dict[str, Any] | None = Field(description="What was said of its making at registration.")


class InputHashesSchema(Schema):
    """A job's input, as hashes of its canonical JSON.

    Where the version is encrypted or marks personal data, the hashes are keyed: they only show which values
    are equal.
    """

    sha256: str
    parameters_sha256: str | None


class OutputHashesSchema(Schema):
    """A job's output: the hash of the stored output, and the epoch that stored it.

    `cached_from` is the identical job that ran instead of this one; that job's lineage names the batch.
    """

    epoch: int
    sha256: str
    cached_from: UUID | None


class BatchSummarySchema(Schema):
    """The last batch in which a job ran."""

    id: UUID
    size: int
    seal_reason: str
    claimed_at: datetime
    ran_s: float | None
    finished_at: datetime | None


class WorkerSummarySchema(Schema):
    """The worker that claimed that batch."""

    id: UUID
    node: str
    device: str


class RerouteSchema(Schema):
    """A move of a job to another version.

    `rescue`: its first attempt at a roll-out's candidate had failed. `take_back`: the candidate was stopped
    while the job waited. `escalate`: it went to the next step of its cascade. `degrade`: that could not
    answer, so an earlier answer stands.
    """

    at: datetime
    what: Literal["rescue", "take_back", "escalate", "degrade"]
    version: str | None
    model: str | None


class StepSchema(Schema):
    """A step of a job's cascade that ended; a `number` of 0 says that a replay began the cascade anew."""

    number: int
    version: str | None = Field(description="As `name:version`.")
    why: StepEnd
    hindrance: Hindrance | None = Field(
        description="Why the next step was not taken, although the answer was not enough."
    )
    confidence: float | None
    rule: int | None = Field(description="The number of the rule whose cascade it is.")
    batch: UUID | None
    worker: str | None
    device_s: float | None = Field(description="The job's part of the run of its batch, in seconds.")
    at: datetime


class RouteSchema(Schema):
    """How the version of a job was chosen, where a rule with a candidate or the fallback of a circuit did."""

    asked: str = Field(description="The model as the client wrote it.")
    arm: Arm
    version: str = Field(
        description="The version that it was routed to; `model.version` answers, or answered."
    )
    rule: int | None = Field(description="The number of the alias's rule; null for a circuit's fallback.")
    rollout: int | None
    reroutes: list[RerouteSchema]
    sentence: str = Field(description="All of this in words.")


class LineageEventSchema(Schema):
    """An event of a job's history: a `failed` attempt, or an action such as `replay`."""

    at: datetime
    what: str
    epoch: int | None
    kind: FailureKind | None
    code: str | None
    batch: UUID | None
    worker: str | None
    device: str | None


class LineageSchema(Schema):
    """The origin of a result; `history` holds the last hundred events, oldest first."""

    id: UUID
    state: State
    epoch: int
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    model: ModelBuildSchema
    input: InputHashesSchema | None
    output: OutputHashesSchema | None
    batch: BatchSummarySchema | None
    worker: WorkerSummarySchema | None
    route: RouteSchema | None = Field(
        description="Null where the client named a version, or the alias had no rule with a candidate."
    )
    steps: list[StepSchema] = Field(description="Empty, but for jobs of a cascade.")
    history: list[LineageEventSchema]


@router.get(
    "/jobs/{uuid:job_id}/lineage",
    operation_id="getJobLineage",
    response={200: LineageSchema},
    summary="Where a result comes from",
    **needs(Scope.READ),
)
def read_lineage(request: ApiRequest, job_id: UUID) -> HttpResponse:
    """Return a job's model version, hashes, batch, worker, attempts and times; no payload."""
    return json_answer(existing(lineage(job_id, client_id=request.auth.reach)))
