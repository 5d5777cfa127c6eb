"""A token that is revoked while its call waits gets nothing more; how many calls of a client may wait."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from uuid import UUID

import httpx
import pytest

from jobs.models import ApiToken, Job
from jobs.services.access.tokens import create_token, revoke_token
from jobs.services.lifecycle.cancel import cancel_job
from tests.integration.jobs.api.test_events import listen, until_waiting
from tests.support.factories import make_client, make_job

Serve = Callable[..., httpx.Client]
GOOD = {"model": "echo", "input": {"text": "hello"}}


def a_job() -> UUID:
    return UUID(str(make_job(client=make_client("app")).id))


def revoke_all() -> None:
    for token in ApiToken.objects.all():
        assert revoke_token(token_id=token.pk)


def end_all() -> None:
    for job in Job.objects.all():
        cancel_job(job_id=job.pk, actor="test")


@pytest.fixture
def server(serve: Serve) -> httpx.Client:
    return serve(WAITS_PER_CLIENT="3", STREAMS_PER_CLIENT="2")


def test_a_token_that_is_revoked_while_its_calls_wait_gets_no_answer(server: httpx.Client) -> None:
    first, second = a_job(), a_job()
    with ThreadPoolExecutor(3) as pool, ExitStack() as streams:
        polled = [pool.submit(server.get, f"/api/v1/jobs/{job}?wait=50") for job in (first, second)]
        posted = pool.submit(server.post, "/api/v1/jobs", json=GOOD, headers={"Prefer": "wait=50"})
        followed = [streams.enter_context(listen(server, job)) for job in (first, second)]
        assert [next(events).name for events in followed] == ["state", "state"]
        until_waiting(server, 3, "long_poll")
        revoke_all()
        end_all()  # at once, before anything could find the revoked token by itself
        assert [wait.result(20).status_code for wait in polled] == [401, 401]
        assert (posted.result(20).status_code, posted.result(20).json()["state"]) == (202, "queued")
        assert [[event.name for event in events if event.name == "end"] for events in followed] == [[], []]


def test_a_call_ends_soon_after_its_token_although_its_job_does_not(server: httpx.Client) -> None:
    job = a_job()
    with ThreadPoolExecutor(1) as pool, listen(server, job) as events:
        polled = pool.submit(server.get, f"/api/v1/jobs/{job}?wait=50")
        next(events)
        until_waiting(server, 1, "long_poll")
        revoke_all()
        assert list(events) == []
        assert polled.result(20).status_code == 401


def test_the_calls_of_a_client_that_wait_at_once_are_bounded(server: httpx.Client) -> None:
    job = a_job()
    with ThreadPoolExecutor(3) as pool, ExitStack() as streams:
        waits = [pool.submit(server.get, f"/api/v1/jobs/{job}?wait=50") for _ in range(3)]
        listeners = [streams.enter_context(listen(server, job)) for _ in range(2)]
        until_waiting(server, 3, "long_poll")
        for path in (f"/api/v1/jobs/{job}?wait=50", f"/api/v1/jobs/{job}/events"):
            refused = server.get(path)
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_calls")
            assert refused.headers["Retry-After"]
        posted = server.post("/api/v1/jobs", json=GOOD, headers={"Prefer": "wait=50"})
        assert (posted.status_code, "Preference-Applied" in posted.headers) == (202, False)
        other = {"Authorization": f"Bearer {create_token(client='other')}"}
        theirs = server.post("/api/v1/jobs", json=GOOD, headers={**other, "Prefer": "wait=1"})
        assert (theirs.status_code, theirs.headers["Preference-Applied"]) == (202, "wait=1")
        end_all()
        assert [wait.result(20).status_code for wait in waits] == [200, 200, 200]
        assert ["end" in [event.name for event in events] for events in listeners] == [True, True]
    with listen(server, job) as events:
        assert next(events).name == "end"
