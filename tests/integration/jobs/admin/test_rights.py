"""To view, to see payloads and to act are three rights, on every page."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client as Browser
from django.utils import timezone

from jobs.core.states import State
from jobs.models import (
    ApiToken,
    Batch,
    BulkAct,
    CanaryReplay,
    Circuit,
    DeadLetter,
    Delivery,
    DisabledEndpoint,
    Event,
    Job,
    JobInput,
    JobResult,
    Outbox,
    QueueStanding,
    WebhookSecret,
    Worker,
    WorkPause,
)
from jobs.services.access.owner import token_digest
from jobs.services.access.tokens import create_token
from models_registry.models import Alias, ModelVersion, RegisteredModel
from tests.support.admin import ADDRESS, admin_pages, bodies, browser_of
from tests.support.drift import make_drift
from tests.support.factories import make_batch, make_client, make_job, make_version, make_worker
from tests.support.shown_platform import make_autoscaler, make_experiment
from tests.support.shown_rollouts import make_rollout, make_shadow, make_trial

SECRETS = ("ask-sesame", "with-sesame", "meta-sesame", "told-sesame", "trace-sesame", "event-sesame")
# The message of a dead letter is tested with its pages: an operator sorts failures by it.
JOB = "/admin/jobs/job/"


@pytest.fixture
def views(db: str) -> list[str]:
    return list(Permission.objects.filter(codename__startswith="view_").values_list("codename", flat=True))


@pytest.fixture
def viewer(views: list[str]) -> Browser:
    return browser_of(*(name for name in views if name != "view_payload"), name="vera")


@pytest.fixture
def reader(views: list[str]) -> Browser:
    return browser_of(*views, name="rita")


@pytest.fixture
def rows(db: str) -> dict[str, Any]:
    """Return a row for each model's page, all that a job may hold of payload in them."""
    dead, done, waiting = (make_job(state=state) for state in (State.DEAD, State.SUCCEEDED, State.WAITING))
    version, running = make_version("echo"), make_job()
    batch = make_batch(make_worker(), version, [running])
    for job in (dead, done, waiting, running):
        JobInput.objects.filter(job=job).update(
            body=b'{"t":"ask-sesame"}', parameters=b'{"p":"with-sesame"}', metadata=b'{"m":"meta-sesame"}'
        )
        detail = {"kind": "poison", "code": "bad", "message": "event-sesame", "batch": str(batch.pk)}
        Event.objects.create(job=job, kind="failed", actor="worker", epoch=1, detail=detail)
    JobResult.objects.filter(job=done).update(body=b'{"t":"told-sesame"}')
    DeadLetter.objects.filter(job=dead).update(traceback='File "m.py", line 1\nValueError: trace-sesame')
    token = create_token(client="app")
    rollout = make_rollout(state="done", hold="")
    trial = make_trial(rollout, "backtest", spec={"labels": {str(dead.pk): "told-sesame"}})
    standing = QueueStanding.objects.create(model="echo", waiting=[1] * 10, head_age_s=[1.0] * 10)
    return {
        "queuestanding": [standing.pk],
        "trial": [trial.pk], "shadow": [make_shadow(rollout).pk],
        "experiment": [make_experiment().pk], "autoscaler": [make_autoscaler().pk],
        "frozenreference": [make_drift().pk],
        "job": [dead.pk, done.pk, waiting.pk, running.pk], "deadletter": [dead.pk], "outbox": [waiting.pk],
        "event": list(Event.objects.values_list("pk", flat=True)), "batch": [batch.pk],
        "worker": [Worker.objects.get().pk], "client": [dead.client_id],
        "canaryreplay": [canary_replay(dead.pk)],
        "bulkact": [
            BulkAct.objects.create(
                verb="cancel", selection={"value": "meta-sesame"}, rate_per_s=1, total=1, actor="olga"
            ).pk
        ],
        "workpause": [
            WorkPause.objects.create(kind="model", target=1, name="echo", reason="why", actor="olga").pk
        ],
        "circuit": [Circuit.objects.create(version=version, state="open").pk],
        "delivery": [Delivery.objects.create(job=done, client=done.client, url="https://example.org/").pk],
        "disabledendpoint": [DisabledEndpoint.objects.create(client=done.client, url="https://gone/").pk],
        "webhooksecret": [WebhookSecret.objects.create(client=done.client, sealed=b"sealed").pk],
        "apitoken": [ApiToken.objects.get(digest=token_digest(token)).pk],
    }  # fmt: skip


def canary_replay(job: Any) -> int:
    replay = CanaryReplay.objects.create(
        model="echo",
        fingerprint="x",
        until=timezone.now(),
        most=1,
        canary=job,
        state="trying",
        actor="olga",
        patch='[{"op": "test", "path": "/t", "value": "ask-sesame"}]',
    )
    return replay.pk


def test_without_the_right_to_payloads_no_page_shows_any(viewer: Browser, rows: dict[str, Any]) -> None:
    pages = admin_pages(rows)
    assert len(pages) > 15
    for page, text in bodies(viewer, pages).items():
        assert [secret for secret in SECRETS if secret in text] == [], page
    assert not Event.objects.filter(kind="view_payload").exists()


@pytest.mark.parametrize(
    "query",
    [
        "deadletter/?message__startswith=a",
        "deadletter/?traceback__contains=trace",
        "deadletter/?history__0__message__startswith=a",
        "event/?detail__message__startswith=event",
        "event/?detail__message=event-sesame",
        "batch/?progress__isnull=0",
        "job/?idempotency_key__startswith=a",
        "delivery/?history__0__said__startswith=a",
        "apitoken/?digest=x",
        "client/?name__regex=(a%2B)%2B%24",
    ],
)
def test_no_query_string_finds_out_by_guesses_what_the_page_does_not_show(
    viewer: Browser, rows: dict[str, Any], query: str
) -> None:
    assert rows
    assert viewer.get(f"/admin/jobs/{query}").status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "job/?state=dead&model=echo&priority=4&client=1&when=7d",
        "deadletter/?model=echo&kind=poison&fingerprint=x",
        "delivery/?state__exact=waiting",
        "canaryreplay/?state__exact=trying",
        "outbox/?model=echo&priority=4",
        "event/?kind=failed",
    ],
)
def test_a_page_s_own_filters_are_taken(viewer: Browser, rows: dict[str, Any], query: str) -> None:
    assert rows
    assert viewer.get(f"/admin/jobs/{query}").status_code == 200


def test_with_the_right_to_payloads_the_pages_show_all_of_them(reader: Browser, rows: dict[str, Any]) -> None:
    text = "".join(bodies(reader, admin_pages(rows)).values())
    assert [secret for secret in SECRETS if secret not in text] == []


def test_each_view_of_a_payload_is_audited(reader: Browser, rows: dict[str, Any]) -> None:
    job = rows["job"][1]
    assert reader.get(f"{JOB}{job}/change/").status_code == 200
    event = Event.objects.get(kind="view_payload")
    assert (event.job_id, event.actor, event.address) == (job, "rita", ADDRESS)
    reader.get(JOB)
    reader.get(f"{JOB}00000000-0000-0000-0000-000000000000/change/")
    assert Event.objects.filter(kind="view_payload").count() == 1


def test_a_viewer_sees_a_failed_attempt_s_kind_and_code(viewer: Browser, rows: dict[str, Any]) -> None:
    text = viewer.get(f"{JOB}{rows['job'][0]}/change/").content.decode()
    for shown in ("poison", "bad", "poison:test:-"):
        assert shown in text


@pytest.mark.parametrize("right", ["view_payload", "change_job"])
def test_no_other_right_opens_a_page_without_the_right_to_view(db: str, right: str) -> None:
    job = make_job()
    somebody = browser_of(right, name="sam")
    for page in (JOB, f"{JOB}{job.pk}/change/", "/admin/jobs/event/"):
        assert somebody.get(page).status_code == 403, page


def test_the_rights_to_see_payloads_and_to_act_are_separate(rows: dict[str, Any]) -> None:
    job = rows["job"][2]
    reader = browser_of("view_job", "view_payload", name="rita")
    operator = browser_of("view_job", "change_job")
    assert "ask-sesame" not in operator.get(f"{JOB}{job}/change/").content.decode()
    form = {"action": "cancel", "_selected_action": [str(job)], "index": "0"}
    reader.post(JOB, form)
    assert Job.objects.get(pk=job).state == State.WAITING
    operator.post(JOB, form)
    assert Job.objects.get(pk=job).state == State.CANCELLED
    event = Event.objects.get(kind="cancel")
    assert (event.actor, event.address) == ("olga", ADDRESS)


TOKENS = "/admin/jobs/apitoken/"


def press(browser: Browser, action: str, *tokens: int) -> str:
    form = {"action": action, "_selected_action": [str(pk) for pk in tokens], "index": "0"}
    answer = browser.post(TOKENS, form, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_operator_ends_tokens_and_no_page_shows_one_that_works(db: str) -> None:
    old = ApiToken.objects.get(digest=token_digest(create_token(client="app", scopes=["admin"])))
    operator = browser_of("view_apitoken", "change_apitoken", "view_client", "change_client")
    shown = press(operator, "rotate", old.pk) + press(operator, "end", old.pk)
    assert re.findall(r"inf_[\w-]{43}", shown) == []
    assert ApiToken.objects.count() == 1
    old.refresh_from_db()
    assert old.expires_at is not None
    assert old.expires_at - timezone.now() < timedelta(hours=25)
    press(operator, "revoke", old.pk)
    kinds = Event.objects.exclude(kind="token_create").order_by("id").values_list("kind", "actor")
    assert list(kinds) == [("token_end", "olga"), ("token_revoke", "olga")]


def test_no_page_of_the_admin_makes_a_token(db: str) -> None:
    form = {"client": "1", "scopes": "admin", "prefix": "inf_", "digest": "x"}
    assert browser_of().post(f"{TOKENS}add/", form).status_code == 403
    assert not ApiToken.objects.exists()


def test_a_clerk_sets_the_models_of_a_client_and_that_is_audited(db: str) -> None:
    client = make_client("app")
    clerk = browser_of("view_client", "change_client", name="carl")
    page = f"/admin/jobs/client/{client.pk}/change/"
    assert clerk.post(page, {"models": "minilm, echo"}).status_code == 302
    client.refresh_from_db()
    assert client.models == ["echo", "minilm"]
    event = Event.objects.get(kind="client_models")
    assert (event.actor, event.detail["before"], event.detail["after"]) == ("carl", [], ["echo", "minilm"])


def test_a_viewer_of_tokens_cannot_change_them(db: str) -> None:
    token = ApiToken.objects.get(digest=token_digest(create_token(client="app", expires_in_days=None)))
    viewer = browser_of("view_apitoken", name="vera")
    for action in ("end", "revoke"):
        press(viewer, action, token.pk)
    token.refresh_from_db()
    assert (token.revoked_at, token.expires_at, ApiToken.objects.count()) == (None, None, 1)


def test_the_registry_shows_who_moved_an_alias(viewer: Browser, rows: dict[str, Any]) -> None:
    from models_registry.services import move_alias

    make_version("echo", "2")
    move_alias(name="echo", alias="default", version="2", actor="olga", now=True)
    assert "olga" in viewer.get("/admin/models_registry/promotion/").content.decode()
    assert Alias.objects.get(name="default").version == ModelVersion.objects.get(version="2")
    assert (RegisteredModel.objects.count(), Batch.objects.count(), Outbox.objects.count()) == (1, 1, 1)
