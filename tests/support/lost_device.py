"""A device for tests: it answers until it is told not to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from models_registry.loaders.devices import own_device


class FakeProbe:
    """A probe whose device answers while `silence` is empty; it counts how often it was asked."""

    def __init__(self, silence: str = "") -> None:
        self.silence, self.asked = silence, 0

    def answers(self) -> bool:
        """Return whether the device answers."""
        self.asked += 1
        return not self.silence


@contextmanager
def device_with(probe: FakeProbe | None) -> Iterator[own_device.OwnDevice]:
    """Give this process a device for a while; None for a process without one."""
    before, device = own_device.own_device(), own_device.OwnDevice(probe)
    own_device.use(device)
    try:
        yield device
    finally:
        own_device.use(before)
