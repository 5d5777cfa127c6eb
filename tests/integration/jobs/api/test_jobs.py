"""Reading, cancelling and replaying jobs, and the access to each."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from jobs.core.states import State
from jobs.models import ApiToken, DeadLetter, Event, Job, Outbox
from jobs.services.access.owner import forget_owners
from jobs.services.access.tokens import create_token, revoke_token
from jobs.services.lifecycle.cancel import cancel_job
from tests.support.factories import make_batch, make_job, make_version, make_worker

GOOD = {"model": "echo", "input": {"text": "hello"}}


@pytest.fixture
def job_id(post: Callable[..., Any]) -> str:
    return str(post(GOOD).json()["id"])


def test_another_clients_job_is_unknown_on_every_call(job_id: str, other_app: Client) -> None:
    path = f"/api/v1/jobs/{job_id}"
    answers = [other_app.get(path), other_app.get(f"{path}?wait=5")]
    answers += [other_app.post(f"{path}/{verb}") for verb in ("cancel", "replay")]
    assert [(a.status_code, a.json()["code"]) for a in answers] == [(404, "job_not_found")] * 4
    assert other_app.get("/api/v1/jobs").json()["jobs"] == []
    assert Job.objects.get(pk=job_id).state == State.QUEUED


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic abc", "Bearer \u00ff"])
def test_without_a_good_token_no_call_is_served(echo: None, header: str) -> None:
    answer = Client(headers={"Authorization": header}).get("/api/v1/jobs")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_an_expired_or_revoked_token_is_refused_and_only_its_digest_is_stored(echo: None) -> None:
    token = create_token(client="app", expires_in_days=1)
    row = ApiToken.objects.get()
    assert token.encode() not in bytes(row.digest)
    app = Client(headers={"Authorization": f"Bearer {token}"})
    assert app.get("/api/v1/jobs").status_code == 200
    assert revoke_token(token_id=row.pk)
    assert app.get("/api/v1/jobs").status_code == 401
    ApiToken.objects.update(revoked_at=None, expires_at="2020-01-01T00:00:00Z")
    forget_owners()
    assert app.get("/api/v1/jobs").status_code == 401


def test_a_succeeded_job_shows_its_output_and_a_dead_one_its_error(
    app: Client, post: Callable[..., Any]
) -> None:
    done, dead = (str(post(GOOD).json()["id"]) for _ in range(2))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE jobs_job SET state = 'succeeded', finished_at = now() WHERE id = %s", [done])
        cursor.execute("INSERT INTO jobs_jobresult (job_id, epoch, body) VALUES (%s, 1, '[1e2]')", [done])
        cursor.execute(
            "UPDATE jobs_job SET state = 'dead', finished_at = now(), error_kind = 'invalid',"
            " error_code = 'bad' WHERE id = %s",
            [dead],
        )
    DeadLetter.objects.create(
        job_id=dead, epoch=1, model="echo", kind="invalid", code="bad", message="why", reason="the last"
    )
    assert app.get(f"/api/v1/jobs/{done}").json()["output"] == [100.0]
    assert app.get(f"/api/v1/jobs/{dead}").json()["error"] == {
        "kind": "invalid",
        "code": "bad",
        "detail": "why",
        "reason": "the last",
    }


def test_a_cancelled_job_leaves_the_outbox_and_can_be_replayed(app: Client, job_id: str) -> None:
    assert app.post(f"/api/v1/jobs/{job_id}/cancel").json()["state"] == "cancelled"
    assert app.post(f"/api/v1/jobs/{job_id}/cancel").status_code == 200
    assert (Job.objects.get().epoch, Outbox.objects.count()) == (1, 0)
    assert app.post(f"/api/v1/jobs/{job_id}/replay").json()["state"] == "queued"
    assert (Job.objects.get().epoch, Outbox.objects.get().epoch) == (2, 2)
    refused = app.post(f"/api/v1/jobs/{job_id}/replay")
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")
    kinds = [(event.kind, event.actor) for event in Event.objects.exclude(kind="token_create").order_by("id")]
    assert kinds == [(kind, "client:app") for kind in ("submit", "cancel", "replay")]


def test_a_running_job_that_is_cancelled_fences_its_worker(echo: None) -> None:
    version, job = make_version("echo"), make_job()
    make_batch(make_worker(), version, [job])
    assert cancel_job(job_id=job.id, actor="test")
    job.refresh_from_db()
    assert (job.state, job.epoch) == (State.CANCELLED, 2)


def test_pages_go_back_in_time_without_gap_or_repeat(app: Client, post: Callable[..., Any]) -> None:
    made = [item["id"] for item in post([GOOD] * 7, "/api/v1/jobs/bulk").json()["jobs"]]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = app.get(f"/api/v1/jobs?limit=3{cursor and '&cursor=' + cursor}").json()
        seen += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
    assert seen == made[::-1]


def test_filters_narrow_a_page(app: Client, post: Callable[..., Any]) -> None:
    low, high = (post(GOOD | {"priority": p}).json() for p in (0, 9))
    app.post(f"/api/v1/jobs/{low['id']}/cancel")

    def ids(query: str) -> list[str]:
        return [job["id"] for job in app.get(f"/api/v1/jobs?{query}").json()["jobs"]]

    assert ids("state=cancelled") == [low["id"]]
    assert ids("priority=9&model=echo") == [high["id"]]
    assert ids(f"created_after={low['created_at']}") == [high["id"]]
    assert ids("created_after=0001-01-01T00:00:00Z") == ids("created_after=0001-01-01T00:00:00%2B23:59")
    assert ids("created_after=0001-01-01T00:00:00Z") == [high["id"], low["id"]]
    assert ids("created_after=9999-12-31T23:59:59-23:59") == []
    assert ids("model=other") == []
    assert app.get("/api/v1/jobs?state=lost").json()["code"] == "malformed"


def test_health_documents_and_unknown_addresses_answer(app: Client, echo: None) -> None:
    paths = ("/healthz", "/readyz", "/api/v1/openapi.json", "/api/v1/docs")
    assert [Client().get(path).status_code for path in paths] == [200] * 4
    document = app.get("/api/v1/openapi.json").json()
    body = document["paths"]["/api/v1/jobs"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert "deadline_s" in document["components"]["schemas"][schema]["properties"]
    assert app.get("/api/v1/models").json()[0]["name"] == "echo"
    unknown, wrong = app.get("/api/v2/jobs"), app.delete("/api/v1/jobs")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")


def test_a_lost_database_connection_is_replaced_unseen(app: Client, post: Callable[..., Any]) -> None:
    post(GOOD)
    pid = connection.connection.info.backend_pid
    connection.connection.pgconn.finish()
    assert post(GOOD).status_code == 202
    assert connection.connection.info.backend_pid != pid


def test_a_name_with_a_nul_matches_nothing(app: Client, echo: None) -> None:
    assert app.get("/api/v1/jobs?model=a%00b").json() == {"jobs": [], "next_cursor": None}
    admin = Client(headers={"Authorization": f"Bearer {create_token(client='o', scopes=['admin'])}"})
    answers = (
        admin.get("/api/v1/jobs?client=a%00b"),
        app.get("/api/v1/models/a%00b"),
        app.get("/api/v1/models/a%00b/versions"),
        app.post("/api/v1/jobs", b'{"model":"a\\u0000b","input":1}', content_type="application/json"),
    )
    assert [answer.status_code for answer in answers] == [404] * len(answers)
