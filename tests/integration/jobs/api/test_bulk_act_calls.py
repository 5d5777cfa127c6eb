"""Acts on many jobs over the API: a client's own jobs only, once a key, and within its quotas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db.models import F
from django.test import Client as HttpClient

from jobs.core.states import State
from jobs.models import BulkAct, Client, Event, Job
from jobs.services.access.owner import forget_owners
from jobs.services.access.tokens import create_token
from jobs.services.admission.quotas import forget_quotas
from jobs.services.bulk_acts import asked_acts
from jobs.services.bulk_acts.slices import take_slices
from models_registry import selectors
from tests.support.factories import count_by_state, make_client, make_dead, make_jobs, make_version
from tests.support.submit import submit_to


@pytest.fixture(autouse=True)
def fresh(db: str) -> Iterator[None]:
    selectors.forget()
    forget_owners()
    forget_quotas()
    make_version("echo")
    yield
    forget_quotas()


class App:
    """An app with a token; its calls return the status and the JSON of the answer."""

    def __init__(self, client: str = "tests", scopes: tuple[str, ...] = ("cancel", "replay", "read")) -> None:
        token = create_token(client=client, scopes=list(scopes))
        self._http = HttpClient(headers={"Authorization": f"Bearer {token}"})

    def act(self, verb: str, key: str | None = None, **body: Any) -> tuple[int, dict[str, Any]]:
        headers = {"Idempotency-Key": key} if key else {}
        answer = self._http.post(
            f"/api/v1/bulk-acts/{verb}", json.dumps(body), "application/json", headers=headers
        )
        return answer.status_code, answer.json()

    def get(self, path: str = "") -> tuple[int, dict[str, Any]]:
        answer = self._http.get(f"/api/v1/bulk-acts{path}")
        return answer.status_code, answer.json()

    def stop(self, act: int) -> tuple[int, dict[str, Any]]:
        answer = self._http.post(f"/api/v1/bulk-acts/{act}/stop")
        return answer.status_code, answer.json()


def take_all() -> None:
    for _ in range(20):
        BulkAct.objects.update(due=F("created_at"))
        take_slices()


def test_a_client_cancels_its_own_jobs_and_no_other_s() -> None:
    make_jobs(3)
    theirs = make_jobs(2, client=make_client("theirs"))
    app = App()
    status, counted = app.act("cancel", dry_run=True)
    assert (status, counted["id"], counted["total"], counted["more"]) == (202, None, 3, False)
    assert not BulkAct.objects.exists()
    status, begun = app.act("cancel", rate_per_s=10_000)
    assert (status, begun["state"], begun["total"], begun["actor"]) == (202, "running", 3, "client:tests")
    take_all()
    status, ended = app.get(f"/{begun['id']}")
    assert (status, ended["state"], ended["done"], ended["failed"]) == (200, "finished", 3, 0)
    assert count_by_state() == {"cancelled": 3, "queued": 2}
    assert set(Job.objects.filter(state="queued").values_list("id", flat=True)) == {job.pk for job in theirs}
    started = Event.objects.filter(kind="bulk_act", actor="client:tests").order_by("id").first()
    assert started is not None
    assert started.token is not None


def test_dead_jobs_of_one_client_are_found_along_its_own_index_and_replayed() -> None:
    make_dead(2)
    make_jobs(2, state=State.CANCELLED)
    make_jobs(2, state=State.CANCELLED, client=make_client("theirs"))
    _, begun = App().act("replay", rate_per_s=10_000)
    assert begun["total"] == 4
    take_all()
    assert count_by_state() == {"queued": 4, "cancelled": 2}


def test_only_an_admin_acts_on_jobs_of_other_clients_and_only_by_name() -> None:
    make_jobs(2)
    admin, app = App("operators", ("admin",)), App("app")
    others: list[dict[str, Any]] = [{"client": "tests"}, {"all_clients": True}]
    for other in others:
        status, problem = app.act("cancel", **other)
        assert (status, problem["code"], problem["scope"]) == (403, "forbidden", "admin")
        assert admin.act("cancel", dry_run=True, **other)[1]["total"] == 2
    assert admin.act("cancel", dry_run=True)[1]["total"] == 0
    assert admin.act("cancel", client="nobody")[0] == 404


def test_an_act_of_another_client_is_not_there_but_for_an_admin() -> None:
    app, other, admin = App("app"), App("other"), App("operators", ("admin",))
    act = app.act("cancel")[1]["id"]
    assert other.get(f"/{act}")[0] == other.stop(act)[0] == 404
    assert other.get()[1] == {"acts": []}
    assert [row["id"] for row in app.get()[1]["acts"]] == [act]
    assert [row["id"] for row in admin.get()[1]["acts"]] == [act]
    assert admin.get("/99999999999999999999")[0] == 404


def test_the_same_key_starts_one_act_and_another_body_is_a_conflict() -> None:
    app = App()
    first = app.act("cancel", "k", model="echo")[1]
    make_jobs(1)
    assert app.act("cancel", "k", model="echo")[1] == first
    for other in (app.act("cancel", "k"), app.act("replay", "k", model="echo")):
        assert (other[0], other[1]["code"]) == (409, "idempotency_conflict")
    assert App("other").act("cancel", "k")[0] == 202
    assert app.act("cancel")[1]["id"] != app.act("cancel")[1]["id"]


def test_an_act_is_stopped_once() -> None:
    make_jobs(10)
    app = App()
    act = app.act("cancel", rate_per_s=4)[1]["id"]
    take_slices()
    status, stopped = app.stop(act)
    assert (status, stopped["state"], stopped["done"]) == (200, "stopped", 2)
    assert (app.stop(act)[0], app.stop(act)[1]["code"]) == (409, "wrong_state")


def test_replays_wait_for_the_client_s_quota_and_then_go_on() -> None:
    make_jobs(6, state=State.CANCELLED)
    Client.objects.filter(name="tests").update(requests_per_s=0.001, requests_burst=4)
    app = App()
    act = app.act("replay", rate_per_s=10_000)[1]["id"]
    take_slices()
    row = BulkAct.objects.get(pk=act)
    assert (row.done, row.failed, row.state) == (4, 0, "running")
    assert (row.due - row.created_at).total_seconds() > 100
    Client.objects.update(requests_per_s=None, requests_burst=None)
    take_all()
    assert app.get(f"/{act}")[1]["done"] == 6


def test_a_client_of_some_models_names_the_one_whose_jobs_it_replays() -> None:
    make_version("other")
    Client.objects.update_or_create(name="tests", defaults={"models": ["echo"]})
    app = App()
    refused: list[dict[str, Any]] = [{}, {"model": "other"}]
    for body in refused:
        assert app.act("replay", dry_run=True, **body)[1]["code"] == "model_not_allowed"
    assert app.act("replay", dry_run=True, model="echo")[0] == 202
    assert app.act("cancel", dry_run=True)[0] == 202


def test_filters_of_the_api_select_what_they_say() -> None:
    make_version("echo", "2", options={"metadata_index": ["tenant"]})
    submit_to("echo", "a")
    submit_to("echo:2", "b", metadata={"tenant": "acme"}, priority=7)
    submit_to("echo:2", "c", metadata={"tenant": "other"})
    app = App()
    counts: list[tuple[dict[str, Any], int]] = [
        ({}, 3),
        ({"model": "echo"}, 3),
        ({"model": "echo:2"}, 2),
        ({"model": "echo", "metadata": {"tenant": "acme"}}, 1),
        ({"priority": 7}, 1),
        ({"state": "running"}, 0),
        ({"created_before": "2020-01-01T00:00:00Z"}, 0),
        ({"created_after": "2020-01-01T00:00:00Z"}, 3),
        ({"created_before": "1960-01-01T00:00:00Z"}, 0),
        ({"created_after": "0001-01-01T00:00:00Z"}, 3),
    ]
    for body, total in counts:
        assert app.act("cancel", dry_run=True, **body)[1].get("total") == total, body
    assert app.act("cancel", dry_run=True, model="missing")[1]["code"] == "model_not_found"
    assert app.act("cancel", dry_run=True, state="dead")[1]["code"] == "wrong_state"


def test_a_client_has_a_bounded_number_of_acts_that_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked_acts, "MOST_OPEN", 1)
    app = App()
    act = app.act("cancel")[1]["id"]
    assert app.act("cancel")[1]["code"] == "wrong_state"
    app.stop(act)
    assert app.act("cancel")[0] == 202
