"""The client against scripted answers: its requests and its retries."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from skops.io import loads

from inference_client import AsyncClient, BulkItem, Patience, PlatformRefusedError, RemoteJob
from inference_client.answers import TERMINAL
from jobs.api.docs import bulk_act_examples as acts
from jobs.api.docs import examples
from jobs.core import states
from tests.unit.inference_client.scripted_platform import ID, Script, both, client, ok, refusal, view


def test_the_client_s_ends_are_the_table_s() -> None:
    assert {state.value for state in states.TERMINAL} == TERMINAL


def test_a_submit_sends_the_request_with_a_new_key() -> None:
    script = Script(ok(view(), 202))
    job = client(script).submit("echo", {"a": 1}, priority=9, wait_s=5)
    assert (str(job.id), job.state, job.ended) == (ID, "queued", False)
    (request,) = script.requests
    assert json.loads(request.content) == {"model": "echo", "input": {"a": 1}, "priority": 9}
    assert request.headers["Authorization"] == "Bearer secret"
    assert request.headers["Prefer"] == "wait=5"
    assert len(request.headers["Idempotency-Key"]) >= 32


@pytest.mark.parametrize(("wait_s", "header"), [(0.5, "wait=1"), (2.0, "wait=2"), (0, None)])
def test_a_wait_is_asked_for_in_whole_seconds(wait_s: float, header: str | None) -> None:
    script = Script(ok(view(), 202))
    client(script).submit("echo", {}, wait_s=wait_s)
    assert script.requests[0].headers.get("Prefer") == header


@pytest.mark.parametrize("trouble", [refusal(429, "0"), refusal(503), httpx.ReadError("cut")])
def test_a_passing_error_is_retried_under_the_same_key(trouble: httpx.Response | Exception) -> None:
    script = Script(trouble, ok(view(), 202))
    assert client(script).submit("echo", {}).state == "queued"
    first, second = script.requests
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert first.content == second.content


def test_the_pause_is_never_shorter_than_the_platform_asks() -> None:
    assert all(Patience().pause_s(tries, 7.0) >= 7.0 for tries in range(1, 10))
    assert all(Patience(cap_s=2.0).pause_s(tries, 0.0) <= 2.0 for tries in range(1, 2_000, 100))


def test_a_refusal_for_good_is_raised_at_once() -> None:
    script = Script(refusal(422))
    with pytest.raises(PlatformRefusedError, match="422 some_code: some detail") as caught:
        client(script).submit("echo", {})
    assert caught.value.problem.code == "some_code"
    assert len(script.requests) == 1


def test_a_refusal_names_the_call_for_those_who_operate_the_platform() -> None:
    refused = refusal(422)
    refused.headers["X-Request-ID"] = "id-7"
    with pytest.raises(PlatformRefusedError, match=r"422 some_code: some detail \(request id-7\)") as caught:
        client(Script(refused)).submit("echo", {})
    assert caught.value.request_id == "id-7"


def test_patience_ends() -> None:
    script = Script(*[refusal(429, "0") for _ in range(3)])
    with pytest.raises(PlatformRefusedError, match="429"):
        client(script).submit("echo", {})
    script = Script(*[httpx.ConnectError("no") for _ in range(3)])
    with pytest.raises(httpx.ConnectError):
        client(script).get(ID)


def test_an_answer_that_is_no_problem_is_reported_unchanged() -> None:
    with pytest.raises(PlatformRefusedError, match="500 : no JSON"):
        client(Script(httpx.Response(500, text="no JSON"))).get(ID)


def test_many_jobs_go_in_chunks_and_their_places_count_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference_client.calls.BULK_JOBS", 2)
    ids = [str(uuid4()) for _ in range(2)]
    first = [{"index": i, "id": job, "state": "queued"} for i, job in enumerate(ids)]
    second = [{"index": 0, "problem": {"status": 404, "code": "model_not_found", "detail": "", "title": ""}}]
    script = Script(ok({"jobs": first}, 202), ok({"jobs": second}, 202))
    requests = ({"model": "m", "input": i} for i in range(3))
    items: Sequence[BulkItem] = client(script).submit_many(requests, idempotency_key="order 7")
    assert [item.index for item in items] == [0, 1, 2]
    assert items[2].problem is not None
    assert [line.count(b"\n") for line in (script.requests[0].content, script.requests[1].content)] == [1, 0]
    assert [request.headers["Idempotency-Key"] for request in script.requests] == ["order 7/0", "order 7/1"]


def test_wait_asks_until_the_end() -> None:
    script = Script(ok(view()), ok(view("running")), ok(view("succeeded", output={"x": 1})))
    assert client(script).wait(ID).output == {"x": 1}
    assert script.requests[1].url.path.endswith("/wait")
    assert float(script.requests[1].url.params["wait"]) == 30.0


def test_wait_gives_up_after_its_timeout() -> None:
    with pytest.raises(TimeoutError, match="is still queued"):
        client(Script(ok(view()))).wait(ID, timeout_s=0.0)


def test_a_list_is_read_to_its_end() -> None:
    pages = ({"jobs": [view()], "next_cursor": ID}, {"jobs": [view("dead")], "next_cursor": None})
    script = Script(*map(ok, pages))
    assert [job.state for job in client(script).list(state="queued")] == ["queued", "dead"]
    assert dict(script.requests[1].url.params) == {"state": "queued", "cursor": ID}


def stream(*lines: str) -> httpx.Response:
    text = "\n".join(lines) + "\n"
    return httpx.Response(200, text=text, headers={"Content-Type": "text/event-stream"})


def test_a_broken_stream_resumes_after_its_last_event() -> None:
    script = Script(
        stream(": hello", "", "id: 1.0", "event: state", 'data: {"state":', 'data: "running"}', ""),
        httpx.ReadError("cut"),
        stream("id: 2.0", "event: end", 'data: {"state": "succeeded"}', ""),
    )
    job = RemoteJob(**{**view_as_job(), "state": "queued"})
    events = list(client(script).stream(job))
    assert [(event.name, event.id, event.data["state"]) for event in events] == [
        ("state", "1.0", "running"),
        ("end", "2.0", "succeeded"),
    ]
    assert "Last-Event-ID" not in script.requests[0].headers
    assert [request.headers["Last-Event-ID"] for request in script.requests[1:]] == ["1.0", "1.0"]


def view_as_job() -> dict[str, Any]:
    job = client(Script(ok(view()))).get(ID)
    return {name: getattr(job, name) for name in RemoteJob.__struct_fields__}


def test_a_stream_of_a_missing_job_is_refused() -> None:
    with pytest.raises(PlatformRefusedError, match="404"):
        list(client(Script(ok(view()), refusal(404))).stream(ID))


def test_the_async_client_does_the_same() -> None:
    script = Script(refusal(429, "0"), ok(view(), 202))
    job = both(script, lambda platform: platform.submit("echo", {}))
    assert job.state == "queued"
    assert both(Script(ok(view("cancelled"))), lambda platform: platform.cancel(ID)).state == "cancelled"

    async def followed(platform: AsyncClient) -> list[str]:
        return [event.id async for event in platform.stream(ID)]

    ended = stream("id: 3.0", 'data: {"state": "dead"}', "")
    assert both(Script(ok(view()), httpx.ReadError("cut"), ended), followed) == ["3.0"]


def test_every_call_asks_for_json_because_a_job_may_have_asked_for_bytes() -> None:
    script = Script(ok(view("succeeded")))
    client(script).get(ID)
    assert script.requests[0].headers["Accept"] == "application/json"


def test_an_output_comes_as_bytes_and_as_an_array() -> None:
    vector = np.array([[0.5, -1.25]], "float32")
    headers = {
        "Content-Type": "application/octet-stream",
        "Output-Meta": '{"dtype":"float32","shape":[1,2]}',
    }
    script = Script(httpx.Response(200, content=vector.tobytes(), headers=headers))
    output = client(script).output_bytes(ID)
    assert script.requests[0].headers["Accept"] == "application/octet-stream"
    assert (output.body, output.media_type) == (vector.tobytes(), "application/octet-stream")
    assert (output.array() == vector).all()


def test_a_timeline_says_why_a_job_took_so_long() -> None:
    script = Script(ok(examples.TIMELINE), ok(examples.TIMELINE))
    timeline = client(script).timeline(ID)
    assert (timeline.cause, timeline.seconds) == ("priority", 0.906)
    assert timeline == both(script, lambda platform: platform.timeline(ID))
    (attempt,) = timeline.attempts
    assert sum(stage.seconds for stage in attempt.stages) == pytest.approx(timeline.seconds)
    assert {request.url.path for request in script.requests} == {f"/api/v1/jobs/{ID}/timeline"}


def test_acts_on_all_that_match_are_counted_started_read_and_stopped() -> None:
    answers = (acts.PREVIEW, acts.RUNNING, acts.RUNNING, acts.RUNNING, acts.RUNNING, acts.STOPPED)
    script = Script(*map(ok, answers))
    platform = client(script)
    assert platform.cancel_matching(model="minilm", dry_run=True).id is None
    act = platform.replay_matching(model="minilm", rate_per_s=5, idempotency_key="k")
    assert (act.id, platform.bulk_act(12)) == (12, act)
    assert both(script, lambda platform: platform.bulk_act(12)) == act
    assert both(script, lambda platform: platform.cancel_matching(state="queued")) == act
    assert platform.stop_bulk_act(12).state == "stopped"
    paths = [request.url.path.removeprefix("/api/v1/bulk-acts/") for request in script.requests]
    assert paths == ["cancel", "replay", "12", "12", "cancel", "12/stop"]
    assert script.requests[1].headers["Idempotency-Key"] == "k"
    assert json.loads(script.requests[1].content) == {"model": "minilm", "rate_per_s": 5}


def test_a_job_without_an_output_has_no_bytes() -> None:
    with pytest.raises(ValueError, match="is queued and has no output"):
        client(Script(ok(view()))).output_bytes(ID)


def test_a_job_that_asked_for_base64_brings_its_bytes() -> None:
    meta = {"dtype": "int16", "shape": [2]}
    output = {"media_type": "application/octet-stream", "meta": meta, "base64": "AQACAA=="}
    job = client(Script(ok(view("succeeded", output=output)))).get(ID)
    assert job.output_bytes().array().tolist() == [1, 2]
    picture = client(Script(ok(view("succeeded", output=output | {"meta": {}})))).get(ID)
    with pytest.raises(ValueError, match="no array"):
        picture.output_bytes().array()
    with pytest.raises(ValueError, match="not in base64"):
        client(Script(ok(view("succeeded", output=[1])))).get(ID).output_bytes()


REGISTERED = {
    "model": "iris", "version": "1", "loader": "sklearn", "sha256": "ab", "input_schema": {},
    "output_schema": {}, "max_batch": 64, "created_at": "2026-01-31T12:00:00Z",
}  # fmt: skip
UPLOADED = {
    "id": ID, "size": 1, "sha256": "ab", "content_type": "x/y", "expires_at": "2026-01-31T12:00:00Z",
}  # fmt: skip


def test_a_file_is_uploaded_and_registered_with_the_loader_of_its_ending(tmp_path: Path) -> None:
    path = tmp_path / "iris.ONNX"
    path.write_bytes(b"graph")
    script = Script(ok(UPLOADED, 201), refusal(429, "0"), ok(REGISTERED, 201))
    assert client(script).register("iris", path, version="1", max_batch=3).ref == "iris:1"
    upload, _, registered = script.requests
    assert upload.read() == b"graph"
    assert registered.url.path == "/api/v1/models/iris/versions"
    asked = {"version": "1", "loader": "onnx", "example": None, "max_batch": 3, "upload": ID, "sha256": "ab"}
    assert json.loads(registered.content) == asked


def test_a_fitted_estimator_is_registered_as_skops_keeps_it() -> None:
    estimator = LinearRegression().fit(np.eye(3), [1.0, 2.0, 4.0])
    script = Script(ok(UPLOADED, 201), ok(REGISTERED, 201))
    assert both(script, lambda platform: platform.register("iris", estimator, version="1")).version == "1"
    assert loads(script.requests[0].content).coef_.tolist() == estimator.coef_.tolist()
    assert json.loads(script.requests[1].content)["loader"] == "sklearn"


def test_what_is_no_model_is_refused_with_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="give `loader`"):
        client(Script()).register("iris", "iris.bin", version="1")
    with pytest.raises(TypeError, match="neither the path of a file nor a scikit-learn estimator"):
        client(Script()).register("iris", 3, version="1")
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(ImportError, match="pip install skops"):
        client(Script()).register("iris", LinearRegression(), version="1")
