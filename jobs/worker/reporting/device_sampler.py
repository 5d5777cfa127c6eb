"""Samples what the worker's GPU does, once a second, on a thread of its own.

NVML's utilization says that some kernel ran, not how much of the GPU it took: the time that the lanes were
busy stands beside it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any, TypeAlias

import pynvml
from prometheus_client import Gauge

from jobs import metrics
from jobs.counting.dropped_series import drop
from jobs.services.lifecycle.worker_row import UNKNOWN_MEMORY, DeviceMemory

log = logging.getLogger(__name__)
SAMPLE_EVERY_S, OLD_S = 1.0, 5.0
MEMORY, USED, FREE, TOTAL = "memory", ("used",), ("free",), ("total",)
Value: TypeAlias = tuple[Gauge, tuple[str, ...], float]


class DeviceSampler:
    """Keeps the metrics of one GPU; what cannot be read is absent, and an error is logged once."""

    def __init__(self, uuid: str, *, nvml: Any = pynvml, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to sample the GPU with this UUID, none where it is empty; `clock` is monotonic."""
        self.uuid, self._nvml, self._clock = uuid, nvml, clock
        self._memory: tuple[float, DeviceMemory] | None = None  # read by other threads: replaced, not changed
        self._shown = dict[str, set[tuple[Gauge, tuple[str, ...]]]]()
        self._failing = set[str]()
        self._handle: Any = None
        self._begun = False

    def start(self) -> None:
        """Sample until the process ends; only this thread waits for a driver that hangs."""
        if self.uuid:
            Thread(target=self._run, name="device-sampler", daemon=True).start()

    def memory(self) -> DeviceMemory:
        """Return the GPU's memory as it was last read, at once; unknown where that was long ago or failed."""
        last = self._memory
        return UNKNOWN_MEMORY if last is None or self._clock() - last[0] > OLD_S else last[1]

    def _run(self) -> None:
        while self.sample():
            time.sleep(SAMPLE_EVERY_S)

    def sample(self) -> bool:
        """Read the GPU once; False where this host has no NVML, which does not change."""
        try:
            self._open()
        except pynvml.NVMLError_LibraryNotFound:
            log.info("there is no NVML: no metrics of the GPU")
            return False
        except Exception as error:  # noqa: BLE001  # whatever a driver raises, the worker works on
            for name in _READS:
                self._fail(name, error)
            return True
        for name, read in _READS.items():
            try:
                values = list(read(self._nvml, self._handle))
            except Exception as error:  # noqa: BLE001
                self._fail(name, error)
            else:
                self._show(name, values)
        return True

    def _open(self) -> None:
        if not self._begun:
            self._nvml.nvmlInit()
            self._begun = True
        if self._handle is None:
            self._handle = self._nvml.nvmlDeviceGetHandleByUUID(self.uuid)

    def _show(self, name: str, values: list[Value]) -> None:
        self._failing.discard(name)
        self._shown[name] = {(gauge, labels) for gauge, labels, _ in values}
        for gauge, labels, value in values:
            gauge.labels(self.uuid, *labels).set(value)
        if name == MEMORY:
            by_kind = {labels: int(value) for _, labels, value in values}
            self._memory = self._clock(), DeviceMemory(by_kind[USED], by_kind[TOTAL])

    def _fail(self, name: str, error: Exception) -> None:
        if name not in self._failing:
            self._failing.add(name)
            log.warning("the GPU's %s cannot be read, so it has no metric now: %s", name, error)
        if name == MEMORY:
            self._memory = None
        self._handle = None  # a GPU that was reset has another one
        for gauge, labels in self._shown.pop(name, set()):
            drop(gauge, self.uuid, *labels)


def _utilization(nvml: Any, handle: Any) -> Iterator[Value]:
    yield metrics.DEVICE_UTILIZATION, (), nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100.0


def _memory(nvml: Any, handle: Any) -> Iterator[Value]:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    for kind in (USED, FREE, TOTAL):
        yield metrics.DEVICE_MEMORY, kind, float(getattr(memory, *kind))


def _power(nvml: Any, handle: Any) -> Iterator[Value]:
    yield metrics.DEVICE_POWER, (), nvml.nvmlDeviceGetPowerUsage(handle) / 1000.0  # of milliwatts


def _temperature(nvml: Any, handle: Any) -> Iterator[Value]:
    # The call that shall replace this one is not in the drivers of today's hosts.
    celsius = nvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)
    yield metrics.DEVICE_TEMPERATURE, (), float(celsius)


_READS: dict[str, Callable[[Any, Any], Iterator[Value]]] = {
    "utilization": _utilization,
    MEMORY: _memory,
    "power": _power,
    "temperature": _temperature,
}
