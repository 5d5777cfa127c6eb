"""What a GPU does is on the page as NVML says it; a driver that fails ends nothing and fills no log."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
from prometheus_client import REGISTRY

from jobs.services.lifecycle.worker_row import UNKNOWN_MEMORY
from jobs.worker.reporting.device_sampler import OLD_S, DeviceSampler
from tests.support.fake_driver import built
from tests.support.wait import wait_until

UUID = "GPU-6b1c"
PREFIX = "inference_device_"


class FakeNvml:
    """NVML with one GPU; `broken` names the calls that fail, and how."""

    def __init__(self) -> None:
        self.broken: dict[str, Exception] = {}
        self.calls: list[str] = []
        self.hangs_in = ""
        self.answer = Event()

    def __getattr__(self, name: str) -> Any:
        answers: dict[str, Any] = {
            "nvmlInit": None,
            "nvmlDeviceGetHandleByUUID": "handle",
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=37, memory=5),
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=10, free=20, total=30),
            "nvmlDeviceGetPowerUsage": 123_400,
            "nvmlDeviceGetTemperature": 61,
        }

        def call(*_: Any) -> Any:
            self.calls.append(name)
            if name == self.hangs_in:
                self.answer.wait(30)
            if name in self.broken:
                raise self.broken[name]
            return answers[name]

        return call


@pytest.fixture
def nvml() -> Iterator[FakeNvml]:
    fake = FakeNvml()
    yield fake
    fake.broken = {"nvmlDeviceGetHandleByUUID": RuntimeError("gone")}


def shown() -> dict[str, float]:
    return {
        sample.name.removeprefix(PREFIX) + sample.labels.get("kind", ""): sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name.startswith(PREFIX) and sample.labels["device"] == UUID
    }


@contextmanager
def during(thread: Thread, nvml: FakeNvml) -> Iterator[None]:
    """Run the block while the thread hangs in NVML, and let it go after that."""
    thread.start()
    try:
        yield
    finally:
        nvml.answer.set()
        thread.join(10)


def test_a_sample_has_use_memory_power_and_temperature_in_base_units(nvml: FakeNvml) -> None:
    assert DeviceSampler(UUID, nvml=nvml).sample()
    assert shown() == {
        "utilization_ratio": 0.37, "memory_bytesused": 10.0, "memory_bytesfree": 20.0,
        "memory_bytestotal": 30.0, "power_watts": 123.4, "temperature_celsius": 61.0,
    }  # fmt: skip


def test_what_a_device_cannot_say_is_absent_and_the_rest_is_there(nvml: FakeNvml) -> None:
    sampler = DeviceSampler(UUID, nvml=nvml)
    sampler.sample()
    nvml.broken = {"nvmlDeviceGetUtilizationRates": pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)}
    assert sampler.sample()
    assert shown().keys() == {
        "memory_bytesused", "memory_bytesfree", "memory_bytestotal", "power_watts", "temperature_celsius",
    }  # fmt: skip


@pytest.mark.parametrize(
    "error", [pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST), OSError("driver"), TypeError()]
)
def test_a_device_that_throws_leaves_no_stale_figure_and_one_line_a_reading_in_the_log(
    nvml: FakeNvml, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    sampler = DeviceSampler(UUID, nvml=nvml)
    sampler.sample()
    nvml.broken = {"nvmlDeviceGetHandleByUUID": error, "nvmlDeviceGetUtilizationRates": error}
    with caplog.at_level(logging.INFO):
        for _ in range(50):
            assert sampler.sample()
    assert len(caplog.records) == 4
    assert shown() == {}
    nvml.broken = {}
    assert sampler.sample()
    assert len(shown()) == 6


def test_without_nvml_there_is_nothing_to_sample_and_no_second_try(nvml: FakeNvml) -> None:
    nvml.broken = {"nvmlInit": pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)}
    DeviceSampler(UUID, nvml=nvml)._run()
    assert nvml.calls == ["nvmlInit"]


def test_the_memory_for_the_heartbeat_is_that_of_the_last_sample(nvml: FakeNvml) -> None:
    sampler = DeviceSampler(UUID, nvml=nvml)
    assert sampler.memory() == UNKNOWN_MEMORY
    sampler.sample()
    assert sampler.memory() == (10, 30)
    nvml.broken = {"nvmlDeviceGetPowerUsage": pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)}
    sampler.sample()
    assert sampler.memory() == (10, 30), "only what cannot be read is unknown"
    nvml.broken = {"nvmlDeviceGetMemoryInfo": pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)}
    sampler.sample()
    assert sampler.memory() == UNKNOWN_MEMORY


@pytest.mark.parametrize("call", ["nvmlDeviceGetMemoryInfo", "nvmlDeviceGetUtilizationRates"])
def test_a_driver_that_hangs_keeps_no_heartbeat_waiting_and_leaves_no_old_memory(
    nvml: FakeNvml, call: str
) -> None:
    now = [100.0]
    sampler = DeviceSampler(UUID, nvml=nvml, clock=lambda: now[0])
    sampler.sample()
    nvml.hangs_in = call
    with during(Thread(target=sampler.sample, daemon=True), nvml):
        wait_until(lambda: nvml.calls[-1] == call, what="the hang")
        now[0] += OLD_S
        assert sampler.memory() == (10, 30)
        now[0] += 0.1
        assert sampler.memory() == UNKNOWN_MEMORY
    assert sampler.memory() == (10, 30), "it answers again"


def test_a_driver_that_hangs_at_once_does_not_keep_the_worker_from_its_start(nvml: FakeNvml) -> None:
    nvml.broken = {"nvmlInit": pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)}
    nvml.hangs_in = "nvmlInit"
    sampler = DeviceSampler(UUID, nvml=nvml)
    sampler.start()
    wait_until(lambda: nvml.calls == ["nvmlInit"], what="the hang")
    assert sampler.memory() == UNKNOWN_MEMORY
    nvml.answer.set()
    wait_until(
        lambda: "device-sampler" not in {thread.name for thread in threading.enumerate()}, what="its end"
    )


def test_a_worker_without_a_gpu_samples_nothing(nvml: FakeNvml) -> None:
    sampler = DeviceSampler("", nvml=nvml)
    sampler.start()
    assert (sampler.memory(), nvml.calls) == (UNKNOWN_MEMORY, [])


SAMPLE = """
from prometheus_client import REGISTRY
from jobs.worker.reporting.device_sampler import DeviceSampler
assert DeviceSampler("GPU-6b1c").sample()
samples = [sample for family in REGISTRY.collect() for sample in family.samples]
print(*[sample.value for sample in samples if sample.labels.get("device") == "GPU-6b1c"])
"""


def test_nvml_s_own_library_is_asked_by_its_own_binding(tmp_path: Path) -> None:
    folder = built(tmp_path, name="libnvidia-ml.so.1", source="libnvml.c")
    env = os.environ | {"LD_LIBRARY_PATH": str(folder), "FAKE_NVML": UUID}
    words = [sys.executable, "-c", SAMPLE]
    answer = subprocess.run(words, env=env, check=True, capture_output=True, text=True)
    assert answer.stdout == "0.37 10.0 20.0 30.0 61.0\n"
    assert answer.stderr.splitlines() == [
        "the GPU's power cannot be read, so it has no metric now: Not Supported"
    ]
