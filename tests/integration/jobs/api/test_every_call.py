"""Every documented call, on both servers: access to jobs, and scopes.

Generated from the OpenAPI document, so that a new call is tested at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
from django.test import Client

from jobs.core.access.scopes import Scope
from jobs.core.states import State
from jobs.models import BulkAct, Event, Job, JobResult, Shadow
from jobs.models.rollouts.version_trial import Trial
from jobs.services.access.tokens import create_token
from models_registry.core.rollouts.rollout_plan import Plan
from models_registry.models import Rollout, Rule
from tests.integration.jobs.api.calls import Call, documented
from tests.support.factories import job_id, make_client, make_job, make_version
from tests.support.flags import flag

Send = Callable[[str, Call, object], tuple[int, dict[str, Any]]]
CALLS = documented()
SCOPED = [call for call in CALLS if call.scope]
OF_ONE_JOB = [call for call in CALLS if call.names_a_job]
STATES = (State.QUEUED, State.SUCCEEDED, State.DEAD)
PROMISED = {
    "GET /api/v1/jobs": Scope.READ,
    "POST /api/v1/jobs": Scope.SUBMIT,
    "POST /api/v1/jobs/bulk": Scope.SUBMIT,
    "POST /api/v1/jobs/stream": Scope.SUBMIT,
    "GET /api/v1/jobs/{job_id}": Scope.READ,
    "GET /api/v1/jobs/{job_id}/lineage": Scope.READ,
    "GET /api/v1/jobs/{job_id}/timeline": Scope.READ,
    "POST /api/v1/jobs/{job_id}/cancel": Scope.CANCEL,
    "POST /api/v1/jobs/{job_id}/replay": Scope.REPLAY,
    "DELETE /api/v1/jobs/{job_id}": Scope.ERASE,
    "POST /api/v1/erasures": Scope.ERASE,
    "POST /api/v1/bulk-acts/cancel": Scope.CANCEL,
    "POST /api/v1/bulk-acts/replay": Scope.REPLAY,
    "POST /api/v1/bulk-acts/discard": Scope.ADMIN,
    "POST /api/v1/jobs/{job_id}/feedback": Scope.SUBMIT,
    "POST /api/v1/feedback": Scope.SUBMIT,
    "POST /api/v1/models/{name}/rules": Scope.ROLL_OUT,
    "GET /api/v1/models/{name}/rules/{number}/cascade": Scope.ROLL_OUT,
    "GET /api/v1/models/{name}/rules/{number}/report": Scope.ROLL_OUT,
    "POST /api/v1/models/{name}/rules/{number}/shadow/stop": Scope.ROLL_OUT,
    "POST /api/v1/models/{name}/rules/{number}/shadow/start": Scope.ROLL_OUT,
    "POST /api/v1/models/{name}/rollouts": Scope.ROLL_OUT,
    "POST /api/v1/models/{name}/backtests": Scope.ROLL_OUT,
    "GET /api/v1/backtests/{backtest_id}": Scope.ROLL_OUT,
    "POST /api/v1/backtests/{backtest_id}/cancel": Scope.ROLL_OUT,
    "POST /api/v1/models/{name}/versions/{version}/unblock": Scope.ROLL_OUT,
    "POST /api/v1/rollouts/{rollout_id}/promote": Scope.ROLL_OUT,
    "POST /api/v1/rollouts/{rollout_id}/roll_back": Scope.ROLL_OUT,
    "POST /api/v1/rollouts/{rollout_id}/approve": Scope.APPROVE,
    **{f"{verb} /api/v1/flags/{{flag}}": Scope.ROLL_OUT for verb in ("GET", "PUT", "DELETE")},
}
OPEN = {"/api/v1/token/rotate", "/api/v1/models", "/api/v1/models/{name}", "/api/v1/models/{name}/versions"}


def test_every_call_but_the_registry_s_names_its_scope() -> None:
    assert {call.path for call in CALLS if call.scope is None} == OPEN
    assert PROMISED.items() <= {str(call): call.scope for call in CALLS}.items()


@pytest.fixture(params=["django", "server"])
def send(request: pytest.FixtureRequest, echo: None) -> Iterator[Send]:
    """Send a call with a token: to Django itself, and to a server as it is run."""
    app = make_client("app")
    BulkAct.objects.create(pk=1, verb="cancel", selection={}, rate_per_s=1, total=0, actor="app", client=app)
    version = make_version("echo")
    Rollout.objects.create(  # it has ended: no call waits for it
        pk=1, model=version.model, alias="default", stable=version, candidate=version, plan=Plan().document,
        state="cancelled", budget=50, actor="app",
    )  # fmt: skip
    flag("beta")
    arms = [{"version": "1", "share": 0.5}, {"version": "2", "share": 0.5}]
    check = {"pointer": "/confidence", "below": 0.5, "goto": 1, "degrades": True}
    steps = [{"version": "echo:1", "id": version.pk, "checks": [check]}, {"version": "echo:2"}]
    Rule.objects.create(  # no alias follows it
        model="echo", alias="default", number=1, document={"stable": "1", "arms": arms}, steps=steps,
        sha256="0" * 64, actor="app",
    )  # fmt: skip
    Shadow.objects.create(
        rule=1,
        model="echo",
        alias="default",
        number=1,
        stable=version,
        version=version,
        share=1.0,
        batch_s=0.05,
        time_share=0.002,
    )
    Trial.objects.create(pk=1, kind="backtest", model="echo", candidate=version, actor="app")
    with _sender(request) as made:
        yield made


@contextmanager
def _sender(request: pytest.FixtureRequest) -> Iterator[Send]:
    if request.param == "django":
        yield _to_django
        return
    server: httpx.Client = request.getfixturevalue("serve")()

    def to_server(token: str, call: Call, job: object) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {token}"}
        answer = server.request(call.method, call.on(job), json=call.body, headers=headers)
        return answer.status_code, _problem(answer.content)

    yield to_server


def _to_django(token: str, call: Call, job: object) -> tuple[int, dict[str, Any]]:
    app = Client(headers={"Authorization": f"Bearer {token}"})
    body = b"" if call.body is None else json.dumps(call.body).encode()
    answer = app.generic(call.method, call.on(job), body, "application/json")
    return answer.status_code, _problem(answer.getvalue())


def _problem(body: bytes) -> dict[str, Any]:
    """Return a problem's members; none of another answer."""
    try:
        members = json.loads(body)
    except ValueError:
        return {}
    return members if isinstance(members, dict) and "code" in members else {}


def a_job(state: State, client: str = "app") -> UUID:
    return UUID(str(make_job(state=state, client=make_client(client)).id))


def a_dead_job(client: str = "app") -> UUID:
    """Return an ended job: no call waits for it, and it may be replayed."""
    return a_job(State.DEAD, client)


def state_of(job: UUID) -> tuple[str, int]:
    row = Job.objects.get(pk=job)
    return row.state, row.epoch


def test_another_client_s_job_answers_like_a_missing_one(send: Send) -> None:
    stranger = create_token(client="other", scopes=["submit", "read", "cancel", "replay", "erase"])
    for call in OF_ONE_JOB:
        for state in STATES:
            job = a_job(state)
            before = state_of(job)
            answer = send(stranger, call, job)
            assert answer == send(stranger, call, job_id()), f"{call} on a {state} job"
            assert (answer[0], answer[1].get("code")) == (404, "job_not_found"), f"{call} on a {state} job"
            assert state_of(job) == before, call


def test_another_client_s_job_cannot_be_awaited_or_listed(send: Send) -> None:
    stranger, job = create_token(client="other"), a_job(State.QUEUED)
    for call in OF_ONE_JOB:
        if call.method == "GET":
            status, _ = send(stranger, call, f"{job}?wait=30" if call.path.endswith("}") else job)
            assert status == 404, call
    app = Client(headers={"Authorization": f"Bearer {stranger}"})
    assert app.get("/api/v1/jobs").json()["jobs"] == []


def test_the_owner_of_a_job_may_make_every_call(send: Send) -> None:
    owner = create_token(client="app")
    for call in OF_ONE_JOB:
        assert send(owner, call, a_dead_job())[0] not in {401, 403, 404}, call


def test_without_its_scope_a_call_is_forbidden_for_any_job(send: Send) -> None:
    for call in SCOPED:
        others = [scope.value for scope in Scope if scope not in {call.scope, Scope.ADMIN}]
        token = create_token(client="app", scopes=others)
        for job in (a_dead_job(), a_dead_job("another"), job_id()):
            status, problem = send(token, call, job)
            assert (status, problem.get("code"), problem.get("scope")) == (403, "forbidden", call.scope), call
    assert not Job.objects.exclude(state=State.DEAD).exists()


def test_a_call_needs_only_its_own_scope(send: Send) -> None:
    for call in SCOPED:
        assert call.scope is not None
        token = create_token(client="app", scopes=[call.scope.value])
        assert send(token, call, a_dead_job())[0] not in {401, 403, 404}, call


def test_an_admin_reaches_every_client_s_jobs_and_its_views_are_audited(send: Send) -> None:
    admin = create_token(client="operators", scopes=["admin"])
    for call in SCOPED:
        refused = send(admin, call, a_dead_job("app"))[0] in {401, 403, 404}
        assert refused == (call.scope is Scope.APPROVE), call  # that one is granted by name
    seen = a_job(State.SUCCEEDED)
    read = next(call for call in OF_ONE_JOB if call.path.endswith("{job_id}"))
    assert send(admin, read, seen)[0] == 200
    event = Event.objects.get(kind="view_payload", job_id=seen)
    assert (event.actor, event.address is not None) == ("client:operators", True)


def test_answers_to_a_token_without_read_have_no_payload(echo: None) -> None:
    token = create_token(client="app", scopes=["submit", "cancel", "replay"])
    app = Client(headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "k"})
    job = app.post("/api/v1/jobs", _BODY, "application/json").json()
    done = Job.objects.get(pk=job["id"])
    Job.objects.filter(pk=done.pk).update(state=State.SUCCEEDED, finished_at=done.created_at)
    JobResult.objects.create(job=done, epoch=0, body=b'{"text":"secret"}')
    again = app.post("/api/v1/jobs", _BODY, "application/json")
    assert (again.status_code, again.json()["state"]) == (200, "succeeded")
    refused = app.post(f"/api/v1/jobs/{a_dead_job()}/replay")
    for answer in (again, refused):
        assert b"secret" not in answer.content
        assert not {"output", "error"} & answer.json().keys()
        assert answer.json()["metadata"] is None


_BODY = json.dumps({"model": "echo", "input": {"text": "hello"}, "metadata": {"k": "secret"}}).encode()
