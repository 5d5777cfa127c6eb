"""Watched versions, and hours of sampled jobs."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from jobs.core.drift.drift_requests import DriftReferenceRequest
from jobs.core.drift.field_names import LABEL, SIZE, Value
from jobs.db import database_clock
from jobs.db.engine import engine
from jobs.models import DriftAlarm, FrozenReference
from jobs.services.drift.comparing import compare_all
from jobs.services.drift.field_sketch import FieldSketch
from jobs.services.drift.reference import freeze_as_asked, hour_of
from jobs.services.drift.sketch_rows import SketchRow, write_sketches
from models_registry.core.version import VersionInfo
from models_registry.models import ModelVersion, Promotion
from tests.support.factories import make_version

HOUR = timedelta(hours=1)
NUMBER = "input:/number"
MONITOR = {"inputs": ["/number"], "label": "/label"}
WORKER = UUID(int=7)


def watched(model: str = "echo", version: str = "1", **monitor: Any) -> VersionInfo:
    """Return a version that is watched, to which `default` was just moved."""
    row = make_version(model, version, options={"monitor": MONITOR | monitor, "cache_ttl_s": 60})
    Promotion.objects.create(model=model, alias="default", after=version, actor="olga")
    return info_of(row)


def info_of(row: ModelVersion) -> VersionInfo:
    return VersionInfo.of(ModelVersion.objects.select_related("model").get(pk=row.pk))


def make_drift() -> FrozenReference:
    """Return a version with a reference, two hours that drift, and an alarm whose webhook is on its way."""
    info = info_of(make_version("echo", "watched", options={"monitor": MONITOR}))
    sampled(info.id, this_hour() - 4 * HOUR, jobs_like(200))
    asked = DriftReferenceRequest(
        version="watched", since=this_hour() - 4 * HOUR, until=this_hour() - 3 * HOUR
    )
    freeze_as_asked("echo", asked, actor="olga")
    for hour in (2, 1):
        sampled(info.id, this_hour() - hour * HOUR, [*jobs_like(500, label="cat", seed=hour), {NUMBER: None}])
    compare_all()
    DriftAlarm.objects.update(state="waiting", attempts=2, answer="503 it's down", generation=4)
    return FrozenReference.objects.select_related("version__model").get(version_id=info.id)


def this_hour() -> datetime:
    return hour_of(database_clock.read_now())


def sampled(
    version: int, hour: datetime, jobs: Iterable[Mapping[str, Value]], *, worker: UUID | None = None
) -> None:
    """Store the values of jobs as a worker does, a new one unless it is named."""
    fields = dict[str, FieldSketch]()
    for job in jobs:
        for name, value in job.items():
            fields.setdefault(name, FieldSketch(name)).add(value)
    rows = [SketchRow(version, hour, name, one.n, one.missing, one.body()) for name, one in fields.items()]
    with engine().begin() as connection:
        write_sketches(connection, worker or uuid4(), rows)


def jobs_like(number: int, *, shift: float = 0.0, label: str = "", seed: int = 1) -> list[dict[str, Value]]:
    """Return the values of so many jobs: sizes and numbers, and one of two labels, or `label`."""
    rng = random.Random(f"{seed}")
    return [
        {
            SIZE: float(rng.randrange(100, 200)),
            NUMBER: rng.gauss(shift, 1.0),
            LABEL: label or rng.choice(("cat", "dog")),
        }
        for _ in range(number)
    ]
