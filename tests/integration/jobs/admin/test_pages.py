"""The admin as an operator uses it."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.test import Client as Browser
from django.utils import timezone

from jobs.core.ids import uuid7
from jobs.core.states import TERMINAL, State
from jobs.models import (
    ApiToken,
    Batch,
    Client,
    DeadLetter,
    Delivery,
    Event,
    Job,
    JobInput,
    JobResult,
    Outbox,
    QueueStanding,
    Worker,
)
from jobs.services.admission.queues import forget_queues
from models_registry.models import Alias, ModelVersion, RegisteredModel
from models_registry.services import begin_loads, note_load_failure
from tests.support.admin import browser_of, ids_on, text_of

JOBS, BATCHES = "/admin/jobs/job/", "/admin/jobs/batch/"


@pytest.fixture
def version(db: str) -> ModelVersion:
    model = RegisteredModel.objects.create(name="echo")
    made = ModelVersion.objects.create(model=model, version="1", loader="entry_point", artifact="a:b")
    Alias.objects.create(model=model, name="default", version=made)
    return made


def a_job(version: ModelVersion, state: State = State.QUEUED, *, age_s: int = 0, **columns: Any) -> Job:
    client, _ = Client.objects.get_or_create(name=columns.pop("client", "search"))
    now_ms = int(timezone.now().timestamp() * 1000)
    job = Job.objects.create(
        id=uuid7(now_ms - age_s * 1000, uuid4().int),
        client=client,
        version=version,
        model="echo",
        state=state,
        max_attempts=3,
        batch=a_batch(version) if state is State.RUNNING else None,
        finished_at=timezone.now() if state in TERMINAL else None,
        **{"priority": 4} | columns,
    )
    if state in {State.QUEUED, State.WAITING}:
        epoch = int(state is State.WAITING)
        Outbox.objects.create(job=job, epoch=epoch, version=version, model="echo", priority=job.priority)
    if state is State.RUNNING:
        Batch.objects.filter(pk=str(job.batch_id)).update(members=[job.id], size=1)
    if state is State.DEAD:
        DeadLetter.objects.create(
            job=job, epoch=1, model="echo", kind="poison", code="bad_item", message="no <such> word",
            traceback='Traceback\n  File "m.py", line 1', fingerprint="f",
        )  # fmt: skip
    return job


def a_batch(version: ModelVersion, key: UUID | None = None) -> Batch:
    worker = Worker.objects.create(
        id=uuid4(), node="gpu-0@a", host="a", pid=1, device="cpu", model_names=["echo"]
    )
    return Batch.objects.create(
        id=key or uuid4(), worker=worker, version=version, members=[], size=0, seal_reason="linger"
    )


@pytest.mark.parametrize("state", list(State))
def test_a_job_is_found_by_its_state(browser: Browser, version: ModelVersion, state: State) -> None:
    jobs = {other: a_job(version, other) for other in State}
    assert ids_on(browser, f"{JOBS}?state={state}") == {jobs[state].id}
    assert ids_on(browser, f"{JOBS}?state={state}&client={jobs[state].client_id}") == {jobs[state].id}


def test_jobs_are_filtered_by_model_priority_client_and_date(browser: Browser, version: ModelVersion) -> None:
    match = a_job(version, State.SUCCEEDED, priority=7, client="archive")
    other = a_job(version, State.SUCCEEDED, priority=2)
    old = a_job(version, State.SUCCEEDED, age_s=3 * 86_400)
    assert ids_on(browser, f"{JOBS}?priority=7") == {match.id}
    assert ids_on(browser, f"{JOBS}?client={match.client_id}") == {match.id}
    assert ids_on(browser, f"{JOBS}?model=echo") == {match.id, other.id}
    assert ids_on(browser, f"{JOBS}?model=minilm") == set()
    assert ids_on(browser, JOBS) == {match.id, other.id}
    assert ids_on(browser, f"{JOBS}?when=7d") == {match.id, other.id, old.id}


def test_an_old_queued_job_is_found_by_its_state(browser: Browser, version: ModelVersion) -> None:
    old = a_job(version, State.QUEUED, age_s=40 * 86_400)
    assert ids_on(browser, JOBS) == set()
    assert ids_on(browser, f"{JOBS}?state=queued") == {old.id}
    assert ids_on(browser, f"{JOBS}?state=queued&when=1h") == set()


def test_pages_hold_each_job_once(browser: Browser, version: ModelVersion) -> None:
    made = [a_job(version, State.SUCCEEDED) for _ in range(130)]
    first, second = ids_on(browser, JOBS), ids_on(browser, f"{JOBS}?p=2")
    assert (len(first), len(second)) == (100, 30)
    assert first | second == {job.id for job in made}
    assert "older →" in text_of(browser, JOBS)
    assert "older →" not in text_of(browser, f"{JOBS}?p=2")


@pytest.mark.parametrize("value", ["%00", "nan", "%F0%9F%98%80", "9" * 40, "", "%3Cscript%3E", "-1"])
def test_no_value_of_a_menu_in_the_address_is_an_error_of_the_server(browser: Browser, value: str) -> None:
    menus = {
        "job": "model client when", "batch": "model seal node open", "outbox": "model priority",
        "event": "kind", "bulkact": "state verb", "deadletter": "model kind", "job/all/cancel": "model",
    }  # fmt: skip
    for page, names in menus.items():
        for name in names.split():
            answer = browser.get(f"/admin/jobs/{page}/?{name}={value}")
            assert answer.status_code < 500, f"{page}: {name}"
            assert (answer.status_code == 400) == (value == "%00"), f"{page}: {name}"
            assert b"<script>" not in answer.content.replace(b"<script src", b"")


def test_a_search_by_uuid_ignores_the_filters(browser: Browser, version: ModelVersion) -> None:
    old = a_job(version, State.SUCCEEDED, age_s=90 * 86_400)
    assert ids_on(browser, f"{JOBS}?q=+{old.id}+&state=queued") == {old.id}
    assert ids_on(browser, f"{JOBS}?q={uuid4()}") == set()


@pytest.mark.parametrize("words", ["abc", "<b>", "01a0c450-6c00", "' OR 1=1"])
def test_a_search_for_anything_else_explains_itself(browser: Browser, words: str) -> None:
    assert "is not a complete UUID" in text_of(browser, f"{JOBS}?q={words}")


def test_a_succeeded_job_s_page_shows_its_road_and_documents(browser: Browser, version: ModelVersion) -> None:
    job = a_job(version, State.SUCCEEDED)
    Job.objects.filter(pk=job.pk).update(batch=a_batch(version))
    JobInput.objects.create(job=job, body=b'{"text":"<script>alert(1)</script>"}', parameters=b'{"k":7}')
    JobResult.objects.create(job=job, epoch=1, body=b'{"embedding":[0.5,0.25]}')
    Event.objects.create(job=job, kind="cancel_asked", actor="someone")
    text = text_of(browser, f"{JOBS}{job.pk}/change/")
    for shown in (
        "SUCCESS",
        "[0.5, 0.25]",
        "0 jobs of at most 64: it had waited 0 ms for more",
        "gpu-0@a",
        "cpu",
        "cancel_asked",
        "someone",
        "timeline",
    ):
        assert shown.lower() in text.lower(), shown
    assert "<script>alert" not in text


def test_a_traced_job_s_page_leads_to_its_trace(
    browser: Browser, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    traced, other = a_job(version, State.SUCCEEDED), a_job(version, State.SUCCEEDED)
    trace = "0af7651916cd43dd8448eb211c80319c"
    JobInput.objects.create(job=traced, body=b"{}", traceparent=f"00-{trace}-b7ad6b7169203331-01")
    assert trace in text_of(browser, f"{JOBS}{traced.pk}/change/")
    url = "https://jaeger.example/trace/{trace_id}?a=1"
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, trace_url=url))
    link = f'href="https://jaeger.example/trace/{trace}?a=1"'
    assert link in text_of(browser, f"{JOBS}{traced.pk}/change/")
    assert "jaeger.example" not in text_of(browser, f"{JOBS}{other.pk}/change/")


def test_a_job_s_page_and_the_index_lead_to_flower_where_its_address_is_known(
    browser: Browser, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = f"{JOBS}{a_job(version, State.SUCCEEDED).pk}/change/"
    assert "in Flower" not in text_of(browser, page) + text_of(browser, "/admin/")
    url = "https://flower.example"
    monkeypatch.setattr(settings, "INFERENCE", replace(settings.INFERENCE, flower_url=url))
    assert f'href="{url}/task/{page.split("/")[-3]}"' in text_of(browser, page)
    assert f'href="{url}/tasks"' in text_of(browser, "/admin/")


def test_the_ledger_shows_each_batch_and_is_narrowed(browser: Browser, version: ModelVersion) -> None:
    shown, other = a_batch(version), a_batch(version)
    Batch.objects.filter(pk=shown.pk).update(
        size=64, padded_size=64, seal_reason="full", succeeded=60, failed=4, ran_s=0.0125,
        finished_at=timezone.now(),
    )  # fmt: skip
    Worker.objects.filter(pk=other.worker_id).update(node="gpu-1@b")
    text = text_of(browser, BATCHES)
    for cell in (
        str(shown.pk),
        "echo:1",
        "gpu-0@a",
        "cpu",
        "60 succeeded, 4 failed",
        "12 ms",
        "full",
    ):
        assert cell in text, cell
    for query, ids in (
        ("open=yes", {other.pk}),
        ("open=no", {shown.pk}),
        ("seal=full", {shown.pk}),
        ("model=echo", {shown.pk, other.pk}),
        ("model=minilm", set()),
        ("node=gpu-1@b", {other.pk}),
        ("node=gpu-0@a&open=yes", set()),
    ):
        assert ids_on(browser, f"{BATCHES}?{query}") == ids, query
    text = text_of(browser, f"{BATCHES}{shown.pk}/change/")
    assert "64 jobs of at most 64: it was full." in text


def test_a_batch_whose_worker_s_row_is_gone_is_shown(browser: Browser, version: ModelVersion) -> None:
    batch = a_batch(version)
    Worker.objects.all()._raw_delete("default")  # past Django's protection, as retention does
    for page in (BATCHES, f"{BATCHES}{batch.pk}/change/"):
        assert str(batch.worker_id) in text_of(browser, page)


def test_an_open_batch_is_found_behind_many_newer_ones(
    browser: Browser, version: ModelVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.admin.base.newest.__defaults__", (2,))
    hung = a_batch(version, UUID(int=1))
    later = [a_batch(version, UUID(int=2 + n)) for n in range(4)]
    Batch.objects.filter(pk__in=[batch.pk for batch in later]).update(finished_at=timezone.now())
    assert ids_on(browser, BATCHES) == {batch.pk for batch in later[2:]}
    assert ids_on(browser, f"{BATCHES}?open=yes") == {hung.pk}


def test_a_dead_job_s_page_shows_why(browser: Browser, version: ModelVersion) -> None:
    text = text_of(browser, f"{JOBS}{a_job(version, State.DEAD).pk}/change/")
    for shown in ("poison", "bad_item", "no &lt;such&gt; word", "m.py", "FAILURE"):
        assert shown in text, shown


@pytest.mark.parametrize(
    "body",
    [
        b"x" * 1_000_000,
        json.dumps("\ud800").encode(),
        b"[" * 9_000 + b"]" * 9_000,
        b"9" * 5_000,
        b'"\\u0000"',
        b"\xff",
    ],
)
def test_a_page_shows_any_document_and_is_bounded(
    browser: Browser, version: ModelVersion, body: bytes
) -> None:
    job = a_job(version, State.SUCCEEDED)
    JobResult.objects.create(job=job, epoch=1, body=body)
    assert len(text_of(browser, f"{JOBS}{job.pk}/change/")) < 200_000


def test_a_queue_s_page_counts_by_client_and_a_job_s_page_shows_its_position(
    browser: Browser, version: ModelVersion
) -> None:
    job = a_job(version, State.QUEUED, priority=4, created_at=timezone.now())
    whose = [{job.client_id: 1_234} if priority == 4 else {} for priority in range(10)]
    counts = [sum(clients.values()) for clients in whose]
    QueueStanding.objects.create(
        model="echo", waiting=counts, head_age_s=[0.0] * 10, by_client=whose, per_s=100.0
    )
    forget_queues()
    page = text_of(browser, "/admin/jobs/queuestanding/echo/change/")
    assert all(text in page for text in (job.client.name, "1,234", "100.0 a second"))
    assert "jobs" in text_of(browser, f"{JOBS}{job.pk}/change/").split("ahead of it, about")[1][:400]


def test_a_jobs_page_shows_its_webhook(browser: Browser, version: ModelVersion) -> None:
    job = a_job(version, State.SUCCEEDED)
    Delivery.objects.create(
        job=job, client=job.client, url="https://app.example/hook", state="delivered", attempts=3
    )
    page = text_of(browser, f"{JOBS}{job.pk}/change/")
    assert f"/admin/jobs/delivery/{job.pk}/change/" in page


def test_every_page_of_every_model_opens(browser: Browser, version: ModelVersion) -> None:
    job = a_job(version, State.DEAD)
    waiting, running = a_job(version, State.WAITING), a_job(version, State.RUNNING)
    event = Event.objects.create(job=job, kind="attempt_failed", detail={"a": 1})
    token = ApiToken.objects.create(client=job.client, digest=b"\x07" * 32, prefix="abc")
    standing = QueueStanding.objects.create(model="echo", waiting=[3] * 10, head_age_s=[1.0] * 10)
    rows: dict[str, Any] = {
        "jobs/client": job.client_id, "jobs/apitoken": token.pk, "jobs/deadletter": job.pk,
        "jobs/queuestanding": standing.pk,
        "jobs/outbox": waiting.pk, "jobs/event": event.pk, "jobs/batch": running.batch_id,
        "jobs/worker": Worker.objects.get().pk, "models_registry/registeredmodel": version.model_id,
        "models_registry/modelversion": version.pk, "models_registry/alias": Alias.objects.get().pk,
    }  # fmt: skip
    for model, key in rows.items():
        text_of(browser, f"/admin/{model}/")
        text_of(browser, f"/admin/{model}/{key}/change/")
        assert browser.get(f"/admin/{model}/add/").status_code == 403
        changed = 302 if model == "jobs/client" else 403  # a client's quotas are changed here
        assert browser.post(f"/admin/{model}/{key}/change/", {}).status_code == changed
        assert browser.post(f"/admin/{model}/{key}/delete/", {"post": "yes"}).status_code == 403
    assert "\\x07" not in text_of(browser, f"/admin/jobs/apitoken/{token.pk}/change/")


def test_an_event_s_list_is_searched_by_its_job(browser: Browser, version: ModelVersion) -> None:
    job = a_job(version)
    event = Event.objects.create(job=job, kind="submit")
    Event.objects.create(job=a_job(version), kind="submit")
    assert ids_on(browser, f"/admin/jobs/event/?q={job.pk}") == {event.pk}


def press(browser: Browser, action: str, *jobs: Job) -> str:
    data = {"action": action, "_selected_action": [str(job.pk) for job in jobs], "index": "0"}
    return browser.post(JOBS, data, follow=True).content.decode()


def test_an_operator_cancels_a_job_and_the_audit_names_them(browser: Browser, version: ModelVersion) -> None:
    job, done = a_job(version), a_job(version, State.SUCCEEDED)
    text = press(browser, "cancel", job, done)
    job.refresh_from_db()
    assert job.state == State.CANCELLED
    assert "1 of 2 cancelled." in text
    assert "1 not cancelled" in text
    assert Event.objects.get(job=job).actor == "olga"


def test_an_operator_replays_a_dead_job(browser: Browser, version: ModelVersion) -> None:
    job = a_job(version, State.DEAD)
    JobInput.objects.create(job=job, body=b"{}")
    press(browser, "replay", job)
    job.refresh_from_db()
    assert job.state == State.QUEUED
    assert Event.objects.get(job=job).actor == "olga"


def test_a_viewer_is_offered_no_action(version: ModelVersion) -> None:
    job = a_job(version)
    browser = browser_of("view_job")
    assert "Cancel the selected" not in text_of(browser, JOBS)
    press(browser, "cancel", job)
    job.refresh_from_db()
    assert job.state == State.QUEUED


def test_the_admin_s_style_sheet_is_served_with_debug_off(db: str) -> None:
    response = Browser(SERVER_NAME="localhost").get("/static/admin/css/base.css")
    assert response.status_code == 200
    assert response.getvalue().startswith(b"/*")
    response.close()


def test_a_worker_s_page_shows_the_memory_of_its_device_while_it_runs(
    browser: Browser, version: ModelVersion
) -> None:
    worker = Worker.objects.filter(pk=a_batch(version).worker_id)
    page, shown = f"/admin/jobs/worker/{worker.get().pk}/change/", "29.2 GiB of 131 GiB"
    assert shown not in text_of(browser, page)
    worker.update(memory_used_bytes=31_400_000_000, memory_total_bytes=141_000_000_000)
    assert shown in text_of(browser, page)
    worker.update(ended_at=timezone.now())
    assert shown not in text_of(browser, page)


def test_what_a_worker_cannot_load_is_on_its_page_and_on_the_version_s(
    browser: Browser, version: ModelVersion
) -> None:
    batch = a_batch(version)
    for _ in range(2):
        note_load_failure(node="gpu-0@a", version=version.id, reason="The hash of <a> is 1, not 2.\0")
    for page in (f"jobs/worker/{batch.worker_id}", f"models_registry/modelversion/{version.id}"):
        assert "The hash of &lt;a&gt; is 1, not 2." in text_of(browser, f"/admin/{page}/change/")
    assert version.loads.get().tries == 2
    begin_loads(node="gpu-0@a")
    assert "The hash" not in text_of(browser, f"/admin/jobs/worker/{batch.worker_id}/change/")
