"""Where a result comes from."""

from __future__ import annotations

from hashlib import sha256
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from jobs.api.routes.job_lineage import LineageSchema
from jobs.core.states import State
from jobs.models import Batch, Event, Job, JobInput, JobResult, Route
from models_registry.models import ModelVersion
from tests.support.factories import make_batch, make_client, make_job, make_version, make_worker
from tests.support.shown_rollouts import make_rollout, make_routed, make_rule, note_reroute


@pytest.fixture
def version(echo: None) -> ModelVersion:
    origin = {"trained_by": "ann"}
    return make_version("echo", "7", sha256="ab" * 32, loader="transformer", source="file:m", origin=origin)


def read(app: Client, job: Job) -> LineageSchema:
    answer = app.get(f"/api/v1/jobs/{job.pk}/lineage")
    assert answer.status_code == 200
    return LineageSchema.model_validate_json(answer.content, extra="forbid")


def test_a_result_names_its_build_input_batch_worker_and_failed_attempts(
    app: Client, version: ModelVersion
) -> None:
    job = make_job(version=version, client=make_client("app"), body={"text": "hi"})
    JobInput.objects.filter(job=job).update(parameters=b'{"k":1}')
    first, last = (make_batch(make_worker(node, device="cuda:0"), version, [job]) for node in ("a@x", "b@x"))
    detail = {"kind": "transient", "code": "busy", "message": "secret", "batch": str(first.pk)}
    Event.objects.create(job=job, kind="failed", actor="worker", epoch=1, detail=detail)
    Job.objects.filter(pk=job.pk).update(
        state=State.SUCCEEDED, epoch=2, attempts=2, finished_at=timezone.now()
    )
    JobResult.objects.create(job=job, epoch=2, body=b'{"text":"hi"}')
    Batch.objects.filter(pk=last.pk).update(ran_s=0.25, finished_at=timezone.now())
    lineage = read(app, job)
    assert lineage.model.model_dump() == {
        "name": "echo", "version": "7", "loader": "transformer", "sha256": "ab" * 32,
        "source": "file:m", "origin": {"trained_by": "ann"},
    }  # fmt: skip
    stored = bytes(JobInput.objects.get(job=job).body)
    assert lineage.input is not None
    assert lineage.input.sha256 == sha256(stored).hexdigest()
    assert lineage.input.parameters_sha256 == sha256(b'{"k":1}').hexdigest()
    assert lineage.output is not None
    assert (lineage.output.epoch, lineage.output.sha256) == (2, sha256(b'{"text":"hi"}').hexdigest())
    assert lineage.batch is not None
    assert (lineage.batch.id, lineage.batch.size, lineage.batch.ran_s) == (last.pk, 1, 0.25)
    assert lineage.worker is not None
    assert (lineage.worker.node, lineage.worker.device) == ("b@x", "cuda:0")
    (failed,) = lineage.history
    assert (failed.what, failed.kind, failed.code, failed.epoch) == ("failed", "transient", "busy", 1)
    assert (failed.batch, failed.worker, failed.device) == (first.pk, "a@x", "cuda:0")
    assert lineage.attempts == 2
    assert lineage.created_at <= lineage.started_at <= lineage.finished_at  # type: ignore[operator]  # it is set: a None fails here


def test_a_lineage_has_no_payload_message_or_person(app: Client, version: ModelVersion) -> None:
    job = make_job(version=version, client=make_client("app"), body={"text": "secret"})
    Event.objects.create(job=job, kind="failed", detail={"message": "secret", "code": "c"})
    Event.objects.create(job=job, kind="replay", actor="olga", address="203.0.113.9")
    text = app.get(f"/api/v1/jobs/{job.pk}/lineage").content
    for hidden in (b"secret", b"olga", b"203.0.113.9", b"tests:echo"):
        assert hidden not in text


def test_a_route_says_what_was_asked_which_rule_decided_and_who_answered_instead(
    app: Client, echo: None
) -> None:
    rollout = make_rollout()
    job = make_routed(rollout, rule=make_rule(14, rollout), version=rollout.stable, client=make_client("app"))
    assert read(app, make_job(client=make_client("app"))).route is None
    event = note_reroute(job, "rescue", rollout.candidate, rollout.stable, code="busy")
    route = read(app, job).route
    assert route is not None
    assert (route.asked, route.arm, route.version, route.rule, route.rollout) == (
        "echo", "candidate", "2", 14, rollout.pk,
    )  # fmt: skip
    (rescue,) = route.reroutes
    assert (rescue.what, rescue.version) == ("rescue", "1")
    assert abs((rescue.at - event.at).total_seconds()) < 0.01
    assert route.sentence == "Asked echo, routed to echo:2 as candidate by rule 14, rescued by echo:1."


def test_a_fallback_s_route_has_no_rule(app: Client, version: ModelVersion) -> None:
    job = make_job(version=version, client=make_client("app"))
    Route.objects.create(job=job, arm="fallback", asked="echo:8")
    route = read(app, job).route
    assert route is not None
    assert (route.arm, route.version, route.rule) == ("fallback", "7", None)
    assert route.sentence == "Asked echo:8, routed to echo:7 as fallback because a circuit was open."


def test_jobs_without_a_run_or_without_their_worker_s_row_have_a_lineage(
    app: Client, version: ModelVersion
) -> None:
    fresh = make_job(client=make_client("app"))
    lineage = read(app, fresh)
    assert (lineage.batch, lineage.worker, lineage.output, lineage.history) == (None, None, None, [])
    assert lineage.model.sha256 is None
    orphan = make_job(version=version, client=make_client("app"))
    batch = make_batch(make_worker(), version, [orphan])
    Batch.objects.filter(pk=batch.pk).update(worker_id=uuid4())
    gone = read(app, orphan)
    assert gone.batch is not None
    assert gone.worker is None


def test_a_lineage_has_only_the_last_hundred_events(app: Client, version: ModelVersion) -> None:
    job = make_job(client=make_client("app"))
    Event.objects.bulk_create([Event(job=job, kind="replay", epoch=epoch) for epoch in range(130)])
    assert [row.epoch for row in read(app, job).history] == list(range(30, 130))
