"""Copies of a shadow: which jobs get one, what they show, and that nothing else sees them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from django.utils import timezone

from jobs.core.queue_names import slow_queue
from jobs.core.submission.request import JobRequest
from jobs.models import (
    Batch,
    Event,
    Job,
    JobInput,
    JobResult,
    Outbox,
    Route,
    Shadow,
    ShadowCopy,
    ShadowHand,
)
from jobs.services.erasure.erase_job import erase_job
from jobs.services.lifecycle.cancel import cancel_job
from jobs.services.shadow import copying, shadow_keeper
from jobs.services.shadow.shadow_rows import OLDEST_S
from jobs.services.shadow.shadow_views import report_of, view_of
from jobs.services.submission.submit import submit_jobs
from models_registry import flag_reads
from models_registry.models import Flag, ModelVersion
from tests.support import digit_models
from tests.support.factories import make_version
from tests.support.flags import flag
from tests.support.rules import rule, two_versions
from tests.support.shadows import ShadowWorker, keep, shadow_of, shadow_rule, submitted
from tests.support.submit import owner, submit_to

FAULTY = "models_registry.loaders.builtin:faulty"
ECHO = "models_registry.loaders.builtin:echo"


@pytest.fixture(autouse=True)
def versions(db: str) -> tuple[ModelVersion, ModelVersion]:
    return two_versions(artifact=ECHO)


def copies() -> int:
    return ShadowCopy.objects.count()


def test_each_job_of_a_full_shadow_is_copied_and_no_other_row_is_written() -> None:
    submit_to("echo", {"text": "before"})
    tables = (Job, JobInput, Outbox, Event, Route, Batch, JobResult)
    before = [table.objects.count() for table in tables]
    put = shadow_rule()
    events = Event.objects.count() - before[3]
    job = submit_to("echo", {"text": "a"})
    requests = [JobRequest(model="echo", input={"text": str(n)}) for n in range(3)]
    submit_jobs(owner=owner(), requests=requests)
    after = [table.objects.count() for table in tables]
    assert [now - then for now, then in zip(after, before, strict=True)] == [4, 4, 4, 2 + events, 0, 0, 0]
    assert copies() == 4
    assert ShadowCopy.objects.get(pk=job.id).rule == put.pk
    assert job.version == "1"


def test_a_share_copies_equal_inputs_alike_and_keeps_them_as_it_grows() -> None:
    had: set[int] = set()
    salt = ""
    for share in (0.2, 0.6):
        put = shadow_rule(share=share)
        assert salt in {"", put.document["salt"]}
        salt = put.document["salt"]
        jobs = {n: submit_to("echo", n) for n in range(60)}
        copied = set(ShadowCopy.objects.filter(rule=put.pk).values_list("job_id", flat=True))
        got = {n for n, job in jobs.items() if job.id in copied}
        assert had < got
        had = got
    assert 20 < len(had) < 50


def test_pinned_jobs_and_those_of_a_rule_without_a_shadow_are_not_copied() -> None:
    shadow_rule()
    submit_to("echo:1", 1)
    rule()
    submit_to("echo", 1)
    assert copies() == 0


def test_jobs_that_share_a_run_are_copied_once() -> None:
    make_version("shared", "1", artifact=ECHO, options={"cache_ttl_s": 60})
    make_version("shared", "2", artifact=ECHO)
    shadow_rule("shared")
    submit_to("shared", 1)
    submit_to("shared", 1)
    assert (Job.objects.count(), copies()) == (2, 1)


def test_no_copies_are_made_or_run_while_the_switch_is_off() -> None:
    shadow_rule()
    submit_to("echo", 1)
    flag("shadow", on=False)
    flag_reads.forget_flags()
    submit_to("echo", 2)
    assert copies() == 1
    assert not copying.copies_run()
    Flag.objects.all().delete()
    flag_reads.forget_flags()
    submit_to("echo", 3)
    assert copies() == 2
    assert copying.copies_run()


def test_a_flag_s_share_of_jobs_is_copied() -> None:
    shadow_rule()
    flag("shadow", share=0.5)
    flag_reads.forget_flags()
    submitted("echo", [{"text": str(n)} for n in range(60)])
    assert 10 < copies() < 50
    assert copying.copies_run()


def test_copies_run_as_duels_and_no_job_changes(
    versions: tuple[ModelVersion, ModelVersion], session: sa.Connection
) -> None:
    make_version("faulty", "1", artifact=ECHO)
    second = make_version("faulty", "2", artifact=FAULTY)
    put = shadow_rule("faulty")
    jobs = submitted("faulty", [{"text": str(n)} for n in range(20)] + [{"fail": "raise"}] * 2)
    rows = list(Job.objects.order_by("id").values())
    keep(session)
    worker = ShadowWorker(ModelVersion.objects.get(pk=second.pk - 1), second)
    worker.run(session)
    shadow = shadow_of(put)
    report = report_of(shadow)
    assert (copies(), ShadowHand.objects.count()) == (0, 0)
    assert (shadow.run, shadow.lost, shadow.old) == (22, 0, 0)
    assert report["copies"]["made"] == len(jobs)
    noise = report["agreement"]["noise"]["compared"]
    assert report["jobs"]["ran"] + noise == 22
    assert (
        report["failures"]["candidate_alone"] + (noise and 2 - sum(report["failures"]["candidate"].values()))
        == 2
    )
    assert report["failures"]["stable"] == {}
    assert report["service_times"]
    assert list(Job.objects.order_by("id").values()) == rows
    assert (Batch.objects.count(), JobResult.objects.count()) == (0, 0)
    assert "were run by both versions" in view_of(shadow).sentence


def test_no_copy_is_taken_while_a_job_of_the_worker_waits(
    versions: tuple[ModelVersion, ModelVersion], session: sa.Connection
) -> None:
    shadow_rule()
    submit_to("echo", 1)
    keep(session)
    worker = ShadowWorker(*versions)
    worker.run(session)
    assert copies() == 1
    Outbox.objects.update(published=1)
    worker.run(session)
    assert copies() == 1
    Outbox.objects.update(model=slow_queue("echo"))
    worker.run(session)
    assert copies() == 1
    Outbox.objects.all().delete()
    worker.run(session)
    assert copies() == 0


def test_no_copy_is_taken_while_the_worker_is_not_quiet(
    versions: tuple[ModelVersion, ModelVersion], session: sa.Connection
) -> None:
    put = shadow_rule()
    submitted("echo", range(3))
    keep(session)
    quiet = False
    worker = ShadowWorker(*versions, quiet=lambda: quiet)
    worker.run(session)
    assert copies() == 3
    quiet = True
    worker.run(session)
    assert (copies(), shadow_of(put).run) == (0, 3)


def test_copies_in_hand_are_given_up_where_the_worker_gets_other_work(
    versions: tuple[ModelVersion, ModelVersion], session: sa.Connection
) -> None:
    put = shadow_rule()
    submitted("echo", range(3))
    keep(session)
    looks = iter([True, True, False])  # a job comes once copies are in hand
    ShadowWorker(*versions, quiet=lambda: next(looks, True)).run(session)
    shadow = shadow_of(put)
    assert (copies(), shadow.run, shadow.lost, ShadowHand.objects.count()) == (2, 0, 1, 0)
    ShadowWorker(*versions).run(session)
    shadow = shadow_of(put)
    assert (copies(), shadow.run, shadow.lost, shadow.state) == (0, 2, 1, "running")
    assert report_of(shadow)["copies"]["made"] == 3


def test_copies_that_are_too_old_are_dropped_and_counted(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = shadow_rule()
    submitted("echo", range(3))
    keep(session)
    assert (shadow_of(put).open, shadow_of(put).old) == (3, 0)
    monkeypatch.setattr("jobs.services.shadow.shadow_keeper.OLDEST_S", -60.0)
    keep(session)
    assert (copies(), shadow_of(put).open, shadow_of(put).old) == (0, 0, 3)
    assert OLDEST_S == 600.0


def test_with_too_many_waiting_copies_jobs_are_not_copied(
    session: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.services.shadow.shadow_keeper.MOST_OPEN", 2)
    put = shadow_rule()
    submitted("echo", range(2))
    keep(session)
    assert not shadow_of(put).takes
    submitted("echo", [7])
    submit_jobs(owner=owner(), requests=[JobRequest(model="echo", input=n) for n in range(3)])
    assert copies() == 2
    ShadowCopy.objects.all().delete()
    keep(session)
    submitted("echo", [8])
    assert copies() == 1


def test_jobs_are_not_copied_while_no_keeper_would_drop_copies(session: sa.Connection) -> None:
    put = shadow_rule()
    Shadow.objects.update(looked_at=timezone.now() - timedelta(seconds=61))
    submitted("echo", [1])
    submit_jobs(owner=owner(), requests=[JobRequest(model="echo", input=n) for n in range(3)])
    assert copies() == 0
    keep(session)
    submitted("echo", [2])
    assert (copies(), shadow_of(put).state) == (1, "running")


def test_the_copies_of_all_shadows_are_counted_in_one_pass(session: sa.Connection) -> None:
    put = shadow_rule()
    submitted("echo", range(3))
    for name in ("1", "2"):
        make_version("other", name, artifact=ECHO)
    second = shadow_rule("other")
    submitted("other", range(5))
    keep(session)
    assert (shadow_of(put).open, shadow_of(second).open) == (3, 5)
    explain = "EXPLAIN " + shadow_keeper._STANDING.sql.replace("%(most_open)s", "10000")
    plan = [line for (line,) in session.exec_driver_sql(explain)]
    assert not [line for line in plan if "SubPlan" in line], plan


def test_a_rule_that_replaces_it_ends_a_shadow_and_drops_its_copies(session: sa.Connection) -> None:
    put = shadow_rule()
    submitted("echo", range(3))
    keep(session)
    rule()
    keep(session)
    shadow = shadow_of(put)
    assert (shadow.state, shadow.unwanted, copies()) == ("ended", 3, 0)


def test_inputs_that_are_gone_and_cancelled_jobs_are_counted(
    versions: tuple[ModelVersion, ModelVersion], session: sa.Connection
) -> None:
    put = shadow_rule()
    jobs = submitted("echo", range(6))
    JobInput.objects.filter(job=jobs[0].id).delete()
    cancel_job(job_id=jobs[1].id, actor="olga")
    erase_job(job_id=jobs[2].id, actor="olga")
    assert copies() == 5
    keep(session)
    ShadowWorker(*versions).run(session)
    counted: dict[str, Any] = report_of(shadow_of(put))["jobs"]
    assert (counted["gone"], counted["cancelled"], shadow_of(put).run) == (1, 1, 5)


def test_digits_the_labels_that_a_shadow_exchanges_are_named(session: sa.Connection) -> None:
    made = [
        make_version(
            "digits", name, artifact=artifact, input_schema=digit_models.INPUT_SCHEMA,
            output_schema=digit_models.OUTPUT_SCHEMA, options={"agreement": {"by": "label", "at": "/digit"}},
        )
        for name, artifact in (("1", digit_models.HEAVY), ("2", digit_models.EXCHANGED))
    ]  # fmt: skip
    put = shadow_rule("digits")
    submitted("digits", [value for value, _ in digit_models.unseen()[:300]])
    keep(session)
    ShadowWorker(*made, entry_points=digit_models.ENTRY_POINTS).run(session)
    view = view_of(shadow_of(put))
    assert "The labels 3 and 8 are exchanged: " in view.sentence
    agreement = view.report["agreement"]
    assert 0.7 < agreement["share"] < 0.9
    assert agreement["noise"]["agreed"] == agreement["noise"]["compared"]
    assert view.report["copies"]["run"] == 300
    assert max(row["size"] for row in view.report["service_times"]) > 8
