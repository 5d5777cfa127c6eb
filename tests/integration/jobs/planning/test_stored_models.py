"""A plan begins with what is stored of a model: a day of its jobs, and the times of its batches."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from jobs.core.ids import uuid7
from jobs.core.planning.plan_reader import PlanFileError
from jobs.management.plan.plan_sources import stored_model
from jobs.models import Job
from models_registry.models import ModelVersion
from models_registry.selectors import forget
from tests.support.factories import make_job, make_version


@pytest.fixture(autouse=True)
def _nothing_remembered(db: str) -> None:
    forget()  # because ids begin at 1 again with each test


def stored(version: ModelVersion, *, ago_h: float, count: int = 1) -> None:
    for _ in range(count):
        job = make_job(
            version=version,
            model=version.model.name,
            id=uuid7(int((time.time() - ago_h * 3600) * 1e3), uuid4().int),
        )
        Job.objects.filter(id=job.id).update(created_at=datetime.now(UTC) - timedelta(hours=ago_h))


def test_a_days_jobs_are_the_forecast(db: str) -> None:
    version = make_version("echo")
    stored(version, ago_h=24.5)
    stored(version, ago_h=5.0, count=6)
    stored(make_version("sleeper"), ago_h=5.0, count=9)
    model = stored_model("echo")
    assert sum(model.rates) * 3600 == pytest.approx(6)
    assert max(model.rates) * 3600 == pytest.approx(6)
    assert model.peak == pytest.approx(60)
    assert model.times is None


def test_less_than_a_day_is_refused(db: str) -> None:
    stored(make_version("echo"), ago_h=5.0, count=6)
    with pytest.raises(PlanFileError, match="echo goes back less than a day"):
        stored_model("echo")


def test_an_unknown_model_is_refused(db: str) -> None:
    with pytest.raises(PlanFileError, match="nobody"):
        stored_model("nobody")
