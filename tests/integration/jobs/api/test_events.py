"""Server-sent events of one job, on real servers: their content, resumption and access."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import msgspec
import psycopg
import pytest

from jobs.core.channels import PROGRESSED
from jobs.core.states import State
from jobs.models import Batch, Job
from jobs.services.access.tokens import create_token
from jobs.services.lifecycle.cancel import cancel_job
from tests.support.factories import make_batch, make_client, make_job, make_version, make_worker
from tests.support.metrics_pages import lines_of
from tests.support.wait import wait_until

Serve = Callable[..., httpx.Client]
MANY_BEATS = 20
GOOD = {"model": "echo", "input": {"text": "hello"}, "metadata": {"k": "v"}}


@dataclass(frozen=True)
class Told:
    """One event as a client reads it."""

    name: str
    id: str
    data: dict[str, Any]


class Listener:
    """One open stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()
        self.retry_ms = int(next(self._lines).removeprefix("retry: "))

    def __iter__(self) -> Iterator[Told]:
        return self

    def __next__(self) -> Told:
        fields: dict[str, str] = {}
        beats = 0
        for line in self._lines:
            beats += line.startswith(":")
            assert beats < MANY_BEATS, "no event comes, and the stream does not end"
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "data" in fields:
                return Told(fields["event"], fields["id"], msgspec.json.decode(fields["data"]))
        raise StopIteration


@contextmanager
def listen(server: httpx.Client, job: object, **headers: str) -> Iterator[Listener]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with server.stream("GET", f"/api/v1/jobs/{job}/events", headers=named) as answer:
        assert answer.status_code == 200, answer.read()
        yield Listener(answer)


def a_job(state: State = State.QUEUED) -> UUID:
    return UUID(str(make_job(state=state, client=make_client("app")).id))


def run(job: UUID) -> Batch:
    """Put a job into an open batch, as a claim does, without a notification."""
    return make_batch(make_worker(), make_version("echo"), [Job.objects.get(pk=job)])


def report(db: str, batch: Batch, job: UUID, step: int, fraction: float, *, epoch: int = 1) -> None:
    progress = {str(job): {"epoch": epoch, "step": step, "fraction": fraction, "message": f"step {step}"}}
    Batch.objects.filter(pk=batch.pk).update(progress=progress)
    with psycopg.connect(db, autocommit=True) as worker:
        worker.execute("SELECT pg_notify(jobs_channel(%s), %s)", (PROGRESSED, f"batch:{batch.pk}"))


@pytest.fixture
def stream(serve: Serve) -> httpx.Client:
    return serve()


def test_each_change_is_an_event_and_the_last_one_is_the_whole_job(stream: httpx.Client, db: str) -> None:
    posted = stream.post("/api/v1/jobs", json=GOOD).json()
    assert posted["urls"]["events"].endswith(f"/api/v1/jobs/{posted['id']}/events")
    job = UUID(posted["id"])
    with listen(stream, job) as events:
        assert events.answer.headers["content-type"].startswith("text/event-stream")
        assert 1_000 <= events.retry_ms <= 3_000
        state = {"id": str(job), "state": "queued", "attempts": 0}
        assert next(events) == Told("state", "0.0.queued", state)
        batch = run(job)
        running = {"id": str(job), "state": "running", "attempts": 1}
        assert next(events) == Told("state", "1.0.running", running)
        report(db, batch, job, 3, 0.5)
        half = running | {"fraction": 0.5, "message": "step 3"}
        assert next(events) == Told("progress", "1.3.running", half)
        Job.objects.filter(pk=job).update(state=State.WAITING)
        assert next(events).id == "1.0.waiting"
        assert cancel_job(job_id=job, actor="test")
        end = next(events)
        assert (end.name, end.id) == ("end", "2.0.cancelled")
        assert end.data == stream.get(f"/api/v1/jobs/{job}").json()
        assert list(events) == []
    assert stream.get(f"/api/v1/jobs/{job}?wait=1").status_code == 200
    with listen(stream, job) as events:
        assert next(events).name == "end"
    tell = 'inference_stage_seconds_count{model="echo",stage="tell"} '
    told = [line.removeprefix(tell) for line in lines_of(stream) if line.startswith(tell)]
    assert told == ["1.0"], "to whom it was news"


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.DEAD, State.CANCELLED, State.EXPIRED])
def test_the_end_of_an_ended_job_is_sent_at_once_and_once(serve: Serve, state: State) -> None:
    server, job = serve(), a_job(state)
    with listen(server, job) as events:
        (end,) = events
    assert (end.name, end.data) == ("end", server.get(f"/api/v1/jobs/{job}").json())
    again = server.get(f"/api/v1/jobs/{job}/events", headers={"Last-Event-ID": end.id})
    assert (again.status_code, again.content) == (204, b"")


def test_a_client_that_reconnects_gets_only_newer_events(stream: httpx.Client, db: str) -> None:
    job = a_job()
    batch = run(job)
    report(db, batch, job, 7, 0.7)
    with listen(stream, job, Last_Event_ID="0.0.queued") as events:
        assert [next(events).id for _ in range(2)] == ["1.0.running", "1.7.running"]
    with listen(stream, job, Last_Event_ID="1.2.running") as events:
        assert next(events).id == "1.7.running"
    for unknown in ("9.1.running", "nonsense", "1.0.unheard"):
        with listen(stream, job, Last_Event_ID=unknown) as events:
            assert next(events).id == "1.0.running"
    with listen(stream, job, Last_Event_ID="1.7.running") as events:
        report(db, batch, job, 8, 0.8)
        assert next(events).id == "1.8.running"


def test_progress_of_an_earlier_attempt_is_no_event(stream: httpx.Client, db: str) -> None:
    job = a_job()
    batch = run(job)
    report(db, batch, job, 7, 0.7, epoch=0)
    with listen(stream, job) as events:
        assert next(events).id == "1.0.running"
        cancel_job(job_id=job, actor="test")
        assert next(events).name == "end"


def test_another_client_s_job_and_a_bad_token_are_problems(stream: httpx.Client) -> None:
    strange = {"Authorization": f"Bearer {create_token(client='other')}"}
    wrong = {"Authorization": "Bearer x"}
    job = a_job()
    for headers, status, code in ((strange, 404, "job_not_found"), (wrong, 401, "unauthenticated")):
        with stream.stream("GET", f"/api/v1/jobs/{job}/events", headers=headers) as answer:
            assert answer.status_code == status
            assert answer.headers["content-type"] == "application/problem+json"
            answer.read()
            assert answer.json()["code"] == code
    assert waiting(stream) == 0


def waiting(server: httpx.Client, kind: str = "events") -> float:
    name = f'inference_stream_waiting{{kind="{kind}"}} '
    return sum(float(line.removeprefix(name)) for line in lines_of(server) if line.startswith(name))


def until_waiting(server: httpx.Client, count: int, kind: str = "events") -> None:
    wait_until(
        lambda: waiting(server, kind) == count,
        what=lambda: f"{count} waiting clients; there are {waiting(server, kind)}",
    )


def test_a_client_that_disconnects_leaves_no_waiter(stream: httpx.Client, db: str) -> None:
    jobs = [a_job() for _ in range(10)]
    for job in jobs:
        with listen(stream, job) as events:
            next(events)
            until_waiting(stream, 1)
        until_waiting(stream, 0)


def test_streams_hold_no_connection_each_and_outlive_the_one_that_listens(
    stream: httpx.Client, db: str
) -> None:
    job = a_job()
    with listen(stream, job) as events, psycopg.connect(db, autocommit=True) as operator:
        next(events)
        lost = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'stream'"
        assert 1 <= len(operator.execute(lost).fetchall()) <= 5
        cancel_job(job_id=job, actor="test")
        assert next(events).id == "1.0.cancelled"
