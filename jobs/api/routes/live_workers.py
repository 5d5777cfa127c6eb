"""The call that shows operators which worker holds which versions."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from django.http import HttpResponse
from ninja import Schema
from pydantic import Field

from jobs.api.auth import ApiRequest, needs
from jobs.api.responses import json_answer
from jobs.api.router import router
from jobs.core.access.scopes import Scope
from jobs.services.lifecycle.loaded_versions import live_workers


class WorkerVersionSchema(Schema):
    """A version that a worker has in memory, loads or could not load."""

    model: str
    version: str
    state: Literal["loading", "ready", "failed"]
    since: datetime = Field(description="When the state began.")
    load_s: float | None = Field(description="Seconds that its last load took.")
    memory_bytes: int | None = Field(description="What it occupies of the device's memory.")
    failed_loads: int = Field(description="Failed loads since the last that succeeded.")
    last_error: str | None = Field(description="Why the last load failed.")


class LiveWorkerSchema(Schema):
    """A worker with a recent heartbeat; `models` are those whose queues it consumes."""

    id: UUID
    node: str
    host: str
    zone: str | None = Field(description="Where it runs, by its setting ZONE; null where that is not set.")
    device: str
    device_uuid: str | None = Field(description="The GPU, as `nvidia-smi -L` lists it; null on a CPU.")
    models: list[str]
    lanes: int | None = Field(description="Batches that it runs at once; null where it does not say.")
    lane: Literal["fast", "slow"] | None = Field(
        description="The lane whose jobs alone it takes; null where it takes both."
    )
    started_at: datetime
    heartbeat_at: datetime
    versions: list[WorkerVersionSchema]


class LiveWorkersSchema(Schema):
    """The live workers, by name."""

    workers: list[LiveWorkerSchema]


@router.get(
    "/workers",
    operation_id="listWorkers",
    response={200: LiveWorkersSchema},
    summary="Live workers and what they hold in memory",
    **needs(Scope.ADMIN),
)
def list_workers(request: ApiRequest) -> HttpResponse:
    """Return the workers that beat in the last 15 seconds, each with the versions that it has loaded."""
    del request
    return json_answer({"workers": [worker._asdict() for worker in live_workers()]})
