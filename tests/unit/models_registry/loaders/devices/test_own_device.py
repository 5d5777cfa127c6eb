"""What a process knows of its device: asked after errors that name it, and lost once."""

from __future__ import annotations

import time

from models_registry.core.registry_errors import DeviceLostError
from tests.support.lost_device import FakeProbe, device_with

UNKNOWN = RuntimeError("CUDA error: unknown error")


def test_the_loss_is_reported_once_on_the_thread_that_found_it() -> None:
    probe, losses = FakeProbe(), list[int]()
    with device_with(probe) as device:
        device.on_loss = lambda: losses.append(1)
        assert not device.lost_by(UNKNOWN)
        probe.silence = "It hangs."
        assert device.lost_by(UNKNOWN)
        assert device.lost_by(UNKNOWN)
        assert device.lost()
        assert not device.lost_by(ValueError("an input")), "this one is no failure of the device"
    assert (losses, probe.asked) == ([1], 2)
    assert "It hangs." in str(device.error())
    assert isinstance(device.error(), DeviceLostError)


def test_only_work_that_began_before_may_be_the_cause() -> None:
    with device_with(FakeProbe("dead")) as device:
        began = time.monotonic()
        assert not device.lost_in_work_since(began)
        device.lost_by(UNKNOWN)
        assert device.lost_in_work_since(began)
        assert not device.lost_in_work_since(time.monotonic() + 1)
        assert not device.lost_in_work_since(None)


def test_no_work_is_the_cause_of_broken_hardware() -> None:
    with device_with(FakeProbe("dead")) as device:
        began = time.monotonic()
        device.lost_by(RuntimeError("CUDA error: uncorrectable ECC error encountered"))
        assert not device.lost_in_work_since(began)


def test_a_process_without_a_device_loses_none() -> None:
    with device_with(None) as device:
        assert not device.lost_by(UNKNOWN)
        assert not device.probed
