"""`POST /jobs/{id}/replay` and `dead_letters replay`: a rule decides, or the job keeps its version."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from jobs.models import Client as JobClient
from jobs.models import Job
from jobs.services.rollouts import acts
from tests.support.rollout_rows import Judged


@pytest.fixture
def dead(app: Client, echo: None) -> Job:
    """Return a dead job of a candidate that was rolled back since."""
    from models_registry.models import ModelVersion

    schema = ModelVersion.objects.get(model__name="echo").input_schema
    ModelVersion.objects.create(
        model_id=ModelVersion.objects.get(model__name="echo").model_id, version="2", loader="entry_point",
        artifact="tests:echo", input_schema=schema,
    )  # fmt: skip
    judged = Judged()
    judged.running()
    (job,) = judged.jobs(1, state="dead", client=JobClient.objects.get(name="app"))
    acts.roll_back(judged.id, actor="olga")
    return job


def version_of(job: Job) -> str:
    return Job.objects.select_related("version").get(pk=job.pk).version.version


def test_the_same_version_is_refused_where_it_is_blocked_and_the_rule_decides_without(
    app: Client, dead: Job
) -> None:
    refused: Any = app.post(f"/api/v1/jobs/{dead.pk}/replay?same_version=true")
    assert (refused.status_code, refused.json()["code"]) == (409, "version_state")
    assert Job.objects.get(pk=dead.pk).state == "dead"
    shown: Any = app.post(f"/api/v1/jobs/{dead.pk}/replay")
    assert (shown.status_code, shown.json()["state"]) == (200, "queued")
    assert version_of(dead) == "1"


def test_the_command_asks_for_the_same_version_of_one_job_alone(dead: Job) -> None:
    with pytest.raises(CommandError, match="blocked"):
        call_command("dead_letters", "replay", str(dead.pk), "--same-version")
    with pytest.raises(CommandError, match="one job"):
        call_command("dead_letters", "replay", "--all", "--same-version")
    call_command("dead_letters", "replay", str(dead.pk))
    assert version_of(dead) == "1"
