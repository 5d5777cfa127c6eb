"""What a GPU does is on the page as NVML says it; a driver that fails ends nothing and fills no log."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
from prometheus_client import REGISTRY

from jobs.worker.reporting.device_sampler import DeviceSampler
from tests.support.fake_driver import built

UUID = "GPU-6b1c"
PREFIX = "inference_device_"


class FakeNvml:
    """NVML with one GPU; `broken` names the calls that fail, and how."""

    def __init__(self) -> None:
        self.broken: dict[str, Exception] = {}
        self.calls: list[str] = []

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
