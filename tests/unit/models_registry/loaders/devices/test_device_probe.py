"""The probe: bounded in time, and final once the device has not answered."""

from __future__ import annotations

from functools import partial
from threading import Event

from models_registry.loaders.devices.device_probe import DeviceProbe


def test_a_device_answers_as_long_as_its_kernel_runs() -> None:
    probe = DeviceProbe(lambda: None)
    assert [probe.answers(), probe.answers(), probe.silence] == [True, True, ""]


def test_an_error_of_the_kernel_is_final() -> None:
    faults = [RuntimeError("cuMemsetD8Async: an illegal memory access was encountered (700)")]

    def run() -> None:
        if faults:
            raise faults.pop()

    probe = DeviceProbe(run)
    assert not probe.answers()
    assert "700" in probe.silence
    assert not probe.answers(), "it would answer now, but the context is another one"


def test_a_device_that_hangs_does_not_answer() -> None:
    never = Event()
    probe = DeviceProbe(partial(_wait, never), limit_s=0.05)
    assert not probe.answers()
    assert "0.05 s" in probe.silence
    never.set()


def _wait(event: Event) -> None:
    event.wait(30)
