"""One of two GPUs is sick: the other one answers the jobs, and no circuit opens."""

from __future__ import annotations

import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

from inference_site.stack.harness import Stack
from jobs.worker.consuming.drain import DEVICE_LOST_CODE
from tests.support.app import JOBS, App, register
from tests.support.fake_driver import built
from tests.support.own_worker import own_worker
from tests.support.sick_model import ENTRY_POINT
from tests.support.wait import wait_until

SICK, WELL = 13, 14
UUID = "GPU-11111111-1111-1111-1111-111111111111"
QUICK = {"base_s": 0.05, "cap_s": 0.1}
ENDS = "SELECT end_reason, device_uuid FROM jobs_worker WHERE node LIKE 'gpu-13@%%' AND model_names = %s"
RESTS = "SELECT count(*) FROM jobs_event WHERE kind = 'circuit' AND detail->>'state' = 'resting'"
MEMORY = "SELECT node LIKE 'gpu-13@%%', memory_used_bytes, memory_total_bytes FROM jobs_worker \
WHERE ended_at IS NULL AND model_names = %s ORDER BY node"
OPENED = "SELECT count(*) FROM jobs_circuit c JOIN models_registry_modelversion v ON v.id = c.version_id \
JOIN models_registry_registeredmodel m ON m.id = v.model_id WHERE m.name = %s"


def sick_gpu(
    stack: Stack, model: str, driver: Path, gpu: str, *, ends_with: int = 0
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    built(driver, name="libnvidia-ml.so.1", source="libnvml.c")
    return own_worker(
        stack, model, index=SICK, options=("--gpu", "0"), ends_with=ends_with, MODEL_ENTRY_POINTS=ENTRY_POINT,
        LD_LIBRARY_PATH=str(built(driver)), FAKE_GPU="1", SICK_GPU=gpu, FAKE_NVML=UUID,
    )  # fmt: skip


def well(stack: Stack, model: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
    return own_worker(stack, model, index=WELL, MODEL_ENTRY_POINTS=ENTRY_POINT)


def test_a_worker_whose_gpu_is_lost_ends_and_its_jobs_are_not_charged(
    stack: Stack, app: App, tmp_path: Path
) -> None:
    register(stack, "gadget", "1", ENTRY_POINT, "--alias", "default", retry=QUICK)
    with sick_gpu(stack, "gadget", tmp_path, "dead", ends_with=DEVICE_LOST_CODE) as sick:
        ids = app.bulk("gadget", [{"n": n} for n in range(100)])
        wait_until(lambda: sick.poll() is not None)
        ((reason, device),) = app.rows(ENDS, ["gadget"])
        assert reason == "device_lost"
        assert device.startswith("GPU-1111")
        with well(stack, "gadget"):
            assert app.all_finished(ids) == {"succeeded": 100}
    assert app.attempts(ids) == {1: 100}
    assert app.rows(OPENED, "gadget") == [(0,)]


def test_a_worker_that_fails_faster_than_the_other_answers_opens_no_circuit(
    stack: Stack, app: App, tmp_path: Path
) -> None:
    register(stack, "widget", "1", ENTRY_POINT, "--alias", "default", retry=QUICK)
    rests = app.rows(RESTS)
    with sick_gpu(stack, "widget", tmp_path, "errors"), well(stack, "widget"):
        ids = app.bulk("widget", [{"n": n} for n in range(250)], max_attempts=20)
        wait_until(lambda: app.rows(RESTS) > rests)
        answers = [app.http.post(JOBS, json={"model": "widget", "input": {}}) for _ in range(10)]
        assert {answer.status_code for answer in answers} == {202}
        assert app.all_finished(ids) == {"succeeded": 250}
        wait_until(lambda: app.rows(MEMORY, ["widget"]) == [(True, 10, 30), (False, None, None)])
    assert app.rows(OPENED, "widget") == [(0,)]
