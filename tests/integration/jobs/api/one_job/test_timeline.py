"""What a job waited for, as the API says it."""

from __future__ import annotations

from uuid import uuid4

from django.test import Client
from django.utils import timezone

from jobs.api.routes.job_timelines import JobTimelineSchema
from jobs.core.states import State
from jobs.models import Batch, Event, Job
from tests.support.factories import make_batch, make_client, make_job, make_version, make_worker


def timeline_of(app: Client, job: Job) -> JobTimelineSchema:
    answer = app.get(f"/api/v1/jobs/{job.pk}/timeline")
    assert answer.status_code == 200
    return JobTimelineSchema.model_validate_json(answer.content, extra="forbid")


def test_a_job_s_stages_add_up_to_its_whole_life(app: Client) -> None:
    job = make_job(client=make_client("app"))
    batch = make_batch(make_worker("a@x"), make_version(), [job])
    Batch.objects.filter(pk=batch.pk).update(
        due_ago_s=[0.002], published_ago_s=[0.001], buffered_s=[0.0], claim_s=0.001, lane_s=0.001, ran_s=0.001
    )
    Job.objects.filter(pk=job.pk).update(state=State.SUCCEEDED, finished_at=timezone.now())
    job.refresh_from_db()
    timeline = timeline_of(app, job)
    (attempt,) = timeline.attempts
    assert job.finished_at is not None
    whole_s = (job.finished_at - job.created_at).total_seconds()
    assert abs(sum(stage.seconds for stage in attempt.stages) - whole_s) < 0.005
    assert abs(timeline.seconds - whole_s) < 0.005
    assert (attempt.batch, attempt.worker, attempt.outcome) == (batch.pk, "a@x", "succeeded")
    assert timeline.cause is not None
    assert timeline.explanation


def test_a_timeline_has_no_payload_message_or_person(app: Client) -> None:
    job = make_job(client=make_client("app"), body={"text": "secret"}, state=State.DEAD)
    others = make_job(client=make_client("stranger"), state=State.RUNNING)
    detail = {"message": "secret", "code": "bad", "batch": str(uuid4())}
    Event.objects.create(job=job, kind="failed", actor="worker", detail=detail)
    Event.objects.create(job=job, kind="replay", actor="olga", address="203.0.113.9")
    text = app.get(f"/api/v1/jobs/{job.pk}/timeline").content.decode()
    for hidden in ("secret", "olga", "203.0.113.9", "stranger", str(others.pk)):
        assert hidden not in text


def test_only_a_job_of_one_s_own_has_a_timeline(app: Client, other_app: Client) -> None:
    job = make_job(client=make_client("app"))
    assert timeline_of(app, job).attempts[0].stages[-1].open
    for client, key in ((other_app, job.pk), (app, uuid4())):
        answer = client.get(f"/api/v1/jobs/{key}/timeline")
        assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
