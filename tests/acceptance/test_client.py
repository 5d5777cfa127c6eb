"""The client against the whole stack, in threads and on an event loop: files and streams."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from inference_client import AsyncClient, Client, File, JobEvent, RemoteJob, part
from inference_site.stack.harness import Stack
from tests.support.app import App, manage, register
from tests.support.own_worker import own_worker
from tests.support.wait import wait_until

PICTURE = os.urandom(5_000_000)
TEXT = "Grüße.\n" * 300_000
UNSERVED = "unserved"


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    made = tmp_path / "scan.png"
    made.write_bytes(PICTURE)
    return made


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    made = tmp_path / "letter.txt"
    made.write_text(TEXT, encoding="utf-8")
    return made


def as_input(scan: Path) -> str:
    """Return what a model gets for a file that is no text."""
    return b64encode(scan.read_bytes()).decode()


def test_the_model_gets_large_files_that_were_uploaded_before(app: App, scan: Path, letter: Path) -> None:
    picture = app.client.upload(scan, content_type="image/png")
    with letter.open("rb") as file:
        text = app.client.upload(file, content_type="text/plain")
    assert (picture.size, text.size) == (len(PICTURE), len(TEXT.encode()))
    value = {"pages": [picture.ref], "text": text.ref, "again": picture.ref}
    job = app.client.wait(app.client.submit("echo", value), timeout_s=60)
    assert job.output == {"pages": [as_input(scan)], "text": TEXT, "again": as_input(scan)}
    (item,) = app.client.submit_many([{"model": "echo", "input": {"text": text.ref}}])
    assert item.id is not None
    assert app.client.wait(item.id, timeout_s=60).output == {"text": TEXT}


def test_the_model_gets_large_files_that_came_with_the_job(app: App, scan: Path, letter: Path) -> None:
    files = {"page": File(scan, "image/png"), "letter": File(letter, "text/plain")}
    value = {"page": part("page"), "letter": part("letter")}
    job = app.client.submit("echo", value, files=files, wait_s=60)
    assert app.client.wait(job, timeout_s=60).output == {"page": as_input(scan), "letter": TEXT}


def test_files_arrive_from_an_event_loop_as_well(stack: Stack, app: App, scan: Path, letter: Path) -> None:
    async def run(platform: AsyncClient) -> tuple[RemoteJob, RemoteJob]:
        picture = await platform.upload(scan, content_type="image/png")
        ahead = await platform.submit("echo", {"page": picture.ref})
        files = {"letter": File(letter, "text/plain")}
        along = await platform.submit("echo", {"letter": part("letter")}, files=files)
        return await platform.wait(ahead, timeout_s=60), await platform.wait(along, timeout_s=60)

    ahead, along = in_asyncio(stack, run)
    assert (ahead.output, along.output) == ({"page": as_input(scan)}, {"letter": TEXT})


def in_asyncio(stack: Stack, run: Any) -> Any:
    async def live() -> Any:
        async with AsyncClient(stack.info["api"], stack.info["token"]) as platform:
            return await run(platform)

    return asyncio.run(live())


def assert_followed(events: list[JobEvent], job: dict[str, Any]) -> None:
    """Check that the events are a job's changes, each once and in order, and at last the whole job."""
    *before, end = events
    assert (end.name, end.data) == ("end", job)
    states = [event.data["state"] for event in before]
    assert states == [state for state in ("queued", "running") if state in states]
    assert {event.name for event in before} <= {"state"}
    assert len({event.id for event in events}) == len(events)


def test_a_stream_follows_a_job_to_its_output(stack: Stack, app: App) -> None:
    job = app.submit("sleeper:slow", {"n": 1})
    assert_followed(list(app.client.stream(job["id"])), app.job(job["id"]))

    async def run(platform: AsyncClient) -> list[JobEvent]:
        submitted = await platform.submit("sleeper:slow", {"n": 2})
        return [event async for event in platform.stream(submitted)]

    events = in_asyncio(stack, run)
    assert events[-1].data["output"] == {"n": 2}
    assert_followed(events, app.job(events[-1].data["id"]))
    assert [event.name for event in app.client.stream(job["id"])] == ["end"]


@pytest.fixture
def waiting(stack: Stack, app: App) -> Iterator[str]:
    """A job of a model that no worker serves."""
    register(stack, UNSERVED, "1", "echo")
    job = app.submit(f"{UNSERVED}:1", {})["id"]
    yield job
    app.cancel_live([job])


def streams(stack: Stack) -> float:
    """Return how many streams the server holds; 0 while it is away."""
    try:
        text = httpx.get(stack.info["metrics"], trust_env=False).raise_for_status().text
    except httpx.HTTPError:
        return 0.0
    count = re.search(r'^inference_stream_waiting{kind="events"} (\S+)$', text, re.MULTILINE)
    return float(count[1]) if count else 0.0


def in_threads(stack: Stack, job: str, events: list[JobEvent]) -> None:
    with Client(stack.info["api"], stack.info["token"]) as platform:
        for event in platform.stream(job):
            events.append(event)  # noqa: PERF402  # each as it comes


def on_a_loop(stack: Stack, job: str, events: list[JobEvent]) -> None:
    async def run(platform: AsyncClient) -> None:
        async for event in platform.stream(job):
            events.append(event)  # noqa: PERF401  # each as it comes

    in_asyncio(stack, run)


@pytest.mark.parametrize("follow", [in_threads, on_a_loop])
def test_a_stream_resumes_on_the_next_server_and_repeats_no_event(
    stack: Stack, app: App, waiting: str, follow: Callable[[Stack, str, list[JobEvent]], None]
) -> None:
    events = list[JobEvent]()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(follow, stack, waiting, events)
        try:
            wait_until(lambda: events)
            stack.wait_restarted("stream", old_pid=stack.kill("stream", signal.SIGTERM))
            wait_until(lambda: streams(stack) == 1)
        finally:
            app.act(waiting, "cancel")
        done.result(60)
    first, end = events
    assert (first.name, first.data["state"]) == ("state", "queued")
    assert (end.name, end.data) == ("end", app.job(waiting))


def test_a_fitted_estimator_is_answered_within_a_minute(stack: Stack) -> None:
    # The first job makes a worker of the model load the version; this worker gets an order.
    images, digits = load_digits(return_X_y=True)
    words = ("create_token", "trainer", "--scope", "submit", "--scope", "read", "--scope", "register")
    token = manage(stack, *words).split()[0]
    with own_worker(stack, "echo", index=8):
        began = time.monotonic()
        estimator = LogisticRegression(max_iter=200).fit(images / 16, digits)
        with Client(stack.info["api"], token) as client:
            row = (images[0] / 16).tolist()
            version = client.register("handwritten", estimator, version="1", example={"data": row})
            manage(stack, "move_alias", "handwritten", "default", "1")
            manage(stack, "load_model", "handwritten", "--worker", f"gpu-8@{socket.gethostname()}")
            job = client.submit(version.ref, {"data": row})
            answer = client.wait(job, timeout_s=60).output
        assert time.monotonic() - began < 60
    assert (answer["prediction"], digits[0]) == (0, 0)
    assert version.input_schema
